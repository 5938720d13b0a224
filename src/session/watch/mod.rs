//! Watching packets: the kernel's own trace of those that match a filter, put together per packet with the texts of
//! the rules, and the packets of log groups.
//!
//! What is installed is a table that belongs to a socket of this process (`flags owner`): the kernel removes it when
//! the socket is closed, however the process ends. Cost is bounded three times: by sampling, by a limit on what the
//! kernel marks, and by stopping when too much matches.
//!
//! May use `model`, `kernel`, `lang`, `flow`.

mod packet;
mod texts;

pub use packet::{ChainPass, Packet, RuleHit, clock, seconds};

use crate::flow::group::Grouper;
use crate::flow::observed::Observed;
use crate::flow::tracer::{Filter, FilterError, Plan, WATCH};
use crate::kernel::legacy;
use crate::kernel::netlink::{KernelError, Protocol, Socket};
use crate::kernel::nf_tables::commit::{self, Held};
use crate::kernel::nf_tables::refusal::Refused;
use crate::kernel::nf_tables::trace::Traces;
use crate::kernel::nflog::LogGroups;
use crate::kernel::route;
use crate::model::Name;
use crate::model::trace::LoggedPacket;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};
use texts::Texts;
use thiserror::Error;

/// Packets a second that are taken for too many, unless somebody says otherwise.
pub const MAX_RATE: u32 = 500;
/// Of a logged packet. bytes
const COPY: u32 = 256;

#[derive(Clone, Debug)]
pub struct Options {
    pub filter: Filter,
    /// Trace packets; without it only log groups are heard.
    pub trace: bool,
    /// One packet of so many; 1: all.
    pub sample: u32,
    /// Stop when more packets a second match; 0: never.
    pub max_rate: u32,
    pub log_groups: Vec<u16>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            filter: Filter::default(),
            trace: true,
            sample: 1,
            max_rate: MAX_RATE,
            log_groups: Vec::new(),
        }
    }
}

#[derive(Debug, Error)]
pub enum WatchError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("--iif '{0}': there is no such device in this network namespace; 'ip link' lists them")]
    UnknownDevice(String),
    #[error(
        "watching packets needs CAP_NET_ADMIN in this network namespace; run as root, or try 'hookscope demo', which needs no rights"
    )]
    Denied,
    #[error("cannot install the table that traces packets: {0}; nothing was changed")]
    Install(Refused),
    #[error("the filter cannot be put into rules: {0}")]
    Compile(String),
    #[error(
        "log group {group}: {error}; another program listens to it, or nfnetlink_log is missing from this kernel"
    )]
    LogGroup { group: u16, error: KernelError },
    #[error(transparent)]
    Kernel(#[from] KernelError),
}

/// One packet that a rule logged.
#[derive(Clone, Debug)]
pub struct Logged {
    pub packet: LoggedPacket,
    pub seen: Observed,
    pub hook: &'static str,
    pub iif: Option<Name>,
    pub oif: Option<Name>,
    pub time: SystemTime,
}

/// What came in a while.
#[derive(Debug, Default)]
pub struct Report {
    /// Over by now, in the order in which they began.
    pub packets: Vec<Packet>,
    pub logged: Vec<Logged>,
    /// The kernel had to drop events: packets are missing, or parts of them.
    pub lost: bool,
    pub unreadable: usize,
    /// Watching came to its end by itself, and why.
    pub stopped: Option<String>,
}

/// A running watch. Dropping it removes what it installed.
pub struct Watch {
    /// Owns the table; `None` once stopped.
    held: Option<Held>,
    traces: Option<Traces>,
    logs: Option<LogGroups>,
    grouper: Grouper,
    texts: Texts,
    devices: Devices,
    started: Instant,
    max_rate: u32,
    sample: u32,
    /// Packets that began in the second that is under way.
    second: (u64, u32),
    number: u64,
}

static SERIAL: AtomicU32 = AtomicU32::new(0);

