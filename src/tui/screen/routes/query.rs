//! The words of `ip route get`, read from one line.

use crate::session::picture::RouteQuery;
use std::net::IpAddr;

/// `DST [from SRC] [iif DEV] [oif DEV] [mark N] [tos N] [uid N] [ipproto P] [sport N] [dport N]`
pub fn parse(text: &str) -> Result<RouteQuery, String> {
    let mut query = RouteQuery::default();
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("'{word}' needs a value"));
        match word {
            "to" => query.dst = Some(address(value()?)?),
            "from" => query.from = Some(address(value()?)?),
            "iif" => query.iif = Some(value()?.into()),
            "oif" | "dev" => query.oif = Some(value()?.into()),
            "mark" => query.mark = Some(number(word, value()?)?),
            "tos" | "dsfield" => query.tos = Some(small(word, value()?)?),
            "uid" => query.uid = Some(number(word, value()?)?),
            "ipproto" => query.ipproto = Some(protocol(value()?)?),
            "sport" => query.sport = Some(small(word, value()?)?),
            "dport" => query.dport = Some(small(word, value()?)?),
            other => query.dst = Some(address(other)?),
        }
    }
    if query.dst.is_none() {
        return Err("which address? For example: 192.0.2.1 from 10.0.0.5 iif eth0".into());
    }
    Ok(query)
}

fn address(text: &str) -> Result<IpAddr, String> {
    let address = text.split('/').next().unwrap_or_default();
    address
        .parse()
        .map_err(|_| format!("'{text}' is neither an address nor a word of `ip route get`"))
}

fn number(word: &str, text: &str) -> Result<u32, String> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| format!("'{text}' is no number for {word}"))
}

fn small<T: TryFrom<u32>>(word: &str, text: &str) -> Result<T, String> {
    T::try_from(number(word, text)?).map_err(|_| format!("'{text}' is too large for {word}"))
}

fn protocol(text: &str) -> Result<u8, String> {
    match text {
        "icmp" => Ok(1),
        "tcp" => Ok(6),
        "udp" => Ok(17),
        "ipv6-icmp" | "icmpv6" => Ok(58),
        other => small("ipproto", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_ip_route_get() {
        let query =
            parse("192.0.2.1 from 10.0.0.5 iif eth0 mark 0x10 ipproto tcp dport 443").unwrap();
        assert_eq!(query.dst, Some("192.0.2.1".parse().unwrap()));
        assert_eq!(query.iif.as_deref(), Some("eth0"));
        assert_eq!(
            (query.mark, query.ipproto, query.dport),
            (Some(16), Some(6), Some(443))
        );
        for (text, why) in [
            ("", "which address?"),
            ("1.2.3.4 mark", "'mark' needs a value"),
            ("1.2.3.4 dport 70000", "'70000' is too large for dport"),
            ("nonsense", "'nonsense' is neither"),
        ] {
            assert!(parse(text).unwrap_err().starts_with(why), "{text}");
        }
    }
}
