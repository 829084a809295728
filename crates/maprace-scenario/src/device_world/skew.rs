//! When the tasks of a round are sent: a sweep that looks more often where windows were hit.
//!
//! Requests of two kinds take ways of different length to their server, so what is swept is when their
//! operations begin there. A first batch is sent together; from it come how much later than the first task
//! each other one begins, and how long each takes. Then the sweep goes from where a task has ended as the
//! first one begins to where it begins as the first has ended, in steps whose lengths double on either side,
//! since the narrowest windows are where both begin together. A step is drawn the more often the longer the windows are that
//! rounds hit which began in it, and never not at all. How late a task is, is learned on: machines change.

use super::record::RoundSeen;

/// Half the length of the middle step, and the length of its neighbours, in nanoseconds, at least: no less
/// than the machine tells apart.
const FIRST_NS: i64 = 1_000;

/// Rounds of a batch from which it is learned how late a task is.
const LEARNS_FROM: usize = 9;

/// The weight of a step that hits nothing, against one that hits the most.
const LEAST: f64 = 0.02;

/// How often a step is drawn before it is judged.
const TRIALS: u32 = 4;

/// The farthest that tasks are sent apart, in nanoseconds: an operation that takes longer waits for
/// something that a sweep does not help to meet.
const FARTHEST_NS: i64 = 100_000_000;

/// The sweep.
#[derive(Clone, Debug)]
pub struct Skews {
    /// State of SplitMix64.
    random: u64,
    /// One for each task after the first.
    others: Vec<Other>,
}

/// What is known of a task after the first.
#[derive(Clone, Debug, Default)]
struct Other {
    /// How much later than the first it begins if both are sent together, in nanoseconds.
    late_ns: i64,
    /// What both take by themselves, in nanoseconds: a window that is open for longer waits for the machine.
    longest_ns: u64,
    steps: Vec<Step>,
}

/// Offsets from `lo` to `hi`, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Step {
    lo: i64,
    hi: i64,
    /// How often it was drawn.
    drawn: u32,
    /// Rounds whose tasks began in it.
    rounds: u32,
    /// How long the windows were open that were hit, in nanoseconds.
    hit_ns: f64,
}

impl Step {
    /// Of a round.
    fn hit_ns(&self) -> f64 {
        self.hit_ns / f64::from(self.rounds.max(1))
    }

    /// Against a step that hits the most.
    fn weight(&self, most_ns: f64) -> f64 {
        if self.drawn < TRIALS || most_ns <= 0.0 {
            return 1.0;
        }
        (self.hit_ns() / most_ns).powi(4).clamp(LEAST, 1.0)
    }
}

/// When the tasks of one round are sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draw {
    /// How much later than the first task each is sent, in nanoseconds; less than 0: earlier.
    pub skew_ns: Vec<i64>,
}

impl Draw {
    /// How long each task waits after the earliest, in nanoseconds.
    pub fn delays(&self) -> Vec<u64> {
        let least = self.skew_ns.iter().copied().min().unwrap_or(0);
        self.skew_ns.iter().map(|skew| skew.abs_diff(least)).collect()
    }
}

impl Skews {
    /// For so many tasks, of which nothing is known.
    pub fn new(tasks: usize, seed: u64) -> Skews {
        Skews { random: seed, others: vec![Other::default(); tasks.saturating_sub(1)] }
    }

    /// The next round; all together as long as nothing is known.
    pub fn draw(&mut self) -> Draw {
        let mut skew_ns = vec![0];
        for at in 0..self.others.len() {
            let (which, where_) = (self.uniform(), self.uniform());
            let other = &mut self.others[at];
            skew_ns.push(other.drawn(which, where_) - other.late_ns);
        }
        Draw { skew_ns }
    }

    /// From 0 to 1: SplitMix64, by Steele, Lea and Flood.
    fn uniform(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let high = u32::try_from((z ^ (z >> 31)) >> 32).expect("32 bits are left");
        f64::from(high) / 4_294_967_296.0
    }