impl Watch {
    /// Install the table and listen, in the network namespace of the calling thread.
    pub fn start(options: &Options) -> Result<Watch, WatchError> {
        options.filter.check()?;
        let mut devices = Devices::read()?;
        if let Some(name) = &options.filter.iif
            && !devices.knows(name)
        {
            return Err(WatchError::UnknownDevice(name.clone()));
        }
        let texts = Texts::open().map_err(denied)?;
        // Listen first: then nothing of the first packet is missed.
        let traces = options
            .trace
            .then(Traces::open)
            .transpose()
            .map_err(denied)?;
        let mut logs = None;
        if let Some(&group) = options.log_groups.first() {
            let open = LogGroups::open(&options.log_groups, COPY);
            logs = Some(open.map_err(|error| match error.errno() {
                Some(libc::EPERM) => WatchError::Denied,
                _ => WatchError::LogGroup { group, error },
            })?);
        }
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let plan = Plan {
            name: format!("{WATCH}{}-{serial}", std::process::id()),
            filter: options.filter.clone(),
            sample: options.sample,
            // Twice what is too much, so that too much is seen.
            rate: options.max_rate.saturating_mul(2),
            bridge: devices.bridge,
            ingress: texts.devices_with_ingress(),
            owner: true,
            ..Plan::default()
        };
        let held = if options.trace { install(&plan)? } else { None };
        devices.again = Instant::now();
        Ok(Watch {
            held,
            traces,
            logs,
            grouper: Grouper::new(&plan.name),
            texts,
            devices,
            started: Instant::now(),
            max_rate: options.max_rate,
            sample: options.sample.max(1),
            second: (0, 0),
            number: 0,
        })
    }

    /// Wait for packets, at most so long.
    pub fn next(&mut self, timeout: Duration) -> Result<Report, WatchError> {
        // Packets that are under way are over when nothing more comes.
        let waits = if self.grouper.is_waiting() {
            timeout.min(Duration::from_millis(10))
        } else {
            timeout
        };
        self.wait(waits)?;
        let mut report = Report::default();
        self.texts.refresh();
        if let Some(traces) = &mut self.traces {
            let batch = traces.read()?;
            report.lost = batch.lost;
            report.unreadable = batch.unreadable;
            let now = self.started.elapsed();
            for event in &batch.events {
                self.grouper.push(event, now);
            }
        }
        if let Some(logs) = &mut self.logs {
            let batch = logs.read()?;
            report.lost |= batch.lost;
            report.unreadable += batch.unreadable;
            for packet in batch.packets {
                report.logged.push(self.devices.logged(packet));
            }
        }
        let now = self.started.elapsed();
        let groups = self.grouper.take(now);
        for group in groups {
            self.number += 1;
            let number = self.number;
            report.packets.push(packet::make(
                number,
                group,
                &mut self.texts,
                &mut self.devices,
            ));
        }
        report.stopped = self.too_many(report.packets.len(), now);
        Ok(report)
    }

    /// Take the table back; what was seen of packets under way is handed out.
    pub fn stop(&mut self) -> Vec<Packet> {
        self.held = None;
        let mut packets = Vec::new();
        for group in self.grouper.take_all() {
            self.number += 1;
            packets.push(packet::make(
                self.number,
                group,
                &mut self.texts,
                &mut self.devices,
            ));
        }
        packets
    }

    fn wait(&self, timeout: Duration) -> Result<(), WatchError> {
        let mut fds = Vec::new();
        if let Some(traces) = &self.traces {
            fds.push(PollFd::new(traces.as_fd(), PollFlags::POLLIN));
        }
        if let Some(logs) = &self.logs {
            fds.push(PollFd::new(logs.as_fd(), PollFlags::POLLIN));
        }
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(KernelError::Io(error.into()).into()),
        }
    }

    fn too_many(&mut self, packets: usize, now: Duration) -> Option<String> {
        if self.max_rate == 0 {
            return None;
        }
        let (second, count) = &mut self.second;
        if *second != now.as_secs() {
            (*second, *count) = (now.as_secs(), 0);
        }
        *count = count.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        if *count <= self.max_rate {
            return None;
        }
        self.held = None;
        let sample = self.sample.saturating_mul(100);
        Some(format!(
            "more than {} packets a second match; stopped, to keep the machine free: narrow the filter, look at one packet of many (--sample {sample}), or raise --max-rate",
            self.max_rate
        ))
    }
}

