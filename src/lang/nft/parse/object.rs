//! Stateful objects: `counter`, `quota`, `limit`, `ct helper`, `ct timeout`, `ct expectation`, `synproxy`, `secmark`.

use super::Parsed;
use super::cursor::Parser;
use super::keyword::{Kw, Scope};
use super::lexer::Kind as Token;
use super::rule::object;
use crate::lang::nft::ast::Expr;
use crate::lang::nft::syntax::{At, ObjectBody, ObjectWords};
use crate::model::expression::{Counter, Limit, Quota, Synproxy};
use crate::model::{Family, Name};

/// What a block has said so far.
#[derive(Default)]
struct Said {
    comment: Option<At<String>>,
    counter: Option<Counter>,
    quota: Option<Quota>,
    limit: Option<Limit>,
    synproxy: Option<Synproxy>,
    secmark: Option<At<String>>,
    helper: Option<At<Name>>,
    protocol: Option<At<Name>>,
    l3: Option<At<Family>>,
    policy: Vec<(At<Name>, u32)>,
    dport: Option<Expr>,
    /// milliseconds
    timeout: Option<u64>,
    size: Option<u64>,
}

/// The scope of the words behind the one that names the kind.
fn scope(kind: u32) -> Scope {
    match kind {
        object::COUNTER => Scope::Counter,
        object::QUOTA => Scope::Quota,
        object::LIMIT => Scope::Limit,
        object::SYNPROXY => Scope::Synproxy,
        object::SECMARK => Scope::None,
        _ => Scope::Ct,
    }
}

