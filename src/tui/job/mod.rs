//! Computations that may take longer than a frame: searching, finding, ordering, counting references.
//!
//! Pure functions over an immutable picture. The runner calls them on other threads, tests call them
//! directly. A ticket comes back with every answer, so that a late one is recognized.

mod find;
pub mod flow;
pub mod flows;
mod scan;
pub mod services;
mod write;

pub use find::{Index, find, find_labels};
pub use scan::{holds, order, read_maps, references, search};
pub use write::{Advice, advise};

use super::action::Action;
use super::request::Reply;
use super::screen::explore::node::NodeKey;
use super::screen::routes;
use super::text::{Printer, Texts};
use crate::insight;
use crate::lang::iptables::as_nft;
use crate::model::{ElementList, Elements, Family, Name};
use crate::session::{ChainKey, Picture};
use crate::stage::change::Edit;
use std::collections::HashMap;
use std::sync::Arc;

/// Lines between two looks at whether somebody still wants the answer.
const STRIDE: usize = 4096;

/// How the rules of a chain are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sort {
    /// As the kernel evaluates them.
    #[default]
    Place,
    Rate,
    Packets,
    Bytes,
}

#[derive(Clone, Debug)]
pub enum Job {
    /// The lines of one place that hold `query`.
    Search {
        ticket: u64,
        picture: Arc<Picture>,
        place: SearchPlace,
        query: String,
        /// The elements on the screen, where a set is searched.
        elements: Option<Arc<Texts>>,
    },
    /// Print the elements of a set.
    Elements {
        picture: Arc<Picture>,
        family: Family,
        table: Name,
        set: Name,
    },
    /// Everything that resembles `query`, best first.
    Find {
        ticket: u64,
        picture: Arc<Picture>,
        query: String,
        /// Also the text of rules, not only names.
        rules: bool,
    },
    /// The order of a chain's rules by something that changes.
    Order {
        ticket: u64,
        picture: Arc<Picture>,
        chain: ChainKey,
        sort: Sort,
    },
    /// Who refers to what within a table.
    References {
        picture: Arc<Picture>,
        family: Family,
        table: Name,
    },
    /// The services that rules lead to, and their names by addresses.
    Services { picture: Arc<Picture> },
    /// The table of services.
    ServiceTable(services::Ask),
    /// The table of connections.
    FlowTable(Box<flows::Ask>),
    /// The packet of a connection: of who began it, or of who answers.
    Explain {
        picture: Arc<Picture>,
        flow: Box<crate::model::conntrack::Flow>,
        reply: bool,
    },
    /// What there is to say about the last change, where those before it are made.
    Look {
        ticket: u64,
        picture: Arc<Picture>,
        edits: Vec<Edit>,
        /// Where the cursor is in the text of the last one, in bytes.
        cursor: usize,
    },
    /// The hook diagram, and the way of a packet through it.
    Flow { ticket: u64, ask: Box<flow::Ask> },
}

/// Jobs of one kind replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobKind {
    Search,
    Find,
    Order,
    References,
    Elements,
    Look,
    Services,
    ServiceTable,
    FlowTable,
    Explain,
    Flow,
}