    /// What became of a round. From a batch that was sent together the steps are made.
    pub fn learn(&mut self, rounds: &[(Draw, RoundSeen)]) {
        if self.others.iter().any(|other| other.steps.is_empty()) {
            self.others = (1..=self.others.len()).map(|task| Other::of(task, rounds)).collect();
            return;
        }
        for (task, other) in (1..).zip(&mut self.others) {
            other.learn(task, rounds);
        }
    }
}

impl Other {
    /// A step by weight, and an offset in it, evenly; both from 0 to 1.
    fn drawn(&mut self, which: f64, where_: f64) -> i64 {
        let judged = self.steps.iter().filter(|step| step.rounds >= TRIALS);
        let most = judged.map(Step::hit_ns).fold(0.0, f64::max);
        let all: f64 = self.steps.iter().map(|step| step.weight(most)).sum();
        let mut left = which * all;
        let of_weight = |step: &&mut Step| {
            left -= step.weight(most);
            left < 0.0
        };
        let Some(step) = self.steps.iter_mut().find(of_weight) else { return 0 };
        step.drawn += 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a share of at most 0.2 s in nanoseconds"
        )]
        let within = (where_ * (step.hi - step.lo) as f64) as i64;
        step.lo + within
    }

    fn learn(&mut self, task: usize, rounds: &[(Draw, RoundSeen)]) {
        for (_, seen) in rounds {
            let offset = seen.offset_ns(task);
            let began_in = |step: &&mut Step| (step.lo..step.hi).contains(&offset);
            if let Some(step) = self.steps.iter_mut().find(began_in) {
                step.rounds += 1;
                #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one round")]
                let hit_ns = seen.hit_ns.min(self.longest_ns) as f64;
                step.hit_ns += hit_ns;
            }
        }
        if rounds.len() >= LEARNS_FROM {
            let late = |(draw, seen): &(Draw, RoundSeen)| seen.offset_ns(task) - draw.skew_ns[task];
            self.late_ns = median(rounds.iter().map(late));
        }
    }

    /// From rounds that were sent together.
    fn of(task: usize, rounds: &[(Draw, RoundSeen)]) -> Other {
        let tasks =
            || rounds.iter().filter_map(|(_, seen)| seen.tasks.first().zip(seen.tasks.get(task)));
        let ns = |ns: u64| i64::try_from(ns).unwrap_or(i64::MAX);
        let mut offsets: Vec<i64> = rounds.iter().map(|(_, seen)| seen.offset_ns(task)).collect();
        offsets.sort_unstable();
        let quartile = |of: usize| offsets.get(offsets.len() * of / 4).copied().unwrap_or(0);
        let (late_ns, first) = (quartile(2), (quartile(3) - quartile(1)) / 4);
        let before = median(tasks().map(|(_, own)| ns(own.took_ns)));
        let after = median(tasks().map(|(first, _)| ns(first.took_ns)));
        let longest_ns = before.unsigned_abs() + after.unsigned_abs();
        let steps = steps(before, after, first.clamp(FIRST_NS, FARTHEST_NS));
        Other { late_ns, longest_ns, steps }
    }
}

