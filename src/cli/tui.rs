//! The terminal interface on this machine, on a snapshot, or in a demo.

use super::Global;
use std::process::ExitCode;

pub fn run(_global: &Global, _demo: Option<&str>) -> anyhow::Result<ExitCode> {
    anyhow::bail!("the terminal interface is not there yet; try `hookscope show`")
}
