//! Concatenations, sets, maps and their elements.

use super::*;
use crate::lang::nft::compile::interval;
use crate::lang::nft::compile::world::anonymous_set;
use crate::model::set::flags;

/// The set whose elements are read, as far as they depend on it.
#[derive(Clone)]
pub struct SetFrame {
    pub info: Rc<SetInfo>,
    /// An element's value was an interval.
    pub data_interval: bool,
    /// Statements that the set declares for its elements, by the kernel's expression names.
    pub statements: Vec<&'static str>,
}

impl SetFrame {
    pub fn new(info: &Rc<SetInfo>) -> SetFrame {
        SetFrame {
            info: info.clone(),
            data_interval: info.data_interval,
            statements: Vec::new(),
        }
    }

    fn word(&self) -> &'static str {
        if self.info.is_map() { "map" } else { "set" }
    }
}

/// What the elements of a `{ ... }` make of the set.
#[derive(Clone, Copy, Debug, Default)]
pub struct Literal {
    /// See [`flags`].
    pub flags: u32,
}

/// The kernel's name of what a stateful statement becomes.
fn stateful_name(stmt: &Stmt) -> &'static str {
    match stmt {
        Stmt::Counter(_) => "counter",
        Stmt::Limit(_) => "limit",
        Stmt::Quota(_) => "quota",
        Stmt::Connlimit { .. } => "connlimit",
        Stmt::Last { .. } => "last",
        _ => "other",
    }
}

pub fn stateful_names(stmts: &[Stmt]) -> Vec<&'static str> {
    stmts.iter().map(stateful_name).collect()
}

/// A range or prefix, or a concatenation with one.
pub fn is_interval_value(expr: &Expr) -> bool {
    let interval = |expr: &Expr| matches!(expr.kind, Kind::Range(..) | Kind::Prefix(..));
    interval(expr) || matches!(&expr.kind, Kind::Concat(parts) if parts.iter().any(interval))
}

