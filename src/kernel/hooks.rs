//! The functions registered at netfilter hooks: `NFNL_SUBSYS_HOOK`, `linux/netfilter/nfnetlink_hook.h`.
//!
//! Needs `CONFIG_NETFILTER_NETLINK_HOOK`. A kernel without it is recognised and reported as not offering the
//! list; nothing is guessed in its place. May use `model` and `kernel::netlink`.

use crate::kernel::netlink::message::Nfgen;
use crate::kernel::netlink::{AttrWriter, DecodeError, Fields, KernelError, Protocol, Socket};
use crate::model::Family;
use crate::model::network::{HookFunction, Hooks, Offered};

const NFNL_SUBSYS_HOOK: u16 = 12;
const NFNL_MSG_HOOK_GET: u16 = 0;
const REQUEST: u16 = (NFNL_SUBSYS_HOOK << 8) | NFNL_MSG_HOOK_GET;

const NFNLA_HOOK_HOOKNUM: u16 = 1;
const NFNLA_HOOK_PRIORITY: u16 = 2;
const NFNLA_HOOK_DEV: u16 = 3;
const NFNLA_HOOK_FUNCTION_NAME: u16 = 4;
const NFNLA_HOOK_MODULE_NAME: u16 = 5;
const NFNLA_HOOK_CHAIN_INFO: u16 = 6;

const NFNLA_HOOK_INFO_DESC: u16 = 1;
const NFNLA_HOOK_INFO_TYPE: u16 = 2;
const NFNL_HOOK_TYPE_BPF: u32 = 2;

const NFNLA_CHAIN_TABLE: u16 = 1;
const NFNLA_CHAIN_NAME: u16 = 3;
const NFNLA_HOOK_BPF_ID: u16 = 1;

/// Families and the number of hooks of each: `NF_INET_NUMHOOKS`, `NF_ARP_NUMHOOKS`, `NF_BR_NUMHOOKS`.
const PLACES: [(Family, u32); 4] = [
    (Family::Ip, 5),
    (Family::Ip6, 5),
    (Family::Arp, 3),
    (Family::Bridge, 6),
];

/// Decode the payload of one message of the answer.
pub fn decode_hook(payload: &[u8]) -> Result<HookFunction, DecodeError> {
    let (header, attributes) = Nfgen::split(payload)?;
    let fields = Fields::<8>::parse(attributes)?;
    let mut function = HookFunction {
        family: Family::from_wire(header.family),
        hook: fields.need_be32(NFNLA_HOOK_HOOKNUM)?,
        priority: fields.need_be32(NFNLA_HOOK_PRIORITY)?.cast_signed(),
        device: fields.name(NFNLA_HOOK_DEV),
        function: fields.name(NFNLA_HOOK_FUNCTION_NAME),
        module: fields.name(NFNLA_HOOK_MODULE_NAME),
        kind: None,
        table: None,
        chain: None,
        program: None,
        raw: attributes.to_vec(),
    };
    let Some(info) = fields.get(NFNLA_HOOK_CHAIN_INFO) else {
        return Ok(function);
    };
    let info = Fields::<4>::parse(info.payload)?;
    function.kind = info.be32(NFNLA_HOOK_INFO_TYPE)?;
    if let Some(description) = info.get(NFNLA_HOOK_INFO_DESC) {
        let description = Fields::<8>::parse(description.payload)?;
        if function.kind == Some(NFNL_HOOK_TYPE_BPF) {
            function.program = description.be32(NFNLA_HOOK_BPF_ID)?;
        } else {
            function.table = description.name(NFNLA_CHAIN_TABLE);
            function.chain = description.name(NFNLA_CHAIN_NAME);
        }
    }
    Ok(function)
}

