//! Sets of ipset with their elements, over netlink (`linux/netfilter/ipset/ip_set.h`).
//! May use `model` and `kernel::netlink`.

use super::attributes::*;
use crate::kernel::netlink::message::Nfgen;
use crate::kernel::netlink::{
    Attr, AttrWriter, Attrs, DecodeError, Fields, KernelError, Protocol, Socket,
};
use crate::model::ipset::{IpSet, IpSetElement};
use crate::model::text::{from_bytes, name_from_bytes};
use std::net::IpAddr;
use std::path::Path;

/// All sets of the current network namespace. Empty where there is no ipset: asking would load the module.
pub fn read_ipsets() -> Result<Vec<IpSet>, KernelError> {
    if !Path::new("/sys/module/ip_set").exists() {
        return Ok(Vec::new());
    }
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut ask = AttrWriter::new();
    ask.u8(ATTR_PROTOCOL, PROTOCOL);
    let mut sets: Vec<IpSet> = Vec::new();
    socket.dump(LIST, &[&Nfgen::bytes(2, 0), ask.as_bytes()], |message| {
        let (_, attributes) = Nfgen::split(message.payload)?;
        Ok(add_message(&mut sets, attributes)?)
    })?;
    Ok(sets)
}

/// One message of the list: a set's header, some of its elements, or both.
pub fn add_message(sets: &mut Vec<IpSet>, attributes: &[u8]) -> Result<(), DecodeError> {
    let fields = Fields::<{ ATTR_INDEX as usize + 1 }>::parse(attributes)?;
    let Some(name) = fields.name(ATTR_SETNAME) else {
        return Ok(());
    };
    let place = match sets.iter().rposition(|set| *set.name == *name) {
        Some(place) => place,
        None => {
            sets.push(IpSet {
                name: name.to_string(),
                ..IpSet::default()
            });
            sets.len() - 1
        }
    };
    let Some(set) = sets.get_mut(place) else {
        return Ok(());
    };
    if let Some(kind) = fields.name(ATTR_TYPENAME) {
        set.kind = kind.to_string();
        set.family = fields.u8(ATTR_FAMILY)?.unwrap_or(0);
    }
    if let Some(index) = fields.be16(ATTR_INDEX)? {
        set.index = index;
    }
    if let Some(data) = fields.get(ATTR_DATA) {
        let (mut from, mut to, mut ports) = (None, None, (None, None));
        for option in Attrs::new(data.payload) {
            let option = option?;
            let made = &mut set.options;
            match option.kind {
                ATTR_NETMASK => set.netmask = Some(option.u8()?),
                ATTR_MARKMASK => set.markmask = Some(option.be32()?),
                ATTR_CADT_FLAGS => made.with = option.be32()?,
                ATTR_TIMEOUT => made.timeout = Some(option.be32()?),
                ATTR_HASHSIZE => made.hash_size = Some(option.be32()?),
                ATTR_MAXELEM => made.max_elements = Some(option.be32()?),
                ATTR_BUCKETSIZE => made.bucket_size = Some(option.u8()?),
                ATTR_INITVAL => made.start = Some(option.be32()?),
                ATTR_SIZE => made.size = Some(option.be32()?),
                ATTR_BITMASK => made.bitmask = address(option)?,
                ATTR_IP => from = address(option)?,
                ATTR_IP_TO => to = address(option)?,
                ATTR_PORT => ports.0 = Some(option.be16()?),
                ATTR_PORT_TO => ports.1 = Some(option.be16()?),
                _ => {}
            }
        }
        set.options.range = from.zip(to);
        set.options.ports = ports.0.zip(ports.1);
    }
    if let Some(list) = fields.get(ATTR_ADT) {
        for element in Attrs::new(list.payload) {
            set.elements.push(element_of(element?.payload)?);
        }
    }
    Ok(())
}

