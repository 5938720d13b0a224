//! Expressions as `nft --debug=netlink list ruleset` writes them: what the kernel runs, one instruction each.
//!
//! Values are words of 32 bits in this machine's byte order, whatever they mean, as nft has them until libnftnl 1.2:
//! port 443 is `0x0000bb01` on a little-endian machine. Three things differ from nft, because it leaves them out:
//! the flags of `synproxy`, the bytes of xtables extensions, and the names of SCTP and DCCP in `exthdr`.

use crate::model::expression::*;
use std::fmt::Write;

const META: [&str; 37] = [
    "len",
    "protocol",
    "priority",
    "mark",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iiftype",
    "oiftype",
    "skuid",
    "skgid",
    "nftrace",
    "rtclassid",
    "secmark",
    "nfproto",
    "l4proto",
    "bri_iifname",
    "bri_oifname",
    "pkttype",
    "cpu",
    "iifgroup",
    "oifgroup",
    "cgroup",
    "prandom",
    "secpath",
    "iifkind",
    "oifkind",
    "bri_iifpvid",
    "bri_iifvproto",
    "time",
    "day",
    "hour",
    "sdif",
    "sdifname",
    "bri_broute",
    "bri_iifhwaddr",
];
const CT: [&str; 24] = [
    "state",
    "direction",
    "status",
    "mark",
    "secmark",
    "expiration",
    "helper",
    "l3protocol",
    "src",
    "dst",
    "protocol",
    "proto_src",
    "proto_dst",
    "label",
    "packets",
    "bytes",
    "avgpkt",
    "zone",
    "event",
    "src_ip",
    "dst_ip",
    "src_ip6",
    "dst_ip6",
    "id",
];
const RT: [&str; 5] = ["classid", "nexthop4", "nexthop6", "tcpmss", "ipsec"];
const SOCKET: [&str; 4] = ["transparent", "mark", "wildcard", "cgroupv2"];
const TUNNEL: [&str; 2] = ["path", "id"];
const XFRM: [&str; 7] = [
    "unknown", "daddr4", "saddr4", "daddr6", "saddr6", "reqid", "spi",
];
const FIB: [&str; 4] = ["unknown", "oif", "oifname", "type"];
const EXTHDR: [&str; 5] = ["ipv6", "tcpopt", "ipv4", "sctp", "dccp"];
const DIRECTION: [&str; 2] = ["original", "reply"];

/// One expression: `[ meta load l4proto => reg 1 ]`.
pub fn line(expression: &Expression) -> String {
    let body = body(expression);
    let gap = if body.is_empty() { "" } else { " " };
    format!("[ {}{gap}{body} ]", expression.kernel_name())
}

fn name(names: &[&str], key: u32) -> String {
    let known = usize::try_from(key).ok().and_then(|key| names.get(key));
    known.map_or_else(|| format!("key {key}"), |name| (*name).to_owned())
}

/// Words of 32 bits, separated by spaces; the last one filled up with zeros.
fn words(bytes: &[u8]) -> String {
    let word = |chunk: &[u8]| {
        let mut word = [0; 4];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        format!("{:#010x}", u32::from_ne_bytes(word))
    };
    let words: Vec<String> = bytes.chunks(4).map(word).collect();
    words.join(" ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_owned(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// ` word VALUE` for everything that is there.
fn registers(parts: &[(&str, Option<Register>)]) -> String {
    let there = parts.iter().filter_map(|(word, register)| {
        let register = (*register)?;
        Some(format!(" {word} {register}"))
    });
    there.collect()
}

fn flags(value: u32) -> String {
    if value == 0 {
        String::new()
    } else {
        format!(" flags {value:#x}")
    }
}

fn family(value: u32) -> String {
    match value {
        1 => "inet".into(),
        2 => "ip".into(),
        10 => "ip6".into(),
        other => other.to_string(),
    }
}

fn compare(op: CmpOp) -> &'static str {
    match op {
        CmpOp::Eq => "eq",
        CmpOp::Neq => "neq",
        CmpOp::Lt => "lt",
        CmpOp::Lte => "lte",
        CmpOp::Gt => "gt",
        CmpOp::Gte => "gte",
    }
}

fn base(base: PayloadBase) -> &'static str {
    match base {
        PayloadBase::Link => "link",
        PayloadBase::Network => "network",
        PayloadBase::Transport => "transport",
        PayloadBase::Inner => "inner",
        PayloadBase::Tunnel => "tunnel",
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Drop => "drop".into(),
        Verdict::Accept => "accept".into(),
        Verdict::Stolen => "stolen".into(),
        Verdict::Queue => "queue".into(),
        Verdict::Repeat => "repeat".into(),
        Verdict::Stop => "stop".into(),
        Verdict::Continue => "continue".into(),
        Verdict::Break => "break".into(),
        Verdict::Jump(chain) => format!("jump -> {chain}"),
        Verdict::Goto(chain) => format!("goto -> {chain}"),
        Verdict::Return => "return".into(),
        Verdict::Unknown(code) => format!("verdict {code}"),
    }
}

