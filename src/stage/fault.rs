//! Places at which a test can have the process killed, to see what is left behind. Nothing in release builds.

/// The process ends here, as by `kill -9`, when `HOOKSCOPE_FAULT` (names between commas) has this place.
pub fn point(place: &str) {
    #[cfg(debug_assertions)]
    if std::env::var("HOOKSCOPE_FAULT").is_ok_and(|list| list.split(',').any(|name| name == place))
    {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
