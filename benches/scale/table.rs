//! The table that the benchmark prints.

use std::time::Duration;

/// What a row says about ours and the reference.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// Ours may take at most so many times the reference.
    AtMost(f64),
    /// The reference must take at least so many times ours.
    FasterBy(f64),
    /// Ours must stay below the reference.
    Below,
    /// No limit: told for comparison.
    None,
}

#[derive(Clone, Copy, Debug)]
pub enum Value {
    Time(Duration),
    Bytes(u64),
    Percent(f64),
}

impl Value {
    fn number(self) -> f64 {
        match self {
            Value::Time(time) => time.as_secs_f64(),
            Value::Bytes(bytes) => bytes as f64,
            Value::Percent(percent) => percent,
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = match *self {
            Value::Time(time) if time.as_millis() >= 1000 => format!("{:.2} s", time.as_secs_f64()),
            Value::Time(time) => format!("{:.1} ms", time.as_secs_f64() * 1000.0),
            Value::Bytes(bytes) => format!("{:.1} MB", bytes as f64 / 1e6),
            Value::Percent(percent) => format!("{percent:.2} %"),
        };
        f.pad(&text)
    }
}

pub struct Table {
    rows: Vec<[String; 7]>,
}

impl Table {
    pub fn new() -> Table {
        Table { rows: Vec::new() }
    }

    /// `reference` says what `other` is.
    pub fn row(
        &mut self,
        what: &str,
        size: &str,
        ours: Value,
        (reference, other): (&str, Value),
        limit: Limit,
    ) {
        let (a, b) = (ours.number(), other.number());
        let ratio = match limit {
            Limit::FasterBy(_) => b / a,
            _ => a / b,
        };
        let (bound, ok) = match limit {
            Limit::AtMost(most) => (format!("<= {most} x"), ratio <= most),
            Limit::FasterBy(least) => (format!(">= {least} x faster"), ratio >= least),
            Limit::Below => (format!("< {other}"), a < b),
            Limit::None => ("-".into(), true),
        };
        let verdict = match (limit, ok) {
            (Limit::None, _) => "",
            (_, true) => "ok",
            (_, false) => "OVER",
        };
        let reference = match limit {
            Limit::Below => "-".to_owned(),
            _ => format!("{reference} {other}"),
        };
        let row = [
            what.to_owned(),
            size.to_owned(),
            ours.to_string(),
            reference,
            format!("{ratio:.2}"),
            bound,
            verdict.to_owned(),
        ];
        eprintln!("  {}", row.join("  "));
        self.rows.push(row);
    }

    pub fn print(&self) {
        let head = ["what", "size", "ours", "reference", "ratio", "limit", ""];
        let head = head.map(str::to_owned);
        let rows = || std::iter::once(&head).chain(&self.rows);
        let widths: Vec<usize> = (0..head.len())
            .map(|column| {
                rows()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        println!();
        for row in rows() {
            let line: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            println!("{}", line.join("  ").trim_end());
        }
    }
}