fn bitwise(sreg: Register, op: &BitwiseOp) -> String {
    let operand = |operand: &BitwiseOperand| match operand {
        BitwiseOperand::Register(register) => format!("reg {register}"),
        BitwiseOperand::Value(value) => words(value),
    };
    match op {
        BitwiseOp::Mask { mask, xor } => {
            format!("( reg {sreg} & {} ) ^ {}", words(mask), words(xor))
        }
        BitwiseOp::ShiftLeft(bits) => format!("( reg {sreg} << {bits:#010x} )"),
        BitwiseOp::ShiftRight(bits) => format!("( reg {sreg} >> {bits:#010x} )"),
        BitwiseOp::And(other) => format!("( reg {sreg} & {} )", operand(other)),
        BitwiseOp::Or(other) => format!("( reg {sreg} | {} )", operand(other)),
        BitwiseOp::Xor(other) => format!("( reg {sreg} ^ {} )", operand(other)),
    }
}

fn direction(direction: Option<u8>) -> String {
    direction.map_or_else(String::new, |value| {
        format!(" , dir {}", name(&DIRECTION, u32::from(value)))
    })
}

fn offset(value: u32) -> String {
    if value == 0 {
        String::new()
    } else {
        format!(" offset {value}")
    }
}

fn fib(result: u32, flags: u32) -> String {
    const WORDS: [(u32, &str); 5] = [
        (1, "saddr"),
        (2, "daddr"),
        (4, "mark"),
        (8, "iif"),
        (16, "oif"),
    ];
    let set = WORDS.into_iter().filter(|(flag, _)| flags & flag != 0);
    let words: Vec<&str> = set.map(|(_, word)| word).collect();
    let present = if flags & 32 == 0 { "" } else { " present" };
    format!("{} {}{present}", words.join(" . "), name(&FIB, result))
}

fn limit(limit: &Limit) -> String {
    let unit = match limit.unit {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        3_600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        604_800 => "week".to_owned(),
        other => format!("{other}s"),
    };
    let kind = match limit.kind {
        0 => "packets".to_owned(),
        1 => "bytes".to_owned(),
        other => other.to_string(),
    };
    let Limit {
        rate, burst, flags, ..
    } = limit;
    format!("rate {rate}/{unit} burst {burst} type {kind} flags {flags:#x}")
}

fn log_flags(flags: u32) -> String {
    const WORDS: [(u32, &str); 5] = [
        (1, " tcpseq"),
        (2, " tcpopt"),
        (4, " ipopt"),
        (8, " uid"),
        (32, " macdecode"),
    ];
    let set = WORDS.into_iter().filter(|(flag, _)| flags & flag != 0);
    let mut text: String = set.map(|(_, word)| word).collect();
    let rest = flags & !(1 | 2 | 4 | 8 | 32);
    if rest != 0 {
        let _ = write!(text, " flags {rest:#x}");
    }
    text
}

fn queue(num: u16, total: u16, flags: u16, register: Option<Register>) -> String {
    let mut text = match register {
        Some(register) => format!("sreg_qnum {register}"),
        None if total > 1 => format!("num {num}-{}", u32::from(num) + u32::from(total) - 1),
        None => format!("num {num}"),
    };
    for (flag, word) in [(1, " bypass"), (2, " fanout")] {
        if flags & flag != 0 {
            text.push_str(word);
        }
    }
    text
}

fn xtables(extension: &Xtables) -> String {
    let Xtables {
        name,
        revision,
        info,
    } = extension;
    format!("name {name} rev {revision} info {}", hex(info))
}

