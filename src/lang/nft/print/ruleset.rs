//! Tables with everything in them, as `nft list ruleset` lays them out.

use super::super::delinearize::{self, TableView, userdata_comment};
use super::stmt::object_kind;
use super::value::has_name;
use super::{Printer, duration, put};
use crate::lang::Names;
use crate::lang::nft::{chain, delinearize::element_expressions};
use crate::model::ruleset::{chain_flags, table_flags};
use crate::model::set::flags;
use crate::model::{
    Chain, Elements, Family, Flowtable, Object, ObjectData, Policy, Rule, Ruleset, Set, Table,
};
use std::io;

/// The options of `nft list ruleset`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// `-a`
    pub handles: bool,
    /// `-s`
    pub stateless: bool,
    /// `-t`
    pub terse: bool,
}

/// Write a ruleset; a table at a time reaches `out`.
pub fn ruleset(
    ruleset: &Ruleset,
    names: &Names,
    options: Options,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for table in &ruleset.tables {
        let view = TableView::new(table);
        let mut printer = Printer::new(names, &view, options.stateless);
        printer.table(options, out)?;
        printer.flush(out)?;
    }
    Ok(())
}

/// Text is handed on when so many bytes have gathered.
const CHUNK: usize = 1 << 20;

/// The words for a table's flags.
pub(super) fn flag_words(flags: u32) -> Vec<&'static str> {
    let words = [
        (table_flags::DORMANT, "dormant"),
        (table_flags::OWNER, "owner"),
        // nft 1.1.1
        (table_flags::PERSIST, "persist"),
    ];
    let set = words.into_iter().filter(|(flag, _)| flags & flag != 0);
    set.map(|(_, word)| word).collect()
}

