//! The JSON schema of libnftables (`nft -j`): `expr` and `stmt` write rules, this file everything around them.
//!
//! Where libnftables has no JSON for a statement it writes the statement's text as a string; so does this.

mod expr;
mod stmt;

use super::ast::SetInfo;
use super::chain;
use super::delinearize::{self, TableView, element_expressions, userdata_comment};
use super::print::{Options, Printer, data_unit, object_kind, time_unit, timeout_states};
use crate::lang::Names;
use crate::model::ruleset::table_flags;
use crate::model::set::flags;
use crate::model::{
    Chain, Elements, Family, Flowtable, Object, ObjectData, Policy, Rule, Ruleset, Set, Table,
};
use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Value, json};
use std::io;

/// Writes the JSON of one table's parts.
pub struct Writer<'p> {
    names: &'p Names,
    view: &'p TableView,
    stateless: bool,
    /// Numbers instead of protocol names, as inside ranges.
    numeric: bool,
}

/// Write a ruleset as `nft -j list ruleset` does, an item at a time.
pub fn ruleset(
    ruleset: &Ruleset,
    names: &Names,
    options: Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    out.write_all(b"{\"nftables\": [")?;
    let about = json!({"metainfo": {
        "version": env!("CARGO_PKG_VERSION"),
        "release_name": "hookscope",
        "json_schema_version": 1,
    }});
    write(&about, out)?;
    for table in &ruleset.tables {
        let view = TableView::new(table);
        let mut writer = Writer {
            names,
            view: &view,
            stateless: options.stateless,
            numeric: false,
        };
        writer.table(options, &mut |item| {
            out.write_all(b", ")?;
            write(&item, out)
        })?;
    }
    out.write_all(b"]}\n")
}

/// Spaces where jansson puts them.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

fn write(value: &Value, out: &mut dyn io::Write) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(out, Spaced);
    value.serialize(&mut serializer).map_err(io::Error::from)
}

/// An object of one entry.
fn one(key: &str, value: impl Into<Value>) -> Value {
    let mut map = Map::new();
    map.insert(key.to_owned(), value.into());
    Value::Object(map)
}

/// Several words as an array, one by itself; nothing for none.
fn put_words(map: &mut Map<String, Value>, key: &str, mut words: Vec<Value>) {
    match words.len() {
        0 => {}
        1 => {
            map.insert(key.to_owned(), words.swap_remove(0));
        }
        _ => {
            map.insert(key.to_owned(), Value::Array(words));
        }
    }
}

type Sink<'s> = dyn FnMut(Value) -> io::Result<()> + 's;

