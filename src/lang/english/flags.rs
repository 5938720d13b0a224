//! Matches on flags in words: TCP flags and other bit masks.

use super::Reader;
use super::condition::{Sense, key_of, sense};
use super::selector::bare;
use super::sentence::Condition;
use super::value::either;
use crate::lang::nft::ast::{Expr, Kind, Op};

impl Reader<'_> {
    pub(super) fn tcp_flags(&self, op: Op, right: &Expr) -> Condition {
        let right = bare(right);
        if let Kind::SetRef(reference) = &right.kind {
            let text = match self.literal(reference) {
                Some(elements) => {
                    let texts: Vec<String> = elements
                        .iter()
                        .map(|element| self.exactly(key_of(element)))
                        .collect();
                    either(&texts, "or")
                }
                None => format!("one of those in {}", self.set_name(reference)),
            };
            return Condition::After(match sense(op) {
                Sense::IsNot => format!("with a combination of TCP flags other than {text}"),
                _ => format!("with exactly the TCP flags {text}"),
            });
        }
        if matches!(sense(op), Sense::Order(_)) || self.is_computed(right) {
            return Condition::Whose(format!("TCP flags byte {}", self.comparison(op, right)));
        }
        let flags = self.flags(right);
        Condition::After(match (op, flags.as_slice()) {
            (Op::Implicit, [one]) => format!("with the TCP flag {one} set"),
            (Op::Implicit, _) => format!("with any of the TCP flags {} set", either(&flags, "and")),
            (Op::Neg, [one]) => format!("with the TCP flag {one} not set"),
            (Op::Neg, _) => format!("with none of the TCP flags {} set", either(&flags, "and")),
            (Op::Neq, _) => format!("with TCP flags other than exactly {}", self.exactly(right)),
            _ => format!("with exactly the TCP flags {} set", self.exactly(right)),
        })
    }

    fn is_computed(&self, expr: &Expr) -> bool {
        !matches!(
            expr.kind,
            Kind::Value(_) | Kind::List(_) | Kind::Binop { .. }
        )
    }

    /// All flags of a value; `none` without any.
    fn exactly(&self, expr: &Expr) -> String {
        let flags = self.flags(expr);
        match flags.is_empty() {
            true => "none".to_owned(),
            false => either(&flags, "and"),
        }
    }

    /// Bit masks of other kinds.
    pub(super) fn bits(&self, op: Op, left: &Expr, right: &Expr) -> Condition {
        let noun = self.noun(left);
        let right = bare(right);
        if self.is_computed(right) || matches!(sense(op), Sense::Order(_)) {
            return Condition::Whose(format!("{noun} {}", self.comparison(op, right)));
        }
        let flags = self.flags(right);
        Condition::Whose(match (op, flags.as_slice()) {
            (Op::Implicit, [one]) => format!("{noun} includes {one}"),
            (Op::Implicit, _) => format!("{noun} includes any of {}", either(&flags, "and")),
            (Op::Neg, [one]) => format!("{noun} does not include {one}"),
            (Op::Neg, _) => format!("{noun} includes none of {}", either(&flags, "and")),
            (Op::Neq, _) => format!("{noun} is not exactly {}", self.exactly(right)),
            _ => format!("{noun} is exactly {}", self.exactly(right)),
        })
    }

    /// `tcp flags syn / syn,ack`: among the flags of the mask exactly those of the value are set.
    pub(super) fn flag_comparison(
        &self,
        op: Op,
        left: &Expr,
        mask: &Expr,
        value: &Expr,
    ) -> Condition {
        let asked = self.flags(mask);
        let set = self.flags(value);
        // The value has bits that the mask takes away.
        let outside = set.iter().any(|flag| !asked.contains(flag));
        let unset: Vec<String> = asked
            .iter()
            .filter(|flag| !set.contains(flag))
            .cloned()
            .collect();
        if outside {
            let (not, remark) = match sense(op) {
                Sense::IsNot => (" not", "which is always so"),
                _ => ("", "which never happens"),
            };
            return Condition::Whose(format!(
                "{}, masked with {}, are{not} exactly {} ({remark})",
                self.noun(left),
                either(&asked, "and"),
                either(&set, "and"),
            ));
        }
        let tcp = left
            .as_payload()
            .is_some_and(|payload| payload.protocol.name == "tcp");
        let what = if tcp {
            String::new()
        } else {
            format!("in the {}, ", self.noun(left))
        };
        let words = match (set.as_slice(), unset.as_slice()) {
            ([], _) => format!("{what}{} not set", either(&unset, "and")),
            (_, []) => format!("{what}{} set", either(&set, "and")),
            _ => format!(
                "{what}{} set and {} not set",
                either(&set, "and"),
                either(&unset, "and")
            ),
        };
        let flags = if tcp { "TCP flags: " } else { "" };
        Condition::After(match sense(op) {
            Sense::IsNot => format!("without this combination of {flags}{words}"),
            _ if tcp => format!("with these TCP flags: {words}"),
            _ => format!("with {words}"),
        })
    }
}
