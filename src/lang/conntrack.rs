//! One tracked connection in the words of conntrack(8): a line of `conntrack -L -o extended`.
//!
//! Pure: may use `model`.

use super::route::ip_text;
use crate::model::conntrack::{Flow, FlowCounter, Ports, Tuple, status};
use std::fmt::Write;
use std::net::SocketAddr;

/// The line, without the line feed. `now` is in nanoseconds since 1970; with it, an entry that has a time
/// stamp shows its age.
pub fn flow_line(flow: &Flow, now: Option<u64>) -> String {
    let mut line = String::new();
    // Writing to a String cannot fail.
    let _ = write_flow(&mut line, flow, now);
    line.truncate(line.trim_end().len());
    line
}

/// Who talks to whom, in a few words: `tcp 192.0.2.9:4000 → 192.0.2.1:22`.
pub fn ends(flow: &Flow) -> String {
    let Tuple {
        src,
        dst,
        protocol,
        ports,
        ..
    } = &flow.original;
    let name = protocol_name(*protocol);
    let number = protocol.to_string();
    let name = if name == "unknown" { &number } else { name };
    match ports {
        Ports::Ports { src: from, dst: to } => {
            let (from, to) = (SocketAddr::new(*src, *from), SocketAddr::new(*dst, *to));
            format!("{name} {from} → {to}")
        }
        _ => format!("{name} {} → {}", ip_text(*src), ip_text(*dst)),
    }
}

fn write_flow(line: &mut String, flow: &Flow, now: Option<u64>) -> std::fmt::Result {
    let family = match flow.family {
        2 => "ipv4",
        10 => "ipv6",
        _ => "unknown",
    };
    write!(line, "{family:<8} {} ", flow.family)?;
    let protocol = protocol_name(flow.original.protocol);
    write!(line, "{protocol:<8} {} ", flow.original.protocol)?;
    if let Some(timeout) = flow.timeout {
        write!(line, "{timeout} ")?;
    }
    if let Some(state) = flow.state_name() {
        write!(line, "{state} ")?;
    }
    tuple(line, &flow.original)?;
    zone(line, "zone-orig", flow.original.zone)?;
    counter(line, flow.counter_original)?;
    if !flow.has(status::SEEN_REPLY) {
        line.push_str("[UNREPLIED] ");
    }
    tuple(line, &flow.reply)?;
    zone(line, "zone-reply", flow.reply.zone)?;
    counter(line, flow.counter_reply)?;
    if flow.has(status::HW_OFFLOAD) {
        line.push_str("[HW_OFFLOAD] ");
    } else if flow.has(status::OFFLOAD) {
        line.push_str("[OFFLOAD] ");
    } else if flow.has(status::ASSURED) {
        line.push_str("[ASSURED] ");
    }
    if let Some(mark) = flow.mark {
        write!(line, "mark={mark} ")?;
    }
    let rare = flow.rare.as_deref();
    if let Some(context) = rare.and_then(|rare| rare.security.as_ref()) {
        write!(line, "secctx={context} ")?;
    }
    zone(line, "zone", flow.zone)?;
    if let (Some(now), Some(start)) = (now, rare.and_then(|rare| rare.start)) {
        let end = rare.and_then(|rare| rare.stop).unwrap_or(now);
        write!(
            line,
            "delta-time={} ",
            end.saturating_sub(start) / 1_000_000_000
        )?;
    }
    if let Some(helper) = rare.and_then(|rare| rare.helper.as_ref()) {
        write!(line, "helper={helper} ")?;
    }
    if let Some(count) = flow.use_count {
        write!(line, "use={count} ")?;
    }
    Ok(())
}

/// The names that conntrack(8) has; it asks no file.
fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    }
}

fn tuple(line: &mut String, tuple: &Tuple) -> std::fmt::Result {
    write!(
        line,
        "src={} dst={} ",
        ip_text(tuple.src),
        ip_text(tuple.dst)
    )?;
    const GRE: u8 = 47;
    match tuple.ports {
        Ports::None => Ok(()),
        Ports::Ports { src, dst } if tuple.protocol == GRE => {
            write!(line, "srckey={src:#x} dstkey={dst:#x} ")
        }
        Ports::Ports { src, dst } => write!(line, "sport={src} dport={dst} "),
        Ports::Icmp { id, kind, code } => write!(line, "type={kind} code={code} id={id} "),
    }
}

fn zone(line: &mut String, key: &str, zone: Option<u16>) -> std::fmt::Result {
    match zone {
        Some(zone) => write!(line, "{key}={zone} "),
        None => Ok(()),
    }
}

fn counter(line: &mut String, counter: Option<FlowCounter>) -> std::fmt::Result {
    match counter {
        Some(FlowCounter { packets, bytes }) => write!(line, "packets={packets} bytes={bytes} "),
        None => Ok(()),
    }
}
