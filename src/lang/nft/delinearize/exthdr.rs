//! Extension headers and options: from kind, offset and length to a field.

use super::super::ast::{Expr, Exthdr, ExthdrOp, Kind};
use super::super::datatype::{self as types, DataType, Type};
use super::super::exthdr::{self, Header};
use super::super::number::{self, Num};

const PRESENT: u32 = 1;

/// An expression from what the kernel says; offset and length in bits.
pub fn raw(kind: u8, offset: u32, len: u32, op: u32, flags: u32) -> Expr {
    let present = flags & PRESENT != 0;
    let op = ExthdrOp::from_wire(op);
    let (header, field, fallback) = find(op, kind, offset, len);
    let dtype: &'static DataType = if present {
        &types::BOOLEAN
    } else {
        header
            .zip(field)
            .and_then(|(header, field)| header.fields.get(field))
            .map_or(fallback, |field| field.kind)
    };
    Expr::exthdr(
        Exthdr {
            header,
            field,
            op,
            kind,
            offset,
            present,
        },
        Type::Basic(dtype),
        len,
    )
}

type Found = (Option<&'static Header>, Option<usize>, &'static DataType);

fn find(op: ExthdrOp, kind: u8, offset: u32, len: u32) -> Found {
    let (header, fallback): (Option<&'static Header>, &'static DataType) = match op {
        ExthdrOp::TcpOption => (exthdr::by_kind(&exthdr::TCP_OPTIONS, kind), &types::INTEGER),
        ExthdrOp::Ipv4Option => (exthdr::by_kind(&exthdr::IP_OPTIONS, kind), &types::INVALID),
        ExthdrOp::SctpChunk => (exthdr::by_kind(&exthdr::SCTP_CHUNKS, kind), &types::INTEGER),
        ExthdrOp::DccpOption | ExthdrOp::Unknown(_) => (None, &types::INTEGER),
        ExthdrOp::Ipv6 => {
            let header = exthdr::ipv6_by_kind(kind);
            if let Some(field) = header.and_then(|header| header.field_at(offset, len)) {
                return (header, Some(field), &types::INVALID);
            }
            // The routing header's own forms share its number.
            if header.is_some_and(|header| std::ptr::eq(header, &exthdr::RT)) {
                for form in [&exthdr::SRH, &exthdr::RT0, &exthdr::RT2] {
                    if let Some(field) = form.field_at(offset, len) {
                        return (Some(form), Some(field), &types::INVALID);
                    }
                }
            }
            return (header, None, &types::INVALID);
        }
    };
    let field = header.and_then(|header| header.field_at(offset, len));
    (header, field, fallback)
}

/// Find the field that a mask picks out of a load; sets the field and returns how far values are shifted.
pub fn trim(expr: &mut Expr, mask: Num, mask_expr_len: u32) -> Option<u32> {
    let Kind::Exthdr(header) = &expr.kind else {
        return None;
    };
    let header = *header;
    let shift = number::scan1(mask, 0)?;
    let mask_len = number::scan0(mask, shift + 1);
    let offset = header.offset + (mask_expr_len.next_multiple_of(8)).checked_sub(mask_len)?;
    let op = match header.op {
        ExthdrOp::Ipv6 => 0,
        ExthdrOp::TcpOption => 1,
        ExthdrOp::Ipv4Option => 2,
        _ => return None,
    };
    if header.op != ExthdrOp::Ipv6 && header.field.is_some() {
        return None;
    }
    let found = raw(
        header.header.map_or(header.kind, |h| h.kind),
        offset,
        mask_len - shift,
        op,
        0,
    );
    let Kind::Exthdr(new) = &found.kind else {
        return None;
    };
    new.field?;
    *expr = found;
    Some(shift)
}
