//! Putting a packet into the twin and hearing what the kernel says of it.

use super::TwinError;
use super::build::Inside;
use crate::flow::frame::Skb;
use crate::flow::group::{End, Group, one_packet};
use crate::flow::tracer::{Filter, Plan};
use crate::flow::{Question, frame};
use crate::kernel::conntrack_change;
use crate::kernel::inject::{Sender, send_ip};
use crate::kernel::netlink::KernelError;
use crate::kernel::nf_tables::commit::{self, Held};
use crate::kernel::snmp::Counters;
use crate::model::conntrack::Flow;
use crate::model::network::Network;
use crate::model::trace::TraceEvent;
use crate::model::{Family, Name, Snapshot};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const TABLE: &str = "hookscope-twin";
/// A packet that nothing was heard of is gone after so long.
const SILENT: Duration = Duration::from_millis(60);
/// After the last event of one whose end was seen.
const QUIET: Duration = Duration::from_millis(4);
const LONGEST: Duration = Duration::from_millis(1500);

/// What the kernel did.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Nothing where no chain of the packet's path saw it.
    pub group: Option<Group>,
    /// The rules of the group, as places in their chains: (pass, hit) in order.
    pub places: Vec<Vec<Option<usize>>>,
    /// The error that sending a packet of this machine's own met.
    pub refused: Option<i32>,
    /// What the kernel has counted in the meantime.
    pub counted: Vec<String>,
}

impl Answer {
    pub fn end(&self) -> End {
        self.group.as_ref().map_or(End::Unseen, |group| group.end)
    }
}

impl Inside {
    pub fn ask(
        &mut self,
        picture: &Snapshot,
        question: &Question,
        flow: Option<&Flow>,
        source: Option<IpAddr>,
    ) -> Result<Answer, TwinError> {
        let mut skb = question.build(&picture.network)?;
        let _tracer = self.trace(picture, question)?;
        let kernel = |what| move |error| TwinError::Kernel { what, error };
        conntrack_change::flush(&mut self.netfilter).map_err(kernel("connections"))?;
        if let Some(flow) = flow {
            conntrack_change::insert(flow).map_err(kernel("connection"))?;
        }
        // What came before is not of this packet.
        while self.traces.read().map_err(kernel("trace"))?.more {}
        let before = Counters::read();
        let refused = match &question.iif {
            Some(iif) => {
                self.arrive(&picture.network, iif, question, &skb)?;
                None
            }
            None => {
                if let Some(source) =
                    source.filter(|_| skb.src().is_some_and(|s| s.is_unspecified()))
                {
                    // Checksums count the addresses: make it anew.
                    let whole = Question {
                        src: Some(source),
                        ..question.clone()
                    };
                    skb = whole.build(&picture.network)?;
                }
                send(question, &skb)?
            }
        };
        let events = self.hear()?;
        let counted = Counters::read().grown_since(&before);
        let group = one_packet(TABLE, &events);
        let places = group.as_ref().map_or_else(Vec::new, |group| {
            let passes = group.passes.iter();
            passes
                .map(|pass| {
                    let hits = pass.hits.iter();
                    hits.map(|hit| {
                        let key = (pass.family, pass.table.clone(), hit.chain.clone());
                        self.places.get(&key)?.get(&hit.handle).copied()
                    })
                    .collect()
                })
                .collect()
        });
        Ok(Answer {
            group,
            places,
            refused,
            counted,
        })
    }

    /// Have the packet traced.
    fn trace(&self, picture: &Snapshot, question: &Question) -> Result<Option<Held>, TwinError> {
        let at_ingress = |chain: &crate::model::Chain| {
            chain
                .base
                .as_ref()
                .is_some_and(|base| !base.devices.is_empty())
        };
        let tables = &picture.ruleset.tables;
        let ingress = tables
            .iter()
            .any(|table| table.chains.iter().any(|chain| at_ingress(chain)));
        let bridge = tables.iter().any(|table| table.family == Family::Bridge)
            || picture
                .network
                .links
                .iter()
                .any(|link| link.kind.as_deref() == Some("bridge"));
        let iif: Option<Name> = question.iif.as_deref().map(Into::into);
        let plan = Plan {
            name: TABLE.into(),
            filter: Filter {
                iif: question.iif.clone(),
                ..Filter::default()
            },
            bridge,
            ingress: iif.into_iter().filter(|_| ingress).collect(),
            owner: true,
            owned_only: true,
            set_mark: (question.iif.is_some() && question.mark != 0).then_some(question.mark),
            ..Plan::default()
        };
        let commands = plan.commands().map_err(|wrong| {
            let first = wrong.into_iter().next();
            TwinError::Cannot(first.map(|one| one.message).unwrap_or_default())
        })?;
        let (_, held) = commit::commit_held(&commands, Default::default())
            .map_err(|refused| TwinError::Ruleset(refused.to_string()))?;
        Ok(held)
    }

