//! Lightweight tunnels of routes (`linux/lwtunnel.h` and the headers it goes with) in iproute2's words.

use super::Context;
use super::address::{ip_text, labels_text};
use super::out::Out;
use crate::kernel::netlink::{DecodeError, Fields};
use crate::model::network::Encap;

const NAMES: [&str; 11] = [
    "unknown",
    "mpls",
    "ip",
    "ila",
    "ip6",
    "seg6",
    "bpf",
    "seg6local",
    "rpl",
    "ioam6",
    "xfrm",
];

/// One tunnel: its kind and its settings. What is not understood follows in hexadecimal.
pub(super) fn print(out: &mut Out, encap: &Encap, context: &Context<'_>) {
    let name = NAMES.get(usize::from(encap.kind)).unwrap_or(&"unknown");
    out.string("encap", " encap ", name, " ");
    let bytes = &encap.attributes;
    let understood = match encap.kind {
        1 => mpls(out, bytes),
        2 => ip(out, bytes),
        4 => ip6(out, bytes),
        5 => seg6(out, bytes),
        6 => bpf(out, bytes),
        7 => seg6_local(out, bytes, context),
        8 => rpl(out, bytes),
        9 => ioam6(out, bytes),
        10 => xfrm(out, bytes, context),
        kind => Err(DecodeError::UnknownAttribute(kind)),
    };
    if understood.is_err() {
        let bytes: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        out.string("encap_attributes", "0x", &bytes, " ");
    }
}

type Result<T> = std::result::Result<T, DecodeError>;

fn mpls(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    if let Some(labels) = fields.get(1) {
        out.string("dst", " ", &labels_text(labels.payload), " ");
    }
    if let Some(ttl) = fields.u8(2)? {
        out.number("ttl", "ttl ", ttl, " ");
    }
    Ok(())
}

/// An address attribute in text.
fn address<const N: usize>(fields: &Fields<'_, N>, kind: u16) -> Result<Option<String>> {
    let Some(attr) = fields.get(kind) else {
        return Ok(None);
    };
    if let Ok(four) = <[u8; 4]>::try_from(attr.payload) {
        return Ok(Some(ip_text(four.into())));
    }
    match <[u8; 16]>::try_from(attr.payload) {
        Ok(six) => Ok(Some(ip_text(six.into()))),
        Err(_) => Err(DecodeError::Length {
            kind,
            length: attr.payload.len(),
            expected: 16,
        }),
    }
}

const IP_ID: u16 = 1;
const IP_DST: u16 = 2;
const IP_SRC: u16 = 3;
const IP_TTL: u16 = 4;
const IP_TOS: u16 = 5;
const IP_FLAGS: u16 = 6;
const IP_OPTS: u16 = 8;

fn ip(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<12>::parse(bytes)?;
    ip_common(out, &fields)?;
    if let Some(ttl) = fields.u8(IP_TTL)? {
        out.number("ttl", "ttl ", ttl, " ");
    }
    if let Some(tos) = fields.u8(IP_TOS)? {
        out.number("tos", "tos ", tos, " ");
    }
    ip_flags(out, &fields)
}

fn ip6(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<12>::parse(bytes)?;
    ip_common(out, &fields)?;
    if let Some(limit) = fields.u8(IP_TTL)? {
        out.number("hoplimit", "hoplimit ", limit, " ");
    }
    if let Some(class) = fields.u8(IP_TOS)? {
        out.number("tc", "tc ", class, " ");
    }
    ip_flags(out, &fields)
}

fn ip_common(out: &mut Out, fields: &Fields<'_, 12>) -> Result<()> {
    if let Some(id) = fields.be64(IP_ID)? {
        out.number("id", "id ", id, " ");
    }
    if let Some(source) = address(fields, IP_SRC)? {
        out.string("src", "src ", &source, " ");
    }
    if let Some(destination) = address(fields, IP_DST)? {
        out.string("dst", "dst ", &destination, " ");
    }
    Ok(())
}