impl Eval<'_, '_> {
    pub(super) fn concat(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Concat(parts) = &mut expr.kind else {
            return Ok(());
        };
        let wanted = self.want.dtype.filter(|dtype| !dtype.is(&types::INVALID));
        let key = self.want.key.take();
        let key_parts = match key.as_deref().map(|key| &key.kind) {
            Some(Kind::Concat(parts)) => Some(parts),
            _ => None,
        };
        let types_wanted: Option<Vec<&'static types::DataType>> = wanted.map(|dtype| match dtype {
            Type::Concat(id) => types::subtypes(id).collect(),
            Type::Basic(basic) => vec![basic],
            Type::Integer(_) => vec![&types::INTEGER],
        });
        let count = key_parts
            .map(Vec::len)
            .or(types_wanted.as_ref().map(Vec::len));
        if let (Some(count), Some(dtype)) = (count, wanted)
            && count != parts.len()
        {
            return Err(Diagnostic::new(
                span,
                format!(
                    "expected {} ({count} fields), found {} fields",
                    type_name(dtype),
                    parts.len()
                ),
            ));
        }
        let (mut id, mut size) = (0, 0);
        for (place, part) in parts.iter_mut().enumerate() {
            // ct saddr, ct daddr without a family have no fixed length.
            if matches!(
                part.kind,
                Kind::Ct {
                    key: keys::ct::SRC | keys::ct::DST,
                    ..
                }
            ) {
                return Err(ct_without_family(part.span));
            }
            let mut bits = 0;
            self.want = match (key_parts.and_then(|parts| parts.get(place)), &types_wanted) {
                (Some(field), _) => {
                    bits = field.len;
                    Want::of(field.dtype, field.order, field.len)
                }
                (None, Some(list)) => {
                    let dtype = list.get(place).copied().unwrap_or(&types::INVALID);
                    bits = dtype.size;
                    Want::of(Type::Basic(dtype), dtype.order, dtype.size)
                }
                (None, None) => Want::of(Type::Basic(&types::INVALID), Order::Invalid, 0),
            };
            self.expr(part)?;
            if key_parts.is_none() && part.dtype.id() == types::INTEGER.id {
                part.dtype = Type::Integer(part.order);
            }
            if bits == 0 {
                bits = if part.dtype.id() == types::INTEGER.id {
                    part.len
                } else {
                    part.dtype.size()
                };
            }
            if bits == 0 {
                return Err(Diagnostic::new(
                    part.span,
                    format!(
                        "values of type {} have no fixed length and cannot be concatenated",
                        type_name(part.dtype)
                    ),
                ));
            }
            id = types::append_subtype(id, part.dtype.id());
            size += types::padded(bits);
        }
        expr.dtype = Type::Concat(id);
        expr.order = Order::Invalid;
        expr.len = size;
        let key = key.unwrap_or_else(|| Rc::new(expr.clone()));
        self.want = Want {
            key: Some(key),
            ..Want::of(expr.dtype, Order::Invalid, expr.len)
        };
        Ok(())
    }

    /// The elements of `{ ... }`; a set of one plain value becomes that value and has no [`Literal`].
    pub(in crate::lang::nft::compile) fn set_literal(
        &mut self,
        expr: &mut Expr,
    ) -> Result<Option<Literal>> {
        let Kind::SetLiteral(list) = &mut expr.kind else {
            return Ok(None);
        };
        let list = std::mem::take(list);
        let mut literal = Literal::default();
        let mut done = Vec::with_capacity(list.len());
        // The type that stands here before the first element is that of every element.
        let want = self.want.clone();
        for element in list {
            self.element(element, &mut done, &mut literal, &want)?;
        }
        if self.set.is_none()
            && let [only] = done.as_mut_slice()
            && let Kind::SetElem(element) = &mut only.kind
            && matches!(
                element.key.kind,
                Kind::Value(_) | Kind::Range(..) | Kind::Prefix(..)
            )
        {
            *expr = take(&mut element.key);
            return Ok(None);
        }
        if let Some(frame) = &self.set {
            literal.flags |= frame.info.flags & flags::CONCAT;
        }
        literal.flags |= flags::CONSTANT;
        expr.kind = Kind::SetLiteral(done);
        expr.dtype = self.want.dtype.unwrap_or(Type::Basic(&types::INVALID));
        expr.len = self.want.len;
        Ok(Some(literal))
    }

    fn element(
        &mut self,
        mut element: Expr,
        done: &mut Vec<Expr>,
        literal: &mut Literal,
        want: &Want,
    ) -> Result<()> {
        let span = element.span;
        if !matches!(element.kind, Kind::SetElem(_) | Kind::Mapping(..)) {
            element = wrap_element(element);
        } else if let Kind::Mapping(left, _) = &mut element.kind
            && !matches!(left.kind, Kind::SetElem(_))
        {
            **left = wrap_element(take(left));
        }
        let nested = |expr: &Expr| matches!(&expr.kind, Kind::SetElem(element) if matches!(element.key.kind, Kind::SetLiteral(_)));
        // A set inside a set (mostly from a variable) is as if its elements stood here.
        if nested(&element) {
            if let Kind::SetElem(outer) = element.kind
                && let Kind::SetLiteral(list) = outer.key.kind
            {
                for inner in list {
                    self.element(inner, done, literal, want)?;
                }
            }
            return Ok(());
        }
        if let Kind::Mapping(left, value) = &element.kind
            && nested(left)
        {
            if let Kind::SetElem(outer) = &left.kind
                && let Kind::SetLiteral(list) = &outer.key.kind
            {
                for inner in list {
                    let mapping =
                        Expr::untyped(Kind::Mapping(Box::new(inner.clone()), value.clone()), span);
                    self.element(mapping, done, literal, want)?;
                }
            }
            return Ok(());
        }
        self.want = want.clone();
        self.expr(&mut element)?;
        let key = match &element.kind {
            Kind::Mapping(left, _) => left.as_ref(),
            _ => &element,
        };
        let Kind::SetElem(inner) = &key.kind else {
            return Err(Diagnostic::new(span, "this cannot be an element of a set"));
        };
        if matches!(inner.key.kind, Kind::SetRef(_)) {
            return Err(Diagnostic::new(
                span,
                "a set cannot be an element of another set",
            ));
        }
        if !is_constant(&inner.key) {
            return Err(Diagnostic::new(span, "elements of sets must be constant"));
        }
        if !is_singleton(&inner.key) {
            literal.flags |= flags::INTERVAL;
            if matches!(inner.key.kind, Kind::Concat(_)) {
                literal.flags |= flags::CONCAT;
            }
        }
        done.push(element);
        Ok(())
    }

    pub(super) fn set_elem(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::SetElem(element) = &mut expr.kind else {
            return Ok(());
        };
        if let Some(frame) = &self.set {
            check_statements(frame, element, span)?;
            let key = &frame.info.key;
            self.want = Want {
                key: Some(Rc::new(key.clone())),
                ..Want::of(key.dtype, key.order, key.len)
            };
        }
        self.expr(&mut element.key)?;
        if let Some(frame) = &self.set {
            let plain = frame.info.flags & (flags::ANONYMOUS | flags::INTERVAL) == 0;
            if plain && is_interval_value(&element.key) {
                return Err(Diagnostic::new(
                    element.key.span,
                    format!("the {} `{}` takes no ranges", frame.word(), frame.info.name),
                )
                .help("add `flags interval` to its declaration"));
            }
            if !matches!(element.key.kind, Kind::CatchAll)
                && element.key.dtype.id() != frame.info.key.dtype.id()
            {
                return Err(mismatch(span, frame.info.key.dtype, element.key.dtype));
            }
        }
        expr.dtype = element.key.dtype;
        expr.len = element.key.len;
        Ok(())
    }

    pub(super) fn mapping(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let Kind::Mapping(left, right) = &mut expr.kind else {
            return Ok(());
        };
        let Some(info) = self.set.as_ref().map(|frame| frame.info.clone()) else {
            return Err(Diagnostic::new(
                span,
                "`KEY : VALUE` can only stand in a map",
            ));
        };
        if !info.is_map() {
            return Err(Diagnostic::new(
                span,
                "a set has no values; this needs a map",
            ));
        }
        self.want = Want::of(info.key.dtype, info.key.dtype.order(), info.key.len);
        self.expr(left)?;
        if !is_constant(left) {
            return Err(Diagnostic::new(left.span, "the key must be constant"));
        }
        if info.flags & flags::OBJECT != 0 {
            return match &right.kind {
                Kind::Symbol(name) => {
                    right.kind = Kind::Text(name.clone());
                    Ok(())
                }
                Kind::Text(_) => Ok(()),
                _ => Err(Diagnostic::new(
                    right.span,
                    "expected the name of an object",
                )),
            };
        }
        let Some(data) = &info.data else {
            return Err(Diagnostic::new(span, "the map has no values"));
        };
        let len = if !info.is_anonymous() && info.data_interval {
            data.len / 2
        } else {
            data.len
        };
        self.want = Want {
            key: matches!(data.kind, Kind::Concat(_)).then(|| Rc::new(data.clone())),
            ..Want::of(data.dtype, data.order, len)
        };
        self.expr(right)?;
        if !is_constant(right) {
            return Err(Diagnostic::new(right.span, "the value must be constant"));
        }
        if right.dtype.id() != data.dtype.id() {
            return Err(mismatch(right.span, data.dtype, right.dtype));
        }
        let frame_interval = self.set.as_mut().map(|frame| {
            if info.is_anonymous() && is_interval_value(right) {
                frame.data_interval = true;
            }
            frame.data_interval
        });
        if frame_interval != Some(true) && !is_singleton(right) {
            return Err(Diagnostic::new(
                right.span,
                "the value must be a single one",
            ));
        }
        Ok(())
    }

    pub(super) fn map(&mut self, expr: &mut Expr) -> Result<()> {
        let span = expr.span;
        let outer = std::mem::take(&mut self.want);
        let Kind::Map { key, mappings } = &mut expr.kind else {
            return Ok(());
        };
        self.map_key(key)?;
        match &mut mappings.kind {
            Kind::SetLiteral(_) => {
                let dtype = match outer.dtype {
                    Some(dtype) if dtype.is(&types::INTEGER) => {
                        Type::Integer(outer.order.unwrap_or(Order::Invalid))
                    }
                    Some(dtype) => dtype,
                    None => {
                        return Err(Diagnostic::new(
                            mappings.span,
                            "nothing says of which type the values of this map are",
                        ));
                    }
                };
                let data = if dtype.is(&types::VERDICT) {
                    verdict_template()
                } else {
                    Expr::new(Kind::Value(Num::ZERO), dtype, dtype.order(), outer.len)
                };
                self.map_literal(key, mappings, "__map", flags::MAP, Some(data), None)?;
            }
            Kind::SetName(_) => {
                self.expr(mappings)?;
            }
            Kind::SetRef(_) => {}
            _ => return Err(Diagnostic::new(mappings.span, "expected a map")),
        }
        let Kind::SetRef(SetRef { set, .. }) = &mappings.kind else {
            return Err(Diagnostic::new(mappings.span, "expected a map"));
        };
        let set = set.clone();
        if set.flags & flags::MAP == 0 {
            return Err(Diagnostic::new(
                mappings.span,
                format!("`{}` is not a map of values", set.name),
            ));
        }
        self.map_sides(key, &set)?;
        expr.dtype = set.data.as_ref().map_or(expr.dtype, |data| data.dtype);
        expr.order = set.data.as_ref().map_or(expr.order, |data| data.order);
        expr.len = set.data.as_ref().map_or(expr.len, |data| data.len);
        expr.span = span;
        Ok(())
    }

    pub(in crate::lang::nft::compile) fn map_key(&mut self, key: &mut Expr) -> Result<()> {
        let no_family = |expr: &Expr| {
            matches!(
                expr.kind,
                Kind::Ct {
                    key: keys::ct::SRC | keys::ct::DST,
                    ..
                }
            )
        };
        if no_family(key) {
            return Err(ct_without_family(key.span));
        }
        self.want = Want::default();
        self.expr(key)?;
        if is_constant(key) {
            return Err(Diagnostic::new(
                key.span,
                "the key of a map must depend on the packet",
            ));
        }
        Ok(())
    }

    /// Elements of a map that is written in a rule.
    pub(in crate::lang::nft::compile) fn map_literal(
        &mut self,
        key: &mut Expr,
        mappings: &mut Expr,
        name: &str,
        kind: u32,
        data: Option<Expr>,
        object_type: Option<u32>,
    ) -> Result<()> {
        let span = mappings.span;
        let template = match self.want.key.as_deref() {
            Some(key) if matches!(key.kind, Kind::Concat(_)) => key.clone(),
            _ => Expr::new(
                Kind::Value(Num::ZERO),
                self.want.dtype.unwrap_or(key.dtype),
                self.want.order.unwrap_or(key.order),
                self.want.len,
            ),
        };
        let info = self.declare_anonymous(name, &template, data, kind, object_type, span)?;
        let outer = self.set.replace(SetFrame::new(&info));
        let literal = self.set_literal(mappings);
        let frame = std::mem::replace(&mut self.set, outer);
        let literal = literal?.unwrap_or_default();
        let Kind::SetLiteral(elements) = &mut mappings.kind else {
            return Err(Diagnostic::new(span, "expected `KEY : VALUE`"));
        };
        let elements = std::mem::take(elements);
        if elements.is_empty() {
            return Err(Diagnostic::new(span, "the map is empty"));
        }
        if let Some(plain) = elements
            .iter()
            .find(|element| !matches!(element.kind, Kind::Mapping(..)))
        {
            return Err(Diagnostic::new(plain.span, "a map needs `KEY : VALUE`"));
        }
        let mut info = (*info).clone();
        info.flags |= literal.flags;
        info.data_interval = frame.is_some_and(|frame| frame.data_interval);
        let elements = self.intervals_of(&Rc::new(info.clone()), elements, span)?;
        self.want = Want::of(info.key.dtype, info.key.dtype.order(), info.key.len);
        let mut reference = set_ref(Rc::new(info.clone()), Some(elements)).at(span);
        self.transfer_sides(key, &mut reference)?;
        if let Some(data) = &mut info.data
            && info.data_interval
        {
            data.len *= 2;
        }
        info.key.len = self.want.len;
        if let Kind::SetRef(reference) = &mut reference.kind {
            reference.set = Rc::new(info);
        }
        *mappings = reference;
        Ok(())
    }

    pub(in crate::lang::nft::compile) fn map_sides(
        &mut self,
        key: &mut Expr,
        set: &SetInfo,
    ) -> Result<()> {
        if key.dtype.id() != set.key.dtype.id() {
            return Err(mismatch(key.span, set.key.dtype, key.dtype));
        }
        if set.flags & flags::INTERVAL != 0 {
            self.convert(key, Order::Big)?;
        }
        Ok(())
    }

    /// A set that belongs to this rule; the kernel will name it.
    pub(in crate::lang::nft::compile) fn declare_anonymous(
        &mut self,
        name: &str,
        key: &Expr,
        data: Option<Expr>,
        set_flags: u32,
        object_type: Option<u32>,
        _span: Span,
    ) -> Result<Rc<SetInfo>> {
        let mut key = key.clone();
        if set_flags & flags::MAP != 0 && key.dtype.is(&types::INTEGER) {
            key.dtype = Type::Integer(key.order);
        }
        let id = self.world.next_id();
        Ok(Rc::new(anonymous_set(
            name,
            id,
            key,
            data,
            set_flags,
            object_type,
        )))
    }

    /// Elements of an interval set as sorted ranges; the others as they are.
    pub(in crate::lang::nft::compile) fn intervals_of(
        &mut self,
        info: &Rc<SetInfo>,
        elements: Vec<Expr>,
        span: Span,
    ) -> Result<Vec<Expr>> {
        if info.flags & flags::INTERVAL == 0 || matches!(info.key.kind, Kind::Concat(_)) {
            return Ok(elements);
        }
        let mut ranges = interval::to_ranges(elements);
        interval::sort(&mut ranges);
        if info.is_map() {
            interval::check_overlap(&ranges, &[], span)?;
            Ok(ranges)
        } else {
            Ok(interval::merge(ranges))
        }
    }
}