/// All hook functions of the current network namespace; ingress and egress of `devices` too.
pub fn read_hooks(devices: &[&str]) -> Result<Hooks, KernelError> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut functions = Vec::new();
    for (family, count) in PLACES {
        for hook in 0..count {
            match dump(&mut socket, family, hook, None, &mut functions) {
                Ok(()) => {}
                Err(error) => {
                    // nfnetlink says so of a subsystem that it does not have; the request itself is well formed.
                    if functions.is_empty() && error.errno() == Some(libc::EINVAL) {
                        return Ok(not_offered());
                    }
                    tolerate(error)?;
                }
            }
        }
    }
    for device in devices {
        // Ingress and egress.
        for hook in 0..2 {
            let result = dump(
                &mut socket,
                Family::Netdev,
                hook,
                Some(device),
                &mut functions,
            );
            result.or_else(tolerate)?;
        }
    }
    Ok(Hooks {
        offered: Offered::Yes,
        functions,
    })
}

fn not_offered() -> Hooks {
    Hooks {
        offered: Offered::No(
            "this kernel cannot list hook functions (it was built without CONFIG_NETFILTER_NETLINK_HOOK)"
                .to_owned(),
        ),
        functions: Vec::new(),
    }
}

/// A family that the kernel was built without, or a device that has gone.
fn tolerate(error: KernelError) -> Result<(), KernelError> {
    match error.errno() {
        Some(libc::EINVAL | libc::EOPNOTSUPP | libc::ENODEV | libc::ENOENT) => Ok(()),
        _ => Err(error),
    }
}

fn dump(
    socket: &mut Socket,
    family: Family,
    hook: u32,
    device: Option<&str>,
    functions: &mut Vec<HookFunction>,
) -> Result<(), KernelError> {
    let mut attributes = AttrWriter::new();
    attributes.be32(NFNLA_HOOK_HOOKNUM, hook);
    if let Some(device) = device {
        attributes.text(NFNLA_HOOK_DEV, device);
    }
    let header = Nfgen::bytes(family.to_wire(), 0);
    socket.dump(REQUEST, &[&header, attributes.as_bytes()], |message| {
        functions.push(decode_hook(message.payload)?);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(kind: u32, describe: impl FnOnce(&mut AttrWriter)) -> Vec<u8> {
        let mut attributes = AttrWriter::new();
        attributes
            .be32(NFNLA_HOOK_HOOKNUM, 1)
            .be32(NFNLA_HOOK_PRIORITY, (-150i32).cast_unsigned())
            .text(NFNLA_HOOK_FUNCTION_NAME, "nft_do_chain_inet")
            .text(NFNLA_HOOK_MODULE_NAME, "nf_tables")
            .nest(NFNLA_HOOK_CHAIN_INFO, |info| {
                info.nest(NFNLA_HOOK_INFO_DESC, describe)
                    .be32(NFNLA_HOOK_INFO_TYPE, kind);
            });
        let mut payload = Nfgen::bytes(2, 0).to_vec();
        payload.extend_from_slice(attributes.as_bytes());
        payload
    }

    #[test]
    fn reads_chains_and_programs() {
        let chain = decode_hook(&payload(1, |description| {
            description
                .text(NFNLA_CHAIN_TABLE, "fw")
                .text(NFNLA_CHAIN_NAME, "input");
        }))
        .unwrap();
        assert_eq!(
            (chain.family, chain.hook, chain.priority),
            (Family::Ip, 1, -150)
        );
        assert_eq!(chain.function.as_deref(), Some("nft_do_chain_inet"));
        assert_eq!(chain.module.as_deref(), Some("nf_tables"));
        assert_eq!(
            (chain.table.as_deref(), chain.chain.as_deref()),
            (Some("fw"), Some("input"))
        );
        let program = decode_hook(&payload(2, |description| {
            description.be32(NFNLA_HOOK_BPF_ID, 77);
        }))
        .unwrap();
        assert_eq!((program.program, program.table), (Some(77), None));
    }

    #[test]
    fn damaged_bytes_are_errors() {
        let good = payload(1, |_| {});
        for end in 0..good.len() {
            let _ = decode_hook(&good[..end]);
        }
        assert!(decode_hook(&good[..8]).is_err());
    }
}
