//! TCP options, IP options, SCTP chunks.

use crate::lang::nft::ast::{Expr, Exthdr, ExthdrOp};
use crate::lang::nft::datatype::{self as types, Type};
use crate::lang::nft::exthdr::{self, Header};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::Span;

fn of_header(op: ExthdrOp, header: &'static Header, index: usize, present: bool) -> Option<Expr> {
    let field = header.fields.get(index).filter(|field| field.len > 0)?;
    let extension = Exthdr {
        header: Some(header),
        field: Some(index),
        op,
        kind: header.kind,
        offset: field.offset,
        present,
    };
    Some(Expr::exthdr(extension, Type::Basic(field.kind), field.len))
}

/// A TCP option by number, without a name.
fn unnamed(kind: u8, offset: u32, len: u32, present: bool) -> Expr {
    let extension = Exthdr {
        header: None,
        field: None,
        op: ExthdrOp::TcpOption,
        kind,
        offset,
        present,
    };
    Expr::exthdr(extension, Type::Basic(&types::INTEGER), len)
}

/// The kind of a TCP option, and which of the blocks of `sack` (`sack1` is the second).
struct TcpOption {
    kind: u8,
    block: usize,
    span: Span,
}

const TCP_OPTION_WORDS: &[&str] = &[
    "eol",
    "nop",
    "noop",
    "maxseg",
    "mss",
    "window",
    "sack-perm",
    "sack-permitted",
    "sack",
    "sack0",
    "sack1",
    "sack2",
    "sack3",
    "timestamp",
    "echo",
    "md5sig",
    "mptcp",
    "fastopen",
];

