//! Tables and rules as `iptables-save`, `ip6tables-save`, `arptables-save` and `ebtables-save` print them.

use super::format::{self, w};
use super::from_nft;
use super::rule::{Among, AmongSide, NftLog, Part, Rule, Table, Target};
use super::save::{self, Context};
use crate::model::expression::Counter;
use crate::model::text::to_bytes;
use crate::model::xtables::rule::{
    ArpHeader, BridgeHeader, Device, Header, Ip6Header, IpHeader, LegacyVerdict,
};
use crate::model::{self, Family, Name, Names};
use std::io::{self, Write};

/// What is printed besides the rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Packets and bytes of every rule.
    pub counters: bool,
}

/// One table.
pub fn table<W: Write>(
    table: &Table,
    cx: &Context<'_>,
    options: Options,
    out: &mut W,
) -> io::Result<()> {
    let mut line = String::new();
    let chains = table.chains.iter();
    head(
        &table.name,
        chains.map(|chain| (&chain.name, chain.policy)),
        cx,
        out,
    )?;
    for chain in &table.chains {
        for one in &chain.rules {
            line.clear();
            appended(&chain.name, one, cx, options, &mut line);
            out.write_all(&to_bytes(&line))?;
        }
    }
    tail(cx, out)
}

/// The lines before the rules: the table and its chains.
pub(super) fn head<'n, W: Write>(
    name: &str,
    chains: impl Iterator<Item = (&'n Name, Option<(LegacyVerdict, Counter)>)>,
    cx: &Context<'_>,
    out: &mut W,
) -> io::Result<()> {
    let mut line = format!("*{name}\n");
    out.write_all(&to_bytes(&line))?;
    for (name, policy) in chains {
        line.clear();
        declaration(cx.family, name, policy, &mut line);
        line.push('\n');
        out.write_all(&to_bytes(&line))?;
    }
    Ok(())
}

/// The line of a rule.
pub(super) fn appended(
    chain: &str,
    one: &Rule,
    cx: &Context<'_>,
    options: Options,
    line: &mut String,
) {
    if options.counters {
        w!(line, "[{}:{}] ", one.counters.packets, one.counters.bytes);
    }
    w!(line, "-A {chain}");
    rule(one, cx, line);
    line.push('\n');
}

/// What comes after the rules.
pub(super) fn tail<W: Write>(cx: &Context<'_>, out: &mut W) -> io::Result<()> {
    if matches!(cx.family, Family::Ip | Family::Ip6) {
        writeln!(out, "COMMIT")?;
    }
    Ok(())
}

fn verdict(verdict: LegacyVerdict) -> String {
    match verdict {
        LegacyVerdict::Accept => "ACCEPT".to_owned(),
        LegacyVerdict::Drop => "DROP".to_owned(),
        LegacyVerdict::Queue => "QUEUE".to_owned(),
        LegacyVerdict::Return => "RETURN".to_owned(),
        LegacyVerdict::Continue => "CONTINUE".to_owned(),
        LegacyVerdict::Unknown(number) => format!("{number}"),
    }
}

/// `:INPUT ACCEPT [0:0]`
fn declaration(
    family: Family,
    name: &str,
    policy: Option<(LegacyVerdict, Counter)>,
    out: &mut String,
) {
    w!(out, ":{name} ");
    let counters = match policy {
        Some((policy, counters)) => {
            out.push_str(&verdict(policy));
            counters
        }
        None => {
            out.push_str(if family == Family::Bridge {
                "RETURN"
            } else {
                "-"
            });
            Counter::default()
        }
    };
    if matches!(family, Family::Ip | Family::Ip6) {
        w!(out, " [{}:{}]", counters.packets, counters.bytes);
    }
}

/// A rule of a table of nf_tables (or of a legacy table that is shown as one) as `iptables -S` prints it, without
/// `-A CHAIN`; nothing where iptables has no words for it.
pub fn text(table: &model::Table, names: &Names, rule: model::Rule<'_>) -> Option<String> {
    let read = from_nft::whole_rule(table, rule).ok()?;
    let cx = Context {
        family: table.family,
        names,
    };
    Some(words(&read, &cx))
}