    fn arrive(
        &self,
        network: &Network,
        iif: &str,
        question: &Question,
        skb: &Skb,
    ) -> Result<(), TwinError> {
        let frame = match &question.frame {
            Some(frame) => frame.clone(),
            None => whole(skb),
        };
        let link = network.link_by_name(iif);
        let sent = if link.is_some_and(|link| link.is_loopback()) {
            // What leaves by the loopback device arrives on it.
            let index = link.map_or(1, |link| link.index);
            crate::kernel::inject::Frames::open().and_then(|frames| frames.send(index, &frame))
        } else {
            let name = link.map_or_else(|| iif.into(), |link| link.name.clone());
            let Some(peer) = self.entries.get(&name) else {
                return Err(TwinError::Cannot(format!(
                    "packets cannot be put in on '{iif}' of the twin network"
                )));
            };
            self.frames.send(*peer, &frame)
        };
        sent.map_err(|error| TwinError::Io {
            what: "packet",
            error,
        })
    }

    /// Everything that is said until the packet has come to its end.
    fn hear(&mut self) -> Result<Vec<TraceEvent>, TwinError> {
        let begun = Instant::now();
        let (mut heard, mut events) = (Instant::now(), Vec::new());
        loop {
            let batch = self.traces.read().map_err(|error| TwinError::Kernel {
                what: "trace",
                error,
            })?;
            if batch.lost {
                return Err(TwinError::Cannot(
                    "the kernel dropped events of the trace; ask again".into(),
                ));
            }
            if !batch.events.is_empty() {
                heard = Instant::now();
                events.extend(batch.events);
            }
            let end = one_packet(TABLE, &events).map_or(End::Unseen, |group| group.end);
            let wait = if end == End::Unseen { SILENT } else { QUIET };
            let left = wait.saturating_sub(heard.elapsed());
            if left.is_zero() || begun.elapsed() > LONGEST {
                return Ok(events);
            }
            let timeout = PollTimeout::try_from(left.max(Duration::from_millis(1)));
            let mut fds = [PollFd::new(self.traces.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, timeout.unwrap_or(PollTimeout::ZERO)) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => {
                    return Err(TwinError::Kernel {
                        what: "trace",
                        error: KernelError::Io(error.into()),
                    });
                }
            }
        }
    }
}

/// Send it as this machine does; the error that the kernel's way met is part of the answer.
fn send(question: &Question, skb: &Skb) -> Result<Option<i32>, TwinError> {
    let to = question.dst.or(skb.dst());
    let Some(to) = to else {
        return Err(TwinError::Cannot("the packet has no destination".into()));
    };
    let from = Sender {
        uid: question.uid,
        gid: question.gid,
        mark: question.mark,
        source: skb.src(),
        protocol: skb.l4().proto,
        tos: skb.tos(),
    };
    match send_ip(&skb.data, to, from) {
        Ok(()) => Ok(None),
        Err(error) => match error.raw_os_error() {
            Some(errno) => Ok(Some(errno)),
            None => Err(TwinError::Io {
                what: "packet",
                error,
            }),
        },
    }
}

/// The frame, as it comes over a cable.
fn whole(skb: &Skb) -> Vec<u8> {
    let mac = skb.mac.unwrap_or(frame::Link {
        destination: [0; 6],
        source: [2, 0, 0, 0, 0, 1],
        protocol: skb.protocol,
    });
    let mut frame = Vec::with_capacity(skb.data.len() + 18);
    frame.extend(mac.destination);
    frame.extend(mac.source);
    if let Some((protocol, tci)) = skb.vlan {
        frame.extend(protocol.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(skb.protocol.to_be_bytes());
    frame.extend(&skb.data);
    frame
}
