//! `log`, `queue`.

use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::Kw;
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::{At, LogWords, Statement};

/// `NF_LOG_*`
mod flag {
    pub const TCPSEQ: u32 = 1;
    pub const TCPOPT: u32 = 2;
    pub const IPOPT: u32 = 4;
    pub const UID: u32 = 8;
    pub const MACDECODE: u32 = 32;
    pub const ALL: u32 = 47;
}

/// In the order of their numbers (`LOG_EMERG` ...); `audit` is nft's own.
const LEVELS: &[&str] = &[
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit",
];

/// `NFT_QUEUE_FLAG_*`
const BYPASS: u16 = 1;
const FANOUT: u16 = 2;

impl Parser<'_> {
    pub(super) fn log(&mut self) -> Parsed<Statement> {
        self.bump();
        let mut words = LogWords::default();
        loop {
            self.offer(&[
                "prefix",
                "level",
                "group",
                "snaplen",
                "queue-threshold",
                "flags",
            ]);
            match self.kw() {
                Kw::Prefix => {
                    self.bump();
                    words.prefix = Some(self.log_prefix()?);
                }
                Kw::Group => {
                    self.bump();
                    words.group = Some(self.number_as("the number of a group")?.value);
                }
                Kw::Snaplen => {
                    self.bump();
                    words.snaplen = Some(self.number_as("a length in bytes")?.value);
                }
                Kw::QueueThreshold => {
                    self.bump();
                    words.qthreshold = Some(self.number_as("a number of packets")?.value);
                }
                Kw::Level => {
                    self.bump();
                    let token = self.peek();
                    let level = LEVELS.iter().position(|level| *level == self.bare(token));
                    let Some(level) = level.and_then(|level| u32::try_from(level).ok()) else {
                        return self.unexpected(&[], LEVELS);
                    };
                    self.bump();
                    words.level = Some(level);
                }
                Kw::Flags => {
                    self.bump();
                    words.flags |= self.log_flags()?;
                }
                _ => return Ok(Statement::Log(words)),
            }
        }
    }

    fn log_flags(&mut self) -> Parsed<u32> {
        let words = [Kw::Tcp, Kw::Ip, Kw::Skuid, Kw::Ether, Kw::All];
        let (kw, _) = self.expect_one(&words)?;
        Ok(match kw {
            Kw::Skuid => flag::UID,
            Kw::Ether => flag::MACDECODE,
            Kw::All => flag::ALL,
            Kw::Ip => {
                self.expect_kw(Kw::Options)?;
                flag::IPOPT
            }
            _ => {
                let mut flags = 0;
                loop {
                    let (kw, _) = self.expect_one(&[Kw::Sequence, Kw::Options])?;
                    flags |= match kw {
                        Kw::Sequence => flag::TCPSEQ,
                        _ => flag::TCPOPT,
                    };
                    if !self.eat(Token::Comma) {
                        break flags;
                    }
                }
            }
        })
    }

    /// The prefix with its variables (`"in $zone: "`) put in.
    fn log_prefix(&mut self) -> Parsed<At<String>> {
        let written = self.string("a prefix in quotes")?;
        let Some((head, rest)) = written.value.split_once('$') else {
            return Ok(written);
        };
        let mut text = head.to_owned();
        for part in rest.split('$') {
            let name_end = part
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(part.len());
            let (name, tail) = part.split_at(name_end);
            let Some(value) = self.variables.text(name) else {
                return self.error(
                    written.span,
                    format!("there is no variable `{name}` of text"),
                );
            };
            text.push_str(value);
            text.push_str(tail);
        }
        Ok(At::new(text, written.span))
    }

    pub(super) fn queue(&mut self) -> Parsed<Statement> {
        self.bump();
        let mut flags = 0;
        let mut expr = None;
        self.offer(&["to", "flags", "num", "bypass", "fanout"]);
        if self.eat_kw(Kw::To) {
            expr = Some(self.queue_expr()?);
        } else if self.eat_kw(Kw::Flags) {
            flags = self.queue_flags()?;
            let (kw, _) = self.expect_one(&[Kw::To, Kw::Num])?;
            expr = Some(match kw {
                Kw::To => self.queue_expr()?,
                _ => self.queue_numbers()?,
            });
        } else {
            // The old order: `queue num 1-3 bypass,fanout`.
            loop {
                match self.kw() {
                    Kw::Num => {
                        self.bump();
                        expr = Some(self.queue_numbers()?);
                    }
                    Kw::Bypass | Kw::Fanout => flags |= self.queue_flags()?,
                    _ => break,
                }
            }
        }
        Ok(Statement::Queue { expr, flags })
    }

    fn queue_flags(&mut self) -> Parsed<u16> {
        let mut flags = 0;
        loop {
            let (kw, _) = self.expect_one(&[Kw::Bypass, Kw::Fanout])?;
            flags |= match kw {
                Kw::Bypass => BYPASS,
                _ => FANOUT,
            };
            if !self.eat(Token::Comma) {
                return Ok(flags);
            }
        }
    }

    /// A number, a range of numbers, or an expression that yields one.
    fn queue_expr(&mut self) -> Parsed<Expr> {
        let is_number = matches!(self.kind(), Token::Number | Token::Dollar);
        if is_number && !matches!(self.peek_second().kw, Kw::Map) {
            return self.queue_numbers();
        }
        match self.kw() {
            Kw::Numgen | Kw::Jhash | Kw::Symhash => {
                let key = if self.kw() == Kw::Numgen {
                    self.numgen()?
                } else {
                    self.hash()?
                };
                let key = self.concat_after(key)?;
                if self.kw() == Kw::Map {
                    return self.map(key);
                }
                match key.kind {
                    Kind::Concat(_) => self.unexpected(&[], &["map"]),
                    _ => Ok(key),
                }
            }
            _ => {
                let key = self.concat()?;
                self.map(key)
            }
        }
    }

    fn concat_after(&mut self, key: Expr) -> Parsed<Expr> {
        use crate::lang::nft::parse::expr::Side;
        self.concat_rest(key, |parser| parser.operations(Side::Left))
    }

    fn queue_numbers(&mut self) -> Parsed<Expr> {
        let first = self.number_or_variable()?;
        if !self.eat(Token::Dash) {
            return Ok(first);
        }
        let last = self.number_or_variable()?;
        let span = first.span.to(last.span);
        Ok(Expr::range(first, last).at(span))
    }

    fn number_or_variable(&mut self) -> Parsed<Expr> {
        match self.kind() {
            Token::Number | Token::Dollar => self.symbol_or_number(),
            _ => self.unexpected(&["the number of a queue"], &[]),
        }
    }

    /// A word, number or variable.
    pub(super) fn symbol_or_number(&mut self) -> Parsed<Expr> {
        match self.symbol()? {
            Some(expr) => Ok(expr),
            None => self.unexpected(&["a word", "a number"], &[]),
        }
    }
}