impl Printer<'_> {
    fn flush(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        if self.out.is_ascii() {
            out.write_all(self.out.as_bytes())?;
        } else {
            out.write_all(&crate::model::text::to_bytes(&self.out))?;
        }
        self.out.clear();
        Ok(())
    }

    fn table(&mut self, options: Options, out: &mut dyn io::Write) -> io::Result<()> {
        let table: &Table = &self.view.table;
        put!(self, "table {} {} {{", table.family, table.name);
        let owned = table.flags & table_flags::OWNER != 0;
        if options.handles || owned {
            self.put(" #");
        }
        if options.handles {
            put!(self, " handle {}", table.handle);
        }
        if owned {
            let name = table.owner.and_then(|port| self.names.processes.get(&port));
            put!(self, " progname {}", name.map_or("(null)", String::as_str));
        }
        self.put("\n");
        let mut delimiter = "";
        if table.flags != 0 {
            put!(self, "\tflags {}", flag_words(table.flags).join(","));
            self.put("\n");
            delimiter = "\n";
        }
        if let Some(comment) = userdata_comment(&table.userdata) {
            put!(self, "\tcomment \"{comment}\"\n");
        }
        for object in &table.objects {
            self.put(delimiter);
            self.object(object, options);
            delimiter = "\n";
        }
        for set in table.sets.iter().filter(|set| !set.is_anonymous()) {
            self.put(delimiter);
            self.set(set, options);
            delimiter = "\n";
            self.flush(out)?;
        }
        for flowtable in &table.flowtables {
            self.put(delimiter);
            self.flowtable(flowtable, options);
            delimiter = "\n";
        }
        for chain in table.chains.iter().filter(|chain| !chain.is_binding()) {
            self.put(delimiter);
            self.chain(chain, options, out)?;
            delimiter = "\n";
        }
        self.put("}\n");
        Ok(())
    }

    fn handle(&mut self, handle: u64, options: Options) {
        if options.handles {
            put!(self, " # handle {handle}");
        }
    }

    fn chain(
        &mut self,
        chain: &Chain,
        options: Options,
        out: &mut dyn io::Write,
    ) -> io::Result<()> {
        put!(self, "\tchain {} {{", chain.name);
        self.handle(chain.handle, options);
        if let Some(comment) = userdata_comment(&chain.userdata) {
            put!(self, "\n\t\tcomment \"{comment}\"");
        }
        self.put("\n");
        self.base_chain(chain);
        for rule in chain.rules.iter() {
            self.put("\t\t");
            self.rule(rule, options.handles);
            self.put("\n");
            if self.out.len() > CHUNK {
                self.flush(out)?;
            }
        }
        self.put("\t}\n");
        Ok(())
    }

    pub(super) fn base_chain(&mut self, chain: &Chain) {
        let Some(base) = &chain.base else { return };
        let family = self.view.family();
        put!(
            self,
            "\t\ttype {} hook {}",
            base.kind,
            chain::hook_name(family, base.hook)
        );
        let mut devices: Vec<&str> = base.devices.iter().map(|name| &**name).collect();
        devices.sort_unstable();
        match devices.as_slice() {
            [] => {}
            [device] => put!(self, " device \"{device}\""),
            several => put!(self, " devices = {{ {} }}", several.join(", ")),
        }
        put!(
            self,
            " priority {};",
            chain::priority_text(family, base.hook, base.priority)
        );
        if let Some(policy) = base.policy {
            let policy = match policy {
                Policy::Accept => "accept",
                Policy::Drop => "drop",
                Policy::Unknown(_) => "unknown",
            };
            put!(self, " policy {policy};");
        }
        if chain.flags & chain_flags::HW_OFFLOAD != 0 {
            self.put(" flags offload;");
        }
        self.put("\n");
    }

    /// One rule, without indentation and line end.
    pub fn rule(&mut self, rule: Rule<'_>, handle: bool) {
        match delinearize::rule(self.view, rule) {
            Ok(text) => {
                for (n, stmt) in text.stmts.iter().enumerate() {
                    if n > 0 {
                        self.put(" ");
                    }
                    self.stmt(stmt);
                }
                if let Some(comment) = &text.comment {
                    put!(self, " comment \"{comment}\"");
                }
            }
            Err(error) => put!(self, "# unreadable rule ({error})"),
        }
        if handle {
            put!(self, " # handle {}", rule.handle);
        }
    }

    pub(super) fn set(&mut self, set: &Set, options: Options) {
        let Some(info) = self.view.set_info(set) else {
            put!(self, "\tset {} {{\n", set.name);
            put!(
                self,
                "\t\t# unknown types: key {} data {:?}\n\t}}\n",
                set.key_type,
                set.data_type
            );
            return;
        };
        let word = if info.is_meter() {
            "meter"
        } else if info.is_map() {
            "map"
        } else {
            "set"
        };
        put!(self, "\t{word} {} {{", set.name);
        self.handle(set.handle, options);
        self.put("\n\t\t");
        self.set_types(&info);
        self.put("\n");
        if !set.has(flags::CONSTANT) {
            // NFT_SET_POL_MEMORY
            if set.policy == Some(1) {
                self.put("\t\tpolicy memory\n");
            }
            if let Some(size) = set.size.filter(|size| *size > 0) {
                put!(self, "\t\tsize {size}\n");
            }
        }
        self.set_flags(set);
        if !set.expressions.is_empty() {
            self.put("\t\t");
            let outer = std::mem::replace(&mut self.stateless, true);
            for (n, expression) in set.expressions.iter().enumerate() {
                if n > 0 {
                    self.put(" ");
                }
                if let Some(stmt) = delinearize::stateful(self.view, expression) {
                    self.stmt(&stmt);
                }
            }
            self.stateless = outer;
            self.put("\n");
        }
        if info.auto_merge {
            self.put("\t\tauto-merge\n");
        }
        if let Some(timeout) = set.timeout.filter(|timeout| *timeout > 0) {
            put!(self, "\t\ttimeout {}\n", duration(timeout));
        }
        if let Some(interval) = set.gc_interval.filter(|interval| *interval > 0) {
            put!(self, "\t\tgc-interval {}\n", duration(u64::from(interval)));
        }
        if let Some(comment) = &info.comment {
            put!(self, "\t\tcomment \"{comment}\"\n");
        }
        let hidden = (info.is_meter() && options.stateless) || options.terse;
        if let (false, Elements::Read(list)) = (hidden, &set.elements) {
            let elements = element_expressions(self.view, &info, list);
            if !elements.is_empty() {
                self.put("\t\telements = ");
                self.elements(&info, &elements);
                self.put("\n");
            }
        }
        self.put("\t}\n");
    }

    /// `type ipv4_addr : verdict`, `typeof ip saddr : ...`
    pub fn set_types(&mut self, info: &super::super::ast::SetInfo) {
        self.put(if info.typeof_key { "typeof " } else { "type " });
        self.set_type(info, &info.key);
        if info.flags & flags::MAP != 0 {
            if let Some(data) = &info.data {
                self.put(" : ");
                if info.data_interval {
                    self.put("interval ");
                }
                self.set_type(info, data);
            }
        } else if info.flags & flags::OBJECT != 0 {
            put!(self, " : {}", object_kind(info.object_type.unwrap_or(0)));
        }
    }

    fn set_type(&mut self, info: &super::super::ast::SetInfo, expr: &super::super::ast::Expr) {
        if !info.typeof_key && has_name(expr.dtype) {
            let name = expr.dtype.name();
            self.put(&name);
        } else {
            self.expr(expr);
        }
    }

    fn set_flags(&mut self, set: &Set) {
        let mut shown = set.flags;
        if set.timeout.is_some_and(|timeout| timeout > 0) {
            shown &= !flags::TIMEOUT;
        }
        let all = [
            (flags::CONSTANT, "constant"),
            (flags::EVAL, "dynamic"),
            (flags::INTERVAL, "interval"),
            (flags::TIMEOUT, "timeout"),
        ];
        if all.iter().all(|(flag, _)| shown & flag == 0) {
            return;
        }
        self.put("\t\tflags ");
        let mut comma = "";
        for (flag, name) in all {
            // A default timeout makes the flag redundant, but where other flags are written it is written too.
            if set.flags & flag != 0 {
                put!(self, "{comma}{name}");
                comma = ",";
            }
        }
        self.put("\n");
    }

    pub(super) fn flowtable(&mut self, flowtable: &Flowtable, options: Options) {
        put!(self, "\tflowtable {} {{", flowtable.name);
        self.handle(flowtable.handle, options);
        put!(
            self,
            "\n\t\thook {} priority {}\n",
            chain::hook_name(Family::Netdev, flowtable.hook),
            chain::priority_text(Family::Netdev, flowtable.hook, flowtable.priority)
        );
        if !flowtable.devices.is_empty() {
            let mut devices: Vec<&str> = flowtable.devices.iter().map(|name| &**name).collect();
            devices.sort_unstable();
            put!(self, "\t\tdevices = {{ {} }}\n", devices.join(", "));
        }
        if flowtable.flags & 1 != 0 {
            self.put("\t\tflags offload\n");
        }
        if flowtable.flags & 2 != 0 {
            self.put("\t\tcounter\n");
        }
        self.put("\t}\n");
    }

    pub(super) fn object(&mut self, object: &Object, options: Options) {
        put!(self, "\t{} {} {{", object_kind(object.kind), object.name);
        self.handle(object.handle, options);
        if let Some(comment) = userdata_comment(&object.userdata) {
            put!(self, "\n\t\tcomment \"{comment}\"");
        }
        match &object.data {
            ObjectData::Counter(counter) => {
                if !self.stateless {
                    put!(
                        self,
                        "\n\t\tpackets {} bytes {}",
                        counter.packets,
                        counter.bytes
                    );
                }
                self.put("\n");
            }
            ObjectData::Quota(quota) => {
                self.put("\n\t\t");
                self.quota(quota);
                self.put("\n");
            }
            ObjectData::Limit(limit) => {
                self.put("\n\t\t");
                self.limit(limit);
                self.put("\n");
            }
            ObjectData::Connlimit { count, flags } => {
                put!(
                    self,
                    "\n\t\t{}{count}\n",
                    if *flags != 0 { "over " } else { "" }
                );
            }
            ObjectData::Secmark { context } => put!(self, "\n\t\t\"{context}\"\n"),
            ObjectData::CtHelper {
                name,
                l3proto,
                l4proto,
            } => {
                put!(self, "\n\t\ttype \"{name}\" protocol ");
                self.protocol(*l4proto);
                put!(self, "\n\t\tl3proto {}\n", family_name(*l3proto));
            }
            ObjectData::CtTimeout {
                l3proto,
                l4proto,
                policy,
            } => {
                self.put("\n\t\tprotocol ");
                self.protocol(*l4proto);
                put!(self, "\n\t\tl3proto {}\n", family_name(*l3proto));
                self.timeout_policy(*l4proto, policy);
            }
            ObjectData::CtExpectation {
                l3proto,
                l4proto,
                dport,
                timeout,
                size,
            } => {
                self.put("\n\t\tprotocol ");
                self.protocol(*l4proto);
                put!(
                    self,
                    "\n\t\tdport {dport}\n\t\ttimeout {}\n\t\tsize {size}\n\t\tl3proto {}\n",
                    duration(u64::from(*timeout)),
                    family_name(*l3proto)
                );
            }
            ObjectData::Synproxy(synproxy) => {
                if synproxy.flags & 1 != 0 {
                    put!(self, "\n\t\tmss {}", synproxy.mss);
                }
                if synproxy.flags & 2 != 0 {
                    put!(self, "\n\t\twscale {}", synproxy.wscale);
                }
                if synproxy.flags & 12 != 0 {
                    let timestamp = if synproxy.flags & 8 != 0 {
                        "timestamp"
                    } else {
                        ""
                    };
                    let sack = if synproxy.flags & 4 != 0 {
                        "sack-perm"
                    } else {
                        ""
                    };
                    put!(self, "\n\t\t{timestamp} {sack}");
                }
                self.put("\n");
            }
            ObjectData::Tunnel(tunnel) => self.tunnel(tunnel),
            ObjectData::Unknown { why } => put!(self, "\n\t\t# unknown ({why})\n"),
        }
        self.put("\t}\n");
    }

    /// nft 1.1.4
    fn tunnel(&mut self, tunnel: &crate::model::object::Tunnel) {
        put!(self, "\n\t\tid {}\n", tunnel.id);
        let address = |bytes: &[u8]| match *bytes {
            [a, b, c, d] => std::net::Ipv4Addr::new(a, b, c, d).to_string(),
            _ => <[u8; 16]>::try_from(bytes)
                .map(|bytes| std::net::Ipv6Addr::from(bytes).to_string())
                .unwrap_or_default(),
        };
        for (word, pair) in [("ip", &tunnel.ip), ("ip6", &tunnel.ip6)] {
            if let Some((src, dst)) = pair {
                put!(
                    self,
                    "\t\t{word} saddr {}\n\t\t{word} daddr {}\n",
                    address(src),
                    address(dst)
                );
            }
        }
        if let Some(sport) = tunnel.sport {
            put!(self, "\t\tsport {sport}\n");
        }
        if let Some(dport) = tunnel.dport {
            put!(self, "\t\tdport {dport}\n");
        }
        if let Some(tos) = tunnel.tos {
            put!(self, "\t\ttos {tos}\n");
        }
        if let Some(ttl) = tunnel.ttl {
            put!(self, "\t\tttl {ttl}\n");
        }
        if !tunnel.options.is_empty() {
            self.put("\t\t# options 0x");
            for byte in &tunnel.options {
                put!(self, "{byte:02x}");
            }
            self.put("\n");
        }
    }

    fn protocol(&mut self, number: u8) {
        match self.names.protocols.get(&number) {
            Some(name) => self.out.push_str(name),
            None => put!(self, "{number}"),
        }
    }

    fn timeout_policy(&mut self, l4proto: u8, policy: &[(u16, u32)]) {
        self.put("\t\tpolicy = { ");
        let states = timeout_states(l4proto);
        let mut comma = "";
        for (index, (name, default)) in states.iter().enumerate() {
            // CTA_TIMEOUT_*: numbered from 1
            let Some((_, seconds)) = policy
                .iter()
                .find(|(state, _)| usize::from(*state) == index + 1)
            else {
                continue;
            };
            if seconds != default {
                put!(self, "{comma}{name} : {seconds}");
                comma = ", ";
            }
        }
        self.put(" }\n");
    }
}

fn family_name(family: u16) -> &'static str {
    u8::try_from(family).map_or("unknown", |family| Family::from_wire(family).name())
}

/// States of a protocol in the order of `CTA_TIMEOUT_*`, with the seconds that nft does not write.
pub fn timeout_states(l4proto: u8) -> &'static [(&'static str, u32)] {
    match l4proto {
        6 => &[
            ("syn_sent", 120),
            ("syn_recv", 60),
            ("established", 432_000),
            ("fin_wait", 120),
            ("close_wait", 60),
            ("last_ack", 30),
            ("time_wait", 120),
            ("close", 10),
            ("syn_sent2", 120),
            ("retrans", 300),
            ("unack", 300),
        ],
        17 => &[("unreplied", 30), ("replied", 120)],
        _ => &[],
    }
}
