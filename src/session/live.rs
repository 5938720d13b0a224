//! The task that keeps the picture current: it hears events and commands, and has the reader work on a blocking
//! thread. Cancel safety: every future in the `select!` waits only; nothing is lost when another one is ready first.

use super::pending::{Pending, summary};
use super::picture::{
    ChainKey, Change, Command, Evidence, Picture, Progress, SessionEvent, SessionHandle, Source,
};
use super::reader::{Reader, Reading};
use crate::kernel::netlink::KernelError;
use crate::kernel::netlink::socket::watch;
use crate::kernel::nf_tables::events::{self, Event};
use crate::kernel::route;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Changes remembered for the change feed.
const CHANGES: usize = 200;
/// Events are gathered so long before the picture is made anew: a reload is one change, not a thousand.
const GATHER: Duration = Duration::from_millis(15);
/// Counters of what is not on screen.
const SWEEP: Duration = Duration::from_secs(20);
/// Reading counters may take this part of the time: one in so many.
const COUNTER_SHARE: u32 = 40;
const SWEEP_SHARE: u32 = 100;

/// Follow the kernel of the current network namespace.
pub fn start(source: Source) -> Result<SessionHandle, KernelError> {
    // Sockets belong to the namespace of the thread that opens them: open them all here.
    let nf_events = events::Events::open()?;
    let route_events = route::Events::open()?;
    let reader = Reader::open()?;
    let (event_tx, event_rx) = mpsc::channel(16);
    let (command_tx, command_rx) = mpsc::channel(64);
    let live = Live {
        source,
        out: event_tx,
        commands: command_rx,
        shown: Arc::default(),
        pending: Pending {
            everything: true,
            ..Pending::default()
        },
        job: None,
        reader: Some(reader),
        last: None,
        transaction: Vec::new(),
        changes: Arc::default(),
        resyncs: 0,
        interval: Duration::from_secs(1),
        next_counters: Instant::now() + Duration::from_secs(1),
        next_sweep: Instant::now() + SWEEP,
        dirty_since: None,
    };
    tokio::spawn(live.run(nf_events, route_events));
    Ok(SessionHandle {
        events: event_rx,
        commands: command_tx,
    })
}

type Shown = Arc<Mutex<Vec<ChainKey>>>;

/// What a finished job gives back.
struct Done {
    reader: Reader,
    error: Option<KernelError>,
    everything: bool,
    counters: bool,
    sweep: bool,
    took: Duration,
}

struct Live {
    source: Source,
    out: mpsc::Sender<SessionEvent>,
    commands: mpsc::Receiver<Command>,
    shown: Shown,
    pending: Pending,
    job: Option<JoinHandle<Done>>,
    /// Absent while a job has it.
    reader: Option<Reader>,
    last: Option<Arc<Picture>>,
    /// Events of the transaction that is coming in.
    transaction: Vec<Event>,
    changes: Arc<Vec<Change>>,
    resyncs: u64,
    interval: Duration,
    next_counters: Instant,
    next_sweep: Instant,
    /// When the first event came that is not in the picture yet.
    dirty_since: Option<Instant>,
}

impl Live {
    async fn run(mut self, nf: events::Events, routes: route::Events) {
        let (Ok(mut nf), Ok(mut routes)) = (watch(nf), watch(routes)) else {
            let _ = self
                .out
                .send(SessionEvent::Notice("cannot watch netlink sockets".into()))
                .await;
            return;
        };
        loop {
            self.start_job();
            let wake = self.next_wake();
            tokio::select! {
                ready = nf.readable_mut() => {
                    let Ok(mut ready) = ready else { return };
                    let read = ready.get_inner_mut().read();
                    ready.clear_ready();
                    self.nf_events(read);
                }
                ready = routes.readable_mut() => {
                    let Ok(mut ready) = ready else { return };
                    let read = ready.get_inner_mut().read();
                    ready.clear_ready();
                    self.route_events(read);
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.command(command),
                    // Nobody looks any more.
                    None => return,
                },
                done = finished(&mut self.job) => self.finish(done).await,
                () = tokio::time::sleep_until(wake.into()) => self.tick(),
            }
        }
    }

