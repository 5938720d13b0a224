//! The options that describe a packet: their names, and text to values. What `hookscope trace` takes on the command
//! line and in files, and what the packet form of the interface takes field by field.

use super::observed;
use super::packet::{CtOverride, Fragment, PROTOCOLS, Question, QuestionError, TCP_FLAGS};
use std::net::IpAddr;

/// Name, what stands for the value, and what it is, in one line.
pub type Row = (&'static str, &'static str, &'static str);

#[rustfmt::skip]
pub const OPTIONS: &[Row] = &[
    ("iif",       "DEV",     "the device it arrives on; without it this machine sends the packet"),
    ("src",       "ADDRESS", "source address; a packet this machine sends gets one by routing"),
    ("dst",       "ADDRESS", "destination address"),
    ("proto",     "PROTO",   "tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah or a number"),
    ("sport",     "PORT",    "source port"),
    ("dport",     "PORT",    "destination port"),
    ("ct-state",  "STATE",   "new, established, related, invalid, untracked; without it conntrack is asked"),
    ("tcp-flags", "FLAGS",   "fin, syn, rst, psh, ack, urg, ece, cwr, with commas; without it syn"),
    ("icmp-type", "NUMBER",  "ICMP type; 8 is an echo request (128 with ICMPv6)"),
    ("icmp-code", "NUMBER",  "ICMP code"),
    ("mark",      "MARK",    "mark of the packet, or of the socket that sends it"),
    ("length",    "BYTES",   "bytes at the IP layer"),
    ("ttl",       "NUMBER",  "TTL or hop limit"),
    ("dscp",      "0-63",    "differentiated services code point"),
    ("ether-src", "MAC",     "whom the frame comes from"),
    ("ether-dst", "MAC",     "whom the frame is for; without it this machine"),
    ("vlan",      "ID",      "VLAN identifier of the frame"),
    ("uid",       "NUMBER",  "user whose socket sends it"),
    ("gid",       "NUMBER",  "group of that user"),
    ("fragment",  "WHICH",   "first, later, last, or an offset in units of 8 bytes, with + when more follow"),
    ("payload",   "HEX",     "bytes behind the transport header"),
    ("hex",       "FRAME",   "a whole Ethernet frame in hex, instead of the fields"),
    ("time",      "TIME",    "the moment, for rules about time: 2024-01-31T13:00:00 (UTC), or seconds since 1970"),
];

pub fn row(name: &str) -> Option<&'static Row> {
    OPTIONS.iter().find(|(known, _, _)| *known == name)
}

/// What is wrong, and with which option, where it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub option: Option<&'static str>,
    pub message: String,
}

impl Wrong {
    /// The option that a refusal of the packet as a whole begins with.
    pub fn of(error: &QuestionError) -> Wrong {
        let message = error.to_string();
        let mentioned = OPTIONS.iter().filter_map(|(name, _, _)| {
            let text = format!("--{name}");
            let at = message.find(&text)?;
            let after = message.get(at + text.len()..)?.chars().next();
            let whole = after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '-');
            whole.then_some((at, *name))
        });
        Wrong {
            option: mentioned.min().map(|(_, name)| name),
            message,
        }
    }
}

/// Put one option into the question. `name` is of [`OPTIONS`]; the message does not repeat it.
pub fn set(question: &mut Question, name: &str, text: &str) -> Result<(), String> {
    match name {
        "iif" => question.iif = Some(text.to_owned()),
        "src" => question.src = Some(address(text)?),
        "dst" => question.dst = Some(address(text)?),
        "proto" => question.proto = Some(proto(text)?),
        "sport" => question.sport = Some(port(text)?),
        "dport" => question.dport = Some(port(text)?),
        "tcp-flags" => question.tcp_flags = Some(flags(text)?),
        "icmp-type" => question.icmp_type = Some(byte(text)?),
        "icmp-code" => question.icmp_code = Some(byte(text)?),
        "ct-state" => question.ct_state = Some(state(text)?),
        "mark" => question.mark = number(text)?,
        "length" => question.length = Some(number(text)?),
        "ttl" => question.ttl = Some(byte(text)?),
        "dscp" => question.dscp = u8::try_from(number(text)?).unwrap_or(u8::MAX),
        "ether-src" => question.ether_src = Some(mac(text)?),
        "ether-dst" => question.ether_dst = Some(mac(text)?),
        "vlan" => question.vlan = Some(port(text)?),
        "uid" => question.uid = Some(number(text)?),
        "gid" => question.gid = Some(number(text)?),
        "fragment" => question.fragment = Some(fragment(text)?),
        "payload" => question.payload = hex(text)?,
        "hex" => question.frame = Some(hex(text)?),
        "time" => question.time = Some(time(text)?),
        other => return Err(format!("there is no option '{other}'")),
    }
    Ok(())
}