/// A rule as `iptables -S` prints it, without `-A CHAIN`.
pub fn words(read: &Rule, cx: &Context<'_>) -> String {
    let mut text = String::new();
    rule(read, cx, &mut text);
    text.trim_start().to_owned()
}

/// A rule without its chain: a space, then words.
pub fn rule(rule: &Rule, cx: &Context<'_>, out: &mut String) {
    match &rule.header {
        Header::Ip(header) => {
            ip(header, cx, out);
            matches_and_target(rule, cx, out);
        }
        Header::Ip6(header) => {
            ip6(header, cx, out);
            matches_and_target(rule, cx, out);
        }
        Header::Arp(header) => arp(header, rule, cx, out),
        Header::Bridge(header) => bridge(header, rule, cx, out),
    }
}

fn ip(header: &IpHeader, cx: &Context<'_>, out: &mut String) {
    for (letter, addr, mask, bit) in [
        ('s', header.src, header.smsk, 8),
        ('d', header.dst, header.dmsk, 0x10),
    ] {
        let inverted = header.invflags & bit != 0;
        if !inverted && addr == [0; 4] && mask == [0; 4] {
            continue;
        }
        format::not(out, inverted);
        w!(out, " -{letter} {}/", format::ip4(addr));
        match format::prefix_len(&mask) {
            Some(bits) => w!(out, "{bits}"),
            None => w!(out, "{}", format::ip4(mask)),
        }
    }
    details(
        &header.input,
        &header.output,
        header.proto,
        header.invflags,
        cx,
        out,
    );
    if header.flags & 1 != 0 {
        format::not(out, header.invflags & 0x20 != 0);
        out.push_str(" -f");
    }
}

fn ip6(header: &Ip6Header, cx: &Context<'_>, out: &mut String) {
    for (letter, addr, mask, bit) in [
        ('s', header.src, header.smsk, 8),
        ('d', header.dst, header.dmsk, 0x10),
    ] {
        let inverted = header.invflags & bit != 0;
        let bits = format::prefix_len(&mask);
        if !inverted && bits == Some(0) {
            continue;
        }
        format::not(out, inverted);
        w!(out, " -{letter} {}/", format::ip6(addr));
        match bits {
            Some(bits) => w!(out, "{bits}"),
            None => w!(out, "{}", format::ip6(mask)),
        }
    }
    details(
        &header.input,
        &header.output,
        header.proto,
        header.invflags,
        cx,
        out,
    );
}

fn details(
    input: &Device,
    output: &Device,
    proto: u16,
    invflags: u8,
    cx: &Context<'_>,
    out: &mut String,
) {
    device('i', input, invflags & 1 != 0, out);
    device('o', output, invflags & 2 != 0, out);
    if proto != 0 {
        format::not(out, invflags & 0x40 != 0);
        match protocol_name(proto, cx) {
            Some(name) => w!(out, " -p {name}"),
            None => w!(out, " -p {proto}"),
        }
    }
}

/// The name of a protocol: those that iptables knows itself, then those of the machine.
pub fn protocol_name(proto: u16, cx: &Context<'_>) -> Option<String> {
    let name = match proto {
        6 => "tcp",
        132 => "sctp",
        17 => "udp",
        136 => "udplite",
        1 => "icmp",
        58 => "ipv6-icmp",
        50 => "esp",
        51 => "ah",
        _ => {
            let number = u8::try_from(proto).ok()?;
            return cx.names.protocols.get(&number).cloned();
        }
    };
    Some(name.to_owned())
}

fn device(letter: char, device: &Device, inverted: bool, out: &mut String) {
    if device.mask.first().is_none_or(|&mask| mask == 0) {
        return;
    }
    format::not(out, inverted);
    w!(out, " -{letter} ");
    let mut name = Vec::new();
    let mut last = 0;
    for (&byte, &mask) in device.name.iter().zip(&device.mask) {
        if mask == 0 {
            if last != 0 {
                name.push(b'+');
            }
            break;
        }
        if byte != 0 {
            name.push(byte);
        }
        last = byte;
    }
    out.push_str(&crate::model::text::from_bytes(&name));
}

