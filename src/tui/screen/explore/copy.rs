//! What is copied from Explore: the rule, the element, the name under the cursor.

use super::Content;
use super::node::Item;
use crate::model::{Name, Ruleset};
use crate::tui::app::{Level, State};
use crate::tui::effect::Effect;

pub(super) fn copy_text(state: &mut State, ruleset: &Ruleset, effects: &mut Vec<Effect>) {
    let Some(picture) = state.picture.clone() else {
        return;
    };
    let text = match state.explore.content(ruleset) {
        Content::Rules(..) => {
            let rule = state.explore.rule(ruleset);
            rule.map(|(table, chain, _, rule)| {
                let printer = state.explore.printer(&picture, table);
                match printer.iptables(rule).filter(|_| !state.explore.nft_syntax) {
                    Some(own) => format!("-A {} {own}", chain.name),
                    None => printer.rule(rule),
                }
            })
        }
        Content::Elements(..) => {
            let texts = state.explore.texts();
            let text = texts.and_then(|texts| texts.get(state.explore.list.selected));
            text.map(str::to_string)
        }
        Content::Listing(_) => {
            let node = state.explore.listing.get(state.explore.list.selected);
            node.and_then(|node| node.item(ruleset)).and_then(name_of)
        }
        _ => None,
    };
    if let Some(text) = text {
        state.notify(Level::Info, format!("copied: {text}"));
        effects.push(Effect::Copy(text));
    }
}

fn name_of(item: Item<'_>) -> Option<String> {
    let name: &Name = match item {
        Item::Table(table) => &table.name,
        Item::Chain(_, chain) => &chain.name,
        Item::Set(_, set) => &set.name,
        Item::Flowtable(_, flowtable) => &flowtable.name,
        Item::Object(_, object) => &object.name,
        _ => return None,
    };
    Some(name.to_string())
}
