//! What a legacy table shall be when a change of it is taken back. Pure.

use crate::model::Name;
use crate::model::expression::Counter;
use crate::model::xtables::rule::{LegacyChain, LegacyRule, LegacyTable, LegacyTarget};
use crate::stage::plan::rules::{Item, matches, merge};
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};

/// A rule by what it says; what it counted is not part of that.
#[derive(Clone, Copy)]
pub struct Key<'t>(pub &'t LegacyRule);

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0, other.0);
        (&a.header, &a.matches, &a.watchers, &a.target)
            == (&b.header, &b.matches, &b.watchers, &b.target)
    }
}

impl Eq for Key<'_> {}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Part of a rule is enough to tell most of them apart.
        let Key(rule) = self;
        match &rule.header {
            crate::model::xtables::rule::Header::Ip(header) => (header.src, header.dst).hash(state),
            crate::model::xtables::rule::Header::Ip6(header) => {
                (header.src, header.dst).hash(state);
            }
            _ => {}
        }
        for one in &rule.matches {
            (&one.name, &one.info).hash(state);
        }
        match &rule.target {
            LegacyTarget::Jump(chain) | LegacyTarget::Goto(chain) => chain.hash(state),
            LegacyTarget::Extension(one) => (&one.name, &one.info).hash(state),
            _ => {}
        }
    }
}

pub fn keys(chain: Option<&LegacyChain>) -> Vec<Key<'_>> {
    chain.map_or_else(Vec::new, |chain| chain.rules.iter().map(Key).collect())
}

/// Whether two tables say the same.
pub fn same(a: &LegacyTable, b: &LegacyTable) -> bool {
    let by_name: HashMap<&Name, &LegacyChain> =
        b.chains.iter().map(|chain| (&chain.name, chain)).collect();
    let verdict = |chain: &LegacyChain| chain.policy.as_ref().map(|policy| policy.verdict);
    a.chains.len() == b.chains.len()
        && a.chains.iter().all(|one| {
            by_name.get(&one.name).is_some_and(|other| {
                verdict(one) == verdict(other)
                    && one.rules.len() == other.rules.len()
                    && one
                        .rules
                        .iter()
                        .zip(&other.rules)
                        .all(|(a, b)| Key(a) == Key(b))
            })
        })
}

/// `before` again, where a change made `after` of it and others made `now` of that: what they did stays. Counters
/// of what was taken away are those of `before`. Also a sentence for each part that is not what it was.
pub fn back(
    before: &LegacyTable,
    after: &LegacyTable,
    now: &LegacyTable,
) -> (LegacyTable, Vec<String>) {
    let find = |table: &LegacyTable| -> HashMap<Name, usize> {
        let names = table.chains.iter().enumerate();
        names
            .map(|(index, chain)| (chain.name.clone(), index))
            .collect()
    };
    let (in_before, in_after, in_now) = (find(before), find(after), find(now));
    let get = |table: &'_ LegacyTable, places: &HashMap<Name, usize>, name: &Name| {
        places
            .get(name)
            .and_then(|index| table.chains.get(*index))
            .cloned()
    };
    let mut left = Vec::new();
    let mut chains: Vec<LegacyChain> = Vec::new();
    for was in &before.chains {
        let made = get(after, &in_after, &was.name);
        let Some(mut is) = get(now, &in_now, &was.name) else {
            // Others took it away, unless the change did.
            if made.is_none() {
                chains.push(was.clone());
            }
            continue;
        };
        is.rules = rules_back(was, made.as_ref(), &is);
        if let (Some(was), Some(made), Some(is)) = (
            &was.policy,
            made.as_ref().and_then(|chain| chain.policy.as_ref()),
            &mut is.policy,
        ) && is.verdict == made.verdict
        {
            is.verdict = was.verdict;
        }
        chains.push(is);
    }
    for is in &now.chains {
        if in_before.contains_key(&is.name) {
            continue;
        }
        let Some(made) = get(after, &in_after, &is.name) else {
            chains.push(is.clone());
            continue;
        };
        let empty = LegacyChain {
            rules: Vec::new(),
            ..is.clone()
        };
        let rules = rules_back(&empty, Some(&made), is);
        if !rules.is_empty() {
            left.push(format!(
                "chain {} stays, because others put rules into it",
                is.name
            ));
            chains.push(LegacyChain { rules, ..empty });
        }
    }
    reach(&mut chains, before, now, &mut left);
    let table = LegacyTable {
        family: before.family,
        name: before.name.clone(),
        chains,
    };
    (table, left)
}

/// Chains that rules jump to are there, if only empty.
fn reach(
    chains: &mut Vec<LegacyChain>,
    before: &LegacyTable,
    now: &LegacyTable,
    left: &mut Vec<String>,
) {
    let mut there: HashSet<Name> = chains.iter().map(|chain| chain.name.clone()).collect();
    let mut at = 0;
    while let Some(chain) = chains.get(at) {
        let mut missing = Vec::new();
        for rule in &chain.rules {
            if let LegacyTarget::Jump(to) | LegacyTarget::Goto(to) = &rule.target
                && there.insert(to.clone())
            {
                missing.push(to.clone());
            }
        }
        for name in missing {
            let known = before.chain(&name).or_else(|| now.chain(&name));
            left.push(format!("chain {name} stays, because rules jump to it"));
            chains.push(known.cloned().unwrap_or(LegacyChain {
                name,
                policy: None,
                rules: Vec::new(),
            }));
        }
        at += 1;
    }
}