impl Parser<'_> {
    /// The words that name a kind of objects, if they stand here: `NFT_OBJECT_*`.
    pub(super) fn object_kind(&mut self) -> Option<u32> {
        let kind = match self.kw() {
            Kw::Counter => object::COUNTER,
            Kw::Quota => object::QUOTA,
            Kw::Limit => object::LIMIT,
            Kw::Secmark => object::SECMARK,
            Kw::Synproxy => object::SYNPROXY,
            Kw::Ct => {
                let kind = match self.peek_second().kw {
                    Kw::Helper => object::CT_HELPER,
                    Kw::Timeout => object::CT_TIMEOUT,
                    Kw::Expectation => object::CT_EXPECT,
                    _ => return None,
                };
                self.bump();
                kind
            }
            _ => return None,
        };
        self.bump();
        Some(kind)
    }

    /// In the scope of the words of such an object.
    pub(super) fn in_object<T>(&mut self, kind: u32, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(scope(kind), read)
    }

    /// The inside of an object's block, up to and with its brace; the opening one has been taken.
    pub(super) fn object_block(&mut self, kind: u32) -> Parsed<ObjectBody> {
        let start = self.here();
        let mut said = Said::default();
        let base = self.open_braces();
        let errors = self.diagnostics.len();
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            let line = self.here();
            if !self.eat_separator() && self.object_line(kind, &mut said).is_err() {
                self.recover(base, line);
            }
        }
        self.expect(Token::CloseBrace)?;
        if self.diagnostics.len() > errors {
            return Err(super::Failed);
        }
        let comment = said.comment.take();
        match words(kind, said) {
            Ok(data) => Ok(ObjectBody { comment, data }),
            Err(missing) => self.error(self.since(start), missing),
        }
    }

    /// A flat definition: `counter t c packets 1 bytes 2`.
    pub(super) fn object_flat(&mut self, kind: u32) -> Parsed<ObjectBody> {
        let mut said = Said::default();
        let start = self.here();
        self.object_value(kind, &mut said)?;
        match words(kind, said) {
            Ok(data) => Ok(ObjectBody {
                comment: None,
                data,
            }),
            Err(missing) => self.error(start, missing),
        }
    }

    fn object_line(&mut self, kind: u32, said: &mut Said) -> Parsed<()> {
        match self.kw() {
            Kw::Include => self.include(),
            Kw::Define | Kw::Redefine | Kw::Undefine => self.definition(),
            Kw::Comment => {
                said.comment = Some(self.comment(&said.comment)?);
                Ok(())
            }
            _ => self.object_value(kind, said),
        }
    }

    fn object_value(&mut self, kind: u32, said: &mut Said) -> Parsed<()> {
        match kind {
            object::COUNTER => said.counter = Some(self.counter_values()?),
            object::QUOTA => said.quota = Some(self.quota()?),
            object::LIMIT => {
                self.expect_kw(Kw::Rate)?;
                said.limit = Some(self.rate()?);
            }
            object::SYNPROXY => said.synproxy = Some(self.synproxy_object()?),
            object::SECMARK => said.secmark = Some(self.string("a context in quotes")?),
            _ => return self.ct_line(kind, said),
        }
        Ok(())
    }

    fn ct_line(&mut self, kind: u32, said: &mut Said) -> Parsed<()> {
        match (self.kw(), kind) {
            (Kw::L3proto, _) => {
                let span = self.bump().span;
                let Some(family) = self.family() else {
                    return self.unexpected(&["a family"], super::command::FAMILIES);
                };
                said.l3 = Some(At::new(family, self.since(span)));
            }
            (Kw::Type, object::CT_HELPER) => {
                self.bump();
                let token = self.expect(Token::Quoted)?;
                said.helper = Some(At::new(self.bare(token).into(), token.span));
                self.expect_kw(Kw::Protocol)?;
                said.protocol = Some(self.transport()?);
            }
            (Kw::Protocol, object::CT_TIMEOUT | object::CT_EXPECT) => {
                self.bump();
                said.protocol = Some(self.transport()?);
            }
            (Kw::Policy, object::CT_TIMEOUT) => {
                self.bump();
                self.expect(Token::Assign)?;
                self.expect(Token::OpenBrace)?;
                loop {
                    let state = self.within(Scope::None, |parser| parser.name("a state"))?;
                    self.expect(Token::Colon)?;
                    let seconds = self.number_as("a number of seconds")?.value;
                    said.policy.push((state, seconds));
                    if !self.eat(Token::Comma) {
                        break;
                    }
                }
                self.expect(Token::CloseBrace)?;
            }
            (Kw::Dport, object::CT_EXPECT) => {
                self.bump();
                let port = self.number("a port")?;
                said.dport = Some(Expr::symbol(port.value.to_string(), port.span));
            }
            (Kw::Timeout, object::CT_EXPECT) => {
                self.bump();
                said.timeout = Some(self.time()?.value);
            }
            (Kw::Size, object::CT_EXPECT) => {
                self.bump();
                said.size = Some(self.number("a size")?.value);
            }
            (_, object::CT_HELPER) => return self.unexpected(&[], &["type", "l3proto", "comment"]),
            (_, object::CT_TIMEOUT) => {
                return self.unexpected(&[], &["protocol", "policy", "l3proto", "comment"]);
            }
            _ => {
                let words = ["protocol", "dport", "timeout", "size", "l3proto", "comment"];
                return self.unexpected(&[], &words);
            }
        }
        self.separator()
    }

    fn transport(&mut self) -> Parsed<At<Name>> {
        let (kw, span) = self.expect_one(&[Kw::Tcp, Kw::Udp])?;
        Ok(At::new(kw.text().into(), span))
    }
}

/// What the block says, or what it lacks.
fn words(kind: u32, said: Said) -> Result<ObjectWords, &'static str> {
    Ok(match kind {
        object::COUNTER => ObjectWords::Counter(said.counter.unwrap_or_default()),
        object::QUOTA => ObjectWords::Quota(said.quota.unwrap_or(Quota {
            bytes: 0,
            flags: 0,
            consumed: 0,
        })),
        object::LIMIT => ObjectWords::Limit(said.limit.ok_or("the limit has no `rate`")?),
        object::SYNPROXY => ObjectWords::Synproxy(said.synproxy.unwrap_or(Synproxy {
            mss: 0,
            wscale: 0,
            flags: 0,
        })),
        object::SECMARK => ObjectWords::Secmark(said.secmark.ok_or("the secmark has no context")?),
        object::CT_HELPER => ObjectWords::CtHelper {
            helper: said.helper.ok_or("the helper has no `type`")?,
            protocol: said.protocol.ok_or("the helper has no `protocol`")?,
            l3: said.l3,
        },
        object::CT_TIMEOUT => ObjectWords::CtTimeout {
            protocol: said.protocol.ok_or("the timeout has no `protocol`")?,
            l3: said.l3,
            policy: said.policy,
        },
        _ => ObjectWords::CtExpectation {
            protocol: said.protocol.ok_or("the expectation has no `protocol`")?,
            dport: said.dport,
            timeout: said.timeout,
            size: said.size,
            l3: said.l3,
        },
    })
}