/// `TUNNEL_*` in `linux/if_tunnel.h`, and the options of the tunnel.
fn ip_flags(out: &mut Out, fields: &Fields<'_, 12>) -> Result<()> {
    if let Some(flags) = fields.be16(IP_FLAGS)? {
        for (flag, name, text) in [(4, "key", "key "), (1, "csum", "csum "), (8, "seq", "seq ")] {
            if flags & flag != 0 {
                out.flag(name, text);
            }
        }
    }
    match fields.get(IP_OPTS) {
        Some(options) => ip_options(out, options.payload),
        None => Ok(()),
    }
}

/// `LWTUNNEL_IP_OPTS_*`
fn ip_options(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    if let Some(geneve) = fields.get(1) {
        open_options(out, "geneve_opts");
        let mut rest = geneve.payload;
        while !rest.is_empty() {
            // Three attributes an option: class, type and data, 20 bytes without the data.
            let option = Fields::<4>::parse(first_three(rest))?;
            let data = option.need(3)?.payload;
            let used = 20 + data.len().next_multiple_of(4);
            rest = rest.get(used..).unwrap_or_default();
            let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
            out.open_object(None);
            out.number("class", "", option.need(1)?.be16()?, "");
            out.number("type", ":", option.need(2)?.u8()?, "");
            let after = if rest.is_empty() { " " } else { "," };
            out.string("data", ":", &hex, after);
            out.close_object();
        }
    } else if let Some(vxlan) = fields.get(2) {
        let vxlan = Fields::<4>::parse(vxlan.payload)?;
        open_options(out, "vxlan_opts");
        out.open_object(None);
        out.number("gbp", "", vxlan.ne32(1)?.unwrap_or(0), " ");
        out.close_object();
    } else if let Some(erspan) = fields.get(3) {
        let erspan = Fields::<8>::parse(erspan.payload)?;
        let version = erspan.u8(1)?.unwrap_or(0);
        let (index, direction, hardware) = match version {
            1 => (erspan.be32(2)?.unwrap_or(0), 0, 0),
            _ => (0, erspan.u8(3)?.unwrap_or(0), erspan.u8(4)?.unwrap_or(0)),
        };
        open_options(out, "erspan_opts");
        out.open_object(None);
        out.number("ver", "", version, "");
        out.number("index", ":", index, "");
        out.number("dir", ":", direction, "");
        out.number("hwid", ":", hardware, " ");
        out.close_object();
    } else {
        return Ok(());
    }
    out.close_array();
    Ok(())
}

fn open_options(out: &mut Out, name: &str) {
    out.text(format_args!("\n\t{name} "));
    out.open_array(Some(name));
}

/// The bytes of the first three attributes.
fn first_three(bytes: &[u8]) -> &[u8] {
    let attrs = crate::kernel::netlink::Attrs::new(bytes);
    let length: usize = attrs
        .take(3)
        .filter_map(std::result::Result::ok)
        .map(|attr| (4 + attr.payload.len()).next_multiple_of(4))
        .sum();
    bytes.get(..length).unwrap_or(bytes)
}

/// `SEG6_IPTUN_MODE_*`
pub(super) const SEG6_MODES: [&str; 5] = ["inline", "encap", "l2encap", "encap.red", "l2encap.red"];

/// `struct seg6_iptunnel_encap`
fn seg6(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    let header = fields.need(1)?.payload;
    let (mode, header) = header
        .split_first_chunk::<4>()
        .ok_or(DecodeError::ShortMessage(header.len()))?;
    let mode = u32::from_ne_bytes(*mode) as usize;
    out.string(
        "mode",
        "mode ",
        SEG6_MODES.get(mode).unwrap_or(&"<unknown>"),
        " ",
    );
    segment_routing(out, header)
}

