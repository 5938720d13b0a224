//! Flowtable blocks.

use super::Parsed;
use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind as Token;
use crate::lang::nft::syntax::FlowtableBody;

/// `NFT_FLOWTABLE_*`
const HW_OFFLOAD: u32 = 1;
const COUNTER: u32 = 2;

impl Parser<'_> {
    /// The inside of a flowtable block, up to and with its brace; the opening one has been taken.
    pub(super) fn flowtable_block(&mut self) -> Parsed<FlowtableBody> {
        let mut body = FlowtableBody::default();
        let base = self.open_braces();
        while !matches!(self.kind(), Token::CloseBrace | Token::End) && !self.gave_up() {
            let start = self.here();
            if !self.eat_separator() && self.flowtable_line(&mut body).is_err() {
                self.recover(base, start);
            }
        }
        self.expect(Token::CloseBrace)?;
        Ok(body)
    }

    fn flowtable_line(&mut self, body: &mut FlowtableBody) -> Parsed<()> {
        match self.kw() {
            Kw::Include => return self.include(),
            Kw::Define | Kw::Redefine | Kw::Undefine => return self.definition(),
            Kw::Hook => {
                self.bump();
                let hook = self.one_word(super::chain::HOOKS)?;
                let priority = self.priority()?;
                body.hook = Some((hook, priority));
            }
            Kw::Devices => body.devices = Some(self.devices()?),
            Kw::Counter => {
                self.bump();
                body.flags |= COUNTER;
                return Ok(());
            }
            Kw::Flags => {
                self.bump();
                self.expect_kw(Kw::Offload)?;
                body.flags |= HW_OFFLOAD;
            }
            _ => return self.unexpected(&[], &["hook", "devices", "counter", "flags"]),
        }
        self.separator()
    }
}
