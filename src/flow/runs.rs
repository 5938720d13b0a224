//! Rules in a row that each want another value of the same field, as lists of addresses and services have them: the
//! rules that do not want the packet's are passed over at once. For the rules of both backends.
//!
//! Only tests stand before the one that tells them apart, so nothing of a rule that is passed over would have
//! happened. Walks that are recorded look at every rule.

/// So many values must be wanted among the next few rules.
const LEAST: usize = 4;
const NEAR: usize = 64;

/// A rule that may be passed over.
pub trait Row {
    /// What a test looks at.
    type Field: Copy + PartialEq;

    /// The tests that come before anything else in the rule: fields, and what is wanted of them.
    fn wants(&self) -> impl Iterator<Item = (Self::Field, u128)>;

    /// The rule is part of the run with this number.
    fn join(&mut self, run: usize);
}

/// Some rules in a row.
#[derive(Clone, Debug)]
pub struct Run<F> {
    pub field: F,
    /// The rule behind the last one.
    pub end: usize,
    /// What each rule wants, ascending, with the rule's place.
    wanted: Box<[(u128, u32)]>,
}

/// Find the runs of a chain, and tell its rules of them.
pub fn find<R: Row>(rules: &mut [R]) -> Box<[Run<R::Field>]> {
    let mut runs: Vec<Run<R::Field>> = Vec::new();
    let mut at = 0;
    while let Some(rest) = rules.get_mut(at..).filter(|rest| rest.len() >= LEAST) {
        let Some(run) = begin(rest, at) else {
            at += 1;
            continue;
        };
        let end = run.end;
        runs.push(run);
        for rule in rest.iter_mut().take(end - at) {
            rule.join(runs.len() - 1);
        }
        at = end;
    }
    runs.into()
}

/// The run that begins with the first of some rules: that of the field which tells most of them apart.
fn begin<R: Row>(rules: &[R], at: usize) -> Option<Run<R::Field>> {
    let near = rules.get(..NEAR).unwrap_or(rules);
    let fields = rules.first()?.wants().filter_map(|(field, _)| {
        let mut values: Vec<u128> = wanted(near, field).collect();
        values.sort_unstable();
        values.dedup();
        (values.len() >= LEAST).then_some((values.len(), field))
    });
    let (_, field) = fields.max_by_key(|(values, _)| *values)?;
    let mut wanted: Vec<(u128, u32)> = wanted(rules, field).zip(at as u32..).collect();
    let end = at + wanted.len();
    wanted.sort_unstable();
    Some(Run {
        field,
        end,
        wanted: wanted.into(),
    })
}

/// What each of the first rules wants of a field, as long as they want something.
fn wanted<R: Row>(rules: &[R], field: R::Field) -> impl Iterator<Item = u128> {
    rules.iter().map_while(move |rule| {
        let mut own = rule.wants();
        own.find_map(|(other, wanted)| (other == field).then_some(wanted))
    })
}

impl<F> Run<F> {
    /// The next rule from `at` on that wants `value`, or the one behind the run.
    pub fn next(&self, value: u128, at: usize) -> usize {
        let place = self
            .wanted
            .partition_point(|(wanted, rule)| (*wanted, *rule as usize) < (value, at));
        match self.wanted.get(place) {
            Some((wanted, rule)) if *wanted == value => *rule as usize,
            _ => self.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rule wants of the fields 0, 1, ..., and the run that it is in.
    struct Wants(Vec<u128>, Option<usize>);

    impl Row for Wants {
        type Field = usize;

        fn wants(&self) -> impl Iterator<Item = (usize, u128)> {
            self.0.iter().copied().enumerate()
        }

        fn join(&mut self, run: usize) {
            self.1 = Some(run);
        }
    }

    #[test]
    fn the_field_that_tells_rules_apart_makes_the_run() {
        let mut rules: Vec<Wants> = [7, 5, 5, 9, 7, 8]
            .into_iter()
            .map(|value| Wants(vec![1, value], None))
            .collect();
        rules.insert(0, Wants(vec![], None));
        rules.push(Wants(vec![1], None));
        let runs = find(&mut rules);
        assert_eq!(runs.len(), 1);
        let places = rules.iter().map(|rule| rule.1.is_some());
        let expected = [false, true, true, true, true, true, true, false];
        assert!(places.eq(expected));
        let run = &runs[0];
        assert_eq!((run.field, run.end), (1, 7));
        assert_eq!([run.next(7, 1), run.next(7, 2), run.next(7, 6)], [1, 5, 7]);
        assert_eq!([run.next(5, 2), run.next(5, 3), run.next(6, 1)], [2, 3, 7]);
    }
}
