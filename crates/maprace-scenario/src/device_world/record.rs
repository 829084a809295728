//! What the device world comes to: what the server saw of each round, and the verdict on all of them.

use super::express::Expressed;
use super::skew::Draw;
use crate::config::Config;
use crate::format::Scenario;
use crate::measured::Measured;
use crate::verdict::{Expected, Judgement, sampled};
use maprace_fs::{Broken, Checker};
use serde::{Deserialize, Serialize};

/// The name and version of the format of [`DeviceVerdict`] as JSON.
pub const SCHEMA_DEVICE: &str = "maprace.device-world/1";

/// What a checker found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The checker's name.
    pub checker: String,
    /// What it found: in the kernel's words where it has any.
    pub found: String,
    /// Whether a user of the kernel can see what it saw.
    pub kernel_visible: bool,
}

impl From<&Broken> for Finding {
    fn from(broken: &Broken) -> Finding {
        Finding {
            checker: broken.checker.name().to_owned(),
            found: broken.words(),
            kernel_visible: broken.checker.is_kernel_visible(),
        }
    }
}

/// What the server saw of one task in one round.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct TaskSeen {
    /// When its first operation began, in nanoseconds after the first of the round.
    pub began_ns: u64,
    /// From there to the end of its last one, in nanoseconds.
    pub took_ns: u64,
}

/// What the server saw of one round.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RoundSeen {
    /// The tasks.
    pub tasks: Vec<TaskSeen>,
    /// Windows that were hit.
    pub hits: u64,
    /// How long those were open, in nanoseconds.
    pub hit_ns: u64,
    /// What was broken, each kind once.
    pub broken: Vec<Finding>,
}

/// A round that did damage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DamagedRound {
    /// Its number, from 0.
    pub round: u64,
    /// How much later than the first task each task was sent, in nanoseconds; less than 0: earlier.
    pub skew_ns: Vec<i64>,
    /// When each task's first operation began at the server, in nanoseconds after the first of them.
    pub began_ns: Vec<u64>,
    /// What was broken.
    pub broken: Vec<Finding>,
}

impl DamagedRound {
    /// So many of them a verdict tells; all are counted.
    pub const TOLD: usize = 16;

    /// A round, if it did damage.
    pub fn of(round: u64, draw: &Draw, seen: &RoundSeen) -> Option<DamagedRound> {
        (!seen.broken.is_empty()).then(|| DamagedRound {
            round,
            skew_ns: draw.skew_ns.clone(),
            began_ns: seen.tasks.iter().map(|task| task.began_ns).collect(),
            broken: seen.broken.clone(),
        })
    }
}

/// An operation and the request that it became.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Mapped {
    task: String,
    op: String,
    request: &'static str,
}

/// How much later than the first task another one began, in nanoseconds; less than 0: earlier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Apart {
    /// The 10th percentile over all rounds.
    pub p10: i64,
    /// The median.
    pub p50: i64,
    /// The 90th percentile.
    pub p90: i64,
}

/// Offsets of as many rounds as there may be: all of them, then every second, every fourth and so on, so
/// that memory stays bounded.
#[derive(Clone, Debug)]
pub struct Offsets {
    kept: Vec<i64>,
    seen: u64,
    every: u64,
}

impl Default for Offsets {
    fn default() -> Offsets {
        Offsets { kept: Vec::new(), seen: 0, every: 1 }
    }
}

impl Offsets {
    /// So many are kept at most.
    const MOST: usize = 1 << 16;

    /// One round's.
    pub fn add(&mut self, offset_ns: i64) {
        if self.seen.is_multiple_of(self.every) {
            self.kept.push(offset_ns);
        }
        self.seen += 1;
        if self.kept.len() == Offsets::MOST {
            self.kept = self.kept.iter().copied().step_by(2).collect();
            self.every *= 2;
        }
    }

    /// What they come to.
    pub fn apart(mut self) -> Apart {
        self.kept.sort_unstable();
        let at = |part: usize| self.kept.get(self.kept.len() * part / 10).copied().unwrap_or(0);
        Apart { p10: at(1), p50: at(5), p90: at(9) }
    }
}

impl RoundSeen {
    /// How much later than the first task another one began, in nanoseconds.
    pub fn offset_ns(&self, task: usize) -> i64 {
        let began = |task: usize| self.tasks.get(task).map_or(0, |task| task.began_ns);
        let signed = |ns| i64::try_from(ns).unwrap_or(i64::MAX);
        signed(began(task)) - signed(began(0))
    }
}

/// The verdict of a scenario in a configuration on a block device. All of it depends on the machine.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DeviceVerdict {
    /// [`SCHEMA_DEVICE`].
    pub schema: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// `damaged`, or `incomplete`: rounds are samples, and no number of them proves anything safe.
    pub verdict: Judgement,
    /// What the scenario expects here; `None`: nothing.
    pub expected: Option<Expected>,
    /// Which request each operation became.
    mapping: Vec<Mapped>,
    /// How far apart tasks began at the server: one for each after the first.
    pub apart: Vec<Apart>,
    /// The first rounds that did damage.
    pub damaged_rounds: Vec<DamagedRound>,
    /// What the server's log says at the end, in the kernel's words where it has any.
    pub log: Vec<String>,
    /// Requests of others that reached the device meanwhile.
    pub strays: u64,
    /// Whether it was ended before its last round.
    pub cut: bool,
    /// Rounds, windows, hits, damage by checker, cost.
    pub measured: Measured,
}

/// Judges what was measured; who ran it adds the rounds and the log.
pub fn device_verdict(
    scenario: &Scenario,
    config: &Config,
    expressed: &Expressed,
    measured: Measured,
) -> DeviceVerdict {
    let named = measured.checkers.keys().filter_map(|name| Checker::from_name(name));
    let checkers: Vec<&'static str> = named.map(Checker::name).collect();
    let verdict = match measured.damaged {
        0 => Judgement::Incomplete,
        _ => Judgement::Damaged,
    };
    let all = expressed.tasks.iter().flat_map(|task| task.requests.iter().map(move |r| (task, r)));
    let mapped = all.map(|(task, (op, request))| Mapped {
        task: task.name.clone(),
        op: op.clone(),
        request: request.kind.name(),
    });
    DeviceVerdict {
        schema: SCHEMA_DEVICE,
        scenario: scenario.name.clone(),
        verdict,
        expected: sampled(scenario, config, verdict, &checkers),
        mapping: mapped.collect(),
        apart: Vec::new(),
        damaged_rounds: Vec::new(),
        log: Vec::new(),
        strays: 0,
        cut: false,
        measured,
    }
}

impl DeviceVerdict {
    /// Which request each operation became: task, operation, request.
    pub fn mapping(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.mapping.iter().map(|m| (m.task.as_str(), m.op.as_str(), m.request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_stay_bounded_and_keep_their_percentiles() {
        let mut offsets = Offsets::default();
        assert_eq!(offsets.clone().apart(), Apart::default());
        let rounds = 1_000_000_i64;
        (0..rounds).for_each(|round| offsets.add(round * 7_919 % rounds - rounds / 2));
        assert!(offsets.kept.len() < Offsets::MOST, "{}", offsets.kept.len());
        let apart = offsets.apart();
        for (found, want) in [(apart.p10, -400_000), (apart.p50, 0), (apart.p90, 400_000)] {
            assert!((found - want).abs() < 5_000, "{apart:?}");
        }
    }
}
