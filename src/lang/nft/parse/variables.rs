//! `define`, `redefine`, `undefine` and `$name`: a variable lives in the table or chain block that defines it.

use super::cursor::Parser;
use super::keyword::Kw;
use super::lexer::Kind;
use super::{Parsed, suggest};
use crate::lang::nft::ast::{Expr, Kind as ExprKind};
use crate::lang::nft::datatype as types;
use crate::lang::nft::number::{Num, Order};
use crate::lang::nft::syntax::Diagnostic;
use std::collections::HashMap;

/// All values that were put in for variables may have so many parts together.
const MOST_PARTS: usize = 4_000_000;

struct Variable {
    value: Expr,
    /// How many expressions it is made of, and how deep.
    parts: usize,
    height: u32,
}

/// What is defined, block by block.
pub struct Variables {
    blocks: Vec<HashMap<String, Variable>>,
    /// Parts put in so far.
    used: usize,
    /// Every name that was defined; gathered for completion only.
    seen: Vec<String>,
}

impl Default for Variables {
    fn default() -> Variables {
        Variables {
            blocks: vec![HashMap::new()],
            used: 0,
            seen: Vec::new(),
        }
    }
}

impl Variables {
    /// Whether nft takes another block here: it has places for four, and the first is that of the file.
    pub fn may_open(&self) -> bool {
        self.blocks.len() < 4
    }

    pub fn open_block(&mut self) {
        self.blocks.push(HashMap::new());
    }

    pub fn close_block(&mut self) {
        if self.blocks.len() > 1 {
            self.blocks.pop();
        }
    }

    fn get(&self, name: &str) -> Option<&Variable> {
        self.blocks.iter().rev().find_map(|block| block.get(name))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.blocks
            .iter()
            .flat_map(|block| block.keys())
            .map(String::as_str)
    }

    /// The value of a variable that holds one word or text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.value.kind {
            ExprKind::Symbol(text) => Some(text),
            _ => None,
        }
    }

    fn bind(&mut self, name: &str, value: Expr) {
        let (parts, height) = measure(&value);
        if let Some(block) = self.blocks.last_mut() {
            let variable = Variable {
                value,
                parts,
                height,
            };
            block.insert(name.to_owned(), variable);
        }
    }
}

/// The number of expressions in one, and how deep they stand in each other.
fn measure(expr: &Expr) -> (usize, u32) {
    let both = |left: &Expr, right: &Expr| {
        let (left, right) = (measure(left), measure(right));
        (left.0 + right.0 + 1, left.1.max(right.1) + 1)
    };
    match &expr.kind {
        ExprKind::SetLiteral(list) | ExprKind::Concat(list) | ExprKind::List(list) => list
            .iter()
            .map(measure)
            .fold((1, 1), |sum, part| (sum.0 + part.0, sum.1.max(part.1 + 1))),
        ExprKind::Range(left, right)
        | ExprKind::Mapping(left, right)
        | ExprKind::Binop { left, right, .. } => both(left, right),
        ExprKind::Prefix(inner, _) => {
            let (parts, height) = measure(inner);
            (parts + 1, height + 1)
        }
        ExprKind::SetElem(element) => {
            let (parts, height) = measure(&element.key);
            (parts + 1, height + 1)
        }
        _ => (1, 1),
    }
}

impl Parser<'_> {
    /// The names of all variables that were defined so far, for completion.
    pub(super) fn seen_variables(&self) -> Vec<String> {
        self.variables.seen.clone()
    }

    /// `define`, `redefine` or `undefine` with its end.
    pub(super) fn definition(&mut self) -> Parsed<()> {
        let verb = self.bump().kw;
        let name = self.name("the name of a variable")?;
        if verb == Kw::Undefine {
            self.separator()?;
            if let Some(block) = self.variables.blocks.last_mut() {
                block.remove(&*name.value);
            }
            return Ok(());
        }
        self.expect(Kind::Assign)?;
        let value = self.initializer()?;
        self.separator()?;
        if verb == Kw::Define && self.variables.get(&name.value).is_some() {
            let message = format!("`{}` is defined already", name.value);
            let help = "`redefine` gives it another value";
            return self.fail(Diagnostic::new(name.span, message).help(help));
        }
        self.variables.bind(&name.value, value);
        if self.hints.is_some() {
            self.variables.seen.push(name.value.to_string());
        }
        Ok(())
    }

    fn initializer(&mut self) -> Parsed<Expr> {
        let start = self.here();
        if self.eat(Kind::Dash) {
            let number = self.number_as::<u32>("a number")?;
            let value = u32::wrapping_neg(number.value);
            let expr = Expr::value(Num::from(value), &types::INTEGER, Order::Host, 32);
            return Ok(expr.at(self.since(start)));
        }
        if self.at_kind(Kind::OpenBrace) && self.peek_second().kind == Kind::CloseBrace {
            self.bump();
            self.bump();
            return Ok(Expr::untyped(
                ExprKind::SetLiteral(Vec::new()),
                self.since(start),
            ));
        }
        self.rhs_or_list()
    }

    /// The value of a `$name`; its place is where the variable is used.
    pub(super) fn variable(&mut self) -> Parsed<Expr> {
        let start = self.expect(Kind::Dollar)?.span;
        let name = self.name("the name of a variable")?;
        let span = self.since(start);
        let Some(variable) = self.variables.get(&name.value) else {
            let mut diagnostic =
                Diagnostic::new(span, format!("there is no variable `{}`", name.value));
            let slash = name.value.split_once('/').map(|(name, _)| name);
            if let Some(name) = slash.filter(|name| self.variables.get(name).is_some()) {
                diagnostic = diagnostic.help(format!("write `${name} /` with a blank"));
            } else if let Some(near) = suggest::near(&name.value, self.variables.names()) {
                diagnostic = diagnostic.help(format!("did you mean `${near}`?"));
            }
            return self.fail(diagnostic);
        };
        let value = variable.value.clone().at(span);
        let (parts, height) = (variable.parts, variable.height);
        self.variables.used = self.variables.used.saturating_add(parts);
        if self.variables.used > MOST_PARTS {
            return self.error(span, "the values of the variables are too large together");
        }
        self.count_operations(height, span)?;
        Ok(value)
    }
}
