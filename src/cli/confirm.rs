//! `hookscope confirm`: keep a change that waits for it.

use hookscope::stage::guard;
use std::io::{self, Write};

pub fn run() -> anyhow::Result<()> {
    let one = guard::confirm()?;
    let why = if one.why.is_empty() {
        String::new()
    } else {
        format!(" ({})", one.why)
    };
    writeln!(io::stdout(), "kept: the change by {}{why}", one.who)?;
    Ok(())
}
