//! What an exploration comes to: one record, from which the JSON, the page and the table are made.
//!
//! The fields stand in the order in which they are printed. What depends on the machine is one field
//! that its owner may leave empty; the rest is the same bytes for the same question. `docs/OUTPUT.md`
//! explains every field.

mod expected;
mod judge;
mod page;
mod paint;
mod table;
#[cfg(test)]
mod tests;

pub use expected::Expected;
pub(crate) use expected::sampled;
pub use judge::{Question, judge, quoted};
pub use page::page;
pub use paint::Paint;
pub use table::{Row, table};

use crate::device_world::DeviceVerdict;
use crate::knobs::KnobValues;
use crate::measured::{Measured, Sweep};
use std::fmt;

/// The name and version of the format of [`Verdict`] as JSON.
pub const SCHEMA: &str = "maprace.explore/1";

/// The name and version of the format of several verdicts as JSON.
pub const SCHEMA_ROWS: &str = "maprace.compare/2";

/// What is said of a scenario in a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Judgement {
    /// Every schedule was tried, up to equivalence, and none ends in damage.
    Safe,
    /// A schedule ends in damage, or in a deadlock.
    Damaged,
    /// None was found, and not all were tried.
    Incomplete,
}

impl Judgement {
    /// Its name in every output.
    pub fn name(self) -> &'static str {
        match self {
            Judgement::Safe => "safe",
            Judgement::Damaged => "damaged",
            Judgement::Incomplete => "incomplete",
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one checker found.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Found {
    /// Its name.
    pub checker: String,
    /// The traces in which it failed; executions or outcomes for an engine that knows no traces.
    pub traces: u64,
    /// Where it first failed in the schedule kept for it: `TASK STEP`, `end`, or `after: OP`.
    pub first_broken: Option<String>,
    /// Whether a user of the kernel can see what it saw.
    pub kernel_visible: bool,
    /// What it found there, in the words of a diagram.
    pub found: Option<String>,
}

/// What depends on the machine and the moment.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Machine {
    /// How long the exploration took.
    pub seconds: f64,
    /// Its executions over that.
    pub executions_per_second: f64,
    /// Operating system and architecture.
    pub host: String,
    /// The processor, as it names itself.
    pub cpu: Option<String>,
    /// How many processors the program may use; an exploration uses one.
    pub cores: Option<usize>,
}

/// What an exploration comes to. `None` where the engine cannot know.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Verdict {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The world: `explore`.
    pub world: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// The layer's name.
    pub layer: String,
    /// The preset's name.
    pub protocol: String,
    /// The order of buffered writes.
    pub order: &'static str,
    /// Every knob with the value in force.
    pub knobs: KnobValues,
    /// Whether no kernel ever had these knobs.
    pub counterfactual: bool,
    /// The engine that gave the verdict.
    pub engine: &'static str,
    /// Where tasks can be interrupted. `sync`: before acquires and unprotected accesses, and at a
    /// folio's unlocking.
    pub granularity: &'static str,
    /// When two steps commute. `range`: footprints in blocks, and counters that commute.
    pub dependency: &'static str,
    /// The verdict.
    pub verdict: Judgement,
    /// Whether nothing was left out.
    pub complete: bool,
    /// Executions, those cut short included.
    pub executions: u64,
    /// Interleavings up to the order of independent steps.
    pub traces: Option<u64>,
    /// Those that end in damage.
    pub bad_traces: Option<u64>,
    /// Different ends: bytes of the file, results of the operations, failed checkers.
    pub outcomes: Option<u64>,
    /// Those that are damage.
    pub bad_outcomes: Option<u64>,
    /// The chances of all traces together: 1 when none is missing.
    pub certificate: Option<f64>,
    /// Why there is none.
    pub certificate_missing: Option<String>,
    /// The fewest preemptions that do damage; only where none with less was left out.
    pub min_preemptions: Option<u32>,
    /// The exact chance of damage when the next task is drawn uniformly.
    pub p_random: Option<f64>,
    /// Traces that end with tasks that wait for ever.
    pub deadlocks: u64,
    /// What the checkers found.
    pub damage: Vec<Found>,
    /// The longest execution, in steps.
    pub steps_max: usize,
    /// The least schedule that ends in damage.
    pub schedule: Option<String>,
    /// The command that runs it again.
    pub replay: Option<String>,
    /// What the scenario expects here; `None`: nothing.
    pub expected: Option<Expected>,
    /// Why the search is not complete.
    pub stopped: Option<&'static str>,
    /// Where random engines began.
    pub seed: u64,
    /// The budget, in executions.
    pub budget: u64,
    /// What depends on the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Machine>,
}

impl Verdict {
    /// The knobs whose value is not the preset's.
    pub(crate) fn moved(&self) -> Vec<(&'static str, &'static str)> {
        let preset = maprace_fs::protocol::preset(&self.protocol);
        let preset = preset.map_or_else(Vec::new, |preset| preset.knobs.values());
        self.knobs.0.iter().copied().filter(|setting| !preset.contains(setting)).collect()
    }
}

/// What was explored and measured together, as JSON.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Verdicts<'a> {
    /// [`SCHEMA_ROWS`].
    pub schema: &'static str,
    /// One verdict each.
    pub rows: Vec<&'a Verdict>,
    /// What was measured in virtual time.
    #[serde(rename = "virtual", skip_serializing_if = "<[Measured]>::is_empty")]
    pub measured: &'a [Measured],
    /// The same where a setting was swept.
    #[serde(skip_serializing_if = "<[Sweep]>::is_empty")]
    pub sweeps: &'a [Sweep],
    /// What was measured on threads and on devices, which depends on the machine.
    #[serde(rename = "machine", skip_serializing_if = "OnMachine::is_empty")]
    pub on_machine: OnMachine<'a>,
}

/// What depends on the machine.
#[derive(Clone, Copy, PartialEq, Debug, Default, serde::Serialize)]
pub struct OnMachine<'a> {
    /// On threads, one for each configuration.
    #[serde(skip_serializing_if = "<[Measured]>::is_empty")]
    pub threads: &'a [Measured],
    /// On devices, one for each configuration.
    #[serde(skip_serializing_if = "<[DeviceVerdict]>::is_empty")]
    pub device: &'a [DeviceVerdict],
}

impl OnMachine<'_> {
    fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.device.is_empty()
    }
}

impl<'a> Verdicts<'a> {
    /// Puts verdicts together.
    pub fn of(rows: impl IntoIterator<Item = &'a Verdict>) -> Verdicts<'a> {
        let rows = rows.into_iter().collect();
        let on_machine = OnMachine::default();
        Verdicts { schema: SCHEMA_ROWS, rows, measured: &[], sweeps: &[], on_machine }
    }
}
