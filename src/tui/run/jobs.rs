//! Jobs on blocking threads: of each kind the newest one, older ones are told to stop.

use super::requests::{self, Held};
use crate::tui::job::{self, Answer, Index, Job, JobKind};
use crate::tui::request::Request;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Who types does not want an answer for every letter.
const PAUSE: Duration = Duration::from_millis(120);

pub struct Jobs {
    running: HashMap<JobKind, Arc<AtomicBool>>,
    sender: UnboundedSender<Answer>,
    answers: UnboundedReceiver<Answer>,
    /// What find looks through, kept from one search to the next.
    index: Arc<Mutex<Option<Arc<Index>>>>,
    alive: Arc<AtomicBool>,
    /// The guard of a commit that waits.
    held: Held,
}

impl Jobs {
    pub fn new() -> Jobs {
        let (sender, answers) = unbounded_channel();
        Jobs {
            running: HashMap::new(),
            sender,
            answers,
            index: Arc::default(),
            alive: Arc::new(AtomicBool::new(true)),
            held: Held::default(),
        }
    }

    /// Start a job; an older one of its kind is not wanted any more.
    pub fn start(&mut self, job: Job) {
        let wanted = Arc::new(AtomicBool::new(true));
        if let Some(old) = self.running.insert(job.kind(), wanted.clone()) {
            old.store(false, Ordering::Relaxed);
        }
        let sender = self.sender.clone();
        let shared = self.index.clone();
        let alive = self.alive.clone();
        tokio::task::spawn_blocking(move || {
            let wanted = || wanted.load(Ordering::Relaxed);
            let alive = || alive.load(Ordering::Relaxed);
            let report = |answer| {
                let _ = sender.send(answer);
            };
            if job.kind() == JobKind::Look {
                std::thread::sleep(PAUSE);
                if !wanted() {
                    return;
                }
            }
            let answer = if job.kind() == JobKind::Find {
                // One find at a time: the next one waits for the index instead of making it once more.
                let mut index = shared.lock().unwrap_or_else(PoisonError::into_inner);
                if wanted() {
                    job::run(job, &mut index, &wanted, &alive, &report)
                } else {
                    None
                }
            } else {
                job::run(job, &mut None, &wanted, &alive, &report)
            };
            if let Some(answer) = answer {
                // Nobody listens any more when the interface is closing.
                let _ = sender.send(answer);
            }
        });
    }

    /// Ask the kernel about changes. Nothing replaces what was asked before.
    pub fn ask(&self, request: Request) {
        let (sender, held) = (self.sender.clone(), self.held.clone());
        tokio::task::spawn_blocking(move || {
            let _ = sender.send(Answer::Reply(requests::run(request, &held)));
        });
    }

    /// The next answer. Cancel safe.
    pub async fn next(&mut self) -> Option<Answer> {
        self.answers.recv().await
    }

    pub fn try_next(&mut self) -> Option<Answer> {
        self.answers.try_recv().ok()
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::Relaxed);
        for wanted in self.running.values() {
            wanted.store(false, Ordering::Relaxed);
        }
    }
}