/// A line of options to names and texts.
pub fn pairs(line: &str) -> Result<Vec<(&'static str, String)>, Wrong> {
    let fail = |message: String| Wrong {
        option: None,
        message,
    };
    let mut words = split(line).map_err(fail)?.into_iter().peekable();
    let mut pairs: Vec<(&'static str, String)> = Vec::new();
    while let Some(word) = words.next() {
        let Some(name) = word.strip_prefix("--") else {
            return Err(fail(format!(
                "'{word}' is no option; options begin with --"
            )));
        };
        let (name, own) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (name, None),
        };
        let Some((name, what, _)) = row(name) else {
            let near = crate::lang::near::near(name, OPTIONS.iter().map(|(name, _, _)| *name));
            let near = near.map(|near| format!("; did you mean --{near}?"));
            let near = near.unwrap_or_default();
            return Err(fail(format!("there is no option '--{name}'{near}")));
        };
        if pairs.iter().any(|(known, _)| known == name) {
            return Err(Wrong {
                option: Some(name),
                message: "it is given twice".into(),
            });
        }
        let next = || words.next_if(|word| !word.starts_with("--"));
        let value = match own.or_else(next) {
            Some(value) => value,
            None if *name == "fragment" => "later".into(),
            None => {
                return Err(Wrong {
                    option: Some(name),
                    message: format!("it needs a value: --{name} {what}"),
                });
            }
        };
        pairs.push((name, value));
    }
    Ok(pairs)
}

/// A question from names and texts; empty texts count for nothing.
pub fn question<'p>(
    pairs: impl IntoIterator<Item = (&'static str, &'p str)>,
) -> Result<Question, Wrong> {
    let mut question = Question::default();
    for (name, text) in pairs {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        set(&mut question, name, text).map_err(|message| Wrong {
            option: Some(name),
            message,
        })?;
    }
    Ok(question)
}

/// Words as a shell splits them: quotes, backslashes, no expansion.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => {
                let own = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed".into()),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => own.extend(chars.next()),
                        Some(other) => own.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next()),
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is no address like 192.0.2.1 or 2001:db8::1"))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is no number up to 65535"))
}

fn byte(text: &str) -> Result<u8, String> {
    text.parse()
        .map_err(|_| format!("'{text}' is no number up to 255"))
}

/// Decimal, or hexadecimal behind `0x`.
pub fn number(text: &str) -> Result<u32, String> {
    let number = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    number.map_err(|_| format!("'{text}' is no number"))
}

pub fn proto(text: &str) -> Result<u8, String> {
    if let Some((_, number)) = PROTOCOLS.iter().find(|(name, _)| *name == text) {
        return Ok(*number);
    }
    text.parse().map_err(|_| {
        let names: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        let names = names.join(", ");
        format!("'{text}' is no protocol; use {names} or a number up to 255")
    })
}

pub fn flags(text: &str) -> Result<u8, String> {
    let names = || -> Vec<&str> { TCP_FLAGS.iter().map(|(name, _)| *name).collect() };
    let given = text.split(',').map(str::trim);
    given
        .filter(|name| !name.is_empty() && *name != "none")
        .try_fold(0, |bits, name| {
            let found = TCP_FLAGS.iter().find(|(known, _)| *known == name);
            let (_, bit) = found.ok_or_else(|| {
                format!(
                    "'{name}' is no TCP flag; the flags are {}",
                    names().join(", ")
                )
            })?;
            Ok(bits | bit)
        })
}

