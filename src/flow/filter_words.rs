//! A filter of packets written in one line: the options of `hookscope watch`, with or without their dashes.
//! Pure. May use nothing beside `flow`.

use super::packet::{PROTOCOLS, TCP_FLAGS};
use super::tracer::Filter;
use crate::model::network::Prefix;
use std::net::IpAddr;

/// What can be said, for completion and for messages.
pub const WORDS: &[&str] = &[
    "iif",
    "src",
    "dst",
    "proto",
    "sport",
    "dport",
    "tcp-flags",
    "icmp-type",
    "icmp-code",
    "mark",
    "uid",
    "gid",
    "both",
];

/// Read a line such as `--proto tcp dport 443`; empty: every packet.
pub fn parse(text: &str) -> Result<Filter, String> {
    let mut filter = Filter::default();
    let spaced = text.replace('=', " ");
    let mut words = spaced.split_whitespace();
    while let Some(word) = words.next() {
        let option = word.trim_start_matches('-');
        if option == "both" {
            filter.both_ways = true;
            continue;
        }
        if !WORDS.contains(&option) {
            // A protocol may stand alone.
            match protocol(option) {
                Ok(proto) if option.parse::<u8>().is_err() => filter.proto = Some(proto),
                _ => {
                    return Err(format!(
                        "'{word}' is none of the words: {}",
                        WORDS.join(", ")
                    ));
                }
            }
            continue;
        }
        let value = words
            .next()
            .ok_or_else(|| format!("'{option}' needs a value"))?;
        let wrong = |_| format!("'{value}' is no number for {option}");
        match option {
            "iif" => filter.iif = Some(value.to_owned()),
            "src" => filter.src = Some(prefix(value)?),
            "dst" => filter.dst = Some(prefix(value)?),
            "proto" => filter.proto = Some(protocol(value)?),
            "sport" => filter.sport = Some(value.parse().map_err(wrong)?),
            "dport" => filter.dport = Some(value.parse().map_err(wrong)?),
            "icmp-type" => filter.icmp_type = Some(value.parse().map_err(wrong)?),
            "icmp-code" => filter.icmp_code = Some(value.parse().map_err(wrong)?),
            "uid" => filter.uid = Some(value.parse().map_err(wrong)?),
            "gid" => filter.gid = Some(value.parse().map_err(wrong)?),
            "mark" => {
                let number = match value.strip_prefix("0x") {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => value.parse(),
                };
                filter.mark = Some(number.map_err(wrong)?);
            }
            _ => filter.tcp_flags = Some(flags(value)?),
        }
    }
    filter.check().map_err(|error| error.to_string())?;
    Ok(filter)
}

fn protocol(text: &str) -> Result<u8, String> {
    let known = PROTOCOLS.iter().find(|(name, _)| *name == text);
    match known {
        Some((_, number)) => Ok(*number),
        None => text.parse().map_err(|_| format!("'{text}' is no protocol")),
    }
}

fn prefix(text: &str) -> Result<Prefix, String> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| format!("'{address}' is no address"))?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Ok(bits), str::parse);
    match length {
        Ok(length) if length <= bits => Ok(Prefix::new(address, length)),
        _ => Err(format!("'{text}' has no prefix length from 0 to {bits}")),
    }
}

fn flags(text: &str) -> Result<u8, String> {
    let mut bits = 0;
    for name in text.split(',').filter(|name| !matches!(*name, "" | "none")) {
        let found = TCP_FLAGS.iter().find(|(known, _)| *known == name);
        let (_, bit) = found.ok_or_else(|| {
            format!(
                "'{name}' is no TCP flag; they are {}",
                super::tracer::tcp_flag_words()
            )
        })?;
        bits |= bit;
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_meant() {
        let text = "--iif eth0 --src 10.0.0.0/8 --dst 192.0.2.1 --proto tcp --dport 443 --tcp-flags syn --both";
        assert_eq!(parse(text).unwrap().options(), text);
        assert_eq!(
            parse("udp dport=53").unwrap().options(),
            "--proto udp --dport 53"
        );
        assert_eq!(parse("").unwrap(), Filter::default());
        for wrong in [
            "dport",
            "dport x",
            "src 10.0.0.0/40",
            "what 1",
            "icmp dport 1",
            "7",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
