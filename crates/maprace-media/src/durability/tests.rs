//! The log against a machine that lives through the events one after the other.

use super::*;
use crate::profile::Profile;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Bytes of the little medium, instants of its life.
const BYTES: u64 = 6;
const END: u64 = 24;

#[derive(Clone, Debug)]
enum Event {
    Write { at: u64, takes: u64, kind: Kind, pos: u64, len: u64 },
    Flush { at: u64, takes: u64 },
}

impl Event {
    fn at(&self) -> u64 {
        match self {
            Event::Write { at, .. } | Event::Flush { at, .. } => *at,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![Just(Kind::Write), Just(Kind::WriteThrough), Just(Kind::Discard)];
    prop_oneof![
        3 => (0..20_u64, 0..6_u64, kind, 0..BYTES, 1..4_u64)
            .prop_map(|(at, takes, kind, pos, len)| Event::Write { at, takes, kind, pos, len }),
        1 => (0..20_u64, 0..6_u64).prop_map(|(at, takes)| Event::Flush { at, takes }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 1..9).prop_map(|mut list| {
        list.sort_by_key(Event::at);
        list
    })
}

const VOLATILE: &str = "[flush]\nvolatile = true\n";
const PROTECTED: &str = "[flush]\nvolatile = false\n";
const STRICT: &str = "[persist]\nstrict_flush = true\n";

fn log_of(medium: &str, events: &[Event]) -> Log<()> {
    let text = format!("name = \"test\"\n{medium}");
    let mut log = Log::new(&Profile::parse("test", &text).expect("a profile").params);
    for event in events {
        match *event {
            Event::Write { at, takes, kind, pos, len } => {
                let done_ns = at + takes;
                let durable_ns = done_ns + 3;
                log.wrote(Record {
                    kind,
                    pos,
                    len,
                    submit_ns: at,
                    done_ns,
                    durable_ns,
                    payload: (),
                });
            }
            Event::Flush { at, takes } => log.flushed(at, at + takes),
        }
    }
    log
}

/// What a cut after instant `cut` keeps, by living through the instants: within one, requests complete
/// before others are submitted, and a flush that takes no time covers what completed before it.
fn lived(medium: &str, events: &[Event], cut: u64) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut submitted, mut complete, mut certain) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut flushing: Vec<(u64, BTreeSet<u64>)> = Vec::new();
    for now in 0..=cut {
        // Requests of no time complete in the instant in which they come.
        for (id, event) in (0_u64..).zip(events.iter().filter(|e| matches!(e, Event::Write { .. })))
        {
            if let Event::Write { at, takes, kind, .. } = event {
                if *at == now {
                    submitted.insert(id);
                }
                if at + takes == now {
                    complete.insert(id);
                    if *kind == Kind::WriteThrough || medium == PROTECTED {
                        certain.insert(id);
                    }
                }
            }
        }
        for event in events {
            if let Event::Flush { at, takes } = event
                && *at == now
            {
                flushing.push((at + takes, complete.clone()));
            }
        }
        for (_, covered) in flushing.iter().filter(|(end, _)| *end == now) {
            certain.extend(covered.iter().copied());
        }
    }
    (submitted, certain)
}

fn writes(events: &[Event]) -> Vec<(u64, u64)> {
    let range = |event: &Event| match event {
        Event::Write { pos, len, .. } => Some((*pos, *len)),
        Event::Flush { .. } => None,
    };
    events.iter().filter_map(range).collect()
}

proptest! {
    #[test]
    fn a_cut_keeps_what_a_machine_that_lived_through_it_keeps(list in events()) {
        for medium in [VOLATILE, PROTECTED, STRICT] {
            let log = log_of(medium, &list);
            for cut in 0..=END {
                let (submitted, certain) = lived(medium, &list, cut);
                for (id, record) in log.records() {
                    let want = match (submitted.contains(&id.0), certain.contains(&id.0)) {
                        (false, _) => Fate::Absent,
                        (true, true) => Fate::Certain,
                        (true, false) => Fate::Uncertain,
                    };
                    prop_assert_eq!(log.fate(record, cut), want, "{:?} {} at {}", id, medium, cut);
                }
                let open: Vec<u64> = log.uncertain(cut).into_iter().map(|id| id.0).collect();
                prop_assert_eq!(open, submitted.difference(&certain).copied().collect::<Vec<_>>());
            }
        }
    }

    /// What may stand at a byte: lay every subset of the uncertain writes over the certain ones.
    #[test]
    fn a_byte_shows_what_some_subset_leaves(list in events(), cut in 0..=END) {
        let log = log_of(VOLATILE, &list);
        let (submitted, certain) = lived(VOLATILE, &list, cut);
        let ranges = writes(&list);
        let open: Vec<u64> = submitted.difference(&certain).copied().collect();
        for pos in 0..BYTES + 4 {
            let mut possible = BTreeSet::new();
            for subset in 0..1_u32 << open.len() {
                let kept = |id: u64| {
                    let drawn = open.iter().position(|one| *one == id);
                    certain.contains(&id) || drawn.is_some_and(|bit| subset & (1 << bit) != 0)
                };
                let covers = |id: &u64| {
                    let (from, len) = ranges[crate::units::index(*id)];
                    kept(*id) && (from..from + len).contains(&pos)
                };
                possible.insert((0..ranges.len() as u64).filter(covers).max());
            }
            let found = log.at(pos, cut);
            let mut told: BTreeSet<Option<u64>> =
                found.uncertain.iter().map(|id| Some(id.0)).collect();
            told.insert(found.certain.map(|id| id.0));
            prop_assert_eq!(told, possible, "byte {}", pos);
        }
    }

    /// Forgetting what is settled changes no later answer.
    #[test]
    fn what_is_settled_is_in_every_later_cut(list in events(), at in 0..=END) {
        for medium in [VOLATILE, PROTECTED, STRICT] {
            let before = log_of(medium, &list);
            let mut after = before.clone();
            let settled: Vec<(Id, Record<()>)> = after.settle(at);
            for cut in at..=END {
                for pos in 0..BYTES + 4 {
                    let want = before.at(pos, cut);
                    let mut found = after.at(pos, cut);
                    let covers = |(_, record): &&(Id, Record<()>)| {
                        (record.pos..record.pos + record.len).contains(&pos)
                    };
                    let base = settled.iter().rev().find(covers).map(|(id, _)| *id);
                    found.certain = found.certain.max(base);
                    prop_assert_eq!(found, want);
                }
            }
        }
    }
}

#[test]
fn the_medium_itself_is_ahead_of_the_contract() {
    let write = Event::Write { at: 0, takes: 2, kind: Kind::Write, pos: 0, len: 1 };
    let log = log_of(VOLATILE, &[write, Event::Flush { at: 10, takes: 5 }]);
    let record = log.record(Id(0)).unwrap();
    // Complete at 2, drained at 5, flushed at 15.
    let seen: Vec<(Fate, bool)> =
        [1, 4, 5, 14, 15].map(|at| (log.fate(record, at), log.was_on_medium(record, at))).to_vec();
    let (open, sure) = (Fate::Uncertain, Fate::Certain);
    assert_eq!(seen, [(open, false), (open, false), (open, true), (open, true), (sure, true)]);
}
