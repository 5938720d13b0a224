//! Chain blocks: hook, policy, comment, rules.

use super::Parsed;
use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use crate::lang::nft::ast::{Expr, Kind};
use crate::lang::nft::syntax::{At, ChainBody, Hook, PolicyWord, Priority, Span};
use crate::model::ruleset::chain_flags;

const CHAIN_TYPES: &[&str] = &["filter", "nat", "route"];
pub(super) const HOOKS: &[&str] = &[
    "prerouting",
    "input",
    "forward",
    "output",
    "postrouting",
    "ingress",
    "egress",
];

impl Parser<'_> {
    /// The inside of a chain block, up to and with its brace; the opening one has been taken.
    pub(super) fn chain_block(&mut self) -> Parsed<ChainBody> {
        self.variables.open_block();
        let mut body = ChainBody::default();
        let base = self.open_braces();
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            let start = self.here();
            if !self.eat_separator() && self.chain_line(&mut body).is_err() {
                self.recover(base, start);
            }
        }
        self.variables.close_block();
        self.expect(Token::CloseBrace)?;
        Ok(body)
    }

    fn chain_line(&mut self, body: &mut ChainBody) -> Parsed<()> {
        match self.kw() {
            Kw::Include => return self.include(),
            Kw::Define | Kw::Redefine | Kw::Undefine => return self.definition(),
            Kw::Type => body.hook = Some(self.hook()?),
            Kw::Policy => self.policy(body)?,
            Kw::Flags => {
                self.bump();
                self.expect_kw(Kw::Offload)?;
                body.flags |= chain_flags::HW_OFFLOAD;
            }
            Kw::Comment => body.comment = Some(self.comment(&body.comment)?),
            // nft 1.0.9
            Kw::Devices => body.devices = Some(self.devices()?),
            _ => {
                let rule = self.rule()?;
                self.separator()?;
                body.rules.push(rule);
                return Ok(());
            }
        }
        self.separator()
    }

    /// One of a few words that are not reserved.
    pub(super) fn one_word(&mut self, words: &[&'static str]) -> Parsed<At<crate::model::Name>> {
        let token = self.peek();
        let text = self.text(token.span);
        if token.kind == Token::Word && words.contains(&text) {
            let name = text.into();
            self.bump();
            return Ok(At::new(name, token.span));
        }
        self.unexpected(&[], words)
    }

    /// `type T hook H [device D | devices = { ... }] priority P`
    fn hook(&mut self) -> Parsed<Hook> {
        let start = self.bump().span;
        let kind = self.one_word(CHAIN_TYPES)?;
        self.expect_kw(Kw::Hook)?;
        let hook = self.one_word(HOOKS)?;
        let devices = match self.kw() {
            Kw::Device => {
                self.bump();
                Some(if self.at_kind(Token::Dollar) {
                    self.variable()?
                } else {
                    let device = self.string("the name of a device")?;
                    Expr::symbol(device.value, device.span)
                })
            }
            Kw::Devices => Some(self.devices()?),
            _ => None,
        };
        let priority = self.priority()?;
        Ok(Hook {
            kind,
            hook,
            priority,
            devices,
            span: self.since(start),
        })
    }

    /// `devices = { a, b }`, `devices = $list`
    pub(super) fn devices(&mut self) -> Parsed<Expr> {
        self.expect_kw(Kw::Devices)?;
        self.expect(Token::Assign)?;
        if self.at_kind(Token::Dollar) {
            return self.variable();
        }
        let start = self.expect(Token::OpenBrace)?.span;
        let mut devices = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Token::Dollar => {
                    let value = self.variable()?;
                    match value.kind {
                        Kind::SetLiteral(mut inner) => devices.append(&mut inner),
                        _ => devices.push(value),
                    }
                }
                Token::Quoted => {
                    self.bump();
                    devices.push(Expr::symbol(self.bare(token), token.span));
                }
                Token::CloseBrace | Token::Comma if !devices.is_empty() => {}
                _ => {
                    let name = self.name("the name of a device")?;
                    devices.push(Expr::symbol(&*name.value, name.span));
                }
            }
            if !self.eat(Token::Comma) {
                break;
            }
            self.eat(Token::Newline);
        }
        self.expect(Token::CloseBrace)?;
        Ok(Expr::untyped(Kind::SetLiteral(devices), self.since(start)))
    }

    /// `priority -10`, `priority filter + 5`, `priority $prio`
    pub(super) fn priority(&mut self) -> Parsed<Priority> {
        let start = self.expect_kw(Kw::Priority)?.span;
        let offset = |value: u64, negative: bool| {
            let value = i64::try_from(value).ok()?;
            i32::try_from(if negative { -value } else { value }).ok()
        };
        let (name, offset) = match self.kind() {
            Token::Number | Token::Dash => {
                let negative = self.eat(Token::Dash);
                let number = self.number("a number")?;
                (None, offset(number.value, negative))
            }
            Token::Dollar => {
                let value = self.variable()?;
                return self.priority_of(&value, start);
            }
            _ => {
                let name = if self.kw() == Kw::Out {
                    let span = self.bump().span;
                    At::new("out".into(), span)
                } else {
                    self.name("a priority (a number, or a name like `filter`)")?
                };
                let mut shift = Some(0);
                if matches!(self.kind(), Token::Plus | Token::Dash) {
                    let negative = self.bump().kind == Token::Dash;
                    let number = self.number("a number")?;
                    shift = offset(number.value, negative);
                }
                (Some(name.value), shift)
            }
        };
        let span = self.since(start);
        match offset {
            Some(offset) => Ok(Priority { name, offset, span }),
            None => self.error(span, "the priority is out of range"),
        }
    }

    /// The priority that a variable holds: a number, or text like `filter + 5`.
    fn priority_of(&mut self, value: &Expr, start: Span) -> Parsed<Priority> {
        let span = self.since(start);
        let read = match &value.kind {
            Kind::Value(number) => {
                // A negative number of 32 bits.
                u32::try_from(*number).ok().map(|bits| (None, bits as i32))
            }
            Kind::Symbol(text) => priority_text(text),
            _ => None,
        };
        match read {
            Some((name, offset)) => Ok(Priority {
                name: name.map(Into::into),
                offset,
                span,
            }),
            None => self.error(span, "the variable holds no priority"),
        }
    }

    fn policy(&mut self, body: &mut ChainBody) -> Parsed<()> {
        let start = self.bump().span;
        let policy = if self.at_kind(Token::Dollar) {
            let value = self.variable()?;
            match &value.kind {
                Kind::Symbol(word) if word == "accept" => PolicyWord::Accept,
                Kind::Symbol(word) if word == "drop" => PolicyWord::Drop,
                _ => return self.error(value.span, "the variable is neither accept nor drop"),
            }
        } else {
            match self.expect_one(&[Kw::Accept, Kw::Drop])?.0 {
                Kw::Accept => PolicyWord::Accept,
                _ => PolicyWord::Drop,
            }
        };
        let span = self.since(start);
        if body.policy.is_some() {
            return self.error(span, "the chain has a policy already");
        }
        body.policy = Some(At::new(policy, span));
        Ok(())
    }
}

/// `-10`, `filter`, `filter + 10`
fn priority_text(text: &str) -> Option<(Option<&str>, i32)> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some((None, number));
    }
    let end = text
        .find(|c: char| c.is_ascii_whitespace() || c == '+')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest: String = rest.split_ascii_whitespace().collect();
    let offset = match rest.strip_prefix('+') {
        Some(number) => number.parse().ok()?,
        None if rest.is_empty() => 0,
        None if rest.starts_with('-') => rest.parse().ok()?,
        None => return None,
    };
    (!name.is_empty()).then_some((Some(name), offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_as_text() {
        assert_eq!(priority_text("filter"), Some((Some("filter"), 0)));
        assert_eq!(priority_text("dstnat - 5"), Some((Some("dstnat"), -5)));
        assert_eq!(priority_text("filter+10"), Some((Some("filter"), 10)));
        assert_eq!(priority_text("-7"), Some((None, -7)));
        assert_eq!(priority_text("filter 10"), None);
    }
}