/// The states that conntrack can be overridden with.
pub const STATES: &[(&str, CtOverride)] = &[
    ("new", CtOverride::New),
    ("established", CtOverride::Established),
    ("related", CtOverride::Related),
    ("invalid", CtOverride::Invalid),
    ("untracked", CtOverride::Untracked),
];

pub fn state(text: &str) -> Result<CtOverride, String> {
    let found = STATES.iter().find(|(name, _)| *name == text);
    found.map(|(_, state)| *state).ok_or_else(|| {
        format!("'{text}' is no state; use new, established, related, invalid or untracked")
    })
}

pub fn mac(text: &str) -> Result<[u8; 6], String> {
    let parts: Result<Vec<u8>, _> = text
        .split([':', '-'])
        .map(|part| u8::from_str_radix(part, 16))
        .collect();
    parts
        .ok()
        .and_then(|parts| parts.try_into().ok())
        .ok_or_else(|| format!("'{text}' is no MAC address like 02:00:00:00:00:01"))
}

pub fn fragment(text: &str) -> Result<Fragment, String> {
    let (offset, more) = match text {
        "first" => (0, true),
        "later" => (185, true),
        "last" => (185, false),
        other => {
            let number = other.strip_suffix('+').unwrap_or(other);
            let offset: u16 = number.parse().map_err(|_| {
                format!("'{other}' is no fragment; use first, later, last or an offset like 185+")
            })?;
            (offset, number.len() != other.len())
        }
    };
    if offset > 0x1fff {
        return Err(format!(
            "the offset {offset} is too large; the largest is 8191"
        ));
    }
    Ok(Fragment { offset, more })
}

pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<char> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    if let Some(bad) = digits.iter().find(|c| !c.is_ascii_hexdigit()) {
        return Err(format!("'{bad}' is no hex digit"));
    }
    if !digits.len().is_multiple_of(2) {
        return Err(format!("an odd number of hex digits ({})", digits.len()));
    }
    let value = |c: &char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[char]| match pair {
        [high, low] => Some(value(high)? << 4 | value(low)?),
        _ => None,
    };
    Ok(digits.chunks_exact(2).filter_map(byte).collect())
}

/// Nanoseconds since 1970.
pub fn time(text: &str) -> Result<i64, String> {
    let seconds = match text.parse::<i64>() {
        Ok(seconds) => seconds,
        Err(_) => {
            let text = text.trim_end_matches('Z');
            let formats = [
                "%Y-%m-%dT%H:%M:%S",
                "%Y-%m-%d %H:%M:%S",
                "%Y-%m-%dT%H:%M",
                "%Y-%m-%d %H:%M",
            ];
            let read = |format: &&str| chrono::NaiveDateTime::parse_from_str(text, format).ok();
            let found = formats.iter().find_map(read);
            let message =
                || format!("'{text}' is no time like 2024-01-31T13:00:00 or seconds since 1970");
            found.ok_or_else(message)?.and_utc().timestamp()
        }
    };
    seconds
        .checked_mul(1_000_000_000)
        .ok_or_else(|| format!("the time {seconds} is too far away"))
}