    fn next_wake(&self) -> Instant {
        if self.job.is_some() {
            return Instant::now() + Duration::from_secs(3600);
        }
        let counters = self.next_counters.min(self.next_sweep);
        match self.dirty_since {
            Some(since) => counters.min(since + GATHER),
            None => counters,
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        if now >= self.next_counters {
            self.pending.counters = true;
            self.next_counters = now + self.interval;
        }
        if now >= self.next_sweep {
            self.pending.sweep = true;
            self.next_sweep = now + SWEEP;
        }
    }

    fn nf_events(&mut self, read: Result<Vec<Event>, KernelError>) {
        match read {
            Ok(events) => {
                for event in events {
                    if let Event::Generation(generation) = &event {
                        self.remember(generation.id, generation.pid, generation.process.clone());
                    } else {
                        self.transaction.push(event.clone());
                    }
                    self.pending.add(event);
                }
                self.dirty_since.get_or_insert_with(Instant::now);
            }
            Err(error) => self.resync(&error),
        }
    }

    fn route_events(
        &mut self,
        read: Result<Vec<crate::model::network::NetworkChange>, KernelError>,
    ) {
        match read {
            Ok(changes) => {
                self.pending.network.extend(changes);
                self.dirty_since.get_or_insert_with(Instant::now);
            }
            Err(error) => {
                tracing::info!(%error, "route events lost, reading again");
                self.resyncs += 1;
                self.pending.reread_network = true;
                self.dirty_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Events were lost: nothing but reading again makes the picture true.
    fn resync(&mut self, error: &KernelError) {
        tracing::info!(%error, "events lost, reading everything again");
        self.resyncs += 1;
        self.transaction.clear();
        self.pending = Pending {
            everything: true,
            ..std::mem::take(&mut self.pending)
        };
    }

    /// A transaction is complete: note who made it.
    fn remember(&mut self, generation: u32, pid: Option<u32>, process: Option<String>) {
        let events = std::mem::take(&mut self.transaction);
        if events.is_empty() {
            return;
        }
        let changes = Arc::make_mut(&mut self.changes);
        if changes.len() >= CHANGES {
            changes.remove(0);
        }
        changes.push(Change {
            at: SystemTime::now(),
            generation,
            pid,
            process,
            summary: summary(&events),
        });
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Show(chains) => {
                *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = chains;
                // A chain that was just opened gets its second reading, and with it rates, soon.
                self.next_counters = self
                    .next_counters
                    .min(Instant::now() + Duration::from_millis(250));
            }
            Command::ReadElements { family, table, set } => {
                self.pending.wanted_elements.insert((family, table, set));
            }
            Command::RouteGet { ticket, query } => {
                let out = self.out.clone();
                tokio::task::spawn_blocking(move || {
                    let answer = super::route::answer(&query, &super::names::read_names());
                    let _ = out.blocking_send(SessionEvent::RouteAnswer { ticket, answer });
                });
            }
            Command::Reload => self.pending.everything = true,
            Command::Interval(interval) => {
                self.interval = interval.max(Duration::from_millis(100));
                self.next_counters = Instant::now() + self.interval;
            }
        }
    }

    /// Give the reader what is waiting, when it is free and a burst has had time to gather.
    fn start_job(&mut self) {
        if self.pending.is_empty() || self.job.is_some() {
            return;
        }
        if let Some(since) = self.dirty_since
            && since.elapsed() < GATHER
            && !self.pending.everything
        {
            return;
        }
        let Some(mut reader) = self.reader.take() else {
            return;
        };
        let pending = std::mem::take(&mut self.pending);
        self.dirty_since = None;
        let shown = self.shown.clone();
        let publisher = self.publisher();
        self.job = Some(tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let (counters, sweep) = (pending.counters, pending.sweep);
            let everything = pending.everything;
            let look = move || shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let result = if pending.everything {
                reader.load(&look, &mut |reading| publisher.publish(reading))
            } else {
                reader.refresh(pending, &look())
            };
            Done {
                reader,
                error: result.err(),
                everything,
                counters,
                sweep,
                took: started.elapsed(),
            }
        }));
    }

    fn publisher(&self) -> Publisher {
        Publisher {
            source: self.source.clone(),
            changes: self.changes.clone(),
            resyncs: self.resyncs,
            out: self.out.clone(),
        }
    }

    async fn finish(&mut self, done: Option<Done>) {
        self.job = None;
        let Some(done) = done else {
            let text = "reading the kernel failed in an unexpected way; starting over";
            let _ = self.out.send(SessionEvent::Notice(text.into())).await;
            self.reader = Reader::open().ok();
            self.pending.everything = true;
            return;
        };
        let now = Instant::now();
        if done.counters {
            self.next_counters = now + self.interval.max(done.took * COUNTER_SHARE);
        }
        // Reading everything has read all counters, and shows what a sweep will cost.
        if done.sweep || done.everything {
            self.next_sweep = now + SWEEP.max(done.took * SWEEP_SHARE);
        }
        let problem = done.error.as_ref().map(explain);
        if let Some(error) = &done.error {
            tracing::warn!(%error, "reading the kernel");
            // Try again, but not in a tight loop.
            self.pending.everything |= error.is_transient();
        }
        if done.reader.restless {
            // More events are on their way; what was read now is not of one generation and is not shown.
            self.pending.structure = true;
            self.dirty_since.get_or_insert(now);
        }
        if !done.reader.restless || self.last.is_none() {
            let mut picture = self.publisher().picture(done.reader.reading(None));
            picture.evidence.problem = problem;
            let picture = Arc::new(picture);
            self.last = Some(picture.clone());
            let _ = self.out.send(SessionEvent::Picture(picture)).await;
        }
        self.reader = Some(done.reader);
    }
}

/// The job's result; waits forever when there is none. None: the job panicked.
async fn finished(job: &mut Option<JoinHandle<Done>>) -> Option<Done> {
    match job {
        Some(job) => job.await.ok(),
        None => std::future::pending().await,
    }
}

/// Makes pictures of readings.
struct Publisher {
    source: Source,
    changes: Arc<Vec<Change>>,
    resyncs: u64,
    out: mpsc::Sender<SessionEvent>,
}

impl Publisher {
    fn picture(&self, reading: Reading) -> Picture {
        let progress = match reading.step {
            Some((step, done, total)) => Progress {
                step,
                done,
                total,
                complete: false,
            },
            None => Progress {
                complete: true,
                ..Progress::default()
            },
        };
        Picture {
            source: self.source.clone(),
            ruleset: reading.ruleset,
            network: reading.network,
            names: reading.names,
            rates: reading.rates,
            progress,
            changes: self.changes.clone(),
            evidence: Evidence {
                read_at: SystemTime::now(),
                resyncs: self.resyncs,
                problem: None,
            },
            beside: None,
        }
    }

    /// While the first load runs: the screen may skip some, so that reading never waits for drawing.
    fn publish(&self, reading: Reading) {
        let _ = self
            .out
            .try_send(SessionEvent::Picture(Arc::new(self.picture(reading))));
    }
}

/// A refusal in words that say what to do.
pub fn explain(error: &KernelError) -> String {
    match error.errno() {
        Some(libc::EPERM | libc::EACCES) => {
            "no right to read nf_tables here: needs CAP_NET_ADMIN; run as root, or try `hookscope demo`".into()
        }
        Some(libc::EOPNOTSUPP | libc::EINVAL) => {
            format!("this kernel has no nf_tables ({error}); load it with `modprobe nf_tables`")
        }
        _ => error.to_string(),
    }
}
