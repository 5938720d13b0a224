//! Statements that send packets elsewhere: `snat`, `dnat`, `masquerade`, `redirect`, `tproxy`, `dup`, `fwd`.

use crate::lang::nft::ast::{Expr, NatKind};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::syntax::Statement;
use crate::model::Family;

/// `NF_NAT_RANGE_*`
const RANDOM: u32 = 4;
const PERSISTENT: u32 = 8;
const FULLY_RANDOM: u32 = 16;

fn nat_flag(kw: Kw) -> Option<u32> {
    Some(match kw {
        Kw::Random => RANDOM,
        Kw::Persistent => PERSISTENT,
        Kw::FullyRandom => FULLY_RANDOM,
        _ => return None,
    })
}

impl Parser<'_> {
    /// `ip` or `ip6` before `to` and its like.
    fn key_family(&mut self) -> Option<Family> {
        let family = match self.kw() {
            Kw::Ip => Family::Ip,
            Kw::Ip6 => Family::Ip6,
            _ => return None,
        };
        let next = self.peek_second();
        if !matches!(next.kw, Kw::To | Kw::Addr | Kw::Interval | Kw::Prefix) {
            return None;
        }
        self.bump();
        Some(family)
    }

    /// `random,persistent`; nothing where no flag stands.
    fn nat_flags(&mut self) -> Parsed<Option<u32>> {
        self.offer(&["random", "fully-random", "persistent"]);
        let Some(mut flags) = nat_flag(self.kw()) else {
            return Ok(None);
        };
        self.bump();
        while self.eat(Token::Comma) {
            let words = [Kw::Random, Kw::FullyRandom, Kw::Persistent];
            let (kw, _) = self.expect_one(&words)?;
            flags |= nat_flag(kw).unwrap_or(0);
        }
        Ok(Some(flags))
    }

    pub(super) fn nat(&mut self) -> Parsed<Statement> {
        self.within(Scope::Nat, Self::nat_words)
    }

    fn nat_words(&mut self) -> Parsed<Statement> {
        let kind = match self.bump().kw {
            Kw::Snat => NatKind::Snat,
            _ => NatKind::Dnat,
        };
        self.offer(&["to", "ip", "ip6", "prefix"]);
        let family = self.key_family();
        let (mut addr_port, mut prefix, mut interval) = (false, false, false);
        let mut to = true;
        match self.kw() {
            Kw::Addr if family.is_some() => {
                self.bump();
                self.expect(Token::Dot)?;
                self.expect_kw(Kw::Port)?;
                addr_port = true;
            }
            Kw::Interval => {
                self.bump();
                interval = true;
            }
            Kw::Prefix => {
                self.bump();
                prefix = true;
            }
            Kw::To => {}
            _ => to = family.is_some(),
        }
        if to {
            self.expect_kw(Kw::To)?;
        }
        let mut addr = None;
        let mut port = None;
        let plain = !addr_port && !prefix && !interval;
        if !(plain && family.is_none() && self.at_kind(Token::Colon)) {
            addr = Some(self.argument()?);
        }
        if plain && self.eat(Token::Colon) {
            port = Some(self.argument()?);
        }
        let mut flags = 0;
        while let Some(more) = self.nat_flags()? {
            flags = more;
        }
        Ok(Statement::Nat {
            kind,
            family,
            addr_port,
            prefix,
            interval,
            addr,
            port,
            flags,
        })
    }

    /// `masquerade [to :PORT] [FLAGS]`, `redirect [to [:]PORT] [FLAGS]`
    pub(super) fn redirect(&mut self) -> Parsed<Statement> {
        self.within(Scope::Nat, Self::redirect_words)
    }

    fn redirect_words(&mut self) -> Parsed<Statement> {
        let kind = match self.bump().kw {
            Kw::Masquerade => NatKind::Masquerade,
            _ => NatKind::Redirect,
        };
        let mut port = None;
        self.offer(&["to"]);
        if self.eat_kw(Kw::To) {
            match kind {
                NatKind::Masquerade => {
                    self.expect(Token::Colon)?;
                }
                _ => {
                    self.eat(Token::Colon);
                }
            }
            port = Some(self.argument()?);
        }
        let flags = self.nat_flags()?.unwrap_or(0);
        Ok(Statement::Nat {
            kind,
            family: None,
            addr_port: false,
            prefix: false,
            interval: false,
            addr: None,
            port,
            flags,
        })
    }

    /// `tproxy [ip|ip6] to [ADDR][:PORT]`
    pub(super) fn tproxy(&mut self) -> Parsed<Statement> {
        self.within(Scope::Tproxy, |parser| {
            parser.bump();
            let family = parser.key_family();
            parser.expect_kw(Kw::To)?;
            let mut addr = None;
            let mut port = None;
            if !parser.at_kind(Token::Colon) {
                addr = Some(parser.argument()?);
            }
            if parser.eat(Token::Colon) {
                port = Some(parser.argument()?);
            }
            Ok(Statement::Tproxy { family, addr, port })
        })
    }

    /// `dup to ADDR [device DEV]`
    pub(super) fn dup(&mut self) -> Parsed<Statement> {
        self.within(Scope::Dup, |parser| {
            parser.bump();
            parser.expect_kw(Kw::To)?;
            let to = Some(parser.argument()?);
            let dev = parser.device()?;
            Ok(Statement::Dup { to, dev })
        })
    }

    fn device(&mut self) -> Parsed<Option<Expr>> {
        if self.eat_kw(Kw::Device) {
            return self.argument().map(Some);
        }
        Ok(None)
    }

    /// `fwd to DEV`, `fwd ip to ADDR device DEV`
    pub(super) fn fwd(&mut self) -> Parsed<Statement> {
        self.within(Scope::Fwd, |parser| {
            parser.bump();
            let family = parser.key_family();
            parser.expect_kw(Kw::To)?;
            let first = parser.argument()?;
            if family.is_none() {
                return Ok(Statement::Fwd {
                    family,
                    addr: None,
                    dev: first,
                });
            }
            match parser.device()? {
                Some(dev) => Ok(Statement::Fwd {
                    family,
                    addr: Some(first),
                    dev,
                }),
                None => parser.unexpected(&[], &["device"]),
            }
        })
    }
}
