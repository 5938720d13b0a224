//! `hookscope route get`: the kernel's way to a destination, as `ip route get` prints it.

use super::sink::Sink;
use super::{RouteArgs, RouteContext, RouteError, devices, family, invalid};
use hookscope::kernel::netlink::{Protocol, Socket};
use hookscope::lang::route::{Context, Names, Out, number, route};
use hookscope::model::network::{FibFamily, OwnedRoute};
use hookscope::session::picture::RouteQuery;
use hookscope::session::route::{ask, lookup};
use std::io::Write;
use std::net::IpAddr;
use std::str::FromStr;

const GET_WORDS: &str = "DST [from SRC] [iif DEV] [oif DEV] [mark N] [ipproto P] [sport N] [dport N] [tos N] [uid N] [fibmatch]";

pub(super) fn get(
    args: &RouteArgs,
    words: &[String],
    context: RouteContext<'_>,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    if context.snapshot.is_some() {
        return Err(RouteError::SnapshotGet);
    }
    let (query, fib_match) = parse_get(words, context.names)?;
    let mut socket = Socket::open(Protocol::Route)?;
    let network = devices(&mut socket)?;
    let mut question = lookup(&query, &network.links)?;
    question.fib_match = fib_match;
    if let Some(family) = family(args)
        && family != FibFamily::of(question.destination)
    {
        let value = question.destination.to_string();
        return Err(invalid("get", &value, "an address of the family asked for"));
    }
    let answer: OwnedRoute = ask(&mut socket, &question)?;
    let device = |index| network.link_name(index);
    let words = Context {
        names: context.names,
        device: &device,
        one_table: false,
    };
    let mut sink = Sink::new(out, args.json);
    let mut line = Out::new(args.json);
    route(&mut line, answer.as_route(), &words);
    sink.item(|buf| buf.push_str(&line.take()))?;
    Ok(sink.finish()?)
}

/// The words of `ip route get`, and whether `fibmatch` is among them.
fn parse_get(words: &[String], names: &Names) -> Result<(RouteQuery, bool), RouteError> {
    let mut query = RouteQuery::default();
    let mut fib_match = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let word = word.as_str();
        let mut value = || {
            let next = words.next().map(String::as_str);
            next.ok_or_else(|| RouteError::MissingValue(word.to_owned()))
        };
        match word {
            "to" => query.dst = Some(address(word, value()?)?),
            "from" => query.from = Some(address(word, value()?)?),
            "iif" => query.iif = Some(value()?.to_owned()),
            "oif" | "dev" | "vrf" => query.oif = Some(value()?.to_owned()),
            "mark" => query.mark = Some(parsed(word, value()?, number, "a number")?),
            "uid" => query.uid = Some(parsed(word, value()?, number, "a user's number")?),
            "tos" | "dsfield" => {
                let tos = |text: &str| names.tos_number(text);
                query.tos = Some(parsed(
                    word,
                    value()?,
                    tos,
                    "a name or a hexadecimal number",
                )?);
            }
            "ipproto" => {
                let protocol = |text: &str| names.ip_protocol_number(text);
                query.ipproto = Some(parsed(word, value()?, protocol, "a protocol or 0 to 255")?);
            }
            "sport" => query.sport = Some(parsed(word, value()?, port, "a port, 0 to 65535")?),
            "dport" => query.dport = Some(parsed(word, value()?, port, "a port, 0 to 65535")?),
            "fibmatch" => fib_match = true,
            _ if query.dst.is_none() => query.dst = Some(address("get", word)?),
            _ => {
                return Err(RouteError::UnknownWord {
                    command: "get",
                    word: word.to_owned(),
                    known: GET_WORDS,
                });
            }
        }
    }
    Ok((query, fib_match))
}

fn port(text: &str) -> Option<u16> {
    number(text).and_then(|port| u16::try_from(port).ok())
}

fn parsed<T>(
    word: &str,
    value: &str,
    parse: impl Fn(&str) -> Option<T>,
    expected: &'static str,
) -> Result<T, RouteError> {
    parse(value).ok_or_else(|| invalid(word, value, expected))
}

/// An address; a prefix length behind it must be that of one address.
fn address(word: &str, value: &str) -> Result<IpAddr, RouteError> {
    let (text, length) = match value.split_once('/') {
        Some((text, length)) => (text, Some(length)),
        None => (value, None),
    };
    let expected = "one address";
    let address = IpAddr::from_str(text).map_err(|_| invalid(word, value, expected))?;
    let host = FibFamily::of(address).bits().to_string();
    match length {
        Some(length) if length != host => Err(invalid(word, value, expected)),
        _ => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(RouteQuery, bool), RouteError> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        parse_get(&words, &Names::built_in())
    }

    #[test]
    fn words_of_get() {
        let (query, fib_match) = parse(
            "192.0.2.1 from 10.0.0.1/32 iif eth0 mark 0x10 ipproto 6 sport 1 dport 2 fibmatch",
        )
        .unwrap();
        assert_eq!(query.mark, Some(16));
        assert_eq!(
            (query.sport, query.dport, query.ipproto),
            (Some(1), Some(2), Some(6))
        );
        assert!(fib_match);
        for wrong in [
            "192.0.2.1 mark",
            "192.0.2.1 mark x",
            "192.0.2.0/24",
            "x",
            "::1 y",
        ] {
            assert!(parse(wrong).unwrap_err().is_usage(), "{wrong}");
        }
    }
}
