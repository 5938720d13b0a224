//! The change set: what a person wants changed, as data, in order, with undo and redo. Pure.
//!
//! A change knows the command of the nft language that carries it out (or, for routes, the words of iproute2), and,
//! where it is about a rule, that rule by its handle *and* its text: a handle may belong to another rule after
//! somebody else has reloaded the ruleset.

pub mod disable;
mod edit;
mod lines;
mod set;

pub use edit::{Anchor, Edit, Place, RuleRef, is_iptables, policy_word};
pub use lines::{Line, lines};
pub use set::{Change, ChangeSet};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Policy};

    fn chain() -> Place {
        Place {
            family: Family::Ip,
            table: "t".into(),
            name: "c".into(),
        }
    }

    fn rule(handle: u64) -> RuleRef {
        RuleRef {
            chain: chain(),
            handle,
            text: "accept".into(),
        }
    }

    fn add(at: Anchor, text: &str) -> Edit {
        Edit::AddRule {
            at,
            text: text.into(),
        }
    }

    #[test]
    fn changes_are_commands_of_the_language() {
        let edits = [
            add(Anchor::After(rule(7)), "drop"),
            add(Anchor::Before(rule(7)), "drop"),
            add(Anchor::End(chain()), "drop"),
            Edit::ReplaceRule {
                rule: rule(7),
                text: "drop".into(),
                keep: false,
            },
            Edit::MoveRule {
                rule: rule(7),
                to: Anchor::Before(rule(3)),
            },
            Edit::DeleteRule { rule: rule(7) },
            Edit::SetPolicy {
                chain: chain(),
                from: Policy::Accept,
                to: Policy::Drop,
            },
            Edit::AddElement {
                set: chain(),
                text: "1.2.3.4".into(),
            },
            Edit::DeleteElement {
                set: chain(),
                text: "1.2.3.4".into(),
            },
        ];
        let commands: Vec<String> = edits.iter().map(Edit::command).collect();
        assert_eq!(
            commands,
            [
                "add rule ip t c handle 7 drop",
                "insert rule ip t c handle 7 drop",
                "add rule ip t c drop",
                "replace rule ip t c handle 7 drop",
                "delete rule ip t c handle 7\ninsert rule ip t c handle 3 accept",
                "delete rule ip t c handle 7",
                "add chain ip t c { policy drop; }",
                "add element ip t c { 1.2.3.4 }",
                "delete element ip t c { 1.2.3.4 }",
            ]
        );
    }

    #[test]
    fn rules_of_iptables_are_told_from_those_of_nft() {
        for text in ["-p tcp -j ACCEPT", "! -i lo -j DROP", "--jump ACCEPT"] {
            assert!(is_iptables(text), "{text}");
        }
        assert!(!is_iptables("tcp dport 22 accept") && !is_iptables(""));
        let edit = add(Anchor::After(rule(7)), "-j DROP");
        assert_eq!(edit.source(), "add rule ip t c handle 7 continue");
        assert_eq!(edit.iptables_rule(), Some(("-j DROP", &chain())));
    }

    #[test]
    fn changes_of_legacy_tables_are_commands_of_iptables() {
        let chain = Place {
            family: Family::Ip6,
            table: "filter (legacy)".into(),
            name: "INPUT".into(),
        };
        let rule = RuleRef {
            chain: chain.clone(),
            handle: 3,
            text: "-j ACCEPT".into(),
        };
        let to = Anchor::After(RuleRef {
            handle: 5,
            ..rule.clone()
        });
        let edits = [
            add(Anchor::Before(rule.clone()), "-j DROP"),
            add(Anchor::End(chain.clone()), "-j DROP"),
            Edit::DeleteRule { rule: rule.clone() },
            Edit::MoveRule { rule, to },
            Edit::SetPolicy {
                chain,
                from: Policy::Accept,
                to: Policy::Drop,
            },
        ];
        assert!(edits.iter().all(|edit| !edit.is_of_ruleset()));
        let commands: Vec<String> = edits.iter().map(Edit::command).collect();
        let lead = "ip6tables-legacy -t filter";
        assert_eq!(
            commands,
            [
                format!("{lead} -I INPUT 3 -j DROP"),
                format!("{lead} -A INPUT -j DROP"),
                format!("{lead} -D INPUT 3"),
                format!("{lead} -D INPUT 3\n{lead} -I INPUT 6 -j ACCEPT"),
                format!("{lead} -P INPUT DROP"),
            ]
        );
    }

    #[test]
    fn a_moved_rule_is_not_read_again() {
        let to = Anchor::End(chain());
        let edit = Edit::MoveRule { rule: rule(7), to };
        let source = "delete rule ip t c handle 7\nadd rule ip t c continue";
        assert_eq!(edit.source(), source);
    }

    #[test]
    fn undo_and_redo_walk_through_every_state() {
        let mut set = ChangeSet::default();
        let first = set.stage(Edit::DeleteRule { rule: rule(7) });
        let second = set.stage(add(Anchor::End(chain()), "drop"));
        set.amend(second, add(Anchor::End(chain()), "accept"));
        set.remove(first);
        assert_eq!(set.len(), 1);
        set.remove(first);
        set.undo();
        assert_eq!(set.len(), 2, "removing nothing is no state of its own");
        set.undo();
        assert_eq!(set.get(second).unwrap().edit.text(), "drop");
        set.redo();
        assert_eq!(set.get(second).unwrap().edit.text(), "accept");
        set.undo();
        set.clear();
        assert!(!set.can_redo() && set.is_empty());
        for _ in 0..9 {
            set.undo();
        }
        assert!(!set.can_undo() && set.is_empty());
        set.redo();
        assert!(set.of_rule(&chain(), 7).is_some());
        assert!(set.of_rule(&chain(), 8).is_none());
    }

    #[test]
    fn a_rule_goes_after_those_beside_it_came() {
        let mut set = ChangeSet::default();
        set.stage(Edit::DeleteRule { rule: rule(7) });
        set.stage(Edit::DeleteRule { rule: rule(8) });
        set.stage(add(Anchor::Before(rule(7)), "drop"));
        let commands: Vec<String> = set.changes().iter().map(|one| one.edit.command()).collect();
        assert_eq!(
            commands,
            [
                "delete rule ip t c handle 8",
                "insert rule ip t c handle 7 drop",
                "delete rule ip t c handle 7",
            ]
        );
    }

    #[test]
    fn new_rules_stand_where_the_kernel_will_put_them() {
        let mut set = ChangeSet::default();
        assert_eq!(lines(&set, &chain(), [5, 7].into_iter()), None);
        let a = set.stage(add(Anchor::After(rule(5)), "a"));
        let b = set.stage(add(Anchor::After(rule(5)), "b"));
        let c = set.stage(add(Anchor::Before(rule(5)), "c"));
        let d = set.stage(add(Anchor::Before(rule(5)), "d"));
        let e = set.stage(add(Anchor::End(chain()), "e"));
        let lost = set.stage(add(Anchor::After(rule(9)), "f"));
        assert_eq!(
            lines(&set, &chain(), [5, 7].into_iter()).unwrap(),
            [
                Line::New(c),
                Line::New(d),
                Line::Rule(0),
                Line::New(b),
                Line::New(a),
                Line::Rule(1),
                Line::New(lost),
                Line::New(e),
            ]
        );
    }
}
