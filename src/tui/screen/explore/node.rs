//! The things the tree shows: by name, which survives a new picture, and by place, which is fast.

use crate::model::{Chain, Family, Flowtable, Name, Object, Ruleset, Set, Table};
use crate::session::ChainKey;
use std::sync::Arc;

/// A collapsible kind of children of a table. Chains that belong to no group stand directly in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    Sets,
    Maps,
    Flowtables,
    Objects,
    /// Sets and maps without a name, of single rules.
    Anonymous,
}

impl Group {
    pub fn title(self) -> &'static str {
        match self {
            Group::Sets => "sets",
            Group::Maps => "maps",
            Group::Flowtables => "flowtables",
            Group::Objects => "objects",
            Group::Anonymous => "anonymous sets",
        }
    }
}

/// A node by name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NodeKey {
    Family(Family),
    Table(Family, Name),
    Group(Family, Name, Group),
    /// Chains whose names begin alike.
    Bucket(Family, Name, Name),
    Chain(Family, Name, Name),
    Set(Family, Name, Name),
    Flowtable(Family, Name, Name),
    /// Objects of different kinds may share a name.
    Object(Family, Name, Name, u32),
}

/// A node by its place in one ruleset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Family(Family),
    Table(u32),
    Group(u32, Group),
    Bucket(u32, Name),
    Chain(u32, u32),
    Set(u32, u32),
    Flowtable(u32, u32),
    Object(u32, u32),
}

/// A node together with what it stands for.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    Family(Family),
    Table(&'a Arc<Table>),
    Group(&'a Arc<Table>, Group),
    Bucket(&'a Arc<Table>),
    Chain(&'a Arc<Table>, &'a Arc<Chain>),
    Set(&'a Arc<Table>, &'a Arc<Set>),
    Flowtable(&'a Arc<Table>, &'a Arc<Flowtable>),
    Object(&'a Arc<Table>, &'a Arc<Object>),
}

pub fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

impl NodeKey {
    pub fn chain(key: &ChainKey) -> NodeKey {
        NodeKey::Chain(key.family, key.table.clone(), key.chain.clone())
    }

    pub fn table(&self) -> Option<(Family, &Name)> {
        match self {
            NodeKey::Family(_) => None,
            NodeKey::Table(family, table)
            | NodeKey::Group(family, table, _)
            | NodeKey::Bucket(family, table, _)
            | NodeKey::Chain(family, table, _)
            | NodeKey::Set(family, table, _)
            | NodeKey::Flowtable(family, table, _)
            | NodeKey::Object(family, table, _, _) => Some((*family, table)),
        }
    }

    /// Where the node is in this ruleset.
    pub fn locate(&self, ruleset: &Ruleset) -> Option<Node> {
        if let NodeKey::Family(family) = self {
            let any = ruleset.shown().any(|table| table.family == *family);
            return any.then_some(Node::Family(*family));
        }
        let (family, name) = self.table()?;
        let place = ruleset
            .shown()
            .position(|table| table.family == family && table.name == *name)?;
        let table = ruleset.at(place)?;
        let t = index(place);
        Some(match self {
            NodeKey::Family(_) => return None,
            NodeKey::Table(..) => Node::Table(t),
            NodeKey::Group(_, _, group) => Node::Group(t, *group),
            NodeKey::Bucket(_, _, prefix) => Node::Bucket(t, prefix.clone()),
            NodeKey::Chain(_, _, name) => {
                Node::Chain(t, index(table.chains.iter().position(|c| c.name == *name)?))
            }
            NodeKey::Set(_, _, name) => {
                Node::Set(t, index(table.sets.iter().position(|s| s.name == *name)?))
            }
            NodeKey::Flowtable(_, _, name) => {
                let at = table.flowtables.iter().position(|f| f.name == *name)?;
                Node::Flowtable(t, index(at))
            }
            NodeKey::Object(_, _, name, kind) => {
                let same = |o: &Arc<Object>| o.name == *name && o.kind == *kind;
                Node::Object(t, index(table.objects.iter().position(same)?))
            }
        })
    }

    /// The name people know it by.
    pub fn label(&self) -> String {
        match self {
            NodeKey::Family(family) => family.to_string(),
            NodeKey::Table(family, table) => format!("{family} {table}"),
            NodeKey::Group(family, table, group) => {
                format!("{family} {table} › {}", group.title())
            }
            NodeKey::Bucket(family, table, prefix) => format!("{family} {table} › {prefix}…"),
            NodeKey::Chain(family, table, name) | NodeKey::Flowtable(family, table, name) => {
                format!("{family} {table} › {name}")
            }
            NodeKey::Set(family, table, name) => format!("{family} {table} › @{name}"),
            NodeKey::Object(family, table, name, _) => format!("{family} {table} › {name}"),
        }
    }
}

impl Node {
    pub fn key(&self, ruleset: &Ruleset) -> Option<NodeKey> {
        let item = self.item(ruleset)?;
        Some(match (self, item) {
            (_, Item::Family(family)) => NodeKey::Family(family),
            (_, Item::Table(t)) => NodeKey::Table(t.family, t.name.clone()),
            (_, Item::Group(t, group)) => NodeKey::Group(t.family, t.name.clone(), group),
            (Node::Bucket(_, prefix), Item::Bucket(t)) => {
                NodeKey::Bucket(t.family, t.name.clone(), prefix.clone())
            }
            (_, Item::Bucket(_)) => return None,
            (_, Item::Chain(t, c)) => NodeKey::Chain(t.family, t.name.clone(), c.name.clone()),
            (_, Item::Set(t, s)) => NodeKey::Set(t.family, t.name.clone(), s.name.clone()),
            (_, Item::Flowtable(t, f)) => {
                NodeKey::Flowtable(t.family, t.name.clone(), f.name.clone())
            }
            (_, Item::Object(t, o)) => {
                NodeKey::Object(t.family, t.name.clone(), o.name.clone(), o.kind)
            }
        })
    }

    pub fn item<'a>(&self, ruleset: &'a Ruleset) -> Option<Item<'a>> {
        let table = |t: u32| ruleset.at(t as usize);
        Some(match self {
            Node::Family(family) => Item::Family(*family),
            Node::Table(t) => Item::Table(table(*t)?),
            Node::Group(t, group) => Item::Group(table(*t)?, *group),
            Node::Bucket(t, _) => Item::Bucket(table(*t)?),
            Node::Chain(t, c) => Item::Chain(table(*t)?, table(*t)?.chains.get(*c as usize)?),
            Node::Set(t, s) => Item::Set(table(*t)?, table(*t)?.sets.get(*s as usize)?),
            Node::Flowtable(t, f) => {
                Item::Flowtable(table(*t)?, table(*t)?.flowtables.get(*f as usize)?)
            }
            Node::Object(t, o) => Item::Object(table(*t)?, table(*t)?.objects.get(*o as usize)?),
        })
    }
}

/// The key of a chain in the session's terms.
pub fn chain_key(table: &Table, chain: &Chain) -> ChainKey {
    ChainKey {
        family: table.family,
        table: table.name.clone(),
        chain: chain.name.clone(),
    }
}
