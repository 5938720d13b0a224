//! `hookscope watch`: what the kernel does with packets that match, as it does it.

use super::Global;
use anyhow::{Context, bail};
use clap::Args;
use hookscope::flow::options;
use hookscope::flow::report::Fate;
use hookscope::flow::tracer::Filter;
use hookscope::model::network::Prefix;
use hookscope::session::watch::{
    Logged, MAX_RATE, Options, Packet, Watch, WatchError, blind_spots, clock, seconds,
};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct WatchArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// One JSON object a packet, and one at the end
    #[arg(short, long)]
    json: bool,
    /// Stop after so many packets
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Stop after so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// Show only packets that a rule or a policy dropped or rejected
    #[arg(long)]
    drops: bool,
    /// One line a packet, without its path
    #[arg(short, long)]
    brief: bool,
    /// Look at one packet of N, drawn at random
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    sample: u32,
    /// Stop when more packets a second match; 0: never
    #[arg(long, value_name = "N", default_value_t = MAX_RATE)]
    max_rate: u32,
    /// Listen to this log group (rules `log group N`), too; may be given again. Without a packet filter,
    /// nothing else is watched
    #[arg(long, value_name = "GROUP")]
    nflog: Vec<u16>,
}

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Packets")]
struct FilterArgs {
    /// The device they arrive on; without it also what this machine sends
    #[arg(long, value_name = "DEV")]
    iif: Option<String>,
    #[arg(long, value_name = "ADDRESS[/LENGTH]", value_parser = parse_prefix)]
    src: Option<Prefix>,
    #[arg(long, value_name = "ADDRESS[/LENGTH]", value_parser = parse_prefix)]
    dst: Option<Prefix>,
    /// tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah or a number
    #[arg(long, value_parser = options::proto)]
    proto: Option<u8>,
    #[arg(long, value_name = "PORT")]
    sport: Option<u16>,
    #[arg(long, value_name = "PORT")]
    dport: Option<u16>,
    /// Exactly these flags: fin, syn, rst, psh, ack, urg, ece, cwr, separated by commas
    #[arg(long, value_name = "FLAGS", value_parser = options::flags)]
    tcp_flags: Option<u8>,
    #[arg(long, value_name = "NUMBER")]
    icmp_type: Option<u8>,
    #[arg(long, value_name = "NUMBER")]
    icmp_code: Option<u8>,
    #[arg(long, value_name = "MARK", value_parser = options::number)]
    mark: Option<u32>,
    /// User whose socket sends them
    #[arg(long)]
    uid: Option<u32>,
    #[arg(long)]
    gid: Option<u32>,
    /// The answers, too: source and destination exchanged
    #[arg(long)]
    both: bool,
}

impl FilterArgs {
    fn filter(&self) -> Filter {
        Filter {
            iif: self.iif.clone(),
            src: self.src,
            dst: self.dst,
            proto: self.proto,
            sport: self.sport,
            dport: self.dport,
            tcp_flags: self.tcp_flags,
            icmp_type: self.icmp_type,
            icmp_code: self.icmp_code,
            mark: self.mark,
            uid: self.uid,
            gid: self.gid,
            both_ways: self.both,
        }
    }
}

/// `10.0.0.0/8`, or an address.
pub fn parse_prefix(text: &str) -> anyhow::Result<Prefix> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address
        .parse()
        .with_context(|| format!("'{address}' is no address"))?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => bits,
        Some(text) => text
            .parse()
            .ok()
            .filter(|length| *length <= bits)
            .with_context(|| format!("'/{text}' is no prefix length from 0 to {bits}"))?,
    };
    Ok(Prefix::new(address, length))
}

fn parse_seconds(text: &str) -> anyhow::Result<Duration> {
    let seconds: f64 = text
        .trim_end_matches('s')
        .parse()
        .with_context(|| format!("'{text}' is no number of seconds"))?;
    if !(0.0..=1e9).contains(&seconds) {
        bail!("'{text}' is no number of seconds that makes sense");
    }
    Ok(Duration::from_secs_f64(seconds))
}