fn address(attr: Attr<'_>) -> Result<Option<IpAddr>, DecodeError> {
    for inner in Attrs::new(attr.payload) {
        let payload = inner?.payload;
        if let Ok(bytes) = <[u8; 4]>::try_from(payload) {
            return Ok(Some(bytes.into()));
        }
        if let Ok(bytes) = <[u8; 16]>::try_from(payload) {
            return Ok(Some(bytes.into()));
        }
    }
    Ok(None)
}

fn element_of(bytes: &[u8]) -> Result<IpSetElement, DecodeError> {
    let mut element = IpSetElement::default();
    for attr in Attrs::new(bytes) {
        let attr = attr?;
        match attr.kind {
            ATTR_IP => element.ip = address(attr)?,
            ATTR_IP_TO => element.ip_to = address(attr)?,
            ATTR_CIDR => element.cidr = Some(attr.u8()?),
            ATTR_IP2 => element.ip2 = address(attr)?,
            ATTR_CIDR2 => element.cidr2 = Some(attr.u8()?),
            ATTR_PORT => element.port = Some(attr.be16()?),
            ATTR_PORT_TO => element.port_to = Some(attr.be16()?),
            ATTR_PROTO => element.proto = Some(attr.u8()?),
            ATTR_MARK => element.mark = Some(attr.be32()?),
            ATTR_ETHER => element.ether = attr.payload.try_into().ok(),
            ATTR_IFACE => element.iface = Some(name_from_bytes(attr.text())),
            ATTR_NAME => element.set = Some(name_from_bytes(attr.text())),
            ATTR_CADT_FLAGS => element.flags = attr.be32()?,
            ATTR_TIMEOUT => element.timeout = Some(attr.be32()?),
            ATTR_PACKETS => element.packets = Some(attr.be64()?),
            ATTR_BYTES => element.bytes = Some(attr.be64()?),
            ATTR_COMMENT => element.comment = Some(from_bytes(attr.text())),
            ATTR_SKBMARK => {
                let both = attr.be64()?;
                element.skb_mark = Some(((both >> 32) as u32, both as u32));
            }
            ATTR_SKBPRIO => {
                let both = attr.be32()?;
                element.skb_priority = Some(((both >> 16) as u16, both as u16));
            }
            ATTR_SKBQUEUE => element.skb_queue = Some(attr.be16()?),
            _ => {}
        }
    }
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bytes_give_sets_or_an_error() {
        let mut random = 1u64;
        for len in 0..200usize {
            let bytes: Vec<u8> = (0..len)
                .map(|_| {
                    random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                    (random >> 59) as u8
                })
                .collect();
            let _ = add_message(&mut Vec::new(), &bytes);
        }
    }

    #[test]
    fn a_set_comes_in_several_messages() {
        let mut head = AttrWriter::new();
        head.text(ATTR_SETNAME, "blocked")
            .text(ATTR_TYPENAME, "hash:net")
            .u8(ATTR_FAMILY, 2);
        let mut sets = Vec::new();
        add_message(&mut sets, head.as_bytes()).unwrap();
        let mut ip = AttrWriter::new();
        ip.put(1, &[10, 0, 0, 0]);
        let mut data = AttrWriter::new();
        data.put(ATTR_IP, ip.as_bytes())
            .u8(ATTR_CIDR, 8)
            .be32(ATTR_CADT_FLAGS, 4);
        let mut list = AttrWriter::new();
        list.put(ATTR_DATA, data.as_bytes());
        let mut more = AttrWriter::new();
        more.text(ATTR_SETNAME, "blocked")
            .put(ATTR_ADT, list.as_bytes());
        add_message(&mut sets, more.as_bytes()).unwrap();
        assert_eq!(sets.len(), 1);
        assert_eq!((sets[0].kind.as_str(), sets[0].family), ("hash:net", 2));
        let element = &sets[0].elements[0];
        assert_eq!(element.ip, Some("10.0.0.0".parse().unwrap()));
        assert_eq!((element.cidr, element.flags), (Some(8), 4));
    }
}
