//! The path that the kernel's trace told of a packet, in the same rows as a simulated one, and whether both agree.

use super::Station;
use super::path::{Mark, Row, Sort, Told, line};
use crate::flow::report::Fate;
use crate::model::Family;
use crate::session::ChainKey;
use crate::session::watch::{ChainPass, Packet, RuleHit};

/// The rows of a packet that was seen.
pub fn tell(packet: &Packet) -> Told {
    let v6 = packet.seen.src.or(packet.seen.dst);
    let own = match v6.is_some_and(|address| address.is_ipv6()) {
        true => Family::Ip6,
        false => Family::Ip,
    };
    let mut rows = Vec::new();
    let (station, comes) = match packet.iif.as_ref().filter(|_| !packet.local) {
        Some(iif) => (Station::Ingress, format!("arrives on {iif}")),
        None => (Station::Local, "is sent by this machine".into()),
    };
    let about = vec![
        line(
            Sort::Plain,
            format!("Seen at {}: {}", packet.clock, packet.seen),
        ),
        line(
            Sort::Dim,
            "Told by the kernel's own trace. It names chains and the rules that matched; what routing, NAT and checks did is not in it.",
        ),
    ];
    rows.push(Row {
        about,
        head: true,
        ..row(own, station, Mark::Packet, format!("packet {comes}"))
    });
    let (mut family, mut station) = (own, station);
    for pass in &packet.passes {
        family = match pass.family {
            Family::Bridge | Family::Arp => pass.family,
            _ => own,
        };
        station = pass.hook.and_then(Station::of_hook).unwrap_or(station);
        let fatal = packet
            .ended_by()
            .is_some_and(|(last, _)| std::ptr::eq(last, pass));
        rows.push(Row {
            fatal: fatal && pass.by_policy,
            ..chain(pass, family, station)
        });
        let count = pass.hits.len();
        for (number, hit) in pass.hits.iter().enumerate() {
            let fatal = fatal && !pass.by_policy && number + 1 == count;
            rows.push(rule(pass, hit, family, station, fatal));
        }
    }
    station = match packet.fate {
        Some(Fate::Delivered) => Station::Local,
        Some(Fate::Forwarded | Fate::Sent) => Station::Egress,
        _ => station,
    };
    let end = end(packet);
    let fate = packet.fate.unwrap_or(Fate::Uncertain);
    let last = rows.last().filter(|row| row.fatal);
    let rule = last.and_then(|row| row.rule.clone());
    let ends_at = rows.len();
    rows.push(Row {
        rule,
        fatal: !fate.passes(),
        about: vec![line(Sort::Plain, format!("The kernel's trace: {end}."))],
        head: true,
        ..row(family, station, Mark::End(fate), end.clone())
    });
    Told {
        packet: packet.seen.to_string(),
        rows,
        fate,
        end,
        ends_at,
    }
}

fn row(family: Family, station: Station, mark: Mark, text: String) -> Row {
    Row {
        family,
        station,
        mark,
        depth: 0,
        text,
        verdict: String::new(),
        fatal: false,
        chain: None,
        rule: None,
        about: Vec::new(),
        head: false,
    }
}

fn chain(pass: &ChainPass, family: Family, station: Station) -> Row {
    let name = format!("{} {} {}", pass.family, pass.table, pass.chain);
    let priority = pass.priority.map(|p| format!(" {p}")).unwrap_or_default();
    let mut about = vec![line(Sort::Heading, name.clone())];
    if let Some(seen) = &pass.seen {
        about.push(line(
            Sort::Plain,
            format!("The packet as it came here: {seen}"),
        ));
    }
    let by = match pass.by_policy {
        true => "by its policy, because no rule decided",
        false => "by the last of the rules below",
    };
    let text = format!("The chain ended with {}, {by}.", pass.verdict);
    about.push(line(Sort::Plain, text));
    Row {
        verdict: match pass.by_policy {
            true => format!("{} (policy)", pass.verdict),
            false => pass.verdict.clone(),
        },
        chain: Some(name.clone()),
        about,
        head: true,
        ..row(family, station, Mark::Chain, format!("{name}{priority}"))
    }
}