pub fn run(args: &WatchArgs, global: &Global) -> anyhow::Result<ExitCode> {
    if global.snapshot.is_some() {
        bail!("a snapshot has no packets; leave --snapshot out to watch this machine");
    }
    let filter = args.filter.filter();
    // Listening to groups changes nothing and needs no trace, unless a filter asks for one.
    let trace = args.nflog.is_empty() || filter != Filter::default() || args.drops;
    if global.read_only && trace {
        bail!(
            "--read-only refuses: watching installs a table of its own that marks packets for the kernel's trace; leave --read-only out, or listen to a log group only (--nflog GROUP)"
        );
    }
    let options = Options {
        filter,
        trace,
        sample: args.sample,
        max_rate: args.max_rate,
        log_groups: args.nflog.clone(),
    };
    // Before anything is installed: a signal then ends the loop, not the process.
    let signals = Signals::catch()?;
    let watch = match Watch::start(&options) {
        Ok(watch) => watch,
        Err(error @ (WatchError::Filter(_) | WatchError::UnknownDevice(_))) => {
            let _ = writeln!(io::stderr(), "hookscope: error: {error}");
            return Ok(ExitCode::from(2));
        }
        Err(error) => return Err(error.into()),
    };
    let mut feed = Feed {
        args,
        shown: 0,
        tally: Tally::default(),
    };
    feed.started(&options)?;
    feed.follow(watch, &signals)
}

struct Signals(SignalFd);

impl Signals {
    fn catch() -> anyhow::Result<Signals> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Signals(SignalFd::with_flags(&set, flags)?))
    }

    fn came(&self) -> bool {
        matches!(self.0.read_signal(), Ok(Some(_)))
    }
}

/// What was seen in all.
#[derive(Default)]
struct Tally {
    packets: u64,
    fates: BTreeMap<&'static str, u64>,
    /// By what ended the packet: how often.
    drops: BTreeMap<String, u64>,
    logged: u64,
    lost: bool,
    unreadable: usize,
}

struct Feed<'a> {
    args: &'a WatchArgs,
    shown: u64,
    tally: Tally,
}

