//! Opening the kernel for a subcommand: sockets, names, and errors that say what to do next.

use anyhow::Context;
use hookscope::kernel::netlink::{KernelError, Protocol, Socket};
use hookscope::kernel::nf_tables::load::{self, LoadError, ReadElements};
use hookscope::model::Ruleset;

/// Read the ruleset of the current network namespace.
pub fn load_ruleset(elements: ReadElements) -> anyhow::Result<Ruleset> {
    let mut socket = Socket::open(Protocol::Netfilter).context(
        "cannot open a netfilter netlink socket; is CONFIG_NETFILTER_NETLINK missing from this kernel?",
    )?;
    load::load(&mut socket, elements).map_err(explain)
}

/// Put the kernel's refusal into words and say what to do next.
pub fn explain(error: LoadError) -> anyhow::Error {
    let LoadError::Kernel(kernel) = &error else {
        return error.into();
    };
    match kernel.errno() {
        Some(libc::EPERM | libc::EACCES) => anyhow::anyhow!(
            "reading nf_tables needs CAP_NET_ADMIN in this network namespace; run as root, or try `hookscope demo`, which needs no rights"
        ),
        Some(libc::EINVAL | libc::EOPNOTSUPP) if is_missing(kernel) => anyhow::anyhow!(
            "this kernel has no nf_tables ({kernel}); load the module with `modprobe nf_tables`, or try `hookscope demo` elsewhere"
        ),
        _ => anyhow::Error::from(error).context("cannot read the nf_tables ruleset"),
    }
}

fn is_missing(error: &KernelError) -> bool {
    matches!(error, KernelError::Refused { .. })
}
