//! Expressions that compute: `numgen`, `jhash`, `symhash`, `fib`, `osf`.

use crate::lang::nft::ast::{Expr, Hash};
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::Kw;
use crate::lang::nft::parse::lexer::Kind as Token;

/// `enum nft_ng_types`
const INCREMENTAL: u32 = 0;
const RANDOM: u32 = 1;

/// `enum nft_fib_flags`
mod fib {
    pub const SADDR: u32 = 1;
    pub const DADDR: u32 = 2;
    pub const MARK: u32 = 4;
    pub const IIF: u32 = 8;
    pub const OIF: u32 = 16;
}

/// `enum nft_fib_result`
mod fib_result {
    pub const OIF: u32 = 1;
    pub const OIFNAME: u32 = 2;
    pub const ADDRTYPE: u32 = 3;
}

impl Parser<'_> {
    fn modulus(&mut self) -> Parsed<u32> {
        self.expect_kw(Kw::Mod)?;
        Ok(self.number_as("a modulus")?.value)
    }

    fn offset(&mut self) -> Parsed<u32> {
        if self.eat_kw(Kw::Offset) {
            return Ok(self.number_as("an offset")?.value);
        }
        Ok(0)
    }

    /// `numgen inc mod 2 [offset 100]`
    pub(in crate::lang::nft::parse) fn numgen(&mut self) -> Parsed<Expr> {
        let start = self.bump().span;
        let (kw, _) = self.expect_one(&[Kw::Inc, Kw::Random])?;
        let kind = match kw {
            Kw::Inc => INCREMENTAL,
            _ => RANDOM,
        };
        let modulus = self.modulus()?;
        let offset = self.offset()?;
        Ok(Expr::numgen(kind, modulus, offset).at(self.since(start)))
    }

    /// `jhash ip saddr . tcp sport mod 2 [seed 1] [offset 100]`, `symhash mod 2 [offset 100]`
    pub(in crate::lang::nft::parse) fn hash(&mut self) -> Parsed<Expr> {
        let start = self.bump();
        let symmetric = start.kw == Kw::Symhash;
        let expr = if symmetric {
            None
        } else {
            Some(self.expression()?)
        };
        let modulus = self.modulus()?;
        let mut seed = None;
        if !symmetric && self.eat_kw(Kw::Seed) {
            seed = Some(self.number_as("a seed")?.value);
        }
        let offset = self.offset()?;
        let hash = Hash {
            expr,
            modulus,
            seed,
            offset,
            symmetric,
        };
        Ok(Expr::hash(hash).at(self.since(start.span)))
    }

    /// `fib saddr . iif oif`
    pub(super) fn fib(&mut self) -> Parsed<Expr> {
        let start = self.bump().span;
        let mut flags = 0;
        loop {
            let words = [Kw::Saddr, Kw::Daddr, Kw::Mark, Kw::Iif, Kw::Oif];
            let (kw, _) = self.expect_one(&words)?;
            flags |= match kw {
                Kw::Saddr => fib::SADDR,
                Kw::Daddr => fib::DADDR,
                Kw::Mark => fib::MARK,
                Kw::Iif => fib::IIF,
                _ => fib::OIF,
            };
            if !self.eat(Token::Dot) {
                break;
            }
        }
        let (kw, _) = self.expect_one(&[Kw::Oif, Kw::Oifname, Kw::Type])?;
        let result = match kw {
            Kw::Oif => fib_result::OIF,
            Kw::Oifname => fib_result::OIFNAME,
            _ => fib_result::ADDRTYPE,
        };
        let span = self.since(start);
        let has = |flag: u32| flags & flag != 0;
        if has(fib::SADDR) == has(fib::DADDR) {
            return self.error(span, "`fib` looks up either `saddr` or `daddr`");
        }
        if has(fib::IIF) && has(fib::OIF) {
            return self.error(span, "`fib` takes either `iif` or `oif`");
        }
        match Expr::fib(flags, result) {
            Some(expr) => Ok(expr.at(span)),
            None => self.error(span, "there is no such lookup"),
        }
    }

    /// `osf [ttl loose|skip] name`, `osf version`
    pub(super) fn osf(&mut self) -> Parsed<Expr> {
        /// `NFT_OSF_F_VERSION`
        const VERSION: u32 = 1;
        self.bump();
        let mut ttl = 0;
        if self.eat_kw(Kw::Ttl) {
            let token = self.peek();
            ttl = match self.text(token.span) {
                "loose" => 1,
                "skip" => 2,
                _ => return self.unexpected(&[], &["loose", "skip"]),
            };
            self.bump();
        }
        let (kw, _) = self.expect_one(&[Kw::Name, Kw::Version])?;
        let flags = if kw == Kw::Version { VERSION } else { 0 };
        Ok(Expr::osf(ttl, flags))
    }
}
