//! `hookscope route list` and `route rules`: what `ip route show` and `ip rule` print.

use super::sink::Sink;
use super::{RouteArgs, RouteContext, RouteError, devices, family, invalid};
use hookscope::kernel::netlink::{KernelError, Protocol, Socket};
use hookscope::kernel::route::{BodyCache, RouteFilter, RouteMessage, dump_routes, read_rules};
use hookscope::lang::route::{Context, Names, Out, RouteText, other_route, route, rule};
use hookscope::model::network::{FibFamily, Network, PolicyRule, RouteTable, table};
use std::io::{self, Write};
use std::sync::Arc;

const LIST_WORDS: &str = "[table all|NUMBER|NAME]";

pub(super) fn list(
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

pub(super) fn rules(
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