/// `struct ipv6_sr_hdr`: the segments, last one first on the wire.
fn segment_routing(out: &mut Out, bytes: &[u8]) -> Result<()> {
    const HMAC: u8 = 8;
    let short = DecodeError::ShortMessage(bytes.len());
    let (&[_, length, _, _, last, flags, _, _], addresses) =
        bytes.split_first_chunk::<8>().ok_or(short.clone())?;
    segments(out, addresses, usize::from(last) + 1)?;
    if flags & HMAC != 0 {
        // The HMAC TLV ends the header: 40 bytes, its key id from the fifth byte on.
        let offset = ((usize::from(length) + 1) * 8).checked_sub(40);
        let key = offset
            .and_then(|offset| bytes.get(offset + 4..)?.first_chunk::<4>())
            .ok_or(short)?;
        let key = u32::from_be_bytes(*key);
        if out.is_json() {
            out.hex("hmac", "", key.into(), "");
        } else {
            out.text(format_args!("hmac {key:X} "));
        }
    }
    Ok(())
}

/// `count` addresses in reverse.
fn segments(out: &mut Out, addresses: &[u8], count: usize) -> Result<()> {
    let addresses = addresses
        .get(..count * 16)
        .ok_or(DecodeError::ShortMessage(addresses.len()))?;
    out.text(format_args!("segs {count} [ "));
    out.open_array(Some("segs"));
    for address in addresses.chunks_exact(16).rev() {
        if let Ok(address) = <[u8; 16]>::try_from(address) {
            out.element(&ip_text(address.into()), " ");
        }
    }
    out.close_array();
    out.text("] ");
    Ok(())
}

/// `struct ipv6_rpl_sr_hdr`
fn rpl(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    let header = fields.need(1)?.payload;
    let (&[_, _, _, left, ..], addresses) = header
        .split_first_chunk::<8>()
        .ok_or(DecodeError::ShortMessage(header.len()))?;
    segments(out, addresses, usize::from(left))
}

/// `SEG6_LOCAL_ACTION_*`
pub(super) const ACTIONS: [&str; 17] = [
    "<unknown>",
    "End",
    "End.X",
    "End.T",
    "End.DX2",
    "End.DX6",
    "End.DX4",
    "End.DT6",
    "End.DT4",
    "End.B6",
    "End.B6.Encaps",
    "End.BM",
    "End.S",
    "End.AS",
    "End.AM",
    "End.BPF",
    "End.DT46",
];

/// `SEG6_LOCAL_*`
fn seg6_local(out: &mut Out, bytes: &[u8], context: &Context<'_>) -> Result<()> {
    let fields = Fields::<16>::parse(bytes)?;
    let action = fields.need(1)?.ne32()? as usize;
    let name = ACTIONS.get(action).unwrap_or(&"<invalid>");
    out.string("action", "action ", name, " ");
    if let Some(header) = fields.get(2) {
        out.open_object(Some("srh"));
        segment_routing(out, header.payload)?;
        out.close_object();
    }
    if let Some(table) = fields.ne32(3)? {
        out.string("table", "table ", &context.names.table(table), " ");
    }
    if let Some(table) = fields.ne32(9)? {
        out.string("vrftable", "vrftable ", &context.names.table(table), " ");
    }
    if let Some(hop) = address(&fields, 4)? {
        out.string("nh4", "nh4 ", &hop, " ");
    }
    if let Some(hop) = address(&fields, 5)? {
        out.string("nh6", "nh6 ", &hop, " ");
    }
    if let Some(index) = fields.ne32(6)? {
        out.string("iif", "iif ", &(context.device)(index), " ");
    }
    if let Some(index) = fields.ne32(7)? {
        out.string("oif", "oif ", &(context.device)(index), " ");
    }
    if let Some(program) = fields.get(8) {
        bpf_program(out, program.payload, "endpoint")?;
    }
    if let Some(flavours) = fields.get(11) {
        seg6_flavours(out, flavours.payload)?;
    }
    Ok(())
}

