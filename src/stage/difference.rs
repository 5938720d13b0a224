//! Two rulesets side by side, for a person: which lines of which chain or set are in one of them only. Pure.
//!
//! Rules and elements are compared by their text without counters and other state; where tables, chains and sets
//! stand beside each other does not count, where rules stand in their chain does.

use super::plan::rules::matches;
use crate::lang::nft::print::{Section, sections};
use crate::model::{Names, Ruleset, Table};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    Old(String),
    New(String),
    /// In both; it stands beside one that is not.
    Same(String),
    /// Lines of both that are left out.
    Gap(usize),
}

/// What is different in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `table ip filter, chain input`
    pub place: String,
    pub lines: Vec<Line>,
}

/// How many lines are in one of the two only.
pub fn count(differences: &[Difference]) -> usize {
    let lines = differences.iter().flat_map(|one| &one.lines);
    lines
        .filter(|line| matches!(line, Line::Old(_) | Line::New(_)))
        .count()
}

/// From `old` to `new`.
pub fn difference(old: &Ruleset, new: &Ruleset, names: &Names) -> Vec<Difference> {
    let mut found = Vec::new();
    for table in &old.tables {
        let there = new.table(table.family, &table.name);
        if there.is_some_and(|there| Arc::ptr_eq(there, table)) {
            continue;
        }
        pair(table, Some(table), there, names, &mut found);
    }
    for table in &new.tables {
        if old.table(table.family, &table.name).is_none() {
            pair(table, None, Some(table), names, &mut found);
        }
    }
    found
}

/// One table as it was and as it is.
fn pair(
    either: &Table,
    old: Option<&Arc<Table>>,
    new: Option<&Arc<Table>>,
    names: &Names,
    found: &mut Vec<Difference>,
) {
    let title = format!("table {} {}", either.family, either.name);
    let parts = |table: Option<&Arc<Table>>| match table {
        Some(table) => sections(table, names),
        None => Vec::new(),
    };
    let (old, new) = (parts(old), parts(new));
    let find = |all: &'_ [Section], title: &str| all.iter().position(|one| one.title == title);
    let pairs = old
        .iter()
        .map(|one| (Some(one), find(&new, &one.title).and_then(|at| new.get(at))));
    let came = new.iter().filter(|one| find(&old, &one.title).is_none());
    for (old, new) in pairs.chain(came.map(|one| (None, Some(one)))) {
        let part = old.or(new).map_or("", |one| one.title.as_str());
        let lines = |section: Option<&'_ Section>| match section {
            Some(section) => section.lines.clone(),
            None => Vec::new(),
        };
        let mut lines = compare(&lines(old), &lines(new));
        // It is there or not, whatever is in it.
        let itself = if part.is_empty() {
            title.clone()
        } else {
            part.to_owned()
        };
        match (old, new) {
            (None, Some(_)) => lines.insert(0, Line::New(itself)),
            (Some(_), None) => lines.insert(0, Line::Old(itself)),
            _ => {}
        }
        if !lines.is_empty() {
            let place = match part {
                "" => title.clone(),
                part => format!("{title}, {part}"),
            };
            found.push(Difference { place, lines });
        }
    }
}

/// The lines of two texts: those of one only, with one line of both around them. Empty when they are the same.
pub fn compare(old: &[String], new: &[String]) -> Vec<Line> {
    let matched = matches(new, old);
    let mut all: Vec<Line> = Vec::with_capacity(new.len());
    let mut at = 0;
    // What is new stands below what it takes the place of.
    let mut fresh: Vec<Line> = Vec::new();
    let ends = new.iter().map(Some).chain([None]);
    for (line, place) in ends.zip(matched.into_iter().chain([Some(old.len())])) {
        let Some(place) = place else {
            fresh.extend(line.cloned().map(Line::New));
            continue;
        };
        let gone = old.get(at..place).unwrap_or_default();
        all.extend(gone.iter().cloned().map(Line::Old));
        all.append(&mut fresh);
        all.extend(line.cloned().map(Line::Same));
        at = place + 1;
    }
    around(all)
}

/// Only what is different and its neighbours.
fn around(all: Vec<Line>) -> Vec<Line> {
    let same = |at: usize| matches!(all.get(at), Some(Line::Same(_)) | None);
    let kept: Vec<bool> = (0..all.len())
        .map(|at| !same(at) || !same(at + 1) || !same(at.wrapping_sub(1)))
        .collect();
    if !kept.contains(&true) {
        return Vec::new();
    }
    let mut lines: Vec<Line> = Vec::new();
    for (line, kept) in all.into_iter().zip(kept) {
        match (kept, lines.last_mut()) {
            (true, _) => lines.push(line),
            (false, Some(Line::Gap(count))) => *count += 1,
            (false, _) => lines.push(Line::Gap(1)),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(old: &str, new: &str) -> String {
        let lines = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let line = |line: Line| match line {
            Line::Old(text) => format!("-{text}"),
            Line::New(text) => format!("+{text}"),
            Line::Same(text) => text,
            Line::Gap(count) => format!("({count})"),
        };
        let lines = compare(&lines(old), &lines(new)).into_iter().map(line);
        lines.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_different_is_shown_with_its_neighbours() {
        assert_eq!(text("a b c", "a b c"), "");
        assert_eq!(text("", ""), "");
        assert_eq!(text("", "a"), "+a");
        assert_eq!(text("a", ""), "-a");
        assert_eq!(text("a b c d e f", "a b c x e f"), "(2) c -d +x e (1)");
        assert_eq!(text("a b c", "x a b c"), "+x a (2)");
        assert_eq!(text("a b", "a b c"), "(1) b +c");
        assert_eq!(text("a b c d", "b c d a"), "-a b (1) d +a");
    }

    #[test]
    fn every_line_is_in_the_text_it_comes_from() {
        // All lists of up to four of three letters.
        let lists: Vec<Vec<String>> = (0..81u32)
            .flat_map(|n| (0..=4).map(move |len| (n, len)))
            .map(|(n, len)| {
                (0..len)
                    .map(|at| (n / 3u32.pow(at) % 3).to_string())
                    .collect()
            })
            .collect();
        for old in &lists {
            for new in &lists {
                let lines = compare(old, new);
                assert_eq!(lines.is_empty(), old == new);
                let of = |list: &[String], own: fn(&Line) -> Option<&String>| {
                    let gaps: usize = lines
                        .iter()
                        .map(|line| {
                            if let Line::Gap(count) = line {
                                *count
                            } else {
                                0
                            }
                        })
                        .sum();
                    assert!(
                        lines.is_empty()
                            || lines.iter().filter_map(own).count() + gaps == list.len()
                    );
                };
                of(old, |line| match line {
                    Line::Old(text) | Line::Same(text) => Some(text),
                    _ => None,
                });
                of(new, |line| match line {
                    Line::New(text) | Line::Same(text) => Some(text),
                    _ => None,
                });
            }
        }
    }
}