fn median(values: impl Iterator<Item = i64>) -> i64 {
    let mut all: Vec<i64> = values.collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

/// Steps from `-before` to `after`, `first` on either side of the middle.
fn steps(before: i64, after: i64, first: i64) -> Vec<Step> {
    let step = |lo, hi| Step { lo, hi, drawn: 0, rounds: 0, hit_ns: 0.0 };
    let side = |end: i64| {
        let mut edges = vec![first];
        let mut edge = first;
        while edge < end.min(FARTHEST_NS) {
            edge = (edge * 2).min(end.min(FARTHEST_NS));
            edges.push(edge);
        }
        edges
    };
    let before = side(before).windows(2).map(|w| step(-w[1], -w[0])).collect::<Vec<_>>();
    let after = side(after).windows(2).map(|w| step(w[0], w[1])).collect::<Vec<_>>();
    before.into_iter().rev().chain([step(-first, first)]).chain(after).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_world::TaskSeen;

    fn seen(late_ns: u64, took: [u64; 2], hits: u64) -> RoundSeen {
        let task = |began_ns, took_ns| TaskSeen { began_ns, took_ns };
        let tasks = vec![task(0, took[0]), task(late_ns, took[1])];
        RoundSeen { tasks, hits, hit_ns: hits * 700, broken: Vec::new() }
    }

    fn learned() -> Skews {
        let mut skews = Skews::new(2, 7);
        let first: Vec<_> =
            (0..9).map(|_| (skews.draw(), seen(5_000, [3_000, 9_000], 0))).collect();
        assert!(first.iter().all(|(draw, _)| draw.skew_ns == [0, 0] && draw.delays() == [0, 0]));
        skews.learn(&first);
        skews
    }

    #[test]
    fn the_sweep_is_as_far_as_tasks_overlap_and_finest_where_they_begin_together() {
        let mut skews = learned();
        let edges: Vec<(i64, i64)> = skews.others[0].steps.iter().map(|s| (s.lo, s.hi)).collect();
        let want = [
            (-9_000, -8_000),
            (-8_000, -4_000),
            (-4_000, -2_000),
            (-2_000, -1_000),
            (-1_000, 1_000),
            (1_000, 2_000),
            (2_000, 3_000),
        ];
        assert_eq!(edges, want);
        for _ in 0..1000 {
            let draw = skews.draw();
            // What is late by itself is sent earlier by as much.
            assert!((-14_000..-2_000).contains(&draw.skew_ns[1]), "{draw:?}");
            assert_eq!(draw.delays()[0], draw.skew_ns[1].unsigned_abs());
            assert_eq!(draw.delays()[1], 0);
        }
    }

    #[test]
    fn it_goes_where_windows_are_hit_and_comes_back_to_the_others() {
        let mut skews = learned();
        let mut last = [0_u32; 2];
        // The machine has changed: what was sent together begins 20 us apart.
        let late_ns = 20_000;
        for batch in 0..40 {
            let mut rounds = Vec::new();
            for _ in 0..64 {
                let draw = skews.draw();
                let offset = draw.skew_ns[1] + late_ns;
                let is_hit = (-2_000..-1_000).contains(&offset);
                // Elsewhere the machine was busy, once.
                let was_busy = batch == 1 && offset > 1_000;
                last[usize::from(is_hit)] += u32::from(batch >= 30);
                let hits = u64::from(is_hit) + u64::from(was_busy) * 1_000_000;
                let mut seen = seen(0, [1, 1], hits);
                seen.tasks[usize::from(offset > 0)].began_ns = offset.unsigned_abs();
                rounds.push((draw, seen));
            }
            skews.learn(&rounds);
        }
        assert!(last[1] > 500 && last[0] > 20, "{last:?}");
        let two = (learned().draw(), learned().draw());
        assert_eq!(two.0, two.1, "a seed gives the same sweep");
    }

    #[test]
    fn a_step_that_was_lucky_once_does_not_starve_the_others() {
        let step = |drawn, rounds, hit_ns| Step { lo: 0, hi: 1, drawn, rounds, hit_ns };
        let mut other = Other { steps: vec![step(9, 1, 1e6), step(9, 9, 9e3)], ..Other::default() };
        for n in 0..100_u32 {
            other.drawn(f64::from(n) / 100.0, 0.0);
        }
        let drawn: Vec<u32> = other.steps.iter().map(|step| step.drawn - 9).collect();
        assert_eq!(drawn, [50, 50]);
    }

    #[test]
    fn three_tasks_have_a_sweep_each_and_one_has_none() {
        let mut skews = Skews::new(3, 1);
        assert_eq!(skews.draw().skew_ns, [0, 0, 0]);
        skews.learn(&[]);
        assert_eq!(skews.draw().delays().len(), 3);
        assert_eq!(Skews::new(1, 1).draw().delays(), [0]);
    }
}
