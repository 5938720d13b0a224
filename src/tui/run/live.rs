//! The feed of Live: a watch on a thread of its own, whose packets come in batches at a bounded rate.

use crate::session::watch::{Options, Packet, Watch};
use crate::tui::screen::live::Feed;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Between two batches.
const PAUSE: Duration = Duration::from_millis(150);
/// Packets in one batch; of more, the newest.
const AT_ONCE: usize = 200;

/// What a watch is to do.
const GO_ON: u8 = 0;
const STOP: u8 = 1;
/// Another one has taken its place, and tells how that is.
const MAKE_ROOM: u8 = 2;

pub struct LiveFeed {
    sender: Sender<Feed>,
    receiver: Receiver<Feed>,
    order: Option<Arc<AtomicU8>>,
}

impl LiveFeed {
    pub fn new() -> LiveFeed {
        // An interface that is busy takes few batches; the thread keeps the newest packets meanwhile.
        let (sender, receiver) = channel(4);
        LiveFeed {
            sender,
            receiver,
            order: None,
        }
    }

    /// Start watching, or watch something else.
    pub fn start(&mut self, options: Options) {
        self.end(MAKE_ROOM);
        let order = Arc::new(AtomicU8::new(GO_ON));
        self.order = Some(order.clone());
        let sender = self.sender.clone();
        tokio::task::spawn_blocking(move || run(&options, &order, &sender));
    }

    pub fn stop(&mut self) {
        self.end(STOP);
    }

    fn end(&mut self, how: u8) {
        if let Some(order) = self.order.take() {
            order.store(how, Ordering::Relaxed);
        }
    }

    /// What the feed tells next. Cancel safe.
    pub async fn next(&mut self) -> Option<Feed> {
        self.receiver.recv().await
    }
}

impl Drop for LiveFeed {
    fn drop(&mut self) {
        self.stop();
        // A thread that waits for room must not wait for ever.
        self.receiver.close();
    }
}

fn run(options: &Options, order: &AtomicU8, sender: &Sender<Feed>) {
    let mut watch = match Watch::start(options) {
        Ok(watch) => watch,
        Err(error) => {
            let _ = sender.blocking_send(Feed::Failed(error.to_string()));
            return;
        }
    };
    let _ = sender.blocking_send(Feed::Started);
    let mut waiting: VecDeque<Arc<Packet>> = VecDeque::new();
    let (mut lost, mut left_out, mut sent) = (false, 0, Instant::now());
    let end = loop {
        if order.load(Ordering::Relaxed) != GO_ON {
            break Feed::Stopped(None);
        }
        let report = match watch.next(PAUSE) {
            Ok(report) => report,
            Err(error) => break Feed::Failed(error.to_string()),
        };
        lost |= report.lost;
        for packet in report.packets {
            if waiting.len() >= AT_ONCE {
                waiting.pop_front();
                left_out += 1;
            }
            waiting.push_back(Arc::new(packet));
        }
        if report.stopped.is_some() || sent.elapsed() >= PAUSE && !waiting.is_empty() {
            let batch = Feed::Packets {
                packets: waiting.iter().cloned().collect(),
                lost,
                left_out,
            };
            match sender.try_send(batch) {
                Ok(()) => {
                    waiting.clear();
                    (lost, left_out, sent) = (false, 0, Instant::now());
                }
                Err(TrySendError::Full(_)) => {}
                Err(TrySendError::Closed(_)) => return,
            }
        }
        if report.stopped.is_some() {
            break Feed::Stopped(report.stopped);
        }
    };
    drop(watch);
    if order.load(Ordering::Relaxed) != MAKE_ROOM {
        let _ = sender.blocking_send(end);
    }
}
