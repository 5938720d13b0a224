//! Places at which a test can have the process killed, to see what is left behind. Nothing in release builds.

/// The process ends here, as by `kill -9`, when `HOOKSCOPE_FAULT` names this place.
pub fn point(place: &str) {
    #[cfg(debug_assertions)]
    if std::env::var_os("HOOKSCOPE_FAULT").is_some_and(|fault| fault == place) {
        use nix::sys::signal::{Signal, kill};
        let _ = kill(nix::unistd::getpid(), Signal::SIGKILL);
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
