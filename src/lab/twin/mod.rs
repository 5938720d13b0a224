//! A machine's network once more, in a namespace of its own, to be asked which way a packet goes: the answer is the
//! kernel's, by its own trace. The machine itself is not touched.
//!
//! May use `model`, `kernel`, `lang`, `flow`, `stage`. The twin hangs on its thread alone: however the process ends,
//! it is gone.

mod answer;
mod build;
mod compare;
mod reason;

pub use answer::Answer;
pub use compare::{Act, Comparison, compare, json};

use super::namespace::{LabError, Namespace};
use crate::flow::{Question, QuestionError, Trace};
use crate::model::{Name, Snapshot};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum TwinError {
    #[error(
        "asking the kernel needs a network namespace, which this user may not make ({0}); run as root"
    )]
    NotAllowed(nix::errno::Errno),
    #[error("cannot make the twin network: {0}")]
    Lab(#[from] LabError),
    #[error("cannot make the twin network's {what}: {error}")]
    Kernel {
        what: &'static str,
        error: crate::kernel::netlink::KernelError,
    },
    #[error("cannot make the twin network's {what}: {error}")]
    Io {
        what: &'static str,
        error: std::io::Error,
    },
    #[error("the kernel here does not take the ruleset again: {0}; the packet was not asked about")]
    Ruleset(String),
    #[error(transparent)]
    Question(#[from] QuestionError),
    #[error("{0}")]
    Cannot(String),
    #[error("the twin network came to an unexpected end")]
    Gone,
}

/// One packet to ask about, with what was predicted: the flow that it belongs to is known from there.
struct Job {
    question: Question,
    /// Place of the connection among the picture's.
    flow: Option<usize>,
    /// The source that routing chooses for a packet without one.
    source: Option<std::net::IpAddr>,
    answer: Sender<Result<Answer, TwinError>>,
}

/// A twin of the machine in a picture.
pub struct Twin {
    jobs: Sender<Job>,
    /// What of the picture is not in the twin: one sentence each.
    pub not_copied: Vec<String>,
}

impl Twin {
    /// Make one. Packets can arrive on the devices of `entries`.
    pub fn new(picture: &Arc<Snapshot>, entries: &[Name]) -> Result<Twin, TwinError> {
        let (jobs, work) = channel::<Job>();
        let (ready, told) = channel();
        let (picture, entries) = (picture.clone(), entries.to_vec());
        let far = Namespace::new().map_err(not_allowed)?;
        thread::Builder::new()
            .name("twin".into())
            .spawn(move || run(&picture, &entries, far, &work, &ready))
            .map_err(|error| TwinError::Io {
                what: "thread",
                error,
            })?;
        let not_copied = told.recv().map_err(|_| TwinError::Gone)??;
        Ok(Twin { jobs, not_copied })
    }

    /// Send the packet through, and hear what the kernel did.
    pub fn ask(&self, question: &Question, predicted: &Trace) -> Result<Answer, TwinError> {
        if question.ct_state.is_some() {
            return Err(TwinError::Cannot(
                "--ct-state is an assumption, which the kernel does not make; leave it out to ask the kernel".into(),
            ));
        }
        let flow = predicted.steps.iter().find_map(|step| match step {
            crate::flow::Step::Conntrack(ct) => ct.flow,
            _ => None,
        });
        let (answer, told) = channel();
        let job = Job {
            question: question.clone(),
            flow,
            source: predicted.first.src.filter(|src| !src.is_unspecified()),
            answer,
        };
        self.jobs.send(job).map_err(|_| TwinError::Gone)?;
        told.recv().map_err(|_| TwinError::Gone)?
    }
}

fn not_allowed(error: LabError) -> TwinError {
    match error {
        LabError::NotAllowed(errno) => TwinError::NotAllowed(errno),
        LabError::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            TwinError::NotAllowed(nix::errno::Errno::EPERM)
        }
        other => TwinError::Lab(other),
    }
}

type Ready = Sender<Result<Vec<String>, TwinError>>;

/// The twin's thread: it is the namespace.
fn run(picture: &Snapshot, entries: &[Name], far: Namespace, work: &Receiver<Job>, ready: &Ready) {
    let mut inside = match build::build(picture, entries, far) {
        Ok(inside) => inside,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    if ready.send(Ok(inside.not_copied.clone())).is_err() {
        return;
    }
    for job in work {
        let flow = job.flow.and_then(|place| picture.flows.get(place));
        let result = inside.ask(picture, &job.question, flow, job.source);
        let _ = job.answer.send(result);
    }
}
