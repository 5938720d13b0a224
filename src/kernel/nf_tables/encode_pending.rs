//! Expressions as they are sent in a transaction: names that the kernel has yet to give become ids, and what the
//! kernel sends but does not take is left out. All else is `encode`'s.
//!
//! What Linux 6.18 sends of an expression and refuses in the same form: the flags of an `exthdr` that writes, all but
//! type and kind of one that strips an option, flags of 0 of `osf`, a timeout of 0 of `dynset` (and it does not send
//! the flag that a list of expressions of `dynset` needs), the flag of a quota that is used up.
//!
//! Works on model values ([`list`], [`data`]) and on the bytes of a rule as the kernel sent them ([`raw_list`]).

use super::{abi, encode};
use crate::kernel::netlink::attr::NLA_F_NESTED;
use crate::kernel::netlink::{AttrWriter, Attrs};
use crate::model::command::split_pending;
use crate::model::expression::{DynsetOp, ObjrefTarget, Quota};
use crate::model::text::name_from_bytes;
use crate::model::{Data, Expression, Name, Verdict};
use rustables::sys::*;

/// A list of expressions, as `NFTA_RULE_EXPRESSIONS` holds it.
pub fn list(out: &mut AttrWriter, expressions: &[Expression]) {
    for one in expressions {
        out.nest(NFTA_LIST_ELEM, |element| expression(element, one));
    }
}

/// The name and data of one expression.
pub fn expression(out: &mut AttrWriter, expression: &Expression) {
    let special = match expression {
        Expression::Immediate {
            data: Data::Verdict(Verdict::Jump(chain) | Verdict::Goto(chain)),
            ..
        } => split_pending(chain).is_some(),
        Expression::Lookup { set, .. }
        | Expression::Objref {
            target: ObjrefTarget::Map { set, .. },
        } => split_pending(set).is_some(),
        Expression::ExthdrSet { .. } | Expression::ExthdrReset { .. } => true,
        Expression::Dynset { .. } | Expression::Osf { .. } => true,
        Expression::Quota(quota) => quota_flags(quota.flags) != quota.flags,
        _ => false,
    };
    if !special {
        return encode::expression(out, expression);
    }
    out.text(NFTA_EXPR_NAME, expression.kernel_name());
    out.nest(NFTA_EXPR_DATA, |data| fill(data, expression));
}

fn fill(out: &mut AttrWriter, expression: &Expression) {
    match expression {
        Expression::Immediate { dreg, data } => {
            out.be32(NFTA_IMMEDIATE_DREG, *dreg);
            self::data(out, NFTA_IMMEDIATE_DATA, data);
        }
        Expression::Lookup {
            set,
            sreg,
            dreg,
            flags,
        } => {
            set_name(out, NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID, set);
            out.be32(NFTA_LOOKUP_SREG, *sreg);
            if let Some(dreg) = dreg {
                out.be32(NFTA_LOOKUP_DREG, *dreg);
            }
            out.be32(NFTA_LOOKUP_FLAGS, *flags);
        }
        Expression::Dynset {
            set,
            op,
            sreg_key,
            sreg_data,
            timeout,
            flags,
            expressions,
        } => {
            let op = match op {
                DynsetOp::Add => 0,
                DynsetOp::Update => 1,
                DynsetOp::Delete => 2,
            };
            set_name(out, NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID, set);
            out.be32(NFTA_DYNSET_SREG_KEY, *sreg_key);
            if let Some(register) = sreg_data {
                out.be32(NFTA_DYNSET_SREG_DATA, *register);
            }
            out.be32(NFTA_DYNSET_OP, op);
            if *timeout != 0 {
                out.be64(NFTA_DYNSET_TIMEOUT, *timeout);
            }
            let mut flags = *flags;
            match expressions.as_slice() {
                [] => {}
                [one] => {
                    out.nest(NFTA_DYNSET_EXPR, |inner| self::expression(inner, one));
                }
                many => {
                    flags |= NFT_DYNSET_F_EXPR;
                    out.nest(NFTA_DYNSET_EXPRESSIONS, |inner| list(inner, many));
                }
            }
            out.be32(NFTA_DYNSET_FLAGS, flags);
        }
        Expression::Objref {
            target: ObjrefTarget::Map { sreg, set },
        } => {
            out.be32(NFTA_OBJREF_SET_SREG, *sreg);
            set_name(out, NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID, set);
        }
        Expression::ExthdrSet {
            sreg,
            kind,
            offset,
            len,
            op,
            ..
        } => {
            out.u8(NFTA_EXTHDR_TYPE, *kind)
                .be32(NFTA_EXTHDR_OFFSET, *offset)
                .be32(NFTA_EXTHDR_LEN, *len)
                .be32(NFTA_EXTHDR_OP, *op)
                .be32(NFTA_EXTHDR_SREG, *sreg);
        }
        Expression::Osf { dreg, ttl, flags } => {
            out.be32(NFTA_OSF_DREG, *dreg).u8(NFTA_OSF_TTL, *ttl);
            if *flags != 0 {
                out.be32(NFTA_OSF_FLAGS, *flags);
            }
        }
        // Any other attribute makes the kernel refuse it, those that it sends of it included.
        Expression::ExthdrReset { kind, op } => {
            out.u8(NFTA_EXTHDR_TYPE, *kind).be32(NFTA_EXTHDR_OP, *op);
        }
        Expression::Quota(quota) => {
            let Quota {
                bytes,
                flags,
                consumed,
            } = *quota;
            out.be64(NFTA_QUOTA_BYTES, bytes)
                .be64(NFTA_QUOTA_CONSUMED, consumed)
                .be32(NFTA_QUOTA_FLAGS, quota_flags(flags));
        }
        _ => {}
    }
}