impl Parser<'_> {
    fn tcp_option_kind(&mut self) -> Parsed<TcpOption> {
        let token = self.peek();
        let span = token.span;
        if token.kind == Token::Number {
            let kind = self.number_as("the number of an option")?.value;
            return Ok(TcpOption {
                kind,
                block: 0,
                span,
            });
        }
        let (kind, block) = match token.kw {
            Kw::Echo => (8, 0),
            Kw::Eol => (0, 0),
            Kw::Nop | Kw::Noop => (1, 0),
            Kw::Maxseg | Kw::Mss => (2, 0),
            Kw::Window => (3, 0),
            Kw::SackPermitted | Kw::SackPerm => (4, 0),
            Kw::Sack | Kw::Sack0 => (5, 0),
            Kw::Sack1 => (5, 1),
            Kw::Sack2 => (5, 2),
            Kw::Sack3 => (5, 3),
            Kw::Timestamp => (8, 0),
            Kw::Md5sig => (19, 0),
            Kw::Mptcp => (30, 0),
            Kw::Fastopen => (34, 0),
            _ => return self.unexpected(&["the number of an option"], TCP_OPTION_WORDS),
        };
        self.bump();
        Ok(TcpOption { kind, block, span })
    }

    /// `tcp option X`: whether it is there. The last word of `reset tcp option X`, too.
    pub(in crate::lang::nft::parse) fn tcp_option_present(
        &mut self,
        present: bool,
    ) -> Parsed<Expr> {
        let option = self.tcp_option_kind()?;
        Ok(self.whole_option(&option, present))
    }

    fn whole_option(&self, option: &TcpOption, present: bool) -> Expr {
        exthdr::by_kind(&exthdr::TCP_OPTIONS, option.kind)
            .and_then(|header| of_header(ExthdrOp::TcpOption, header, 0, present))
            .unwrap_or_else(|| unnamed(option.kind, 0, 8, present))
    }

    /// Behind `tcp`: `option maxseg size`, `option 5`, `option @5,8,16`.
    pub(super) fn tcp_option(&mut self) -> Parsed<Expr> {
        self.expect_kw(Kw::Option)?;
        if self.eat(Token::At) {
            let kind = self.tcp_option_kind()?.kind;
            self.expect(Token::Comma)?;
            let offset = self.number_as("an offset in bits")?.value;
            self.expect(Token::Comma)?;
            let len = self.number_as("a length in bits")?.value;
            let header = exthdr::by_kind(&exthdr::TCP_OPTIONS, kind);
            let known = header.and_then(|header| {
                let index = header.field_at(offset, len)?;
                of_header(ExthdrOp::TcpOption, header, index, false)
            });
            return Ok(known.unwrap_or_else(|| unnamed(kind, offset, len, false)));
        }
        let option = self.tcp_option_kind()?;
        let field = match (self.kw(), option.kind) {
            (Kw::Length, _) => "length",
            (Kw::Size, 2) => "size",
            (Kw::Count, 3) => "count",
            (Kw::Left, 5) => "left",
            (Kw::Right, 5) => "right",
            (Kw::Tsval, 8) => "tsval",
            (Kw::Tsecr, 8) => "tsecr",
            (Kw::Subtype, 30) => "subtype",
            _ => {
                self.no_word_of(Scope::Tcp)?;
                return Ok(self.whole_option(&option, true));
            }
        };
        self.bump();
        let found = exthdr::by_kind(&exthdr::TCP_OPTIONS, option.kind).and_then(|header| {
            let fields = header.fields.iter().enumerate();
            // The blocks of `sack` repeat the two fields.
            let block = if field == "length" { 0 } else { option.block };
            let index = fields
                .filter(|(_, candidate)| candidate.token == field)
                .nth(block)?
                .0;
            of_header(ExthdrOp::TcpOption, header, index, false)
        });
        match found {
            Some(expr) => Ok(expr),
            None => self.error(
                self.since(option.span),
                format!("option {} has no field `{field}`", option.kind),
            ),
        }
    }

    /// Behind `ip`: `option rr`, `option lsrr ptr`.
    pub(super) fn ip_option(&mut self) -> Parsed<Expr> {
        self.expect_kw(Kw::Option)?;
        let (kw, span) = self.expect_one(&[Kw::Lsrr, Kw::Rr, Kw::Ssrr, Kw::Ra])?;
        let Some(header) = exthdr::by_name(&exthdr::IP_OPTIONS, kw.text()) else {
            return self.error(span, "there is no such option");
        };
        let field = match self.kw() {
            kw @ (Kw::Type | Kw::Length | Kw::Value | Kw::Ptr | Kw::Addr) => kw,
            _ => {
                self.no_word_of(Scope::Ip)?;
                let whole = of_header(ExthdrOp::Ipv4Option, header, 1, true);
                return match whole {
                    Some(expr) => Ok(expr),
                    None => self.error(span, "there is no such option"),
                };
            }
        };
        self.bump();
        let index = header.fields.iter().position(|f| f.token == field.text());
        match index.and_then(|index| of_header(ExthdrOp::Ipv4Option, header, index, false)) {
            Some(expr) => Ok(expr),
            None => self.error(
                self.since(span),
                format!("option `{}` has no field `{}`", kw.text(), field.text()),
            ),
        }
    }

    /// Behind `sctp`: `chunk data`, `chunk init a-rwnd`.
    pub(super) fn sctp_chunk(&mut self) -> Parsed<Expr> {
        self.expect_kw(Kw::Chunk)?;
        let token = self.peek();
        let Some(header) = exthdr::by_name(&exthdr::SCTP_CHUNKS, self.text(token.span)) else {
            let words: Vec<&'static str> =
                exthdr::SCTP_CHUNKS.iter().map(|chunk| chunk.name).collect();
            return self.unexpected(&[], &words);
        };
        self.bump();
        let field = self.peek();
        let word = self.text(field.span);
        let index = header.fields.iter().position(|field| field.token == word);
        let expr = match index {
            Some(index) => {
                self.bump();
                of_header(ExthdrOp::SctpChunk, header, index, false)
            }
            None => {
                self.no_word_of(Scope::SctpChunk)?;
                of_header(ExthdrOp::SctpChunk, header, 0, true)
            }
        };
        match expr {
            Some(expr) => Ok(expr),
            None => self.error(token.span, "there is no such chunk"),
        }
    }
}
