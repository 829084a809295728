//! Sums over runs. Two tallies add up to that of both, in any order.

use super::stats::{float, spread, wilson};
use crate::config::Config;
use crate::knobs::KnobValues;
use crate::measured::{Measured, Paid, SCHEMA_MEASURED, Spread, WindowSeen};
use hdrhistogram::Histogram;
use maprace_fs::window::{Window, WindowKind};
use maprace_fs::{Broken, Order};
use std::collections::{BTreeMap, BTreeSet};

/// Values to three digits, with the exact ends.
#[derive(Clone, Debug)]
pub(crate) struct Values {
    histogram: Histogram<u64>,
    least: u64,
    greatest: u64,
    sum: u64,
}

impl Default for Values {
    fn default() -> Values {
        let histogram = Histogram::new(3).expect("three digits are allowed");
        Values { histogram, least: u64::MAX, greatest: 0, sum: 0 }
    }
}

impl Values {
    pub(crate) fn add(&mut self, value: u64) {
        // Not the saturating one, which would keep the range that a new histogram has.
        self.histogram.record(value).expect("a histogram made without a limit grows");
        (self.least, self.greatest) = (self.least.min(value), self.greatest.max(value));
        self.sum = self.sum.saturating_add(value);
    }

    fn merge(&mut self, other: &Values) {
        self.histogram.add(&other.histogram).expect("a histogram that grows has room");
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.sum = self.sum.saturating_add(other.sum);
    }

    fn spread(&self) -> Spread {
        spread(&self.histogram, self.least, self.greatest)
    }
}

/// One kind of window.
#[derive(Clone, Default, Debug)]
struct Seen {
    length: Values,
    footprint: Values,
    hits: u64,
    catches: u64,
    exposed_ns: u64,
}

/// What an operation costs, summed.
#[derive(Clone, Default, Debug)]
pub(crate) struct Sums {
    pub(crate) operations: u64,
    pub(crate) bytes_written: u64,
    pub(crate) operation: Values,
    pub(crate) found: u64,
    pub(crate) holes: u64,
    pub(crate) misses: u64,
    pub(crate) acquisitions: BTreeMap<&'static str, u64>,
    pub(crate) lock_taken: u64,
    pub(crate) exclusive_hold: Values,
    pub(crate) lock_wait: Values,
}

/// The sums of all runs so far.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    windows: BTreeMap<WindowKind, Seen>,
    pub(crate) sums: Sums,
    run_ns: u64,
    rounds: u64,
    damaged: u64,
    checkers: BTreeMap<&'static str, u64>,
    stuck: u64,
    steps: u64,
}

/// What a record says of itself beside the figures.
#[derive(Clone, Debug)]
pub struct About<'a> {
    /// `virtual` or `threads`.
    pub world: &'static str,
    /// What was run.
    pub subject: &'a str,
    /// With what.
    pub config: &'a Config,
    /// On what.
    pub media: String,
    /// At what cost.
    pub costs: Option<&'a str>,
    /// Processors.
    pub cpus: u32,
    /// The seed.
    pub seed: u64,
    /// How late tasks may start, where that is drawn.
    pub starts_within_ns: Option<u64>,
}

impl Tally {
    /// A window has closed.
    pub(crate) fn window(&mut self, window: &Window) {
        let seen = self.windows.entry(window.kind).or_default();
        seen.length.add(window.closed_ns - window.opened_ns);
        seen.footprint.add(u64::from(window.hi - window.lo));
        seen.hits += u64::from(window.hit);
        seen.catches += u64::from(window.caught);
    }

    /// In all, windows of that kind were open for so long.
    pub(crate) fn exposed(&mut self, kind: WindowKind, ns: u64) {
        self.windows.entry(kind).or_default().exposed_ns += ns;
    }

    /// A run took so long and so many steps, and left those invariants broken.
    pub fn round(&mut self, run_ns: u64, steps: u64, stuck: bool, broken: &[Broken]) {
        self.rounds += 1;
        self.run_ns += run_ns;
        self.steps += steps;
        self.stuck += u64::from(stuck);
        let names: BTreeSet<&'static str> = broken.iter().map(|b| b.checker.name()).collect();
        self.damaged += u64::from(stuck || !names.is_empty());
        for name in names {
            *self.checkers.entry(name).or_default() += 1;
        }
    }