/// Flags of a quota that the kernel takes: `NFT_QUOTA_F_DEPLETED` it only sends.
pub fn quota_flags(flags: u32) -> u32 {
    flags & !NFT_QUOTA_F_DEPLETED
}

fn set_name(out: &mut AttrWriter, name_kind: u16, id_kind: u16, name: &str) {
    super::encode_objects::set_name(out, name_kind, id_kind, name);
}

/// A value or a verdict, as `NFTA_IMMEDIATE_DATA` and `NFTA_SET_ELEM_DATA` hold it.
pub fn data(out: &mut AttrWriter, kind: u16, data: &Data) {
    let (code, chain) = match data {
        Data::Verdict(Verdict::Jump(chain)) => (NFT_JUMP, chain),
        Data::Verdict(Verdict::Goto(chain)) => (NFT_GOTO, chain),
        other => return encode::data(out, kind, other),
    };
    let Some((_, id)) = split_pending(chain) else {
        return encode::data(out, kind, data);
    };
    out.nest(kind, |inner| {
        inner.nest(NFTA_DATA_VERDICT, |verdict| {
            verdict
                .be32(NFTA_VERDICT_CODE, code.cast_unsigned())
                .be32(abi::NFTA_VERDICT_CHAIN_ID, id);
        });
    });
}

/// The expressions of a rule as the kernel sent them (the payload of `NFTA_RULE_EXPRESSIONS`), with the names of
/// anonymous sets and chains replaced by what they are called in this transaction: (name in the bytes, pending name).
pub fn raw_list(out: &mut AttrWriter, bytes: &[u8], renamed: &[(Name, Name)]) {
    for element in Attrs::new(bytes).filter_map(Result::ok) {
        let start = out.begin(element.kind | NLA_F_NESTED);
        raw_expression(out, element.payload, renamed);
        out.end(start);
    }
}

fn raw_expression(out: &mut AttrWriter, bytes: &[u8], renamed: &[(Name, Name)]) {
    let attribute = |kind: u16| {
        Attrs::new(bytes)
            .filter_map(Result::ok)
            .find(|attr| attr.kind == kind)
    };
    let (Some(name), Some(data)) = (attribute(NFTA_EXPR_NAME), attribute(NFTA_EXPR_DATA)) else {
        out.raw(bytes);
        return;
    };
    let has = |kind: u16| {
        Attrs::new(data.payload)
            .filter_map(Result::ok)
            .any(|attr| attr.kind == kind)
    };
    let reference = match name.text() {
        b"lookup" => Some((NFTA_LOOKUP_SET, NFTA_LOOKUP_SET_ID)),
        b"dynset" => Some((NFTA_DYNSET_SET_NAME, NFTA_DYNSET_SET_ID)),
        b"objref" => Some((NFTA_OBJREF_SET_NAME, NFTA_OBJREF_SET_ID)),
        b"immediate" if !renamed.is_empty() => None,
        b"exthdr" if !has(NFTA_EXTHDR_DREG) => None,
        b"quota" | b"osf" => None,
        _ => {
            out.raw(bytes);
            return;
        }
    };
    out.put(NFTA_EXPR_NAME, name.payload);
    let start = out.begin(NFTA_EXPR_DATA | NLA_F_NESTED);
    for attr in Attrs::new(data.payload).filter_map(Result::ok) {
        match (name.text(), attr.kind) {
            (b"immediate", NFTA_IMMEDIATE_DATA) => raw_verdict(out, attr.payload, renamed),
            (b"exthdr", NFTA_EXTHDR_FLAGS) => {}
            (b"exthdr", NFTA_EXTHDR_OFFSET | NFTA_EXTHDR_LEN) if !has(NFTA_EXTHDR_SREG) => {}
            (b"osf", NFTA_OSF_FLAGS) if attr.be32() == Ok(0) => {}
            (b"dynset", NFTA_DYNSET_TIMEOUT) if attr.be64() == Ok(0) => {}
            (b"dynset", NFTA_DYNSET_FLAGS) if has(NFTA_DYNSET_EXPRESSIONS) => {
                let flags = attr.be32().unwrap_or(0) | NFT_DYNSET_F_EXPR;
                out.be32(NFTA_DYNSET_FLAGS, flags);
            }
            (b"quota", NFTA_QUOTA_FLAGS) => {
                out.be32(NFTA_QUOTA_FLAGS, quota_flags(attr.be32().unwrap_or(0)));
            }
            (_, kind) => match reference {
                // An id of another transaction is never sent by the kernel and would mean nothing here.
                Some((_, id_kind)) if kind == id_kind => {}
                Some((name_kind, id_kind)) if kind == name_kind => {
                    let old = name_from_bytes(attr.payload);
                    match renamed.iter().find(|(from, _)| *from == old) {
                        Some((_, new)) => set_name(out, name_kind, id_kind, new),
                        None => {
                            out.put(kind, attr.payload);
                        }
                    }
                }
                // The flag for nested attributes was taken off when reading; where it stood does not matter to
                // the kernel.
                _ => {
                    out.put(kind, attr.payload);
                }
            },
        }
    }
    out.end(start);
}