fn rules_back(was: &LegacyChain, made: Option<&LegacyChain>, is: &LegacyChain) -> Vec<LegacyRule> {
    let (want, base, now) = (keys(Some(was)), keys(made), keys(Some(is)));
    let places = matches(&base, &now);
    // Where the change never happened, or others have brought a rule back, it is not to be there twice.
    let of_base: HashSet<usize> = places.iter().flatten().copied().collect();
    let mut theirs: HashMap<Key<'_>, usize> = HashMap::new();
    for (index, key) in now.iter().enumerate() {
        if !of_base.contains(&index) {
            *theirs.entry(*key).or_default() += 1;
        }
    }
    let items = merge(&want, &base, now.len(), |place| {
        places.get(place).copied().flatten()
    });
    items
        .into_iter()
        .filter_map(|item| match item {
            Item::Keep(index) | Item::Again(index) => is.rules.get(index).cloned(),
            Item::Want(index) => {
                let rule = was.rules.get(index)?;
                if let Some(count) = theirs.get_mut(&Key(rule))
                    && *count > 0
                {
                    *count -= 1;
                    return None;
                }
                Some(rule.clone())
            }
        })
        .collect()
}

/// For each rule of `new` the place of the same rule in `old`, chain by chain.
pub fn carried(old: &LegacyChain, new: &LegacyChain) -> Vec<Option<usize>> {
    matches(&keys(Some(new)), &keys(Some(old)))
}

/// Nothing counted.
pub const ZERO: Counter = Counter {
    bytes: 0,
    packets: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;
    use crate::model::xtables::rule::{Header, IpHeader, LegacyPolicy, LegacyVerdict};

    fn rule(letter: char) -> LegacyRule {
        LegacyRule {
            header: Header::Ip(IpHeader {
                src: [letter as u8; 4],
                ..IpHeader::default()
            }),
            matches: Vec::new(),
            watchers: Vec::new(),
            target: match letter {
                '>' => LegacyTarget::Jump("USER".into()),
                _ => LegacyTarget::Verdict(LegacyVerdict::Accept),
            },
            counters: ZERO,
        }
    }

    /// `INPUT` with a policy, and `USER` where it is there.
    fn table(drops: bool, input: &str, user: Option<&str>) -> LegacyTable {
        let chain = |name: &str, policy, rules: &str| LegacyChain {
            name: name.into(),
            policy,
            rules: rules.chars().map(rule).collect(),
        };
        let policy = LegacyPolicy {
            hook: 1,
            verdict: match drops {
                true => LegacyVerdict::Drop,
                false => LegacyVerdict::Accept,
            },
            counters: ZERO,
        };
        let mut chains = vec![chain("INPUT", Some(policy), input)];
        chains.extend(user.map(|rules| chain("USER", None, rules)));
        LegacyTable {
            family: Family::Ip,
            name: "filter".into(),
            chains,
        }
    }

    #[test]
    fn what_was_comes_back_and_what_others_did_stays() {
        let t = table;
        for (before, after, now, expected, notes) in [
            // Nobody else did anything.
            (
                t(false, "ab", None),
                t(true, "b", Some("x")),
                t(true, "b", Some("x")),
                t(false, "ab", None),
                0,
            ),
            // Others put c at the end, and set the policy.
            (
                t(false, "ab", None),
                t(false, "b", None),
                t(true, "bc", None),
                t(true, "abc", None),
                0,
            ),
            // It never happened, and others put c in front.
            (
                t(false, "ab", None),
                t(false, "b", None),
                t(false, "cab", None),
                t(false, "cab", None),
                0,
            ),
            // Others jump to the chain that the change made.
            (
                t(false, "", None),
                t(false, "", Some("x")),
                t(false, ">", Some("x")),
                t(false, ">", Some("x")),
                1,
            ),
            // Others put a rule into it.
            (
                t(false, "", None),
                t(false, "", Some("x")),
                t(false, "", Some("xy")),
                t(false, "", Some("y")),
                1,
            ),
            // The change took the chain away, with its jump.
            (
                t(false, ">", Some("x")),
                t(false, "", None),
                t(false, "c", None),
                t(false, ">c", Some("x")),
                0,
            ),
        ] {
            let (got, left) = back(&before, &after, &now);
            assert!(same(&got, &expected), "{got:#?}\nexpected {expected:#?}");
            assert_eq!(left.len(), notes, "{left:?}");
        }
        assert!(!same(&t(false, "a", None), &t(false, "b", None)));
        assert!(!same(&t(false, "a", None), &t(true, "a", None)));
    }
}
