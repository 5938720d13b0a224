//! IPv6 extension headers: `frag id`, `srh sid[1]`, `exthdr hbh`.

use crate::lang::nft::ast::{Expr, Exthdr, ExthdrOp};
use crate::lang::nft::datatype::{self as types, Type};
use crate::lang::nft::exthdr::{self, Header};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::Kw;
use crate::lang::nft::parse::lexer::Kind as Token;

fn header(kw: Kw) -> Option<&'static Header> {
    exthdr::IPV6_HEADERS
        .into_iter()
        .find(|header| header.name == kw.text())
}

fn field_expr(header: &'static Header, index: usize, present: bool) -> Option<Expr> {
    let field = header.fields.get(index)?;
    let extension = Exthdr {
        header: Some(header),
        field: Some(index),
        op: ExthdrOp::Ipv6,
        kind: header.kind,
        offset: field.offset,
        present,
    };
    Some(Expr::exthdr(extension, Type::Basic(field.kind), field.len))
}

impl Parser<'_> {
    /// A field of an extension header; the next word names the header.
    pub(super) fn exthdr_field(&mut self) -> Parsed<Expr> {
        let kw = self.bump().kw;
        let Some(header) = header(kw) else {
            return self.unexpected(&["an extension header"], &[]);
        };
        self.exthdr_field_of(header)
    }

    pub(super) fn exthdr_field_of(&mut self, header: &'static Header) -> Parsed<Expr> {
        let token = self.peek();
        let word = self.text(token.span).to_owned();
        let indexed =
            (header.name == "rt0" && word == "addr") || (header.name == "srh" && word == "sid");
        if indexed {
            self.bump();
            self.expect(Token::OpenBracket)?;
            let number = self.number("an index")?;
            self.expect(Token::CloseBracket)?;
            let name = format!("{word}[{}]", number.value);
            let found = header.fields.iter().position(|field| field.token == name);
            return match found.and_then(|index| field_expr(header, index, false)) {
                Some(expr) => Ok(expr),
                None => self.error(number.span, "there is no such index; 1 and 2 can be read"),
            };
        }
        if header.name == "rt2" && word == "addr" {
            // nft has no place for this field; it compares nothing. RFC 6275: 64 bits into the header.
            self.bump();
            let extension = Exthdr {
                header: Some(header),
                field: None,
                op: ExthdrOp::Ipv6,
                kind: header.kind,
                offset: 64,
                present: false,
            };
            return Ok(Expr::exthdr(extension, Type::Basic(&types::IP6ADDR), 128));
        }
        let found = header
            .fields
            .iter()
            .position(|field| field.len > 0 && field.token == word);
        match found.and_then(|index| field_expr(header, index, false)) {
            Some(expr) => {
                self.bump();
                Ok(expr)
            }
            None => {
                let fields = header.fields.iter();
                let words: Vec<&'static str> = fields
                    .map(|field| field.token.split('[').next().unwrap_or_default())
                    .filter(|token| !token.is_empty())
                    .collect();
                self.unexpected(&[], &words)
            }
        }
    }

    /// `exthdr hbh`: whether the header is there.
    pub(super) fn exthdr_exists(&mut self) -> Parsed<Expr> {
        self.bump();
        let (kw, span) = self.expect_one(&[Kw::Hbh, Kw::Rt, Kw::Frag, Kw::Dst, Kw::Mh])?;
        match header(kw).and_then(|header| field_expr(header, 1, true)) {
            Some(expr) => Ok(expr),
            None => self.error(span, "there is no such header"),
        }
    }
}