fn matches_and_target(rule: &Rule, cx: &Context<'_>, out: &mut String) {
    for part in &rule.parts {
        w!(out, " -m {}", part.name());
        options(part, cx, out);
    }
    match &rule.target {
        Target::Nothing => {}
        Target::Verdict(one) => w!(out, " -j {}", verdict(*one)),
        Target::Jump(chain) => w!(out, " -j {chain}"),
        Target::Goto(chain) => w!(out, " -g {chain}"),
        Target::Extension(part) => {
            w!(out, " -j {}", part.name());
            options(part, cx, out);
        }
    }
}

/// The options of an extension.
pub fn options(part: &Part, cx: &Context<'_>, out: &mut String) {
    match part {
        Part::Known(extension) => save::save(extension, cx, out),
        Part::Among(among) => self::among(among, out),
        Part::Log(log) => nft_log(log, out),
        Part::Unknown(raw) => {
            w!(
                out,
                " [{} bytes of revision {}:",
                raw.info.len(),
                raw.revision
            );
            for byte in &raw.info {
                w!(out, " {byte:02x}");
            }
            out.push(']');
        }
    }
}

fn nft_log(log: &NftLog, out: &mut String) {
    let (copies, len) = (log.snaplen.is_some(), log.snaplen.unwrap_or(0));
    save::nflog_words(&log.prefix, log.group, copies, len, log.threshold, out);
}

fn among(among: &Among, out: &mut String) {
    for (side, option) in [
        (&among.source, "--among-src"),
        (&among.destination, "--among-dst"),
    ] {
        if !side.pairs.is_empty() {
            w!(out, "{option} ");
            among_side(side, out);
            out.push(' ');
        }
    }
}

fn among_side(side: &AmongSide, out: &mut String) {
    if side.inverted {
        out.push_str("! ");
    }
    for (n, [a, b, c, d, e, f, _, _, ip @ ..]) in side.pairs.iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        w!(out, "{a:x}:{b:x}:{c:x}:{d:x}:{e:x}:{f:x}");
        if *ip != [0; 4] {
            w!(out, "={}", format::ip4(*ip));
        }
    }
}

/// A name in 16 bytes, NUL padded.
fn name16(name: &[u8; 16]) -> String {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(16);
    crate::model::text::from_bytes(name.get(..end).unwrap_or(name))
}