impl Feed<'_> {
    fn started(&self, options: &Options) -> io::Result<()> {
        if self.args.json {
            return Ok(());
        }
        let mut note = io::stderr().lock();
        let words = options.filter.options();
        if options.trace {
            let which = if words.is_empty() {
                "every packet".to_owned()
            } else {
                format!("packets with {words}")
            };
            writeln!(note, "watching {which}; Ctrl-C ends it")?;
        }
        if let Some(group) = options.log_groups.first() {
            let more = if options.log_groups.len() > 1 {
                ", ..."
            } else {
                ""
            };
            writeln!(note, "listening to log group {group}{more}")?;
        }
        Ok(())
    }

    fn follow(&mut self, mut watch: Watch, signals: &Signals) -> anyhow::Result<ExitCode> {
        let begun = Instant::now();
        let mut stopped = None;
        loop {
            let left = match self.args.timeout {
                Some(timeout) => timeout.saturating_sub(begun.elapsed()),
                None => Duration::MAX,
            };
            if left.is_zero() || signals.came() {
                break;
            }
            let report = watch.next(left.min(Duration::from_millis(100)))?;
            if report.lost && !self.tally.lost {
                self.tally.lost = true;
                note("the kernel dropped events that were not read in time: packets are missing");
            }
            self.tally.unreadable += report.unreadable;
            for logged in &report.logged {
                self.logged(logged)?;
            }
            for packet in &report.packets {
                self.packet(packet)?;
                if self.full() {
                    break;
                }
            }
            if report.stopped.is_some() {
                stopped = report.stopped;
                break;
            }
            if self.full() {
                break;
            }
        }
        for packet in watch.stop() {
            if self.full() {
                break;
            }
            self.packet(&packet)?;
        }
        drop(watch);
        if let Some(why) = &stopped {
            note(why);
        }
        self.summary(begun.elapsed(), stopped.as_deref())?;
        Ok(ExitCode::SUCCESS)
    }

    fn full(&self) -> bool {
        self.args.count.is_some_and(|count| self.shown >= count)
    }

    fn packet(&mut self, packet: &Packet) -> io::Result<()> {
        self.tally.packets += 1;
        *self.tally.fates.entry(packet.fate_word()).or_default() += 1;
        if packet.is_drop() {
            *self.tally.drops.entry(packet.reason()).or_default() += 1;
        }
        if self.args.drops && !packet.is_drop() {
            return Ok(());
        }
        self.shown += 1;
        let mut out = io::stdout().lock();
        if self.args.json {
            return print_json(&mut out, &packet.json());
        }
        let mark = match packet.fate {
            Some(Fate::Dropped) => "DROP",
            Some(Fate::Rejected) => "REJECT",
            Some(fate) => fate.word(),
            None => "unseen",
        };
        let way = match (&packet.iif, packet.local) {
            (Some(iif), false) => format!("{iif}: "),
            _ => "from here: ".into(),
        };
        let ct = packet
            .ct
            .map(|ct| format!(" ({})", ct.state_word()))
            .unwrap_or_default();
        writeln!(out, "{} {mark:<9} {way}{}{ct}", packet.clock, packet.seen)?;
        if self.args.brief {
            writeln!(out, "    {}", packet.reason())?;
            return out.flush();
        }
        for line in packet.lines() {
            writeln!(out, "    {line}")?;
        }
        writeln!(out, "    => {}, {}", packet.fate_word(), packet.reason())?;
        out.flush()
    }

    fn logged(&mut self, logged: &Logged) -> io::Result<()> {
        if self.full() {
            return Ok(());
        }
        self.tally.logged += 1;
        self.shown += 1;
        let mut out = io::stdout().lock();
        if self.args.json {
            return print_json(&mut out, &logged_json(logged));
        }
        let dev = logged.iif.as_deref().unwrap_or("from here");
        let to = logged
            .oif
            .as_ref()
            .map(|oif| format!(" to {oif}"))
            .unwrap_or_default();
        writeln!(
            out,
            "{} log {:<5} {dev}{to}: {} at {} \"{}\"",
            clock(logged.time),
            logged.packet.group,
            logged.seen,
            logged.hook,
            logged.packet.prefix.trim_end()
        )?;
        out.flush()
    }

    fn summary(&self, took: Duration, stopped: Option<&str>) -> io::Result<()> {
        let tally = &self.tally;
        let mut drops: Vec<(&String, &u64)> = tally.drops.iter().collect();
        drops.sort_by_key(|(reason, count)| (std::cmp::Reverse(**count), (*reason).clone()));
        if self.args.json {
            let drops: Vec<Value> = drops
                .iter()
                .map(|(reason, count)| json!({"by": reason, "packets": count}))
                .collect();
            let summary = json!({"summary": {
                "packets": tally.packets,
                "logged": tally.logged,
                "seconds": took.as_secs_f64(),
                "fates": tally.fates,
                "drops": drops,
                "lost_events": tally.lost,
                "unreadable_events": tally.unreadable,
                "sample": self.args.sample,
                "stopped": stopped,
                "not_looked_at": blind_spots(),
            }});
            return print_json(&mut io::stdout().lock(), &summary);
        }
        let mut out = io::stderr().lock();
        let fates: Vec<String> = tally
            .fates
            .iter()
            .map(|(fate, count)| format!("{count} {fate}"))
            .collect();
        let fates = if fates.is_empty() {
            String::new()
        } else {
            format!(": {}", fates.join(", "))
        };
        let logged = if tally.logged > 0 {
            format!(", {} logged", tally.logged)
        } else {
            String::new()
        };
        writeln!(
            out,
            "{} packets in {:.1} s{fates}{logged}",
            tally.packets,
            took.as_secs_f64()
        )?;
        for (reason, count) in drops.iter().take(10) {
            writeln!(out, "{count:>7} dropped: {reason}")?;
        }
        if tally.packets > 0 {
            for sentence in blind_spots() {
                writeln!(out, "not seen: {sentence}")?;
            }
        }
        Ok(())
    }
}

fn note(sentence: &str) {
    let _ = writeln!(io::stderr(), "hookscope: {sentence}");
}

fn print_json(out: &mut impl Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value}")?;
    out.flush()
}

fn logged_json(logged: &Logged) -> Value {
    let mut packet = serde_json::Map::new();
    if let Some(iif) = &logged.iif {
        packet.insert("iif".into(), (**iif).into());
    }
    packet.extend(logged.seen.json());
    json!({
        "log": {
            "group": logged.packet.group,
            "prefix": logged.packet.prefix,
            "hook": logged.hook,
            "uid": logged.packet.uid,
            "gid": logged.packet.gid,
        },
        "time": seconds(logged.time),
        "packet": packet,
        "oif": logged.oif.as_ref().map(|name| name.to_string()),
    })
}