fn ct_without_family(span: Span) -> Diagnostic {
    Diagnostic::new(span, "the IP version is not known here")
        .help("write `ct original ip saddr` or `ct original ip6 saddr`")
}

fn wrap_element(expr: Expr) -> Expr {
    let span = expr.span;
    let inner = SetElem::new(expr);
    Expr::untyped(Kind::SetElem(Box::new(inner)), span)
}

pub fn verdict_template() -> Expr {
    Expr::new(
        Kind::Verdict(crate::model::Verdict::Accept),
        Type::Basic(&types::VERDICT),
        Order::Invalid,
        0,
    )
}

fn check_statements(frame: &SetFrame, element: &SetElem, span: Span) -> Result<()> {
    if element.stmts.is_empty() {
        return Ok(());
    }
    let given = stateful_names(&element.stmts);
    if frame.statements.is_empty() {
        if frame.info.flags & flags::EVAL == 0 {
            return Err(Diagnostic::new(
                span,
                format!("the {} declares no `{}`", frame.word(), given.join(" ")),
            )
            .help("declare it in the set, and its elements may carry it"));
        }
        return Ok(());
    }
    if given != frame.statements {
        return Err(Diagnostic::new(
            span,
            format!(
                "the {} declares `{}`, the element has `{}`",
                frame.word(),
                frame.statements.join(" "),
                given.join(" ")
            ),
        ));
    }
    Ok(())
}