/// What follows the name.
fn body(expression: &Expression) -> String {
    match expression {
        Expression::Immediate { dreg, data } => match data {
            Data::Value(bytes) => format!("reg {dreg} {}", words(bytes)),
            Data::Verdict(code) => format!("reg {dreg} {}", verdict(code)),
        },
        Expression::Cmp { sreg, op, data } => {
            format!("{} reg {sreg} {}", compare(*op), words(data))
        }
        Expression::Range { sreg, op, from, to } => {
            let (from, to) = (words(from), words(to));
            format!("{} reg {sreg} {from} {to}", compare(*op))
        }
        Expression::Bitwise { sreg, dreg, op, .. } => {
            format!("reg {dreg} = {}", bitwise(*sreg, op))
        }
        Expression::Byteorder {
            sreg,
            dreg,
            op,
            len,
            size,
        } => {
            let op = name(&["ntoh", "hton"], *op);
            format!("reg {dreg} = {op}(reg {sreg}, {size}, {len})")
        }
        Expression::Payload {
            dreg,
            base: from,
            offset,
            len,
        } => {
            format!(
                "load {len}b @ {} header + {offset} => reg {dreg}",
                base(*from)
            )
        }
        Expression::PayloadSet {
            sreg,
            base: to,
            offset,
            len,
            csum_type,
            csum_offset,
            csum_flags,
        } => format!(
            "write reg {sreg} => {len}b @ {} header + {offset} csum_type {csum_type} csum_off {csum_offset} csum_flags {csum_flags:#x}",
            base(*to)
        ),
        Expression::Exthdr {
            dreg,
            kind,
            offset,
            len,
            flags,
            op,
        } => {
            let present = if flags & 1 == 0 { "" } else { " present" };
            let op = name(&EXTHDR, *op);
            format!("load {op} {len}b @ {kind} + {offset}{present} => reg {dreg}")
        }
        Expression::ExthdrSet {
            sreg,
            kind,
            offset,
            len,
            op,
            ..
        } => {
            let op = name(&EXTHDR, *op);
            format!("write {op} reg {sreg} => {len}b @ {kind} + {offset}")
        }
        Expression::ExthdrReset { kind, op } => format!("reset {} {kind}", name(&EXTHDR, *op)),
        Expression::Meta { dreg, key } => format!("load {} => reg {dreg}", name(&META, *key)),
        Expression::MetaSet { sreg, key } => format!("set {} with reg {sreg}", name(&META, *key)),
        Expression::Ct {
            dreg,
            key,
            direction: way,
        } => {
            format!("load {} => reg {dreg}{}", name(&CT, *key), direction(*way))
        }
        Expression::CtSet {
            sreg,
            key,
            direction: way,
        } => {
            format!("set {} with reg {sreg}{}", name(&CT, *key), direction(*way))
        }
        Expression::Rt { dreg, key } => format!("load {} => reg {dreg}", name(&RT, *key)),
        Expression::Socket { dreg, key, level } => {
            let level = match key {
                3 => format!(" level {level}"),
                _ => String::new(),
            };
            format!("load {}{level} => reg {dreg}", name(&SOCKET, *key))
        }
        Expression::Osf { dreg, .. } => format!("dreg {dreg}"),
        Expression::Fib {
            dreg,
            result,
            flags,
        } => format!("{} => reg {dreg}", fib(*result, *flags)),
        Expression::Hash {
            dreg,
            sreg,
            len,
            modulus,
            seed,
            offset: start,
            kind,
        } => {
            let of = match (kind, sreg) {
                (0, Some(sreg)) => format!("jhash(reg {sreg}, {len}, {:#x})", seed.unwrap_or(0)),
                (1, _) => "symhash()".to_owned(),
                _ => format!("hash {kind}"),
            };
            format!("reg {dreg} = {of} % mod {modulus}{}", offset(*start))
        }
        Expression::Numgen {
            dreg,
            modulus,
            kind,
            offset: start,
        } => {
            let kind = name(&["inc", "random"], *kind);
            format!("reg {dreg} = {kind} mod {modulus}{}", offset(*start))
        }
        Expression::Lookup {
            set,
            sreg,
            dreg,
            flags,
        } => {
            let dreg = registers(&[("dreg", *dreg)]);
            format!("reg {sreg} set {set}{dreg} {flags:#x}")
        }
        Expression::Dynset {
            set,
            op,
            sreg_key,
            sreg_data,
            timeout,
            expressions,
            ..
        } => {
            let op = match op {
                DynsetOp::Add => "add",
                DynsetOp::Update => "update",
                DynsetOp::Delete => "delete",
            };
            let data = registers(&[("sreg_data", *sreg_data)]);
            let mut text = format!("{op} reg_key {sreg_key} set {set}{data} timeout {timeout}ms");
            for expression in expressions {
                let _ = write!(text, " expr {}", line(expression));
            }
            text
        }
        Expression::Objref { target } => match target {
            ObjrefTarget::Name { kind, name } => format!("type {kind} name {name}"),
            ObjrefTarget::Map { sreg, set } => format!("sreg {sreg} set {set}"),
        },
        Expression::Counter(Counter { packets, bytes }) => format!("pkts {packets} bytes {bytes}"),
        Expression::Quota(Quota {
            bytes,
            flags,
            consumed,
        }) => format!("bytes {bytes} consumed {consumed} flags {flags}"),
        Expression::Limit(parameters) => limit(parameters),
        Expression::Connlimit { count, flags } => format!("count {count} flags {flags:x}"),
        Expression::Last { set: false, .. } => "never".into(),
        Expression::Last { msecs, .. } => format!("{msecs}ms"),
        Expression::Log {
            prefix,
            group,
            snaplen,
            qthreshold,
            level,
            flags,
        } => {
            let mut text = String::new();
            if let Some(prefix) = prefix {
                let _ = write!(text, " prefix {prefix}");
            }
            if let Some(group) = group {
                let (snaplen, threshold) = (snaplen.unwrap_or(0), qthreshold.unwrap_or(0));
                let _ = write!(
                    text,
                    " group {group} snaplen {snaplen} qthreshold {threshold}"
                );
            }
            if let Some(level) = level.filter(|_| group.is_none()) {
                let _ = write!(text, " level {level}");
            }
            text.push_str(&log_flags(flags.unwrap_or(0)));
            text.trim_start().to_owned()
        }
        Expression::Reject { kind, code } => format!("type {kind} code {code}"),
        Expression::Nat {
            kind,
            family: of,
            addr_min,
            addr_max,
            proto_min,
            proto_max,
            flags: bits,
        } => {
            let kind = match kind {
                NatKind::Source => "snat",
                NatKind::Destination => "dnat",
            };
            let registers = registers(&[
                ("addr_min reg", *addr_min),
                ("addr_max reg", *addr_max),
                ("proto_min reg", *proto_min),
                ("proto_max reg", *proto_max),
            ]);
            format!("{kind} {}{registers}{}", family(*of), flags(*bits))
        }
        Expression::Masq {
            flags: bits,
            proto_min,
            proto_max,
        }
        | Expression::Redir {
            flags: bits,
            proto_min,
            proto_max,
        } => {
            let registers =
                registers(&[("proto_min reg", *proto_min), ("proto_max reg", *proto_max)]);
            format!("{registers}{}", flags(*bits))
                .trim_start()
                .to_owned()
        }
        Expression::Dup { addr, dev } => registers(&[("sreg_addr", *addr), ("sreg_dev", *dev)])
            .trim_start()
            .to_owned(),
        Expression::Fwd { dev, addr, nfproto } => {
            let rest = registers(&[("sreg_addr", *addr), ("nfproto", *nfproto)]);
            format!("sreg_dev {dev}{rest}")
        }
        Expression::Queue {
            num,
            total,
            flags,
            sreg_qnum,
        } => queue(*num, *total, *flags, *sreg_qnum),
        Expression::Tproxy {
            family: of,
            addr,
            port,
        } => {
            let registers = registers(&[("addr reg", *addr), ("port reg", *port)]);
            format!("{}{registers}", family(*of))
        }
        Expression::Synproxy(Synproxy { mss, wscale, flags }) => {
            format!("mss {mss} wscale {wscale} flags {flags:#x}")
        }
        Expression::Notrack => String::new(),
        Expression::FlowOffload { table } => format!("flowtable {table}"),
        Expression::Tunnel { dreg, key, .. } => {
            format!("load {} => reg {dreg}", name(&TUNNEL, *key))
        }
        Expression::Xfrm {
            dreg,
            key,
            direction,
            spnum,
        } => {
            let way = name(&["in", "out"], u32::from(*direction));
            format!("load {way} {spnum} {} => reg {dreg}", name(&XFRM, *key))
        }
        Expression::Inner {
            kind,
            flags,
            header_size,
            expression,
            ..
        } => format!(
            "type {kind} hdrsize {header_size} flags {flags:x} {}",
            line(expression)
        ),
        Expression::Match(extension) | Expression::Target(extension) => xtables(extension),
        Expression::Unknown(unknown) => {
            format!("not understood: {}: {}", unknown.why, hex(&unknown.data))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_understood_is_shown_byte_for_byte() {
        let unknown = Expression::Unknown(UnknownExpression {
            name: "novel".into(),
            data: vec![1, 0xab],
            why: "new".into(),
        });
        assert_eq!(line(&unknown), "[ novel not understood: new: 0x01ab ]");
        let meta = Expression::Meta { dreg: 1, key: 99 };
        assert_eq!(line(&meta), "[ meta load key 99 => reg 1 ]");
    }

    #[test]
    fn values_are_words_of_this_machine() {
        let cmp = Expression::Cmp {
            sreg: 1,
            op: CmpOp::Eq,
            data: vec![1, 2, 3, 4, 5],
        };
        let (a, b) = (
            u32::from_ne_bytes([1, 2, 3, 4]),
            u32::from_ne_bytes([5, 0, 0, 0]),
        );
        assert_eq!(line(&cmp), format!("[ cmp eq reg 1 {a:#010x} {b:#010x} ]"));
        let full = Expression::Queue {
            num: 65535,
            total: 65535,
            flags: 3,
            sreg_qnum: None,
        };
        assert_eq!(line(&full), "[ queue num 65535-131069 bypass fanout ]");
    }
}
