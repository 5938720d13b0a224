//! What traffic control attaches to devices: `clsact` and its filters (`linux/pkt_sched.h`), and BPF programs
//! attached by tcx (`BPF_PROG_QUERY` of bpf(2)).

use super::{AF_UNSPEC, RTM_GETQDISC, RTM_GETTFILTER, list, split};
use crate::kernel::netlink::{DecodeError, Fields, KernelError, Socket};
use crate::model::Name;
use crate::model::network::Link;

const TCA_KIND: u16 = 1;
/// `TC_H_ROOT`
const ROOT: u32 = 0xFFFF_FFFF;
/// `TC_H_INGRESS` and `TC_H_CLSACT`
const CLSACT: u32 = 0xFFFF_FFF1;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`
const INGRESS: u32 = 0xFFFF_FFF2;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`
const EGRESS: u32 = 0xFFFF_FFF3;
/// Handle of the `ingress` queueing discipline.
const INGRESS_HANDLE: u32 = 0xFFFF_0000;

/// `struct tcmsg` of a queueing discipline or a filter.
struct Traffic {
    index: u32,
    handle: u32,
    parent: u32,
    kind: Option<Name>,
}

fn decode(payload: &[u8]) -> Result<Traffic, DecodeError> {
    let (header, attributes) = split::<20>(payload)?;
    let [
        _,
        _,
        _,
        _,
        i0,
        i1,
        i2,
        i3,
        h0,
        h1,
        h2,
        h3,
        p0,
        p1,
        p2,
        p3,
        ..,
    ] = *header;
    Ok(Traffic {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        handle: u32::from_ne_bytes([h0, h1, h2, h3]),
        parent: u32::from_ne_bytes([p0, p1, p2, p3]),
        kind: Fields::<16>::parse(attributes)?.name(TCA_KIND),
    })
}

fn header(index: u32, parent: u32) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = AF_UNSPEC;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[12..16].copy_from_slice(&parent.to_ne_bytes());
    header
}

/// Fill in [`Link::tc`].
pub(super) fn read_filters(socket: &mut Socket, links: &mut [Link]) -> Result<(), KernelError> {
    let disciplines = list(socket, RTM_GETQDISC, &[0; 20], |message| {
        decode(message.payload).map(Some)
    })?;
    for link in links.iter_mut() {
        let own = disciplines.iter().filter(|qdisc| qdisc.index == link.index);
        let mut classful_root = None;
        for qdisc in own {
            match (qdisc.parent, qdisc.kind.as_deref()) {
                (CLSACT, Some("clsact")) => {
                    link.tc.clsact = true;
                    link.tc.ingress = count(socket, link.index, INGRESS)?;
                    link.tc.egress = count(socket, link.index, EGRESS)?;
                }
                (CLSACT, _) => {
                    link.tc.clsact = true;
                    link.tc.ingress = count(socket, link.index, INGRESS_HANDLE)?;
                }
                // A discipline that the kernel chose by default has no handle and takes no filters.
                (ROOT, _) if qdisc.handle != 0 => classful_root = Some(qdisc.handle),
                _ => {}
            }
        }
        if let Some(handle) = classful_root {
            link.tc.root = count(socket, link.index, handle)?;
        }
        link.tc.tcx_ingress = tcx::programs(link.index, tcx::INGRESS);
        link.tc.tcx_egress = tcx::programs(link.index, tcx::EGRESS);
    }
    Ok(())
}

/// The number of filters at one place of a device.
fn count(socket: &mut Socket, index: u32, parent: u32) -> Result<u32, KernelError> {
    let filters = list(socket, RTM_GETTFILTER, &header(index, parent), |message| {
        // Classifiers also list themselves (no handle), and `u32` its hash tables (low bits zero).
        let filter = decode(message.payload)?;
        let table = filter.kind.as_deref() == Some("u32") && filter.handle & 0xFFF == 0;
        Ok((filter.handle != 0 && !table).then_some(()))
    });
    match filters {
        Ok(filters) => Ok(u32::try_from(filters.len()).unwrap_or(u32::MAX)),
        // The device or the discipline went away meanwhile, or takes no filters.
        Err(error)
            if matches!(
                error.errno(),
                Some(libc::EINVAL | libc::ENODEV | libc::ENOENT | libc::EOPNOTSUPP)
            ) =>
        {
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// Multi-program attachment to traffic control, since Linux 6.6.
mod tcx {
    /// `BPF_TCX_INGRESS` and `BPF_TCX_EGRESS` of `enum bpf_attach_type`
    pub const INGRESS: u32 = 46;
    pub const EGRESS: u32 = 47;
    const BPF_PROG_QUERY: libc::c_long = 16;
    /// The kernel allows 64 programs at one place.
    const MOST: usize = 64;

    /// The part of `union bpf_attr` that a query uses.
    #[repr(C)]
    #[derive(Default)]
    struct Query {
        target_ifindex: u32,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        program_ids: u64,
        count: u32,
        padding: u32,
        program_attach_flags: u64,
        link_ids: u64,
        link_attach_flags: u64,
        revision: u64,
    }

    /// Ids of the programs at one place, in the order in which they run; `None` when the kernel does not tell
    /// (it is too old, or the process lacks `CAP_NET_ADMIN`).
    pub fn programs(index: u32, place: u32) -> Option<Vec<u32>> {
        let mut ids = [0u32; MOST];
        let mut query = Query {
            target_ifindex: index,
            attach_type: place,
            program_ids: ids.as_mut_ptr() as u64,
            count: u32::try_from(MOST).unwrap_or(0),
            ..Query::default()
        };
        // SAFETY: `query` is a live, initialised structure of the size passed; `program_ids` points to `ids`, which
        // outlives the call and has room for `count` numbers, more than the kernel writes.
        let result = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                BPF_PROG_QUERY,
                &raw mut query,
                size_of::<Query>(),
            )
        };
        if result != 0 {
            return None;
        }
        let found = ids.get(..query.count as usize)?;
        Some(found.to_vec())
    }
}
