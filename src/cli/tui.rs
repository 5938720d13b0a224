//! The terminal interface on this machine, on a snapshot, or in a demo.

use super::{Color, Global};
use hookscope::session::picture::Source;
use hookscope::session::{live, snapshot};
use hookscope::tui;
use std::process::ExitCode;
use tokio::runtime::Builder;

/// Open the interface; `demo` names the scenario that it runs in.
pub fn run(global: &Global, demo: Option<&str>) -> anyhow::Result<ExitCode> {
    let snapshot = global
        .snapshot
        .as_deref()
        .map(|path| snapshot::open(path).map(|s| (path, s)))
        .transpose()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        // The kernel names the thread that changes the ruleset; others should read who it was.
        .thread_name("hookscope")
        .build()?;
    let _inside = runtime.enter();
    let session = match snapshot {
        Some((path, snapshot)) => snapshot::start(path, snapshot),
        None => {
            let inside = std::env::var_os(super::demo::INSIDE).map(|_| "demo".to_owned());
            let netns = demo
                .map(|name| format!("demo {name}"))
                .or_else(|| global.netns.clone())
                .or(inside);
            live::start(Source::Live {
                host: snapshot::host_name(),
                netns,
            })
            .map_err(|error| anyhow::anyhow!("{}", live::explain(&error)))?
        }
    };
    let options = tui::Options {
        theme: global.theme.clone(),
        keymap: global.keymap.clone(),
        config_dir: global.config.clone(),
        read_only: global.read_only,
        color: match global.color {
            Color::Auto => tui::Color::Auto,
            Color::Always => tui::Color::Always,
            Color::Never => tui::Color::Never,
        },
    };
    runtime.block_on(tui::run(options, session))?;
    // Whatever still reads the kernel is not worth waiting for.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
