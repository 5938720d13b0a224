//! Names of routing tables, protocols, scopes, realms and so on: iproute2's built-in ones and those of its
//! configuration files, whose text the caller reads.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Numbers and their names, oldest first; a later name of a number replaces an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameTable(Vec<(u32, String)>);

impl NameTable {
    fn of(names: &[(u32, &str)]) -> NameTable {
        NameTable(
            names
                .iter()
                .map(|(id, name)| (*id, (*name).to_owned()))
                .collect(),
        )
    }

    pub fn name(&self, id: u32) -> Option<&str> {
        let found = self.0.iter().rev().find(|(other, _)| *other == id);
        found.map(|(_, name)| name.as_str())
    }

    /// Of two tables with one name, the one with the lower low byte, as iproute2 finds it.
    pub fn number(&self, name: &str) -> Option<u32> {
        let found = self.0.iter().rev().filter(|(_, other)| other == name);
        found.map(|(id, _)| *id).min_by_key(|id| id & 255)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u32, &str)> {
        self.0.iter().map(|(id, name)| (*id, name.as_str()))
    }

    /// Add the lines of a file: a number (decimal, or hexadecimal after `0x`), a name, and anything after it;
    /// `#` starts a comment. Like iproute2, stops at the first line that is not of this form.
    pub fn add_file(&mut self, text: &str, most: u32) {
        for line in text.lines() {
            let line = line.trim_start_matches([' ', '\t']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.split_whitespace();
            let (Some(number), Some(name)) = (words.next(), words.next()) else {
                return;
            };
            let id = match number.strip_prefix("0x") {
                Some(digits) => i64::from_str_radix(digits, 16),
                None => number.parse(),
            };
            match id {
                Ok(id) => {
                    if let Ok(id) = u32::try_from(id)
                        && id <= most
                    {
                        self.0.push((id, name.to_owned()));
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Add the lines of `/etc/protocols`: a name, a number, aliases.
    pub fn add_protocols(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            if let (Some(name), Some(Ok(id))) = (words.next(), words.next().map(str::parse)) {
                // The first line of a number is the one that the C library finds.
                if self.name(id).is_none() {
                    self.0.push((id, name.to_owned()));
                }
            }
        }
    }
}

/// All name tables that routes and rules are printed with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteNames {
    /// `rt_tables`
    pub tables: NameTable,
    /// `rt_protos`
    pub protocols: NameTable,
    /// `rt_scopes`
    pub scopes: NameTable,
    /// `rt_realms`
    pub realms: NameTable,
    /// `rt_dsfield`
    pub dsfield: NameTable,
    /// `group`
    pub groups: NameTable,
    /// `/etc/protocols`
    pub ip_protocols: NameTable,
}

impl Default for RouteNames {
    fn default() -> RouteNames {
        RouteNames::built_in()
    }
}

impl RouteNames {
    /// Without any configuration file.
    pub fn built_in() -> RouteNames {
        RouteNames {
            tables: NameTable::of(&[(255, "local"), (254, "main"), (253, "default")]),
            protocols: NameTable::of(&[
                (0, "unspec"),
                (1, "redirect"),
                (2, "kernel"),
                (3, "boot"),
                (4, "static"),
                (8, "gated"),
                (9, "ra"),
                (10, "mrt"),
                (11, "zebra"),
                (12, "bird"),
                (13, "dnrouted"),
                (14, "xorp"),
                (15, "ntk"),
                (16, "dhcp"),
                (18, "keepalived"),
                (42, "babel"),
                (186, "bgp"),
                (187, "isis"),
                (188, "ospf"),
                (189, "rip"),
                (192, "eigrp"),
            ]),
            scopes: NameTable::of(&[
                (0, "global"),
                (255, "nowhere"),
                (254, "host"),
                (253, "link"),
                (200, "site"),
            ]),
            realms: NameTable::of(&[(0, "unknown")]),
            dsfield: NameTable::of(&[(0, "0")]),
            groups: NameTable::of(&[(0, "default")]),
            ip_protocols: NameTable::default(),
        }
    }

    pub fn table(&self, id: u32) -> Cow<'_, str> {
        named(&self.tables, id)
    }

    /// A table by name or number.
    pub fn table_number(&self, text: &str) -> Option<u32> {
        self.tables.number(text).or_else(|| number(text))
    }

    pub fn protocol(&self, id: u8) -> Cow<'_, str> {
        named(&self.protocols, u32::from(id))
    }

    pub fn scope(&self, id: u8) -> Cow<'_, str> {
        named(&self.scopes, u32::from(id))
    }

    pub fn realm(&self, id: u32) -> Cow<'_, str> {
        named(&self.realms, id)
    }

    pub fn group(&self, id: u32) -> Cow<'_, str> {
        named(&self.groups, id)
    }

    /// A type of service: a name, or two hexadecimal digits.
    pub fn tos(&self, id: u8) -> Cow<'_, str> {
        match self.dsfield.name(u32::from(id)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("0x{id:02x}")),
        }
    }

    /// A type of service by name or number; a bare number is hexadecimal, as iproute2 reads it.
    pub fn tos_number(&self, text: &str) -> Option<u8> {
        let named = self.dsfield.number(text);
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let value = named.or_else(|| u32::from_str_radix(digits, 16).ok())?;
        u8::try_from(value).ok()
    }

    pub fn ip_protocol(&self, id: u8) -> Cow<'_, str> {
        match self.ip_protocols.name(u32::from(id)) {
            Some(name) => Cow::Borrowed(name),
            None => Cow::Owned(format!("ipproto-{id}")),
        }
    }

    pub fn ip_protocol_number(&self, text: &str) -> Option<u8> {
        let id = text.parse().ok();
        id.or_else(|| u8::try_from(self.ip_protocols.number(text)?).ok())
    }
}

fn named(table: &NameTable, id: u32) -> Cow<'_, str> {
    match table.name(id) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(id.to_string()),
    }
}

/// A number as strtoul(3) reads it with base 0: decimal, `0x` hexadecimal, `0` octal.
pub fn number(text: &str) -> Option<u32> {
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u32::from_str_radix(digits, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => u32::from_str_radix(digits, 8).ok(),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_add_and_replace() {
        let mut names = RouteNames::built_in();
        names.tables.add_file(
            "# comment\n\n100\tblue # why\n0x65 green\n254 primary\n-1 no\nbad\n7 never",
            u32::MAX,
        );
        assert_eq!(names.table(100), "blue");
        assert_eq!(names.table(101), "green");
        assert_eq!(names.table(254), "primary");
        assert_eq!(names.table(7), "7");
        assert_eq!(names.table_number("green"), Some(101));
        assert_eq!(names.table_number("0x10"), Some(16));
        assert_eq!(names.table_number("blau"), None);
    }

    #[test]
    fn unnamed_numbers_stay_numbers() {
        let mut names = RouteNames::built_in();
        names
            .ip_protocols
            .add_protocols("ip 0 IP # x\ntcp\t6\tTCP\n");
        assert_eq!(
            (names.ip_protocol(6), names.ip_protocol(7)),
            ("tcp".into(), "ipproto-7".into())
        );
        assert_eq!(names.ip_protocol_number("tcp"), Some(6));
        assert_eq!(
            (names.tos(0x10), names.tos_number("0x10")),
            ("0x10".into(), Some(16))
        );
        assert_eq!(names.scope(7), "7");
    }
}
