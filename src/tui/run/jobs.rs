//! Jobs on blocking threads: of each kind the newest one, older ones are told to stop.

use crate::tui::job::{self, Answer, Index, Job, JobKind};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub struct Jobs {
    running: HashMap<JobKind, Arc<AtomicBool>>,
    sender: UnboundedSender<Answer>,
    answers: UnboundedReceiver<Answer>,
    /// What find looks through, kept from one search to the next.
    index: Arc<Mutex<Option<Arc<Index>>>>,
}

impl Jobs {
    pub fn new() -> Jobs {
        let (sender, answers) = unbounded_channel();
        Jobs {
            running: HashMap::new(),
            sender,
            answers,
            index: Arc::default(),
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
        tokio::task::spawn_blocking(move || {
            let mut index = shared.lock().ok().and_then(|index| index.clone());
            let answer = job::run(job, &mut index, &|| wanted.load(Ordering::Relaxed));
            if let (Some(index), Ok(mut shared)) = (index, shared.lock()) {
                *shared = Some(index);
            }
            if let Some(answer) = answer {
                // Nobody listens any more when the interface is closing.
                let _ = sender.send(answer);
            }
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
        for wanted in self.running.values() {
            wanted.store(false, Ordering::Relaxed);
        }
    }
}
