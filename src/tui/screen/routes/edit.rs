//! Changing what Routes shows: into the change set, in the words of iproute2. And what is pending, in its place.

use super::{Item, Pane, neighbours};
use crate::lang::route::{
    Context, ParseContext, neighbour_words, parse_batch, route_words, rule_words,
};
use crate::model::network::{
    ChangeAction, FibFamily, Network, PolicyRule, RouteChange, RoutingObject, table,
};
use crate::session::Picture;
use crate::stage::change::Edit;
use crate::tui::action::Action;
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;
use crate::tui::overlay::editor;
use crate::tui::screen::changes;

pub fn enabled(state: &State, action: Action) -> bool {
    if !changes::update::can_change(state) {
        return false;
    }
    let Some(item) = state.routes.selected else {
        return false;
    };
    match action {
        Action::AddAfter => add(item, &|id| id.to_string()).is_some(),
        Action::Edit | Action::Delete => {
            let picture = state.picture.as_deref();
            state.routes.focus == Pane::Lines
                && picture
                    .is_some_and(|picture| begun(picture, item, selected(state), action).is_some())
        }
        _ => false,
    }
}

fn selected(state: &State) -> usize {
    state.routes.list.selected
}

/// The beginning of a command that makes something like the lines of this item.
fn add(item: Item, table_name: &dyn Fn(u32) -> String) -> Option<String> {
    let six = |family| if family == FibFamily::Ip6 { "-6 " } else { "" };
    Some(match item {
        Item::Table(family, table::MAIN) => format!("{}route add ", six(family)),
        Item::Table(family, id) => format!("{}route add table {} ", six(family), table_name(id)),
        Item::Rules(family) => format!("{}rule add ", six(family)),
        Item::Neighbours => "neigh add ".into(),
        Item::Nexthops => "nexthop add ".into(),
        Item::Noarp | Item::Forwarding | Item::Links | Item::Addresses => return None,
    })
}

/// The command that changes or deletes a line.
fn begun(picture: &Picture, item: Item, place: usize, action: Action) -> Option<String> {
    let network = &picture.network;
    let device = |index| network.link_name(index);
    let context = Context {
        names: &picture.names.routing,
        device: &device,
        one_table: false,
    };
    let delete = action == Action::Delete;
    Some(match item {
        Item::Table(family, id) => {
            let route = network.routes.table(family, id)?.get(place)?;
            let (object, words) = route_words(route, &context);
            let verb = if delete { "del" } else { "replace" };
            format!("{object} {verb} {words}")
        }
        Item::Rules(family) => {
            let (object, words) = rule_words(network.rules_of(family).nth(place)?, &context);
            // The kernel has no change of a rule: the new one comes before the old one goes.
            match delete {
                true => format!("{object} del {words}"),
                false => format!("{object} add {words}\n{object} del {words}"),
            }
        }
        Item::Neighbours => {
            let words = neighbour_words(neighbours(network, item).nth(place)?, &context)?;
            let verb = if delete { "del" } else { "replace" };
            format!("neigh {verb} {words}")
        }
        Item::Nexthops if delete => format!("nexthop del id {}", network.nexthops.get(place)?.id),
        _ => return None,
    })
}

pub fn perform(state: &mut State, action: Action, effects: &mut Vec<Effect>) {
    if !enabled(state, action) {
        return;
    }
    let (Some(picture), Some(item)) = (state.picture.clone(), state.routes.selected) else {
        return;
    };
    let text = match action {
        Action::AddAfter => add(item, &|id| picture.names.routing.table(id).into_owned()),
        _ => begun(&picture, item, selected(state), action),
    };
    let Some(text) = text else {
        return;
    };
    if action != Action::Delete {
        editor::open(state, Edit::Route { text }, None, effects);
        return;
    }
    let all = state.changes.set.changes();
    let same = |edit: &Edit| matches!(edit, Edit::Route { text: own } if *own == text);
    match all.iter().find(|one| same(&one.edit)).map(|one| one.id) {
        Some(id) => {
            changes::update::remove(state, id);
            state.notify(Level::Info, format!("not any more: {text}"));
        }
        None => {
            changes::update::stage(state, Edit::Route { text });
        }
    }
}

/// A pending change of routing.
pub struct Pending {
    pub text: String,
    change: RouteChange,
}

impl Pending {
    pub fn deletes(&self) -> bool {
        self.change.action == ChangeAction::Delete
    }
}

/// What is pending, as it reads on this machine.
pub fn pending(state: &State, picture: &Picture) -> Vec<Pending> {
    let context = ParseContext {
        names: &picture.names.routing,
        links: &picture.network.links,
        family: None,
    };
    let mut found = Vec::new();
    for change in state.changes.set.changes().iter() {
        if let Edit::Route { text } = &change.edit
            && let Ok(parsed) = parse_batch(text, &context)
        {
            found.extend(parsed.into_iter().map(|one| Pending {
                text: one.text,
                change: one.change,
            }));
        }
    }
    found
}

/// Whether the change is about the lines of this item.
pub fn concerns(pending: &Pending, item: Item) -> bool {
    match (&pending.change.object, item) {
        (RoutingObject::Route(route), Item::Table(family, id)) => {
            let own = match route.body.table {
                0 => table::MAIN,
                own => own,
            };
            route.body.family == family && own == id
        }
        (RoutingObject::Rule { rule, .. }, Item::Rules(family)) => rule.family == family.to_wire(),
        (RoutingObject::Neighbour(_), Item::Neighbours)
        | (RoutingObject::Nexthop(_), Item::Nexthops) => true,
        _ => false,
    }
}

/// What becomes of a line: `-` when it goes, `~` when another comes in its place.
pub fn mark(pending: &[Pending], network: &Network, item: Item, place: usize) -> Option<char> {
    let hit = |one: &&Pending| concerns(one, item) && is_about(&one.change, network, item, place);
    let last = pending.iter().rfind(hit)?;
    match last.change.action {
        ChangeAction::Delete => Some('-'),
        ChangeAction::Replace | ChangeAction::Change => Some('~'),
        _ => None,
    }
}

fn is_about(change: &RouteChange, network: &Network, item: Item, place: usize) -> bool {
    match (&change.object, item) {
        (RoutingObject::Route(route), Item::Table(family, id)) => {
            let found = network
                .routes
                .table(family, id)
                .and_then(|table| table.get(place));
            found.is_some_and(|found| {
                let any = change.action == ChangeAction::Delete && route.body.metric.is_none();
                found.destination == route.destination.masked()
                    && (any || found.body.metric == route.body.metric)
            })
        }
        (RoutingObject::Rule { rule, .. }, Item::Rules(family)) => {
            let same = |found: &PolicyRule| {
                found.priority == rule.priority
                    && (found.src, found.dst, found.mark) == (rule.src, rule.dst, rule.mark)
            };
            network.rules_of(family).nth(place).is_some_and(same)
        }
        (RoutingObject::Neighbour(one), Item::Neighbours) => {
            let found = neighbours(network, item).nth(place);
            found.is_some_and(|found| found.address == one.address && found.index == one.index)
        }
        (RoutingObject::Nexthop(one), Item::Nexthops) => network
            .nexthops
            .get(place)
            .is_some_and(|found| found.id == one.id),
        _ => false,
    }
}
