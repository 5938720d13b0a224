//! Selectors with a key: `meta`, `ct`, `rt`, `socket`, `ipsec`.

use crate::lang::nft::ast::Expr;
use crate::lang::nft::exthdr;
use crate::lang::nft::keys;
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::syntax::Span;

/// `meta` keys that are written without `meta`, too.
pub(in crate::lang::nft::parse) const UNQUALIFIED_META: &[Kw] = &[
    Kw::Mark,
    Kw::Iif,
    Kw::Iifname,
    Kw::Iiftype,
    Kw::Oif,
    Kw::Oifname,
    Kw::Oiftype,
    Kw::Skuid,
    Kw::Skgid,
    Kw::Nftrace,
    Kw::Rtclassid,
    Kw::Ibriport,
    Kw::Obriport,
    Kw::Ibrname,
    Kw::Obrname,
    Kw::Pkttype,
    Kw::Cpu,
    Kw::Iifgroup,
    Kw::Oifgroup,
    Kw::Cgroup,
    Kw::Ipsec,
    Kw::Time,
    Kw::Day,
    Kw::Hour,
];

/// `NFT_META_*`
fn meta_key(word: &str) -> Option<u32> {
    let word = match word {
        "ibriport" => "ibrname",
        "obriport" => "obrname",
        "secpath" => "ipsec",
        word => word,
    };
    let place = keys::META.iter().position(|key| key.token == word)?;
    u32::try_from(place).ok()
}

/// `NFT_CT_*` of keys that are one word.
fn ct_key(kw: Kw) -> Option<u32> {
    let place = keys::CT.iter().position(|key| key.token == kw.text())?;
    u32::try_from(place).ok()
}

/// Keys of `ct` that may stand behind a direction.
const CT_DIRECTED: &[Kw] = &[
    Kw::Saddr,
    Kw::Daddr,
    Kw::L3proto,
    Kw::Protocol,
    Kw::ProtoSrc,
    Kw::ProtoDst,
    Kw::Bytes,
    Kw::Packets,
    Kw::Avgpkt,
    Kw::Zone,
];
const CT_PLAIN: &[Kw] = &[
    Kw::L3proto,
    Kw::Protocol,
    Kw::Mark,
    Kw::State,
    Kw::Direction,
    Kw::Status,
    Kw::Expiration,
    Kw::Helper,
    Kw::Saddr,
    Kw::Daddr,
    Kw::ProtoSrc,
    Kw::ProtoDst,
    Kw::Label,
    Kw::Event,
    Kw::Secmark,
    Kw::Id,
    Kw::Bytes,
    Kw::Packets,
    Kw::Avgpkt,
    Kw::Zone,
    Kw::Original,
    Kw::Reply,
];