fn raw_verdict(out: &mut AttrWriter, bytes: &[u8], renamed: &[(Name, Name)]) {
    let start = out.begin(NFTA_IMMEDIATE_DATA | NLA_F_NESTED);
    for attr in Attrs::new(bytes).filter_map(Result::ok) {
        if attr.kind != NFTA_DATA_VERDICT {
            out.put(attr.kind, attr.payload);
            continue;
        }
        out.nest(NFTA_DATA_VERDICT, |verdict| {
            for part in attr.nested().filter_map(Result::ok) {
                let new = (part.kind == NFTA_VERDICT_CHAIN)
                    .then(|| name_from_bytes(part.payload))
                    .and_then(|old| renamed.iter().find(|(from, _)| *from == old))
                    .map(|(_, new)| new);
                match (new, new.and_then(|new| split_pending(new))) {
                    (_, Some((_, id))) => verdict.be32(abi::NFTA_VERDICT_CHAIN_ID, id),
                    (Some(new), None) => verdict.text(NFTA_VERDICT_CHAIN, new),
                    (None, None) => verdict.put(part.kind, part.payload),
                };
            }
        });
    }
    out.end(start);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::nf_tables::expression;
    use crate::model::command::pending_name;

    fn attributes(bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
        Attrs::new(bytes)
            .map(|attr| attr.map(|attr| (attr.kind, attr.payload.to_vec())))
            .collect::<Result<_, _>>()
            .unwrap()
    }

    /// The attributes of `NFTA_EXPR_DATA` of the only expression of a list.
    fn data_of(list: &[u8]) -> Vec<(u16, Vec<u8>)> {
        let element = attributes(list).remove(0).1;
        attributes(&attributes(&element).remove(1).1)
    }

    fn lookup(set: Name) -> Expression {
        Expression::Lookup {
            set,
            sreg: 1,
            dreg: None,
            flags: 0,
        }
    }

    #[test]
    fn built_and_kept_references_to_new_sets_are_ids() {
        let pending = pending_name("__set", 7);
        let mut built = AttrWriter::new();
        list(&mut built, &[lookup(pending.clone())]);

        let mut kernel = AttrWriter::new();
        encode::list(&mut kernel, &[lookup("__set4".into())]);
        let mut kept = AttrWriter::new();
        raw_list(
            &mut kept,
            kernel.as_bytes(),
            &[("__set4".into(), pending.clone())],
        );
        for bytes in [built.as_bytes(), kept.as_bytes()] {
            let data = data_of(bytes);
            assert!(data.contains(&(NFTA_LOOKUP_SET, b"__set%d\0".to_vec())));
            assert!(data.contains(&(NFTA_LOOKUP_SET_ID, vec![0, 0, 0, 7])));
        }
        let mut other = AttrWriter::new();
        raw_list(&mut other, kernel.as_bytes(), &[("__set5".into(), pending)]);
        assert_eq!(
            expression::list(other.as_bytes()).unwrap(),
            [lookup("__set4".into())]
        );
    }

    #[test]
    fn jumps_to_chains_without_a_name_are_ids() {
        let jump = |chain: Name| Expression::Immediate {
            dreg: 0,
            data: Data::Verdict(Verdict::Jump(chain)),
        };
        let pending = pending_name("__chain", 9);
        let mut built = AttrWriter::new();
        list(&mut built, &[jump(pending.clone())]);
        let mut kernel = AttrWriter::new();
        encode::list(&mut kernel, &[jump("__chain3".into())]);
        let mut kept = AttrWriter::new();
        raw_list(
            &mut kept,
            kernel.as_bytes(),
            &[("__chain3".into(), pending)],
        );
        assert_eq!(built.as_bytes(), kept.as_bytes());
        let text = format!("{:?}", built.as_bytes());
        assert!(text.contains("8, 0, 3, 0, 0, 0, 0, 9"), "{text}");
    }

    #[test]
    fn options_are_stripped_in_the_form_that_the_kernel_takes() {
        let strip = Expression::ExthdrReset { kind: 8, op: 1 };
        let mut built = AttrWriter::new();
        list(&mut built, std::slice::from_ref(&strip));
        let mut kernel = AttrWriter::new();
        encode::list(&mut kernel, &[strip]);
        let mut kept = AttrWriter::new();
        raw_list(&mut kept, kernel.as_bytes(), &[]);
        assert_eq!(built.as_bytes(), kept.as_bytes());
        assert_eq!(data_of(built.as_bytes()).len(), 2);
    }
}