/// `SEG6_LOCAL_FLV_OP_*`
pub(super) const FLAVOURS: [&str; 5] = ["", "psp", "usp", "usd", "next-csid"];

/// `SEG6_LOCAL_FLV_*`
fn seg6_flavours(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    if let Some(flavours) = fields.ne32(1)? {
        out.text("flavors ");
        out.open_array(Some("flavors"));
        let chosen = (1u32..).zip(FLAVOURS.iter().skip(1));
        let mut before = "";
        for (bit, name) in chosen {
            if flavours.checked_shr(bit).unwrap_or(0) & 1 != 0 {
                out.text(before);
                out.element(name, "");
                before = ",";
            }
        }
        out.close_array();
        out.text(' ');
    }
    if let Some(bits) = fields.u8(2)? {
        out.number("lblen", "lblen ", bits, " ");
    }
    if let Some(bits) = fields.u8(3)? {
        out.number("nflen", "nflen ", bits, " ");
    }
    Ok(())
}

/// `LWT_BPF_*`
fn bpf(out: &mut Out, bytes: &[u8]) -> Result<()> {
    let fields = Fields::<8>::parse(bytes)?;
    for (kind, name) in [(1, "in"), (2, "out"), (3, "xmit")] {
        if let Some(program) = fields.get(kind) {
            bpf_program(out, program.payload, name)?;
        }
    }
    if let Some(headroom) = fields.ne32(4)? {
        out.number("headroom", " ", headroom, " ");
    }
    Ok(())
}

fn bpf_program(out: &mut Out, bytes: &[u8], place: &str) -> Result<()> {
    let name = Fields::<4>::parse(bytes)?.name(2);
    if out.is_json() {
        out.string(place, "", name.as_deref().unwrap_or("<unknown>"), "");
    } else {
        out.text(format_args!("{place} "));
        if let Some(name) = name {
            out.text(format_args!("{name} "));
        }
    }
    Ok(())
}

/// `IOAM6_IPTUNNEL_*`
fn ioam6(out: &mut Out, bytes: &[u8]) -> Result<()> {
    const MODES: [&str; 4] = ["<unknown>", "inline", "encap", "auto"];
    const INLINE: u8 = 1;
    let fields = Fields::<8>::parse(bytes)?;
    let mode = fields.need(1)?.u8()?;
    out.number("freqk", "freq ", fields.need(4)?.ne32()?, "");
    out.number("freqn", "/", fields.need(5)?.ne32()?, " ");
    let name = MODES.get(usize::from(mode)).unwrap_or(&"<unknown>");
    out.string("mode", "mode ", name, " ");
    if mode != INLINE
        && let Some(destination) = address(&fields, 2)?
    {
        out.string("tundst", "tundst ", &destination, " ");
    }
    let trace = fields.need(3)?.payload;
    let (&[n0, n1, _, left, t0, t1, t2, _], _) = trace
        .split_first_chunk::<8>()
        .ok_or(DecodeError::ShortMessage(trace.len()))?;
    out.word("trace", "trace ");
    out.word("prealloc", "prealloc ");
    let kind = u32::from_be_bytes([0, t0, t1, t2]);
    if out.is_json() {
        out.string("type", "", &format!("{kind:x}"), "");
    } else {
        out.text(format_args!("type {kind:#08x} "));
    }
    out.number("ns", "ns ", u16::from_be_bytes([n0, n1]), " ");
    out.number("size", "size ", u32::from(left & 0x7f) * 4, " ");
    Ok(())
}

/// `LWT_XFRM_*`
fn xfrm(out: &mut Out, bytes: &[u8], context: &Context<'_>) -> Result<()> {
    let fields = Fields::<4>::parse(bytes)?;
    if let Some(id) = fields.ne32(1)? {
        out.number("if_id", "if_id ", id, " ");
    }
    if let Some(index) = fields.ne32(2)? {
        out.string("link_dev", "link_dev ", &(context.device)(index), " ");
    }
    Ok(())
}