impl Writer<'_> {
    fn table(&mut self, options: Options, out: &mut Sink<'_>) -> io::Result<()> {
        let table: &Table = &self.view.table;
        let mut map = Map::new();
        map.insert("family".into(), table.family.name().into());
        map.insert("name".into(), (*table.name).into());
        map.insert("handle".into(), table.handle.into());
        let mut words = Vec::new();
        for (flag, name) in [
            (table_flags::DORMANT, "dormant"),
            (table_flags::OWNER, "owner"),
            (table_flags::PERSIST, "persist"),
        ] {
            if table.flags & flag != 0 {
                words.push(name.into());
            }
        }
        put_words(&mut map, "flags", words);
        out(one("table", map))?;
        for object in &table.objects {
            out(self.object(object))?;
        }
        for set in table.sets.iter().filter(|set| !set.is_anonymous()) {
            if let Some(info) = self.view.set_info(set) {
                let item = self.set(set, &info, options);
                out(item)?;
            }
        }
        for flowtable in &table.flowtables {
            out(self.flowtable(flowtable))?;
        }
        let chains = || table.chains.iter().filter(|chain| !chain.is_binding());
        for chain in chains() {
            out(self.chain(chain))?;
        }
        for chain in chains() {
            for rule in chain.rules.iter() {
                let item = self.rule(chain, rule);
                out(item)?;
            }
        }
        Ok(())
    }

    /// The entries that all parts of a table begin with.
    fn head(&self, name: &str, handle: u64) -> Map<String, Value> {
        let table = &self.view.table;
        let mut map = Map::new();
        map.insert("family".into(), table.family.name().into());
        map.insert("name".into(), name.into());
        map.insert("table".into(), (*table.name).into());
        map.insert("handle".into(), handle.into());
        map
    }

    fn rule(&mut self, chain: &Chain, rule: Rule<'_>) -> Value {
        let table = &self.view.table;
        let mut map = Map::new();
        map.insert("family".into(), table.family.name().into());
        map.insert("table".into(), (*table.name).into());
        map.insert("chain".into(), (*chain.name).into());
        map.insert("handle".into(), rule.handle.into());
        match delinearize::rule(self.view, rule) {
            Ok(text) => {
                if let Some(comment) = text.comment {
                    map.insert("comment".into(), comment.into());
                }
                let stmts: Vec<Value> = text.stmts.iter().map(|stmt| self.stmt(stmt)).collect();
                if !stmts.is_empty() {
                    map.insert("expr".into(), stmts.into());
                }
            }
            Err(error) => {
                map.insert("unreadable".into(), error.to_string().into());
            }
        }
        one("rule", map)
    }

    fn chain(&self, chain: &Chain) -> Value {
        let mut map = self.head(&chain.name, chain.handle);
        if let Some(base) = &chain.base {
            let family = self.view.family();
            map.insert("type".into(), (*base.kind).into());
            map.insert("hook".into(), chain::hook_name(family, base.hook).into());
            map.insert("prio".into(), base.priority.into());
            if let Some(policy) = base.policy {
                let policy = match policy {
                    Policy::Accept => "accept",
                    Policy::Drop => "drop",
                    Policy::Unknown(_) => "unknown",
                };
                map.insert("policy".into(), policy.into());
            }
        }
        one("chain", map)
    }

    fn set(&mut self, set: &Set, info: &SetInfo, options: Options) -> Value {
        let mut map = Map::new();
        let table = &self.view.table;
        map.insert("family".into(), table.family.name().into());
        map.insert("name".into(), (*set.name).into());
        map.insert("table".into(), (*table.name).into());
        map.insert("type".into(), type_words(&info.key.dtype.name()));
        map.insert("handle".into(), set.handle.into());
        if let Some(comment) = &info.comment {
            map.insert("comment".into(), comment.clone().into());
        }
        let word = if info.is_map() {
            let data = match (&info.data, set.has(flags::OBJECT)) {
                (_, true) => object_kind(info.object_type.unwrap_or(0)).to_owned(),
                (Some(data), false) => data.dtype.name(),
                (None, false) => "unknown".to_owned(),
            };
            map.insert("map".into(), data.into());
            "map"
        } else if info.is_meter() {
            "meter"
        } else {
            "set"
        };
        if !set.has(flags::CONSTANT) {
            if set.policy == Some(1) {
                map.insert("policy".into(), "memory".into());
            }
            if let Some(size) = set.size.filter(|size| *size > 0) {
                map.insert("size".into(), size.into());
            }
        }
        let words: Vec<Value> = [
            (flags::CONSTANT, "constant"),
            (flags::INTERVAL, "interval"),
            (flags::TIMEOUT, "timeout"),
        ]
        .into_iter()
        .filter(|(flag, _)| set.has(*flag))
        .map(|(_, name)| name.into())
        .collect();
        if !words.is_empty() {
            map.insert("flags".into(), words.into());
        }
        if let Some(timeout) = set.timeout.filter(|timeout| *timeout > 0) {
            map.insert("timeout".into(), (timeout / 1000).into());
        }
        if let Some(interval) = set.gc_interval.filter(|interval| *interval > 0) {
            map.insert("gc-interval".into(), (interval / 1000).into());
        }
        if let (false, Elements::Read(list)) = (options.terse, &set.elements) {
            let elements: Vec<Value> = element_expressions(self.view, info, list)
                .iter()
                .map(|element| self.expr(element))
                .collect();
            if !elements.is_empty() {
                map.insert("elem".into(), elements.into());
            }
        }
        if !set.expressions.is_empty() {
            let stmts: Vec<_> = set
                .expressions
                .iter()
                .filter_map(|expression| delinearize::stateful(self.view, expression))
                .collect();
            map.insert("stmt".into(), self.stateless_stmts(&stmts));
        }
        one(word, map)
    }

    fn flowtable(&self, flowtable: &Flowtable) -> Value {
        let mut map = self.head(&flowtable.name, flowtable.handle);
        map.insert(
            "hook".into(),
            chain::hook_name(Family::Netdev, flowtable.hook).into(),
        );
        map.insert("prio".into(), flowtable.priority.into());
        let mut devices: Vec<&str> = flowtable.devices.iter().map(|name| &**name).collect();
        devices.sort_unstable();
        put_words(
            &mut map,
            "dev",
            devices.into_iter().map(Value::from).collect(),
        );
        one("flowtable", map)
    }

    fn object(&self, object: &Object) -> Value {
        let mut map = self.head(&object.name, object.handle);
        if let Some(comment) = userdata_comment(&object.userdata) {
            map.insert("comment".into(), comment.into());
        }
        let mut put = |key: &str, value: Value| {
            map.insert(key.to_owned(), value);
        };
        match &object.data {
            ObjectData::Counter(counter) => {
                put("packets", counter.packets.into());
                put("bytes", counter.bytes.into());
            }
            ObjectData::Quota(quota) => {
                put("bytes", quota.bytes.into());
                put("used", quota.consumed.into());
                put("inv", (quota.flags & 1 != 0).into());
            }
            ObjectData::Secmark { context } => put("context", context.clone().into()),
            ObjectData::CtHelper {
                name,
                l3proto,
                l4proto,
            } => {
                put("type", (**name).into());
                put("protocol", self.protocol(*l4proto));
                put("l3proto", family_name(*l3proto).into());
            }
            ObjectData::CtTimeout {
                l3proto,
                l4proto,
                policy,
            } => {
                put("protocol", self.protocol(*l4proto));
                put("l3proto", family_name(*l3proto).into());
                put("policy", timeout_policy(*l4proto, policy));
            }
            ObjectData::CtExpectation {
                l3proto,
                l4proto,
                dport,
                timeout,
                size,
            } => {
                put("protocol", self.protocol(*l4proto));
                put("dport", (*dport).into());
                put("timeout", (*timeout).into());
                put("size", (*size).into());
                put("l3proto", family_name(*l3proto).into());
            }
            ObjectData::Limit(limit) => {
                let (mut rate, mut burst) = (limit.rate, u64::from(limit.burst));
                let mut units = None;
                if limit.kind == 1 {
                    let (amount, rate_unit) = data_unit(rate);
                    let (burst_amount, burst_unit) = data_unit(burst);
                    (rate, burst) = (amount, burst_amount);
                    units = Some((rate_unit, burst_unit));
                }
                put("rate", rate.into());
                put("per", time_unit(limit.unit).into());
                if limit.flags & 1 != 0 {
                    put("inv", true.into());
                }
                if let Some((unit, _)) = units {
                    put("rate_unit", unit.into());
                }
                if burst > 0 {
                    put("burst", burst.into());
                    if let Some((_, unit)) = units {
                        put("burst_unit", unit.into());
                    }
                }
            }
            ObjectData::Synproxy(synproxy) => {
                put("mss", synproxy.mss.into());
                put("wscale", synproxy.wscale.into());
                let words = stmt::synproxy_flags(synproxy.flags);
                if !words.is_empty() {
                    put("flags", words.into());
                }
            }
            // Without JSON in nft 1.0.6: what the kernel has, by the names of its attributes.
            ObjectData::Connlimit { count, flags } => {
                put("val", (*count).into());
                if flags & 1 != 0 {
                    put("inv", true.into());
                }
            }
            ObjectData::Tunnel(tunnel) => put("id", tunnel.id.into()),
            ObjectData::Unknown { why } => put("unknown", why.clone().into()),
        }
        one(object_kind(object.kind), map)
    }

    fn protocol(&self, number: u8) -> Value {
        match self.names.protocols.get(&number) {
            Some(name) => name.clone().into(),
            None => number.into(),
        }
    }

    /// The text of a statement, for those without a JSON form.
    fn text_of(&self, stmt: &super::ast::Stmt) -> Value {
        let mut printer = Printer::new(self.names, self.view, self.stateless);
        printer.stmt(stmt);
        Value::String(printer.out)
    }
}

/// One type by itself, those of a concatenation as an array.
fn type_words(name: &str) -> Value {
    let mut words: Vec<Value> = name
        .split([' ', '.'])
        .filter(|word| !word.is_empty())
        .map(Value::from)
        .collect();
    if words.len() == 1 {
        words.swap_remove(0)
    } else {
        Value::Array(words)
    }
}

fn timeout_policy(l4proto: u8, policy: &[(u16, u32)]) -> Value {
    let mut map = Map::new();
    for (index, (name, default)) in timeout_states(l4proto).iter().enumerate() {
        if let Some((_, seconds)) = policy
            .iter()
            .find(|(state, _)| usize::from(*state) == index + 1)
            && seconds != default
        {
            map.insert((*name).to_owned(), (*seconds).into());
        }
    }
    if map.is_empty() {
        Value::Null
    } else {
        Value::Object(map)
    }
}

fn family_name(family: u16) -> &'static str {
    u8::try_from(family).map_or("unknown", |family| Family::from_wire(family).name())
}