fn install(plan: &Plan) -> Result<Option<Held>, WatchError> {
    let commands = plan.commands().map_err(|wrong| {
        let first = wrong.into_iter().next();
        WatchError::Compile(first.map(|one| one.message).unwrap_or_default())
    })?;
    let (_, held) =
        commit::commit_held(&commands, Default::default()).map_err(|refused| match &refused {
            Refused::Kernel(error) if error.errno() == Some(libc::EPERM) => WatchError::Denied,
            Refused::Commands(all) if all.iter().any(|one| one.errno == libc::EPERM) => {
                WatchError::Denied
            }
            _ => WatchError::Install(refused),
        })?;
    Ok(held)
}

fn denied(error: KernelError) -> WatchError {
    match error.errno() {
        Some(libc::EPERM | libc::EACCES) => WatchError::Denied,
        _ => error.into(),
    }
}

/// What packets' traces do not show on this machine: one sentence each.
pub fn blind_spots() -> Vec<String> {
    let mut out = Vec::new();
    if let Ok(tables) = legacy::read_legacy_tables()
        && [&tables.ip, &tables.ip6]
            .into_iter()
            .flatten()
            .any(|names| !names.is_empty())
    {
        out.push(
            "rules of legacy iptables tables are not in the kernel's trace; 'hookscope trace --in-kernel' follows them"
                .to_owned(),
        );
    }
    out.push(
        "checks between the hooks (routing, reverse path filter) show only as a path that ends"
            .to_owned(),
    );
    out.push("packets that BPF programs or a flowtable take before the rules".to_owned());
    out
}

/// Names of devices, read again when one is not known.
struct Devices {
    socket: Socket,
    names: HashMap<u32, Name>,
    bridge: bool,
    again: Instant,
}

impl Devices {
    fn read() -> Result<Devices, KernelError> {
        let mut devices = Devices {
            socket: Socket::open(Protocol::Route)?,
            names: HashMap::new(),
            bridge: false,
            again: Instant::now(),
        };
        devices.load()?;
        Ok(devices)
    }

    fn load(&mut self) -> Result<(), KernelError> {
        for link in route::read_links(&mut self.socket)? {
            self.bridge |= link.kind.as_deref() == Some("bridge");
            self.names.insert(link.index, link.name);
        }
        Ok(())
    }

    fn knows(&self, name: &str) -> bool {
        self.names.values().any(|known| &**known == name)
    }

    fn name(&mut self, index: Option<u32>) -> Option<Name> {
        let index = index?;
        if !self.names.contains_key(&index) && self.again.elapsed() > Duration::from_millis(500) {
            self.again = Instant::now();
            // A device without a name is shown by its number.
            let _ = self.load();
        }
        let known = self.names.get(&index).cloned();
        Some(known.unwrap_or_else(|| format!("if{index}").into()))
    }

    fn logged(&mut self, packet: LoggedPacket) -> Logged {
        let ethernet = packet.link_type == 1;
        let link: &[u8] = if ethernet { &packet.link } else { &[] };
        let family = packet.protocol.unwrap_or(crate::model::Family::Inet);
        Logged {
            seen: Observed::packet(link, &packet.payload, packet.mark),
            hook: crate::flow::hooks::hook_name(family, packet.hook),
            iif: self.name(packet.iif),
            oif: self.name(packet.oif),
            time: packet
                .time
                .and_then(|micros| {
                    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(micros))
                })
                .unwrap_or_else(SystemTime::now),
            packet,
        }
    }
}