/// The options of a packet, in the form in which they are read; what is usual is left out.
pub fn of(question: &Question) -> Vec<(&'static str, String)> {
    let mut out: Vec<(&'static str, String)> = Vec::new();
    let mut put = |name: &'static str, value: Option<String>| out.extend(value.map(|v| (name, v)));
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    put("iif", question.iif.clone());
    put("src", question.src.map(|a| a.to_string()));
    put("dst", question.dst.map(|a| a.to_string()));
    put("proto", question.proto.map(super::packet::protocol_name));
    put("sport", question.sport.map(|p| p.to_string()));
    put("dport", question.dport.map(|p| p.to_string()));
    let state = STATES
        .iter()
        .find(|(_, state)| Some(*state) == question.ct_state);
    put("ct-state", state.map(|(name, _)| (*name).to_owned()));
    put("tcp-flags", question.tcp_flags.map(observed::flags));
    put("icmp-type", question.icmp_type.map(|n| n.to_string()));
    put("icmp-code", question.icmp_code.map(|n| n.to_string()));
    let mark = (question.mark != 0).then(|| format!("{:#x}", question.mark));
    put("mark", mark);
    put("length", question.length.map(|n| n.to_string()));
    put("ttl", question.ttl.map(|n| n.to_string()));
    let dscp = (question.dscp != 0).then(|| question.dscp.to_string());
    put("dscp", dscp);
    put("ether-src", question.ether_src.map(observed::mac));
    put("ether-dst", question.ether_dst.map(observed::mac));
    put("vlan", question.vlan.map(|n| n.to_string()));
    put("uid", question.uid.map(|n| n.to_string()));
    put("gid", question.gid.map(|n| n.to_string()));
    put(
        "fragment",
        question.fragment.map(|fragment| {
            let more = if fragment.more { "+" } else { "" };
            format!("{}{more}", fragment.offset)
        }),
    );
    let payload = (!question.payload.is_empty()).then(|| hex(&question.payload));
    put("payload", payload);
    put("hex", question.frame.as_ref().map(|frame| hex(frame)));
    put(
        "time",
        question.time.map(|time| (time / 1_000_000_000).to_string()),
    );
    out
}

/// The options that ask about a packet, as one line.
pub fn text(question: &Question) -> String {
    let pairs = of(question);
    line(pairs.iter().map(|(name, text)| (*name, text.as_str())))
}

/// The options as a line that [`pairs`] reads.
pub fn line<'p>(pairs: impl IntoIterator<Item = (&'static str, &'p str)>) -> String {
    let word = |(name, text): (&'static str, &str)| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:,+/@%=".contains(c);
        if !text.is_empty() && text.chars().all(plain) {
            format!("--{name} {text}")
        } else {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"");
            format!("--{name} \"{text}\"")
        }
    };
    pairs.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_and_its_question_say_the_same() {
        let text = "--iif eth0 --src 10.0.0.1 --dst 10.0.0.2 --proto tcp --dport 80 --ct-state established --tcp-flags syn,ack --mark 0x10 --ether-src 02:00:00:00:00:09 --fragment 185+ --payload 00ff";
        let read = |text: &str| {
            let pairs = pairs(text)?;
            question(pairs.iter().map(|(name, text)| (*name, text.as_str())))
        };
        let packet = read(text).unwrap();
        assert_eq!(
            (packet.proto, packet.dport, packet.tcp_flags, packet.mark),
            (Some(6), Some(80), Some(18), 16)
        );
        let options = of(&packet);
        let again = line(options.iter().map(|(name, text)| (*name, text.as_str())));
        assert_eq!(again, text);
        assert_eq!(
            read("--iif 'a b' --fragment").unwrap().iif.as_deref(),
            Some("a b")
        );
        assert_eq!(line([("iif", "a b")]), "--iif \"a b\"");
    }

    #[test]
    fn mistakes_name_the_option() {
        let wrong = |text: &str| {
            let pairs = pairs(text)?;
            question(pairs.iter().map(|(name, text)| (*name, text.as_str())))
        };
        for (text, option, part) in [
            ("--src 10.0.0", Some("src"), "no address"),
            ("--hex abc", Some("hex"), "odd"),
            ("--dprt 5", None, "--dport"),
            ("--dport", Some("dport"), "needs a value"),
            ("--dport 70000", Some("dport"), "65535"),
            ("--src 1.1.1.1 --src 1.1.1.2", Some("src"), "twice"),
            ("dport 5", None, "begin with --"),
            ("--iif 'x", None, "quote"),
        ] {
            let error = wrong(text).unwrap_err();
            assert_eq!(error.option, option, "{text}");
            assert!(error.message.contains(part), "{text}: {}", error.message);
        }
        let of = |error: QuestionError| Wrong::of(&error).option;
        assert_eq!(of(QuestionError::Missing("dst")), Some("dst"));
        assert_eq!(of(QuestionError::UnknownDevice("x".into())), Some("iif"));
        assert_eq!(of(QuestionError::Vlan(5000)), Some("vlan"));
    }
}
