//! `hookscope route list|rules|get`: what `ip route show`, `ip rule` and `ip route get` print.

use clap::{Args, Subcommand};
use hookscope::kernel::netlink::{KernelError, Protocol, Socket};
use hookscope::kernel::route::{
    BodyCache, RouteFilter, RouteMessage, dump_routes, read_links, read_rules,
};
use hookscope::lang::route::{Context, Names, Out, RouteText, number, other_route, route, rule};
use hookscope::model::network::{FibFamily, Network, OwnedRoute, PolicyRule, RouteTable, table};
use hookscope::session::picture::RouteQuery;
use hookscope::session::route::{AskError, ask, lookup};
use std::io::{self, Write};
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;

#[derive(Args, Clone, Debug)]
pub struct RouteArgs {
    #[command(subcommand)]
    pub command: RouteCommand,
    /// IPv4 only
    #[arg(short = '4', global = true, conflicts_with = "six")]
    pub four: bool,
    /// IPv6 instead of IPv4
    #[arg(short = '6', global = true)]
    pub six: bool,
    /// Print JSON, as 'ip -j' does
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Subcommand, Clone, Debug)]
pub enum RouteCommand {
    /// Routes of the main table, or of the one named: as 'ip route show' prints them
    #[command(visible_alias = "show")]
    List {
        /// [table all|NUMBER|NAME]
        #[arg(value_name = "SELECTOR")]
        words: Vec<String>,
    },
    /// Policy rules: as 'ip rule' prints them
    Rules,
    /// Ask the kernel which way a packet would go: as 'ip route get' prints it
    Get {
        /// DST [from SRC] [iif DEV] [oif DEV] [mark N] [ipproto P] [sport N] [dport N] [tos N] [uid N] [fibmatch]
        #[arg(value_name = "DST", required = true)]
        words: Vec<String>,
    },
}

/// Where the answers come from.
#[derive(Clone, Copy)]
pub struct RouteContext<'a> {
    /// A saved picture instead of the kernel.
    pub snapshot: Option<&'a Network>,
    pub names: &'a Names,
}

#[derive(Debug, Error)]
pub enum RouteError {
    #[error("'{word}' is not understood after 'route {command}'; the words are {known}")]
    UnknownWord {
        command: &'static str,
        word: String,
        known: &'static str,
    },
    #[error("a value is missing after '{0}'; add it")]
    MissingValue(String),
    #[error("'{value}' is not a valid value of '{word}'; give {expected}")]
    Invalid {
        word: String,
        value: String,
        expected: &'static str,
    },
    #[error(
        "routing table '{0}' does not exist for {1}; 'hookscope route list table all' lists all routes"
    )]
    NoTable(String, &'static str),
    #[error(
        "'route get' asks the running kernel and a snapshot has none; use 'hookscope trace --snapshot' instead"
    )]
    SnapshotGet,
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error("cannot read routes from the kernel: {0}")]
    Kernel(#[from] KernelError),
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
}

impl RouteError {
    /// The command line is at fault, not the machine.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            RouteError::UnknownWord { .. }
                | RouteError::MissingValue(_)
                | RouteError::Invalid { .. }
                | RouteError::Ask(AskError::NoDestination)
        )
    }
}