fn rule(pass: &ChainPass, hit: &RuleHit, family: Family, station: Station, fatal: bool) -> Row {
    let text = hit.text.as_deref().unwrap_or("(the rule is gone by now)");
    let key = ChainKey {
        family: pass.family,
        table: pass.table.clone(),
        chain: hit.chain.clone(),
    };
    let place = format!("{} {} {}", pass.family, pass.table, hit.chain);
    let verdict = match hit.verdict.as_str() {
        "continue" => String::new(),
        other => other.to_owned(),
    };
    let says = match verdict.as_str() {
        "" => "It matched; the next rule was looked at.".to_owned(),
        verdict => format!("It matched: {verdict}."),
    };
    Row {
        depth: hit.depth + 1,
        verdict,
        fatal,
        chain: Some(format!("{} {} {}", pass.family, pass.table, pass.chain)),
        rule: Some((key, hit.handle)),
        about: vec![
            line(Sort::Heading, format!("rule #{} of {place}", hit.handle)),
            line(Sort::Rule, text),
            line(if fatal { Sort::Bad } else { Sort::Good }, says),
        ],
        ..row(
            family,
            station,
            Mark::Match,
            format!("#{} {text}", hit.handle),
        )
    }
}

/// In the words of a prediction.
fn end(packet: &Packet) -> String {
    let oif = packet.oif.as_ref().map(|oif| format!(" by {oif}"));
    let oif = oif.unwrap_or_default();
    let by = match packet.ended_by() {
        Some((pass, Some(hit))) => format!(
            " by rule #{} of {} {} {}",
            hit.handle, pass.family, pass.table, hit.chain
        ),
        Some((pass, None)) => {
            format!(
                " by the policy of {} {} {}",
                pass.family, pass.table, pass.chain
            )
        }
        None => String::new(),
    };
    match packet.fate {
        Some(Fate::Delivered) => "delivered to this machine".into(),
        Some(Fate::Forwarded) => format!("forwarded{oif}"),
        Some(Fate::Sent) => format!("sent{oif}"),
        Some(Fate::Dropped) => format!("DROPPED{by}"),
        Some(Fate::Rejected) => format!("REJECTED{by}"),
        Some(Fate::Queued) => format!("queued to a program that decides{by}"),
        Some(Fate::Stolen) => format!("taken over by something else{by}"),
        Some(other) => other.word().to_owned(),
        None => format!("not seen to its end: {}", packet.reason()),
    }
}

/// The rows of a prediction that a trace can tell, too: chains of nf_tables from the first one that was traced on,
/// rules that matched, and the end.
pub fn comparable<'r>(predicted: &'r [Row], real: &[Row]) -> Vec<&'r Row> {
    let mut rows = predicted.iter().filter(|row| match row.mark {
        Mark::Packet | Mark::End(_) => true,
        Mark::Chain | Mark::Match => {
            let chain = row.chain.as_deref();
            !chain.is_some_and(|name| name.starts_with("legacy "))
        }
        _ => false,
    });
    let first = real.iter().find(|row| row.mark == Mark::Chain);
    let begins = |row: &&Row| first.is_some_and(|first| first.chain == row.chain);
    // The mark is set at a hook: what is before it is not traced.
    let before = predicted.iter().take_while(|row| !begins(row)).count();
    let begins_at = predicted.get(before).map(std::ptr::from_ref);
    let mut kept: Vec<&Row> = rows.by_ref().take(1).collect();
    let mut seen = begins_at.is_none();
    for row in rows {
        seen |= begins_at == Some(std::ptr::from_ref(row));
        if seen || matches!(row.mark, Mark::End(_)) {
            kept.push(row);
        }
    }
    kept
}

/// Two rows tell the same.
pub fn alike(predicted: &Row, real: &Row) -> bool {
    match (predicted.mark, real.mark) {
        (Mark::Packet, Mark::Packet) => true,
        (Mark::Chain, Mark::Chain) => {
            (&predicted.chain, &predicted.verdict) == (&real.chain, &real.verdict)
        }
        (Mark::Match, Mark::Match) => {
            (&predicted.rule, &predicted.verdict) == (&real.rule, &real.verdict)
        }
        // A trace that ends without a verdict says nothing against what happens after it.
        (Mark::End(predicted), Mark::End(real)) => {
            predicted == real || real == Fate::Uncertain || predicted == Fate::Uncertain
        }
        _ => false,
    }
}

/// Whether the kernel did what was predicted, as far as its trace tells.
pub fn agree(predicted: &Told, real: &Told) -> bool {
    let rows = comparable(&predicted.rows, &real.rows);
    let end = |rows: &[&Row]| {
        rows.iter()
            .rposition(|row| matches!(row.mark, Mark::End(_)))
    };
    let own: Vec<&Row> = real.rows.iter().collect();
    let (a, b) = (end(&rows).unwrap_or(0), end(&own).unwrap_or(0));
    let (rows, own) = (rows.get(..=a), own.get(..=b));
    match (rows, own) {
        (Some(rows), Some(own)) => {
            rows.len() == own.len() && rows.iter().zip(own).all(|(a, b)| alike(a, b))
        }
        _ => false,
    }
}