fn arp(header: &ArpHeader, rule: &Rule, cx: &Context<'_>, out: &mut String) {
    let no = |bit: u16| if header.invflags & bit != 0 { "! " } else { "" };
    let start = out.len();
    match &rule.target {
        Target::Nothing => {}
        Target::Verdict(one) => w!(out, " -j {}", verdict(*one)),
        Target::Jump(chain) | Target::Goto(chain) => w!(out, " -j {chain}"),
        Target::Extension(part) => w!(out, " -j {}", part.name()),
    }
    for (device, option, bit) in [(&header.input, "-i", 1), (&header.output, "-o", 2)] {
        if device.name.first().is_some_and(|&byte| byte != 0) {
            w!(out, " {}{option} {}", no(bit), name16(&device.name));
        }
    }
    let sides = [
        (
            "-s",
            header.src,
            header.smsk,
            4,
            "--src-mac",
            &header.src_devaddr,
            0x10,
        ),
        (
            "-d",
            header.tgt,
            header.tmsk,
            8,
            "--dst-mac",
            &header.tgt_devaddr,
            0x20,
        ),
    ];
    for (option, addr, mask, bit, mac_option, mac, mac_bit) in sides {
        if mask != [0; 4] {
            w!(
                out,
                " {}{option} {}{}",
                no(bit),
                format::ip4(addr),
                format::mask4(mask)
            );
        }
        if mac.mask.iter().any(|&byte| byte != 0) {
            let text = format::mac_and_mask(&mac.addr, &mac.mask);
            w!(out, " {}{mac_option} {text}", no(mac_bit));
        }
    }
    if header.arhln != 6 || header.arhln_mask != 255 {
        w!(out, " {}--h-length {}", no(0x200), header.arhln);
        if header.arhln_mask != 255 {
            w!(out, "/{}", header.arhln_mask);
        }
    }
    if header.arpop_mask != 0 {
        w!(out, " {}--opcode {}", no(0x40), header.arpop);
        if header.arpop_mask != u16::MAX {
            w!(out, "/{}", header.arpop_mask);
        }
    }
    if header.arhrd != 1 || header.arhrd_mask != u16::MAX {
        w!(out, " {}--h-type {}", no(0x80), header.arhrd);
        if header.arhrd_mask != u16::MAX {
            w!(out, "/{}", header.arhrd_mask);
        }
    }
    if header.arpro_mask != 0 {
        w!(out, " {}--proto-type 0x{:x}", no(0x100), header.arpro);
        if header.arpro_mask != u16::MAX {
            w!(out, "/{:x}", header.arpro_mask);
        }
    }
    if out.len() == start {
        out.push(' ');
    }
    if let Target::Extension(part) = &rule.target {
        options(part, cx, out);
    }
}

/// Addresses that ebtables has names for.
pub const WELL_KNOWN_MACS: [(&str, [u8; 6], [u8; 6]); 4] = [
    ("Unicast", [0; 6], [1, 0, 0, 0, 0, 0]),
    ("Multicast", [1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
    ("Broadcast", [0xff; 6], [0xff; 6]),
    ("BGA", [1, 0x80, 0xc2, 0, 0, 0], [0xff; 6]),
];

fn bridge_mac(addr: [u8; 6], mask: [u8; 6]) -> String {
    let named = WELL_KNOWN_MACS
        .iter()
        .find(|one| (one.1, one.2) == (addr, mask));
    match named {
        Some((name, ..)) => (*name).to_owned(),
        None => format::mac_and_mask(&addr, &mask),
    }
}

fn bridge(header: &BridgeHeader, rule: &Rule, cx: &Context<'_>, out: &mut String) {
    let no = |bit: u32| if header.invflags & bit != 0 { "! " } else { "" };
    out.push(' ');
    if header.bitmask & 1 == 0 {
        w!(out, "-p {}", no(1));
        if header.bitmask & 2 != 0 {
            out.push_str("Length ");
        } else {
            match cx.names.ethertypes.get(&header.ethproto) {
                Some(name) => w!(out, "{name} "),
                None => w!(out, "0x{:x} ", header.ethproto),
            }
        }
    }
    if header.bitmask & 4 != 0 {
        w!(
            out,
            "-s {}{} ",
            no(8),
            bridge_mac(header.source, header.source_mask)
        );
    }
    if header.bitmask & 8 != 0 {
        w!(
            out,
            "-d {}{} ",
            no(0x10),
            bridge_mac(header.destination, header.destination_mask)
        );
    }
    for (option, name, bit) in [
        ("-i", &header.input, 2),
        ("--logical-in", &header.logical_input, 0x20),
        ("-o", &header.output, 4),
        ("--logical-out", &header.logical_output, 0x40),
    ] {
        if name.first().is_some_and(|&byte| byte != 0) {
            w!(out, "{option} {}{} ", no(bit), name16(name));
        }
    }
    for part in &rule.parts {
        options(part, cx, out);
    }
    out.push_str("-j ");
    match &rule.target {
        Target::Nothing => out.push_str("CONTINUE"),
        Target::Verdict(one) => out.push_str(&verdict(*one)),
        Target::Jump(chain) | Target::Goto(chain) => out.push_str(chain),
        Target::Extension(part) => {
            out.push_str(part.name());
            out.push(' ');
            options(part, cx, out);
        }
    }
}
