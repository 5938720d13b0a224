//! What the protocols of a network namespace count: `/proc/net/snmp`, `netstat` and `snmp6`.
//! They tell of packets that end where no chain sees it.

use std::collections::BTreeMap;
use std::fs;

/// Counters by name, as `IpInHdrErrors`, `IpExtInNoRoutes`, `Ip6InNoRoutes`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<String, u64>);

impl Counters {
    /// Those of the calling thread's namespace; what cannot be read is left out.
    pub fn read() -> Counters {
        let text = |name: &str| {
            fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
        };
        let mut counters = Counters::default();
        counters.rows_of_names(&text("snmp"));
        counters.rows_of_names(&text("netstat"));
        counters.name_and_value(&text("snmp6"));
        counters
    }

    /// A line of names and a line of values, both behind the name of the protocol.
    fn rows_of_names(&mut self, text: &str) {
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let Some((protocol, names)) = names.split_once(':') else {
                continue;
            };
            let values = values.split_once(':').map_or("", |(_, values)| values);
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                // Limits may be negative; they count nothing.
                if let Ok(value) = value.parse() {
                    self.0.insert(format!("{protocol}{name}"), value);
                }
            }
        }
    }

    fn name_and_value(&mut self, text: &str) {
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(char::is_whitespace)
                && let Ok(value) = value.trim().parse()
            {
                self.0.insert(name.to_owned(), value);
            }
        }
    }

    /// What has grown since.
    pub fn grown_since(&self, before: &Counters) -> Vec<String> {
        let grown = self
            .0
            .iter()
            .filter(|(name, value)| **value > before.0.get(*name).copied().unwrap_or(0));
        grown.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(snmp: &str, six: &str) -> Counters {
        let mut counters = Counters::default();
        counters.rows_of_names(snmp);
        counters.name_and_value(six);
        counters
    }

    #[test]
    fn what_has_grown_is_named() {
        let before = counters("Ip: A B\nIp: 1 2\nTcp: Max C\nTcp: -1 0\n", "Ip6X 3\n");
        let after = counters(
            "Ip: A B\nIp: 1 3\nTcp: Max C\nTcp: -1 1\n",
            "Ip6X    \t4\nodd\n",
        );
        assert_eq!(after.grown_since(&before), ["Ip6X", "IpB", "TcpC"]);
        assert_eq!(before.grown_since(&after), [] as [&str; 0]);
    }
}
