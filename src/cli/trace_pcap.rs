//! `hookscope trace --pcap`: every packet of a capture through the simulator, and what became of them in all.

use hookscope::flow::observed::Observed;
use hookscope::flow::words::Words;
use hookscope::flow::{Fate, Question, Simulator};
use hookscope::lang::pcap::{Captured, Packets};
use hookscope::model::Network;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// What the packets are asked through.
pub struct Through<'a> {
    pub simulator: &'a Simulator<'a>,
    pub words: &'a Words<'a>,
    pub network: &'a Network,
    pub evidence: &'a Value,
    /// The device that packets of others arrive on.
    pub iif: Option<&'a str>,
    pub json: bool,
}

#[derive(Default)]
struct Tally {
    packets: u64,
    fates: BTreeMap<&'static str, u64>,
    /// What ended packets: how many, and the first of them.
    drops: BTreeMap<String, (u64, usize)>,
    not_asked: u64,
}

pub fn run(path: &Path, through: &Through<'_>, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let name = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| anyhow::anyhow!("cannot read '{name}': {error}"))?;
    let packets = Packets::new(&bytes).map_err(|error| anyhow::anyhow!("'{name}': {error}"))?;
    let mut tally = Tally::default();
    let mut broken = None;
    for packet in packets {
        match packet {
            Ok(packet) => one(&packet, through, &mut tally, out)?,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    summary(&tally, through, out)?;
    out.flush()?;
    if let Some(error) = broken {
        anyhow::bail!(
            "'{name}': {error}; the {} packets before it were looked at",
            tally.packets
        );
    }
    Ok(if tally.not_asked > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn one(
    packet: &Captured<'_>,
    through: &Through<'_>,
    tally: &mut Tally,
    out: &mut impl Write,
) -> io::Result<()> {
    tally.packets += 1;
    let mut seen = Observed::packet(packet.link, packet.network, 0);
    seen.ethertype = Some(packet.ethertype);
    let place = json!({
        "number": packet.number,
        "offset": packet.offset,
        "time": packet.time.map(|time| time as f64 / 1e9),
    });
    let answer = question(packet, &seen, through).and_then(|question| {
        let trace = through.simulator.trace(&question);
        trace
            .map(|trace| (question, trace))
            .map_err(|error| error.to_string())
    });
    let (question, trace) = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tally.not_asked += 1;
            return if through.json {
                writeln!(out, "{}", json!({"pcap": place, "error": error}))
            } else {
                writeln!(out, "{:>6}  error     {seen}: {error}", packet.number)
            };
        }
    };
    *tally.fates.entry(trace.fate.word()).or_default() += 1;
    let mut value = through
        .words
        .json(&trace, question.iif.as_deref(), through.evidence);
    let reason = reason(&value);
    if matches!(trace.fate, Fate::Dropped | Fate::Rejected | Fate::NoRoute) {
        let entry = tally
            .drops
            .entry(reason.clone())
            .or_insert((0, packet.number));
        entry.0 += 1;
    }
    if through.json {
        value["pcap"] = place;
        return writeln!(out, "{value}");
    }
    let way = question.iif.as_deref().unwrap_or("from here");
    let end = match (trace.fate.passes(), value["oif"].as_str()) {
        (true, Some(oif)) => format!("by {oif}"),
        (true, None) => String::new(),
        _ => reason,
    };
    writeln!(
        out,
        "{:>6}  {:<9} {way}: {seen}  {end}",
        packet.number,
        trace.fate.word()
    )
}

/// The packet as a question: as it is where that is possible, else by its fields.
fn question(
    packet: &Captured<'_>,
    seen: &Observed,
    through: &Through<'_>,
) -> Result<Question, String> {
    let mine = seen.src.is_some_and(|src| {
        let addresses = &through.network.addresses;
        addresses.iter().any(|one| one.local.address == src)
    });
    if packet.outgoing == Some(true) || mine {
        return Ok(seen.question(None));
    }
    let Some(iif) = through.iif else {
        return Err(match seen.src {
            Some(src) => format!(
                "{src} is no address of this machine, so the packet arrives; say on which device with --iif DEV"
            ),
            None => {
                "it is no packet of this machine's; say on which device it arrives with --iif DEV"
                    .to_owned()
            }
        });
    };
    // What a capture left away cannot be checked: its checksums would be wrong.
    if packet.missing > 0 && seen.dst.is_some() {
        return Ok(Question {
            // Whoever captured it may have been another machine.
            ether_dst: None,
            ..seen.question(Some(iif.to_owned()))
        });
    }
    let link = through.network.link_by_name(iif);
    let own: Option<[u8; 6]> = link.and_then(|link| link.address.as_slice().try_into().ok());
    let mut frame = if packet.link.len() >= 14 {
        packet.link.to_vec()
    } else {
        let mut header = vec![0; 12];
        header[6] = 2;
        header.extend(packet.ethertype.to_be_bytes());
        header
    };
    // It is for this machine, whoever captured it; what is for many stays so.
    let for_many = frame.first().is_some_and(|byte| byte & 1 != 0);
    let bridged = link.is_some_and(|link| link.slave_kind.as_deref() == Some("bridge"));
    if let (Some(own), Some(place)) = (own, frame.get_mut(..6))
        && !for_many
        && !bridged
    {
        place.copy_from_slice(&own);
    }
    frame.extend(packet.network);
    Ok(Question {
        iif: Some(iif.to_owned()),
        frame: Some(frame),
        ..Question::default()
    })
}

/// What ended a packet, in words: of a rule, with its text.
fn reason(value: &Value) -> String {
    let by = &value["dropped_by"];
    let word = |key: &str| by[key].as_str().unwrap_or_default();
    if by.is_null() {
        return value["fate"].as_str().unwrap_or_default().to_owned();
    }
    if let Some(check) = by["check"].as_str() {
        return format!("check {check}");
    }
    if let Some(route) = by["route"].as_str() {
        return format!("route {route}");
    }
    let place = format!("{} {} {}", word("family"), word("table"), word("chain"));
    let Some(handle) = by["handle"].as_u64() else {
        return format!("{place} policy");
    };
    let step = by["step"]
        .as_u64()
        .and_then(|step| usize::try_from(step).ok());
    let text = step
        .and_then(|step| value["steps"].get(step)?["rules"].as_array()?.last())
        .and_then(|rule| rule["text"].as_str());
    format!("{place} rule {handle}: {}", text.unwrap_or_default())
}

fn summary(tally: &Tally, through: &Through<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut drops: Vec<(&String, &(u64, usize))> = tally.drops.iter().collect();
    drops.sort_by_key(|(reason, (count, _))| (std::cmp::Reverse(*count), (*reason).clone()));
    // A capture's own connections are not tracked from packet to packet.
    const ALONE: &str = "every packet is looked at by itself: connections that the capture begins are not carried on";
    if through.json {
        let drops: Vec<Value> = drops
            .iter()
            .map(|(reason, (count, first))| json!({"by": reason, "packets": count, "first": first}))
            .collect();
        let summary = json!({"summary": {
            "packets": tally.packets,
            "fates": tally.fates,
            "drops": drops,
            "not_asked": tally.not_asked,
            "note": ALONE,
            "evidence": through.evidence,
        }});
        return writeln!(out, "{summary}");
    }
    let fates: Vec<String> = tally
        .fates
        .iter()
        .map(|(fate, count)| format!("{count} {fate}"))
        .collect();
    writeln!(out, "{} packets: {}", tally.packets, fates.join(", "))?;
    for (reason, (count, first)) in drops {
        writeln!(out, "{count:>7}  {reason} (first: packet {first})")?;
    }
    if tally.not_asked > 0 {
        writeln!(out, "{:>7}  not asked about, see above", tally.not_asked)?;
    }
    writeln!(out, "{ALONE}")
}