impl Parser<'_> {
    fn no_key<T>(&mut self, span: Span) -> Parsed<T> {
        self.error(span, "there is no such key")
    }

    /// `meta KEY`
    pub(super) fn meta(&mut self) -> Parsed<Expr> {
        self.bump();
        let token = self.peek();
        let word = self.text(token.span);
        let qualified = matches!(
            token.kw,
            Kw::Length | Kw::Protocol | Kw::Priority | Kw::Random | Kw::Secmark | Kw::None
        ) || UNQUALIFIED_META.contains(&token.kw);
        let key = meta_key(word).filter(|_| qualified);
        match key.and_then(Expr::meta) {
            Some(expr) => {
                self.bump();
                self.no_word_of(Scope::Meta)?;
                Ok(expr)
            }
            None => {
                let words: Vec<&'static str> = keys::META.iter().map(|key| key.token).collect();
                self.unexpected(&[], &words)
            }
        }
    }

    /// `iifname` and others without `meta`.
    pub(super) fn meta_unqualified(&mut self) -> Parsed<Expr> {
        let token = self.bump();
        match meta_key(token.kw.text()).and_then(Expr::meta) {
            Some(expr) => Ok(expr),
            None => self.no_key(token.span),
        }
    }

    /// `ct KEY`, `ct original KEY`
    pub(super) fn ct(&mut self) -> Parsed<Expr> {
        self.bump();
        let direction = match self.kw() {
            Kw::Original => Some(0),
            Kw::Reply => Some(1),
            _ => None,
        };
        if direction.is_none() {
            let (kw, span) = self.expect_one(CT_PLAIN)?;
            return match ct_key(kw).and_then(|key| Expr::ct(key, None)) {
                Some(expr) => {
                    if !matches!(self.kw(), Kw::Original | Kw::Reply | Kw::Label) {
                        self.no_word_of(Scope::Ct)?;
                    }
                    Ok(expr)
                }
                None => self.no_key(span),
            };
        }
        self.bump();
        let family = self.kw();
        if matches!(family, Kw::Ip | Kw::Ip6) {
            let start = self.bump().span;
            let (side, _) = self.expect_one(&[Kw::Saddr, Kw::Daddr])?;
            let key = match (family, side) {
                (Kw::Ip, Kw::Saddr) => keys::ct::SRC_IP,
                (Kw::Ip, _) => keys::ct::DST_IP,
                (_, Kw::Saddr) => keys::ct::SRC_IP6,
                _ => keys::ct::DST_IP6,
            };
            return match Expr::ct(key, direction) {
                Some(expr) => Ok(expr),
                None => self.no_key(start),
            };
        }
        let (kw, span) = self.expect_one(CT_DIRECTED)?;
        match ct_key(kw).and_then(|key| Expr::ct(key, direction)) {
            Some(expr) => Ok(expr),
            None => self.no_key(span),
        }
    }

    /// `socket transparent`, `socket cgroupv2 level 2`
    pub(super) fn socket(&mut self) -> Parsed<Expr> {
        self.bump();
        let words = [Kw::Transparent, Kw::Mark, Kw::Wildcard, Kw::Cgroupv2];
        let (kw, span) = self.expect_one(&words)?;
        let mut level = 0;
        if kw == Kw::Cgroupv2 {
            self.expect_kw(Kw::Level)?;
            level = self.number_as("a level")?.value;
        }
        let place = keys::SOCKET.iter().position(|key| key.token == kw.text());
        let key = place.and_then(|place| u32::try_from(place).ok());
        match key.and_then(|key| Expr::socket(key, level)) {
            Some(expr) => Ok(expr),
            None => self.no_key(span),
        }
    }

    /// `rt nexthop`, `rt ip6 nexthop`; and the routing header of IPv6: `rt type`.
    pub(super) fn rt(&mut self) -> Parsed<Expr> {
        const CLASSID: u32 = 0;
        const MTU: u32 = 3;
        const IPSEC: u32 = 4;
        self.bump();
        let family = self.kw();
        let with_family = matches!(family, Kw::Ip | Kw::Ip6);
        if with_family {
            self.bump();
        }
        let token = self.peek();
        let key = match token.kw {
            Kw::Classid => CLASSID,
            Kw::Nexthop if family == Kw::Ip6 => keys::RT_NEXTHOP6,
            Kw::Nexthop => keys::RT_NEXTHOP4,
            Kw::Mtu => MTU,
            Kw::Ipsec => IPSEC,
            Kw::Nexthdr | Kw::Hdrlength | Kw::Type | Kw::SegLeft if !with_family => {
                return self.exthdr_field_of(&exthdr::RT);
            }
            _ => {
                let words = [
                    "classid",
                    "nexthop",
                    "mtu",
                    "ipsec",
                    "nexthdr",
                    "hdrlength",
                    "type",
                    "seg-left",
                ];
                let offered = words.get(..if with_family { 4 } else { 8 });
                return self.unexpected(&[], offered.unwrap_or(&words));
            }
        };
        self.bump();
        match Expr::rt(key) {
            // Without a family `nexthop` is of the rule's own.
            Some(mut expr) => {
                if !with_family && key == keys::RT_NEXTHOP4 {
                    use crate::lang::nft::datatype::{self as types, Type};
                    expr.dtype = Type::Basic(&types::INVALID);
                    expr.len = 0;
                }
                Ok(expr)
            }
            None => self.no_key(token.span),
        }
    }

    /// `ipsec in reqid`, `ipsec out spnum 1 ip saddr`; `ipsec` alone is `meta ipsec`.
    pub(super) fn ipsec(&mut self) -> Parsed<Expr> {
        /// `enum nft_xfrm_keys`
        mod key {
            pub const DADDR: u32 = 1;
            pub const SADDR: u32 = 3;
            pub const REQID: u32 = 5;
            pub const SPI: u32 = 6;
        }
        let next = self.peek_second();
        if !matches!(next.kw, Kw::In | Kw::Out) {
            let expr = self.meta_unqualified()?;
            self.no_word_of(Scope::Ipsec)?;
            return Ok(expr);
        }
        self.bump();
        let direction = u8::from(self.bump().kw == Kw::Out);
        let mut spnum = 0;
        if self.eat_kw(Kw::Spnum) {
            let number = self.number("the number of a policy")?;
            if number.value > 255 {
                return self.error(number.span, "at most 255 policies can be told apart");
            }
            spnum = number.value as u32;
        }
        let words = [Kw::Spi, Kw::Reqid, Kw::Ip, Kw::Ip6];
        let (kw, span) = self.expect_one(&words)?;
        let key = match kw {
            Kw::Spi => key::SPI,
            Kw::Reqid => key::REQID,
            _ => {
                let (side, _) = self.expect_one(&[Kw::Saddr, Kw::Daddr])?;
                let base = match side {
                    Kw::Saddr => key::SADDR,
                    _ => key::DADDR,
                };
                base + u32::from(kw == Kw::Ip6)
            }
        };
        match Expr::xfrm(key, direction, spnum) {
            Some(expr) => Ok(expr),
            None => self.no_key(span),
        }
    }

    /// The names of objects and values behind `ct` end its words.
    pub(in crate::lang::nft::parse) fn in_ct<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Scope::Ct, read)
    }
}