impl Job {
    pub fn kind(&self) -> JobKind {
        match self {
            Job::Search { .. } => JobKind::Search,
            Job::Find { .. } => JobKind::Find,
            Job::Order { .. } => JobKind::Order,
            Job::References { .. } => JobKind::References,
            Job::Elements { .. } => JobKind::Elements,
            Job::Look { .. } => JobKind::Look,
            Job::Services { .. } => JobKind::Services,
            Job::ServiceTable(_) => JobKind::ServiceTable,
            Job::FlowTable(_) => JobKind::FlowTable,
            Job::Explain { .. } => JobKind::Explain,
            Job::Flow { .. } => JobKind::Flow,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SearchPlace {
    /// Names of all nodes.
    Tree,
    /// The rules of a chain or the elements of a set.
    Lines(NodeKey),
    /// A list of Routes.
    Network(routes::Item),
    /// The table of services, which has only what fits then.
    Services,
    /// The table of connections, likewise.
    Flows,
}

#[derive(Clone, Debug)]
pub enum Answer {
    Searched {
        ticket: u64,
        hits: Hits,
    },
    Found {
        ticket: u64,
        found: Vec<Found>,
        /// Candidates that were looked at.
        of: usize,
        /// More may come for this ticket.
        complete: bool,
    },
    Ordered {
        ticket: u64,
        order: Vec<u32>,
    },
    References(Arc<Incoming>),
    Services(Arc<insight::services::Found>),
    ServiceTable(Arc<services::View>),
    FlowTable(Arc<flows::View>),
    Explained(Box<crate::flow::Question>),
    Elements(Printed),
    Looked {
        ticket: u64,
        advice: Advice,
    },
    Flow {
        ticket: u64,
        seen: Box<flow::Seen>,
    },
    Reply(Reply),
}

/// The elements of a set as text, and from what they were made.
#[derive(Clone, Debug)]
pub struct Printed {
    pub set: NodeKey,
    pub list: Arc<ElementList>,
    pub texts: Arc<Texts>,
}

/// Where a search was successful.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hits {
    Nodes(Vec<NodeKey>),
    /// Places of rules or elements, ascending.
    Lines(Vec<u32>),
}

impl Hits {
    pub fn len(&self) -> usize {
        match self {
            Hits::Nodes(nodes) => nodes.len(),
            Hits::Lines(lines) => lines.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where find can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Node(NodeKey),
    Rule(ChainKey, u64),
    /// A line of a list of Routes.
    Line(routes::Item, usize),
    Action(Action),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub target: Target,
    pub kind: &'static str,
    pub label: String,
    /// Characters of the label that match.
    pub hits: Vec<usize>,
    pub score: i64,
}

/// Who refers to the chains, sets and objects of one table: the chain and the handle of each rule.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incoming {
    pub table: Option<(Family, Name)>,
    pub generation: u32,
    pub rules: usize,
    pub jumps: HashMap<Name, Vec<(Name, u64)>>,
    /// Maps lead to chains as well, and the elements of one were not read.
    pub unread: bool,
    pub sets: HashMap<Name, Vec<(Name, u64)>>,
    pub objects: HashMap<Name, Vec<(Name, u64)>>,
}

/// Do a job to its end, or until it is not `wanted` any more. `index` is kept from one find to the next; it is
/// made to its end as long as the program is `alive`, because the next find needs it too. What is known before the
/// end goes to `report`.
pub fn run(
    job: Job,
    index: &mut Option<Arc<Index>>,
    wanted: &dyn Fn() -> bool,
    alive: &dyn Fn() -> bool,
    report: &dyn Fn(Answer),
) -> Option<Answer> {
    match job {
        Job::Search {
            ticket,
            picture,
            place,
            query,
            elements,
        } => {
            let hits = search(&picture, &place, &query, elements.as_deref(), wanted)?;
            Some(Answer::Searched { ticket, hits })
        }
        Job::Find {
            ticket,
            picture,
            query,
            rules,
        } => {
            let made = match index.take() {
                Some(made) if made.fits(&picture.ruleset) => made,
                _ => {
                    // Names are at hand before all rules are printed.
                    let names = Index::names(&picture);
                    if let Some((found, of)) = find(&names, &query, false, wanted) {
                        report(Answer::Found {
                            ticket,
                            found,
                            of,
                            complete: false,
                        });
                    }
                    Arc::new(names.with_rules(&picture, alive)?)
                }
            };
            *index = Some(made.clone());
            let (mut found, mut of) = find(&made, &query, rules, wanted)?;
            if rules {
                let (lines, looked) = find::find_routes(&picture, &query, wanted)?;
                of += looked;
                found.extend(lines);
                found.sort_by_key(|found| -found.score);
            }
            Some(Answer::Found {
                ticket,
                found,
                of,
                complete: true,
            })
        }
        Job::Order {
            ticket,
            picture,
            chain,
            sort,
        } => {
            let order = order(&picture, &chain, sort, wanted)?;
            Some(Answer::Ordered { ticket, order })
        }
        Job::References {
            picture,
            family,
            table,
        } => {
            let incoming = references(&picture, family, &table, wanted)?;
            Some(Answer::References(Arc::new(incoming)))
        }
        Job::Services { picture } => {
            let ruleset = &picture.ruleset;
            let legacy = ruleset.legacy.iter();
            let legacy: Vec<_> = legacy.filter_map(|table| as_nft::read(table)).collect();
            let list = insight::services::services(ruleset, &legacy);
            let found = insight::services::Found::new(list);
            Some(Answer::Services(Arc::new(found)))
        }
        Job::ServiceTable(ask) => {
            let view = services::view(&ask, wanted)?;
            Some(Answer::ServiceTable(Arc::new(view)))
        }
        Job::FlowTable(ask) => {
            let view = flows::view(&ask, wanted)?;
            Some(Answer::FlowTable(Arc::new(view)))
        }
        Job::Explain {
            picture,
            flow,
            reply,
        } => {
            let question = flows::question(&picture.network, &flow, reply);
            Some(Answer::Explained(Box::new(question)))
        }
        Job::Flow { ticket, ask } => {
            let seen = Box::new(flow::run(&ask));
            Some(Answer::Flow { ticket, seen })
        }
        Job::Look {
            ticket,
            picture,
            edits,
            cursor,
        } => {
            let advice = advise(&picture, &edits, cursor);
            Some(Answer::Looked { ticket, advice })
        }
        Job::Elements {
            picture,
            family,
            table: table_name,
            set: set_name,
        } => {
            let table = picture.ruleset.find(family, &table_name)?;
            let set = table.set(&set_name)?;
            let Elements::Read(list) = &set.elements else {
                return None;
            };
            let printer = Printer::new(table, &picture.names);
            let texts = printer.elements(set, list, wanted)?;
            Some(Answer::Elements(Printed {
                set: NodeKey::Set(family, table_name, set_name),
                list: list.clone(),
                texts: Arc::new(texts),
            }))
        }
    }
}