    /// Adds what another tally has.
    pub fn merge(&mut self, other: &Tally) {
        for (kind, theirs) in &other.windows {
            let seen = self.windows.entry(*kind).or_default();
            seen.length.merge(&theirs.length);
            seen.footprint.merge(&theirs.footprint);
            seen.hits += theirs.hits;
            seen.catches += theirs.catches;
            seen.exposed_ns += theirs.exposed_ns;
        }
        self.sums.merge(&other.sums);
        self.run_ns += other.run_ns;
        self.rounds += other.rounds;
        self.damaged += other.damaged;
        self.stuck += other.stuck;
        self.steps += other.steps;
        for (name, count) in &other.checkers {
            *self.checkers.entry(name).or_default() += count;
        }
    }

    /// The record.
    pub fn measured(&self, about: &About<'_>) -> Measured {
        let Config { layer, protocol, order } = about.config;
        let cookie = (*order == Order::Iomap).then(|| protocol.knobs.cookie.name());
        Measured {
            schema: SCHEMA_MEASURED,
            world: about.world,
            subject: about.subject.to_owned(),
            layer: layer.clone(),
            protocol: protocol.name.to_owned(),
            order: order.name(),
            cookie,
            knobs: KnobValues(protocol.knobs.values()),
            counterfactual: about.config.is_counterfactual(),
            media: about.media.clone(),
            costs: about.costs.map(str::to_owned),
            cpus: about.cpus,
            seed: about.seed,
            starts_within_ns: about.starts_within_ns,
            rounds: self.rounds,
            damaged: self.damaged,
            damage: wilson(self.damaged, self.rounds, 1.0),
            checkers: self.checkers.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            stuck: self.stuck,
            windows: self.windows.iter().map(|(kind, seen)| self.seen(*kind, seen)).collect(),
            cost: self.sums.paid(self.run_ns),
            steps: self.steps,
            clock_ns: None,
            event_ns: None,
            medians: BTreeMap::new(),
        }
    }

    fn seen(&self, kind: WindowKind, seen: &Seen) -> WindowSeen {
        WindowSeen {
            name: kind.name(),
            what: kind.what(),
            length: seen.length.spread(),
            footprint: seen.footprint.spread(),
            hits: seen.hits,
            catches: seen.catches,
            hits_per_million: wilson(seen.hits, self.sums.operations, 1e6),
            exposed: share(seen.exposed_ns, self.run_ns),
        }
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { float(part) / float(all) }
}

impl Sums {
    fn merge(&mut self, other: &Sums) {
        self.operations += other.operations;
        self.bytes_written += other.bytes_written;
        self.operation.merge(&other.operation);
        self.found += other.found;
        self.holes += other.holes;
        self.misses += other.misses;
        for (name, count) in &other.acquisitions {
            *self.acquisitions.entry(name).or_default() += count;
        }
        self.lock_taken += other.lock_taken;
        self.exclusive_hold.merge(&other.exclusive_hold);
        self.lock_wait.merge(&other.lock_wait);
    }

    fn paid(&self, run_ns: u64) -> Paid {
        let lookups = self.found + self.holes + self.misses;
        let mib = float(self.bytes_written) / f64::from(1 << 20);
        let per_mib = |count: u64| if mib > 0.0 { float(count) / mib } else { 0.0 };
        let per_operation = |count: u64| share(count, self.operations);
        let per_unit = |count: u64| if mib > 0.0 { per_mib(count) } else { per_operation(count) };
        let acquisitions = self.acquisitions.iter();
        Paid {
            operations: self.operations,
            bytes_written: self.bytes_written,
            run_ns,
            operations_per_second: share(self.operations, run_ns) * 1e9,
            operation: self.operation.spread(),
            lookups_per_operation: per_operation(lookups),
            lookups_per_mib: per_mib(lookups),
            lookups_hit: share(self.found, self.found + self.holes),
            acquisitions: acquisitions
                .map(|(name, count)| ((*name).to_owned(), per_unit(*count)))
                .collect(),
            lock_acquisitions: per_unit(self.lock_taken),
            exclusive_hold: self.exclusive_hold.spread(),
            exclusive_share: share(self.exclusive_hold.sum, run_ns),
            lock_wait: self.lock_wait.spread(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_size_keep_three_digits() {
        let mut values = Values::default();
        for value in [1, 2_047, 2_048, 92_900, 10_000_000_000, 1 << 50] {
            values.add(value);
        }
        let spread = values.spread();
        assert_eq!((spread.count, spread.min, spread.max), (6, 1, 1 << 50));
        assert!((2_046..=2_050).contains(&spread.p50), "{spread:?}");
        let buckets: Vec<u64> = spread.buckets.iter().map(|(value, _)| *value).collect();
        assert!((92_850..=92_990).contains(&buckets[3]), "{buckets:?}");
        assert!((9_990_000_000..=10_010_000_000).contains(&buckets[4]), "{buckets:?}");
    }
}
