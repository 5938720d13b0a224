//! Options of bridges and of their ports: `IFLA_BR_*` and `IFLA_BRPORT_*` in `linux/if_link.h`, inside the attributes
//! that a link keeps byte for byte. Pure.

use crate::kernel::netlink::{Attrs, Fields};
use crate::model::network::Link;

pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_INFO_DATA: u16 = 2;
pub(super) const IFLA_INFO_SLAVE_KIND: u16 = 4;
pub(super) const IFLA_INFO_SLAVE_DATA: u16 = 5;

const IFLA_BR_VLAN_FILTERING: u16 = 7;

/// `IFLA_BRPORT_*`
mod port {
    pub const STATE: u16 = 1;
    pub const MODE: u16 = 4;
    pub const UNICAST_FLOOD: u16 = 9;
    pub const ISOLATED: u16 = 33;
}

/// Options of a bridge that decide where frames go: how long stations are known, VLAN filtering and its protocol,
/// groups that are forwarded, multicast router and snooping, the calls into the IP families, the VLAN of ports, bits.
/// The spanning tree stays off: a copy has no neighbours to agree with.
const OF_BRIDGES: [u16; 10] = [4, 7, 8, 9, 22, 23, 36, 37, 38, 39];

/// The same of ports: hairpin, fast leave, learning, floods, proxies, multicast router, multicast to unicast, groups,
/// suppressed neighbours, isolation, lock.
const OF_PORTS: [u16; 14] = [4, 7, 8, 9, 10, 12, 25, 27, 28, 30, 31, 32, 33, 39];

/// A port as frames meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BridgePort {
    /// `BR_STATE_*`
    pub state: u8,
    /// Frames may leave by the port that they came in by.
    pub hairpin: bool,
    /// Nothing goes from here to other isolated ports.
    pub isolated: bool,
    /// Frames for stations that nobody knows leave here as well.
    pub flood: bool,
}

impl BridgePort {
    pub const FORWARDING: u8 = 3;

    pub fn forwards(self) -> bool {
        self.state == Self::FORWARDING
    }
}

impl Default for BridgePort {
    /// What the kernel makes of a new port.
    fn default() -> BridgePort {
        BridgePort {
            state: BridgePort::FORWARDING,
            hairpin: false,
            isolated: false,
            flood: true,
        }
    }
}

/// The attribute `kind` of what the link says of its kind.
fn info(link: &Link, kind: u16) -> Option<&[u8]> {
    let find = |bytes, kind| -> Option<&[u8]> {
        let mut attributes = Attrs::new(bytes).filter_map(Result::ok);
        Some(attributes.find(|attribute| attribute.kind == kind)?.payload)
    };
    find(find(&link.raw, IFLA_LINKINFO)?, kind)
}

fn is_port(link: &Link) -> bool {
    link.slave_kind.as_deref() == Some("bridge")
}

/// How the device is a port of its bridge.
pub fn bridge_port(link: &Link) -> BridgePort {
    let usual = BridgePort::default();
    let data = info(link, IFLA_INFO_SLAVE_DATA).filter(|_| is_port(link));
    let Some(fields) = data.and_then(|data| Fields::<64>::parse(data).ok()) else {
        return usual;
    };
    let byte = |kind, usual| fields.u8(kind).ok().flatten().unwrap_or(usual);
    BridgePort {
        state: byte(port::STATE, usual.state),
        hairpin: byte(port::MODE, 0) != 0,
        isolated: byte(port::ISOLATED, 0) != 0,
        flood: byte(port::UNICAST_FLOOD, 1) != 0,
    }
}

/// The bridge keeps VLANs apart.
pub fn filters_vlans(bridge: &Link) -> bool {
    let data = info(bridge, IFLA_INFO_DATA);
    let fields = data.and_then(|data| Fields::<64>::parse(data).ok());
    let filtering = fields.and_then(|fields| fields.u8(IFLA_BR_VLAN_FILTERING).ok()?);
    filtering.is_some_and(|on| on != 0)
}

/// Options that a copy of the bridge needs, as they came.
pub(super) fn options_of_bridge(link: &Link) -> Vec<(u16, &[u8])> {
    let mut options = pick(info(link, IFLA_INFO_DATA), &OF_BRIDGES);
    // A kernel that knows no VLANs of bridges says that they are off, and refuses to be told so.
    options.retain(|(kind, value)| *kind != IFLA_BR_VLAN_FILTERING || *value != [0]);
    options
}

/// Options that a copy of the port needs, as they came.
pub(super) fn options_of_port(link: &Link) -> Vec<(u16, &[u8])> {
    pick(
        info(link, IFLA_INFO_SLAVE_DATA).filter(|_| is_port(link)),
        &OF_PORTS,
    )
}

fn pick<'l>(data: Option<&'l [u8]>, wanted: &[u16]) -> Vec<(u16, &'l [u8])> {
    let all = Attrs::new(data.unwrap_or_default()).filter_map(Result::ok);
    all.filter(|attribute| wanted.contains(&attribute.kind))
        .map(|attribute| (attribute.kind, attribute.payload))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::decode_link;
    use super::*;
    use crate::kernel::netlink::AttrWriter;

    fn link(fill: impl FnOnce(&mut AttrWriter)) -> Link {
        let mut attributes = AttrWriter::new();
        attributes.nest(IFLA_LINKINFO, fill);
        let mut payload = vec![0; 16];
        payload.extend_from_slice(attributes.as_bytes());
        decode_link(&payload).unwrap()
    }

    #[test]
    fn options_are_read_and_picked() {
        let own = link(|info| {
            info.text(IFLA_INFO_SLAVE_KIND, "bridge");
            info.nest(IFLA_INFO_SLAVE_DATA, |data| {
                data.u8(port::STATE, 4).u8(port::MODE, 1).u8(19, 7);
            });
        });
        let expected = BridgePort {
            state: 4,
            hairpin: true,
            ..BridgePort::default()
        };
        assert_eq!(bridge_port(&own), expected);
        assert_eq!(options_of_port(&own), [(port::MODE, &[1][..])]);
        assert!(options_of_bridge(&own).is_empty());
        let bridge = link(|info| {
            info.nest(IFLA_INFO_DATA, |data| {
                data.u8(IFLA_BR_VLAN_FILTERING, 1);
            });
        });
        assert!(filters_vlans(&bridge) && !filters_vlans(&own));
        assert_eq!(bridge_port(&bridge), BridgePort::default());
    }
}
