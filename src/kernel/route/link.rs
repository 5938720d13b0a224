//! `RTM_NEWLINK`: `struct ifinfomsg` and `IFLA_*` in `linux/if_link.h`.

use super::split;
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::{Link, LinkStats, TcHooks, Vlan, XdpAttachment, XdpMode};
use crate::model::text::name_from_bytes;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_QDISC: u16 = 6;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_STATS64: u16 = 23;
const IFLA_GROUP: u16 = 27;
const IFLA_CARRIER: u16 = 33;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_XDP: u16 = 43;
const IFLA_PROP_LIST: u16 = 52;
const IFLA_ALT_IFNAME: u16 = 53;

const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VLAN_PROTOCOL: u16 = 5;
const IFLA_VRF_TABLE: u16 = 1;

const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;

/// Decode the payload of `RTM_NEWLINK` or `RTM_DELLINK`.
pub fn decode_link(payload: &[u8]) -> Result<Link, DecodeError> {
    let (header, attributes) = split::<16>(payload)?;
    let [_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *header;
    let fields = Fields::<64>::parse(attributes)?;
    let mut link = Link {
        index: u32::from_ne_bytes([i0, i1, i2, i3]),
        name: fields.name(IFLA_IFNAME).unwrap_or_default(),
        alt_names: Vec::new(),
        hardware: u16::from_ne_bytes([t0, t1]),
        kind: None,
        slave_kind: None,
        flags: u32::from_ne_bytes([f0, f1, f2, f3]),
        mtu: fields.ne32(IFLA_MTU)?.unwrap_or(0),
        address: fields.bytes(IFLA_ADDRESS),
        operstate: fields.u8(IFLA_OPERSTATE)?.unwrap_or(0),
        carrier: fields.u8(IFLA_CARRIER)?.map(|carrier| carrier != 0),
        master: fields.ne32(IFLA_MASTER)?,
        lower: fields.ne32(IFLA_LINK)?.filter(|&index| index != 0),
        lower_netns: fields.ne32(IFLA_LINK_NETNSID)?.map(u32::cast_signed),
        group: fields.ne32(IFLA_GROUP)?.unwrap_or(0),
        alias: fields.name(IFLA_IFALIAS),
        txqlen: fields.ne32(IFLA_TXQLEN)?.unwrap_or(0),
        qdisc: fields.name(IFLA_QDISC).unwrap_or_default(),
        vlan: None,
        vrf_table: None,
        xdp: Vec::new(),
        tc: TcHooks::default(),
        stats: None,
        raw: attributes.to_vec(),
    };
    if let Some(list) = fields.get(IFLA_PROP_LIST) {
        for attr in list.nested() {
            let attr = attr?;
            if attr.kind == IFLA_ALT_IFNAME {
                link.alt_names.push(name_from_bytes(attr.text()));
            }
        }
    }
    if let Some(info) = fields.get(IFLA_LINKINFO) {
        decode_info(info.payload, &mut link)?;
    }
    if let Some(xdp) = fields.get(IFLA_XDP) {
        link.xdp = decode_xdp(xdp.payload)?;
    }
    link.stats = fields
        .get(IFLA_STATS64)
        .and_then(|stats| decode_stats(stats.payload));
    Ok(link)
}

fn decode_info(info: &[u8], link: &mut Link) -> Result<(), DecodeError> {
    let info = Fields::<8>::parse(info)?;
    link.kind = info.name(IFLA_INFO_KIND);
    link.slave_kind = info.name(IFLA_INFO_SLAVE_KIND);
    let Some(data) = info.get(IFLA_INFO_DATA) else {
        return Ok(());
    };
    match link.kind.as_deref() {
        Some("vlan") => {
            let data = Fields::<8>::parse(data.payload)?;
            if let Some(id) = data.ne16(IFLA_VLAN_ID)? {
                link.vlan = Some(Vlan {
                    id,
                    protocol: data.be16(IFLA_VLAN_PROTOCOL)?.unwrap_or(0x8100),
                });
            }
        }
        Some("vrf") => {
            link.vrf_table = Fields::<4>::parse(data.payload)?.ne32(IFLA_VRF_TABLE)?;
        }
        _ => {}
    }
    Ok(())
}

fn decode_xdp(xdp: &[u8]) -> Result<Vec<XdpAttachment>, DecodeError> {
    const MULTI: u8 = 4;
    let fields = Fields::<16>::parse(xdp)?;
    let attached = fields.u8(IFLA_XDP_ATTACHED)?.unwrap_or(0);
    let mut found = Vec::new();
    for (kind, mode) in [
        (IFLA_XDP_DRV_PROG_ID, XdpMode::Driver),
        (IFLA_XDP_SKB_PROG_ID, XdpMode::Generic),
        (IFLA_XDP_HW_PROG_ID, XdpMode::Offload),
    ] {
        if let Some(program) = fields.ne32(kind)? {
            found.push(XdpAttachment { mode, program });
        }
    }
    if found.is_empty() && attached != 0 && attached != MULTI {
        let mode = match attached {
            1 => XdpMode::Driver,
            2 => XdpMode::Generic,
            3 => XdpMode::Offload,
            other => XdpMode::Unknown(other),
        };
        let program = fields.ne32(IFLA_XDP_PROG_ID)?.unwrap_or(0);
        found.push(XdpAttachment { mode, program });
    }
    Ok(found)
}

/// `struct rtnl_link_stats64` grows at its end; what is missing stays unread.
fn decode_stats(bytes: &[u8]) -> Option<LinkStats> {
    let mut numbers = bytes.chunks_exact(8).map(|chunk| {
        <[u8; 8]>::try_from(chunk)
            .map(u64::from_ne_bytes)
            .unwrap_or(0)
    });
    Some(LinkStats {
        rx_packets: numbers.next()?,
        tx_packets: numbers.next()?,
        rx_bytes: numbers.next()?,
        tx_bytes: numbers.next()?,
        rx_errors: numbers.next()?,
        tx_errors: numbers.next()?,
        rx_dropped: numbers.next()?,
        tx_dropped: numbers.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    #[test]
    fn reads_a_vlan_with_an_xdp_program() {
        let mut attributes = AttrWriter::new();
        attributes
            .text(IFLA_IFNAME, "eth0.7")
            .ne32(IFLA_MTU, 1500)
            .ne32(IFLA_LINK, 2)
            .nest(IFLA_PROP_LIST, |list| {
                list.text(IFLA_ALT_IFNAME, "uplink");
            })
            .nest(IFLA_LINKINFO, |info| {
                info.text(IFLA_INFO_KIND, "vlan")
                    .nest(IFLA_INFO_DATA, |data| {
                        data.put(IFLA_VLAN_ID, &7u16.to_ne_bytes())
                            .be16(IFLA_VLAN_PROTOCOL, 0x88a8);
                    });
            })
            .nest(IFLA_XDP, |xdp| {
                xdp.u8(IFLA_XDP_ATTACHED, 2).ne32(IFLA_XDP_PROG_ID, 42);
            });
        let mut payload = vec![0u8; 16];
        payload[4..8].copy_from_slice(&9u32.to_ne_bytes());
        payload.extend_from_slice(attributes.as_bytes());
        let link = decode_link(&payload).unwrap();
        assert_eq!(
            (link.index, &*link.name, link.lower),
            (9, "eth0.7", Some(2))
        );
        assert_eq!(
            link.vlan.map(|vlan| (vlan.id, vlan.protocol)),
            Some((7, 0x88a8))
        );
        assert_eq!(&*link.alt_names[0], "uplink");
        assert_eq!(link.xdp[0].mode, XdpMode::Generic);
        assert_eq!(link.xdp[0].program, 42);
        assert_eq!(link.raw, attributes.as_bytes());
        for end in 0..payload.len() {
            let _ = decode_link(&payload[..end]);
        }
    }
}
