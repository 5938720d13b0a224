//! Fields of protocol headers: `ip saddr`, `tcp dport`, `@nh,96,32`.

use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::number::Order;
use crate::lang::nft::parse::Parsed;
use crate::lang::nft::parse::cursor::Parser;
use crate::lang::nft::parse::keyword::{Kw, Scope};
use crate::lang::nft::parse::lexer::Kind as Token;
use crate::lang::nft::protocol::{self, Layer, Protocol};

/// The protocol that a word names.
pub(super) fn protocol(kw: Kw) -> Option<&'static Protocol> {
    Some(match kw {
        Kw::Ether => &protocol::ETHER,
        Kw::Vlan => &protocol::VLAN,
        Kw::Arp => &protocol::ARP,
        Kw::Ip => &protocol::IP,
        Kw::Icmp => &protocol::ICMP,
        Kw::Igmp => &protocol::IGMP,
        Kw::Ip6 => &protocol::IP6,
        Kw::Icmpv6 => &protocol::ICMPV6,
        Kw::Ah => &protocol::AH,
        Kw::Esp => &protocol::ESP,
        Kw::Comp => &protocol::COMP,
        Kw::Udp => &protocol::UDP,
        Kw::Udplite => &protocol::UDPLITE,
        Kw::Tcp => &protocol::TCP,
        Kw::Dccp => &protocol::DCCP,
        Kw::Sctp => &protocol::SCTP,
        Kw::Th => &protocol::TH,
        _ => return None,
    })
}

impl Parser<'_> {
    /// A header field; the next word names the protocol.
    pub(super) fn payload(&mut self) -> Parsed<Expr> {
        let kw = self.bump().kw;
        let Some(protocol) = protocol(kw) else {
            return self.unexpected(&["a protocol"], &[]);
        };
        match (kw, self.kw()) {
            (Kw::Tcp, Kw::Option) => return self.tcp_option(),
            (Kw::Ip, Kw::Option) => return self.ip_option(),
            (Kw::Sctp, Kw::Chunk) => return self.sctp_chunk(),
            (Kw::Arp, Kw::Saddr | Kw::Daddr) => return self.arp_address(),
            _ => {}
        }
        let token = self.peek();
        let word = match token.kw {
            Kw::ParamProblem => "parameter-problem",
            _ => self.text(token.span),
        };
        let found = protocol
            .field(word)
            .filter(|_| token.kw != Kw::None && token.kind == Token::Word);
        let Some(mut expr) = found.and_then(|index| Expr::field(protocol, index)) else {
            return self.unexpected_field(protocol, kw);
        };
        self.bump();
        if kw == Kw::Th
            && let Kind::Payload(payload) = &mut expr.kind
        {
            payload.raw = true;
        }
        Ok(expr)
    }

    fn unexpected_field<T>(&mut self, protocol: &'static Protocol, kw: Kw) -> Parsed<T> {
        let mut words: Vec<&'static str> = protocol
            .fields
            .iter()
            .filter(|field| field.len > 0 && field.meta_key.is_none())
            .map(|field| match field.token {
                "parameter-problem" => "param-problem",
                token => token,
            })
            .collect();
        match kw {
            Kw::Tcp | Kw::Ip => words.push("option"),
            Kw::Sctp => words.push("chunk"),
            _ => {}
        }
        self.unexpected(&[], &words)
    }

    /// `arp saddr ip`, `arp daddr ether`
    fn arp_address(&mut self) -> Parsed<Expr> {
        let side = self.bump().kw;
        let (kind, _) = self.expect_one(&[Kw::Ether, Kw::Ip])?;
        let token = match (side, kind) {
            (Kw::Saddr, Kw::Ether) => "saddr ether",
            (Kw::Saddr, _) => "saddr ip",
            (_, Kw::Ether) => "daddr ether",
            _ => "daddr ip",
        };
        let index = protocol::ARP.field(token);
        match index.and_then(|index| Expr::field(&protocol::ARP, index)) {
            Some(expr) => Ok(expr),
            None => self.unexpected(&["a field"], &[]),
        }
    }

    /// `@nh,96,32`: layer, offset and length in bits.
    pub(super) fn raw_payload(&mut self) -> Parsed<Expr> {
        self.expect(Token::At)?;
        let token = self.peek();
        let layer = match self.text(token.span) {
            "ll" => Layer::Link,
            "nh" => Layer::Network,
            "th" => Layer::Transport,
            "ih" => Layer::Inner,
            _ => return self.unexpected(&[], &["ll", "nh", "th", "ih"]),
        };
        self.bump();
        self.within(Scope::At, |parser| {
            parser.expect(Token::Comma)?;
            let offset = parser.number_as("an offset in bits")?.value;
            parser.expect(Token::Comma)?;
            let len = parser.number_as("a length in bits")?.value;
            let mut expr = Expr::raw_payload(layer, offset, len);
            expr.order = Order::Big;
            if let Kind::Payload(payload) = &mut expr.kind {
                payload.raw = true;
            }
            Ok(expr)
        })
    }
}
