//! Transactions: messages between `NFNL_MSG_BATCH_BEGIN` and `_END`, applied all or none.

use super::{abi, encode};
use crate::kernel::netlink::message::{
    self, NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_REQUEST, Nfgen,
};
use crate::kernel::netlink::{AttrWriter, KernelError, Messages, Protocol};
use crate::model::{BaseChain, Expression, Family, Policy};
use netlink_sys::SocketAddr;
use rustables::sys::*;

/// `NFNL_MSG_BATCH_BEGIN`, `NFNL_MSG_BATCH_END`
const BEGIN: u16 = 16;
const END: u16 = 17;

/// One transaction in the making.
#[derive(Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    sequence: u32,
}

impl Default for Batch {
    fn default() -> Batch {
        Batch::new()
    }
}

impl Batch {
    pub fn new() -> Batch {
        let mut bytes = Vec::new();
        message::write(
            &mut bytes,
            BEGIN,
            NLM_F_REQUEST,
            0,
            &[&Nfgen::bytes(0, abi::SUBSYSTEM)],
        );
        Batch { bytes, sequence: 0 }
    }

    /// Append a message; returns its sequence number, by which errors name it.
    pub fn push(&mut self, kind: u16, flags: u16, family: Family, attributes: &AttrWriter) -> u32 {
        self.sequence += 1;
        let header = Nfgen::bytes(family.to_wire(), 0);
        let payload: [&[u8]; 2] = [&header, attributes.as_bytes()];
        let flags = flags | NLM_F_REQUEST | NLM_F_ACK;
        message::write(
            &mut self.bytes,
            abi::message(kind),
            flags,
            self.sequence,
            &payload,
        );
        self.sequence
    }

    pub fn table(&mut self, family: Family, name: &str) -> u32 {
        let mut attributes = AttrWriter::new();
        attributes
            .text(NFTA_TABLE_NAME, name)
            .be32(NFTA_TABLE_FLAGS, 0);
        self.push(abi::NEWTABLE, NLM_F_CREATE, family, &attributes)
    }

    pub fn chain(
        &mut self,
        family: Family,
        table: &str,
        name: &str,
        base: Option<&BaseChain>,
    ) -> u32 {
        let mut attributes = AttrWriter::new();
        attributes
            .text(NFTA_CHAIN_TABLE, table)
            .text(NFTA_CHAIN_NAME, name);
        if let Some(base) = base {
            attributes.nest(NFTA_CHAIN_HOOK, |hook| {
                hook.be32(NFTA_HOOK_HOOKNUM, base.hook)
                    .be32(NFTA_HOOK_PRIORITY, base.priority.cast_unsigned());
                if let [device] = base.devices.as_slice() {
                    hook.text(NFTA_HOOK_DEV, device);
                }
            });
            let policy = match base.policy {
                Some(Policy::Drop) => 0,
                Some(Policy::Accept) | None => 1,
                Some(Policy::Unknown(other)) => other,
            };
            attributes
                .be32(NFTA_CHAIN_POLICY, policy)
                .text(NFTA_CHAIN_TYPE, &base.kind);
        }
        self.push(abi::NEWCHAIN, NLM_F_CREATE, family, &attributes)
    }

    /// Append a rule to a chain.
    pub fn rule(
        &mut self,
        family: Family,
        table: &str,
        chain: &str,
        expressions: &[Expression],
        userdata: &[u8],
    ) -> u32 {
        let mut attributes = AttrWriter::new();
        attributes
            .text(NFTA_RULE_TABLE, table)
            .text(NFTA_RULE_CHAIN, chain);
        attributes.nest(NFTA_RULE_EXPRESSIONS, |list| {
            encode::list(list, expressions)
        });
        if !userdata.is_empty() {
            attributes.put(NFTA_RULE_USERDATA, userdata);
        }
        self.push(
            abi::NEWRULE,
            NLM_F_CREATE | NLM_F_APPEND,
            family,
            &attributes,
        )
    }

    /// Hand the transaction to the kernel of the current network namespace.
    pub fn commit(mut self) -> Result<(), KernelError> {
        let last = self.sequence;
        message::write(
            &mut self.bytes,
            END,
            NLM_F_REQUEST,
            last + 1,
            &[&Nfgen::bytes(0, abi::SUBSYSTEM)],
        );
        let mut socket = netlink_sys::Socket::new(Protocol::Netfilter.number())?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        socket.send(&self.bytes, 0)?;
        let mut buffer = Vec::with_capacity(64 * 1024);
        // One answer for each message; the first refusal stands for the transaction.
        loop {
            buffer.clear();
            socket.recv(&mut buffer, 0)?;
            for answer in Messages::new(&buffer) {
                let answer = answer?;
                if answer.kind != message::NLMSG_ERROR {
                    continue;
                }
                match crate::kernel::netlink::socket::read_code(answer.payload) {
                    0 if answer.sequence >= last => return Ok(()),
                    0 => {}
                    code => return Err(crate::kernel::netlink::socket::refusal(-code, &answer)),
                }
            }
        }
    }
}