/// Run the subcommand. A reader that closes its end of the pipe is not an error.
pub fn run(
    args: &RouteArgs,
    context: RouteContext<'_>,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    let result = match &args.command {
        RouteCommand::List { words } => list(args, words, context, out),
        RouteCommand::Rules => rules(args, context, out),
        RouteCommand::Get { words } => get(args, words, context, out),
    };
    match result.and_then(|()| Ok(out.flush()?)) {
        Err(RouteError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn family(args: &RouteArgs) -> Option<FibFamily> {
    match (args.four, args.six) {
        (true, _) => Some(FibFamily::Ip4),
        (_, true) => Some(FibFamily::Ip6),
        _ => None,
    }
}

/// Collects lines or the elements of a JSON array, and writes them in large pieces.
struct Sink<'a, W> {
    out: &'a mut W,
    buf: String,
    json: bool,
    first: bool,
}

impl<'a, W: Write> Sink<'a, W> {
    const PIECE: usize = 64 * 1024;

    fn new(out: &'a mut W, json: bool) -> Sink<'a, W> {
        Sink {
            out,
            buf: String::with_capacity(Self::PIECE + 4096),
            json,
            first: true,
        }
    }

    /// Add one item: `write` appends it.
    fn item(&mut self, write: impl FnOnce(&mut String)) -> io::Result<()> {
        if self.json {
            self.buf.push(if self.first { '[' } else { ',' });
        }
        self.first = false;
        write(&mut self.buf);
        if self.buf.len() >= Self::PIECE {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let bytes = hookscope::model::text::to_bytes(&self.buf);
        self.buf.clear();
        self.out.write_all(&bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        if self.json {
            self.buf.push_str(if self.first { "[]\n" } else { "]\n" });
        }
        self.write()
    }
}

/// A picture with nothing but the devices.
fn devices(socket: &mut Socket) -> Result<Network, KernelError> {
    Ok(Network {
        links: Arc::new(read_links(socket)?),
        ..Network::default()
    })
}

const LIST_WORDS: &str = "[table all|NUMBER|NAME]";

fn list(
    args: &RouteArgs,
    words: &[String],
    context: RouteContext<'_>,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    let mut filter = RouteFilter {
        family: family(args),
        table: Some(table::MAIN),
        cloned: false,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word != "table" && word != "t" {
            return Err(RouteError::UnknownWord {
                command: "list",
                word: word.clone(),
                known: LIST_WORDS,
            });
        }
        let value = words
            .next()
            .ok_or_else(|| RouteError::MissingValue(word.clone()))?;
        match context.names.table_number(value) {
            Some(id) => filter.table = Some(id).filter(|&id| id != 0),
            None if value == "all" => filter.table = None,
            None if value == "cache" => filter.cloned = true,
            None => return Err(invalid(word, value, "a table's name or number, or 'all'")),
        }
    }
    if filter.table.is_some() && filter.family.is_none() {
        filter.family = Some(FibFamily::Ip4);
    }
    match context.snapshot {
        Some(network) => list_snapshot(args.json, filter, network, context.names, out),
        None => list_live(args.json, filter, context.names, out),
    }
}

fn list_live(
    json: bool,
    filter: RouteFilter,
    names: &Names,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    let mut socket = Socket::open(Protocol::Route)?;
    let network = devices(&mut socket)?;
    let device = |index| network.link_name(index);
    let context = Context {
        names,
        device: &device,
        one_table: filter.table.is_some(),
    };
    let mut sink = Sink::new(out, json);
    let mut texts = BodyCache::new();
    let mut failed = None;
    let result = dump_routes(&mut socket, filter, |message| {
        if failed.is_some() || message.is_cloned() != filter.cloned {
            return Ok(());
        }
        let written = print_message(message, &mut texts, &context, &mut sink)?;
        // What was read has to be read to its end; what cannot be written is not tried again.
        failed = written.err();
        Ok(())
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    match result {
        Err(error) if error.errno() == Some(libc::ENOENT) => match filter.table {
            // A namespace without any device up has no main table yet.
            Some(table::MAIN) | None => {}
            Some(id) => {
                let family = filter.family.unwrap_or(FibFamily::Ip4);
                return Err(RouteError::NoTable(
                    names.table(id).into_owned(),
                    family_name(family),
                ));
            }
        },
        other => other?,
    }
    Ok(sink.finish()?)
}

fn family_name(family: FibFamily) -> &'static str {
    match family {
        FibFamily::Ip4 => "IPv4",
        FibFamily::Ip6 => "IPv6",
    }
}

fn print_message<W: Write>(
    message: &RouteMessage<'_>,
    texts: &mut BodyCache<RouteText>,
    context: &Context<'_>,
    sink: &mut Sink<'_, W>,
) -> Result<io::Result<()>, KernelError> {
    let json = sink.json;
    let Some(family) = message.fib_family() else {
        let raw = message.raw()?;
        return Ok(sink.item(|buf| {
            let mut out = Out::new(json);
            other_route(&mut out, &raw);
            buf.push_str(&out.take());
        }));
    };
    let place = texts.place(message, || {
        message
            .body(family)
            .map(|body| RouteText::new(&body, context, json))
    })?;
    let destination = message.destination(family)?;
    Ok(match texts.get(place) {
        Some(text) => sink.item(|buf| text.write(destination, json, buf)),
        None => Ok(()),
    })
}

fn list_snapshot(
    json: bool,
    filter: RouteFilter,
    network: &Network,
    names: &Names,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    let device = |index| network.link_name(index);
    let context = Context {
        names,
        device: &device,
        one_table: filter.table.is_some(),
    };
    let wanted = |table: &&Arc<RouteTable>| {
        filter.family.is_none_or(|family| family == table.family)
            && filter.table.is_none_or(|id| id == table.id)
    };
    let mut sink = Sink::new(out, json);
    let mut found = filter.table.is_none_or(|id| id == table::MAIN);
    for table in network.routes.tables.iter().filter(wanted) {
        found = true;
        for row in table.kernel_order() {
            if let Some(one) = table.get(row as usize) {
                let mut line = Out::new(json);
                route(&mut line, one, &context);
                sink.item(|buf| buf.push_str(&line.take()))?;
            }
        }
    }
    if let (false, Some(id)) = (found, filter.table) {
        let family = filter.family.unwrap_or(FibFamily::Ip4);
        let name = names.table(id).into_owned();
        return Err(RouteError::NoTable(name, family_name(family)));
    }
    Ok(sink.finish()?)
}

fn rules(
    args: &RouteArgs,
    context: RouteContext<'_>,
    out: &mut impl Write,
) -> Result<(), RouteError> {
    let family = family(args).unwrap_or(FibFamily::Ip4);
    let list: Vec<PolicyRule> = match context.snapshot {
        Some(network) => network.rules_of(family).cloned().collect(),
        None => read_rules(&mut Socket::open(Protocol::Route)?, family)?,
    };
    // Rules name devices themselves.
    let device = |index| Network::default().link_name(index);
    let words = Context {
        names: context.names,
        device: &device,
        one_table: false,
    };
    let mut sink = Sink::new(out, args.json);
    for one in &list {
        let mut line = Out::new(args.json);
        rule(&mut line, one, &words);
        sink.item(|buf| buf.push_str(&line.take()))?;
    }
    Ok(sink.finish()?)
}

const GET_WORDS: &str = "DST [from SRC] [iif DEV] [oif DEV] [mark N] [ipproto P] [sport N] [dport N] [tos N] [uid N] [fibmatch]";

fn get(
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

fn invalid(word: &str, value: &str, expected: &'static str) -> RouteError {
    RouteError::Invalid {
        word: word.to_owned(),
        value: value.to_owned(),
        expected,
    }
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
