//! What steps cost in virtual time: tables of nanoseconds, each number with its origin.
//!
//! A [`CostTable`] is plain data, read from a TOML file or one of the built-in ones in `costs/`; a
//! [`Priced`] is a table applied to one world, which the virtual clock asks. What has no price of its
//! own has the default's. A release is no step of the model, and neither is what a function does after
//! its last step: both are paid where the function is entered, or with the acquire.
//!
//! The rule to know before editing: a number without an origin does not parse, and what a table is good
//! for travels with every result that was made with it.

mod names;
mod parse;
mod priced;
mod print;
#[cfg(test)]
mod tests;
mod typical;

pub use names::{CALLS, STEPS};
pub use priced::Priced;
pub use typical::Typical;

use crate::error::{Error, ErrorKind, text_of};
use crate::format::limits;
use maprace_runtime::sim;
use serde::Serialize;
use std::io::Read as _;

/// The bounds of what a table may hold.
pub mod bounds {
    /// The most that anything costs, in nanoseconds: one second.
    pub const NS: u64 = 1_000_000_000;
    /// Steps, and calls, that one table prices.
    pub const ENTRIES: usize = 1024;
    /// All of a cost, in millionths: the widest spread.
    pub const SPREAD_PPM: u32 = 1_000_000;
}

/// The built-in table that is used where none is named.
pub const DEFAULT: &str = "linux-x86";

/// A built-in table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// The text of its file, to be shown or copied.
    pub text: &'static str,
}

/// In the order in which lists show them.
const ENTRIES: &[Entry] = &[
    Entry { name: DEFAULT, text: include_str!("../costs/linux-x86.toml") },
    Entry { name: "lab-tcg", text: include_str!("../costs/lab-tcg.toml") },
];

/// What things cost, and where each number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CostTable {
    /// Short name, for example `linux-x86`: letters, digits, `.`, `-`, `_`.
    pub name: String,
    /// One line that says what it is; the name when the file gives none.
    pub title: String,
    /// What results that were made with it are good for, in a few words.
    pub good_for: String,
    /// Where numbers come from that have no origin of their own; may be empty.
    pub source: String,
    /// The machine.
    pub machine: MachineCosts,
    /// What is not named costs this.
    pub default: DefaultCosts,
    /// Steps by name, each once.
    pub steps: Vec<StepCost>,
    /// Entries into kernel functions by name, each once.
    pub calls: Vec<CallCost>,
}

/// What the machine adds to steps and calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MachineCosts {
    /// From the moment a task is woken to that at which it can run: 0 to [`bounds::NS`] nanoseconds.
    pub wake_ns: u64,
    /// How long a task may keep its processor while others wait: 1 to [`bounds::NS`] nanoseconds.
    pub slice_ns: u64,
    /// Each cost is drawn evenly from so much below to so much above its number, in millionths of it:
    /// 0, exact, to [`bounds::SPREAD_PPM`]. In files a fraction, `spread`.
    pub spread_ppm: u32,
    /// Where the numbers come from.
    pub source: String,
}

/// What is not named costs this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DefaultCosts {
    /// A step: 0 to [`bounds::NS`] nanoseconds.
    pub step_ns: u64,
    /// An entry into a kernel function: 0 to [`bounds::NS`] nanoseconds.
    pub call_ns: u64,
    /// Where the numbers come from.
    pub source: String,
}

/// What a step costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StepCost {
    /// Its name: one of [`STEPS`], or of a layer's own.
    pub name: String,
    /// However much it touches: 0 to [`bounds::NS`] nanoseconds.
    pub ns: u64,
    /// On top of it, for each KiB of the first thing with a size that it touches: 0 to [`bounds::NS`]
    /// nanoseconds.
    pub per_kib_ns: u64,
    /// Whether it may be the step of a layer that is not built in.
    pub own: bool,
    /// Where the numbers come from.
    pub source: String,
}

/// What the entry into a kernel function costs, beside its steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallCost {
    /// Its name: one of [`CALLS`], or of a layer's own.
    pub name: String,
    /// 0 to [`bounds::NS`] nanoseconds.
    pub ns: u64,
    /// Whether it may be the function of a layer that is not built in.
    pub own: bool,
    /// Where the number comes from.
    pub source: String,
}

/// Every built-in table, in the order in which lists show them.
pub fn all() -> &'static [Entry] {
    ENTRIES
}

/// The text of the built-in table of that name.
pub fn text(name: &str) -> Option<&'static str> {
    ENTRIES.iter().find(|entry| entry.name == name).map(|entry| entry.text)
}

impl CostTable {
    /// Parses a table's text; `origin` is what errors call it.
    ///
    /// # Errors
    /// One line, with the place, for whatever the format does not allow.
    pub fn parse(origin: &str, text: &str) -> Result<CostTable, Error> {
        parse::table(origin, text_of(origin, text.as_bytes())?)
    }

    /// The table a user names: a name with `/` or `.toml` is a file, anything else a built-in.
    ///
    /// # Errors
    /// As [`CostTable::parse`]; when the file cannot be read or is no text; when no built-in has the
    /// name.
    pub fn open(name: &str) -> Result<CostTable, Error> {
        if name.contains('/') || name.contains(".toml") {
            return CostTable::read(name);
        }
        let text = text(name).ok_or_else(|| {
            let known = ENTRIES.iter().map(|entry| entry.name.to_owned()).collect();
            Error::new("costs", None, ErrorKind::NoBuiltInCosts { typed: name.to_owned(), known })
        })?;
        CostTable::parse(name, text)
    }

    /// The table in a file.
    ///
    /// # Errors
    /// As [`CostTable::open`].
    pub fn read(path: &str) -> Result<CostTable, Error> {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path).and_then(|file| {
            // One byte more than the limit, so that a longer file is seen to be longer.
            file.take(limits::TEXT as u64 + 1).read_to_end(&mut bytes)
        });
        read.map_err(|error| Error::new(path, None, ErrorKind::Io(error)))?;
        parse::table(path, text_of(path, &bytes)?)
    }

    /// Every step costs `step_ns`, no call costs anything, a woken task can run after `wake_ns`: round
    /// numbers, for tests. All in nanoseconds.
    pub fn uniform(step_ns: u64, wake_ns: u64) -> CostTable {
        let source = "a round number".to_owned();
        CostTable {
            name: "uniform".to_owned(),
            title: "every step costs the same".to_owned(),
            good_for: "tests".to_owned(),
            source: source.clone(),
            machine: MachineCosts {
                wake_ns,
                slice_ns: 3_000_000,
                spread_ppm: 0,
                source: source.clone(),
            },
            default: DefaultCosts { step_ns, call_ns: 0, source },
            steps: Vec::new(),
            calls: Vec::new(),
        }
    }

    /// The same with another price of one step: `ns` nanoseconds, and `per_kib_ns` for each KiB.
    #[must_use]
    pub fn with_step(mut self, name: &str, ns: u64, per_kib_ns: u64) -> CostTable {
        self.steps.retain(|step| step.name != name);
        let (name, source) = (name.to_owned(), self.source.clone());
        self.steps.push(StepCost { own: !names::is_step(&name), name, ns, per_kib_ns, source });
        self
    }

    /// The same with another price of one call, in nanoseconds.
    #[must_use]
    pub fn with_call(mut self, name: &str, ns: u64) -> CostTable {
        self.calls.retain(|call| call.name != name);
        let (name, source) = (name.to_owned(), self.source.clone());
        self.calls.push(CallCost { own: !names::is_call(&name), name, ns, source });
        self
    }

    /// The same with costs drawn evenly from around their numbers, by so many millionths of them.
    #[must_use]
    pub fn with_spread_ppm(mut self, spread_ppm: u32) -> CostTable {
        self.machine.spread_ppm = spread_ppm.min(bounds::SPREAD_PPM);
        self
    }

    /// What is printed with every result: the name, and what it is good for.
    pub fn label(&self) -> String {
        format!("{} ({})", self.name, self.good_for)
    }

    /// The machine of the virtual clock, with so many processors, from 1.
    pub fn machine(&self, cpus: u32) -> sim::Machine {
        let MachineCosts { wake_ns, slice_ns, .. } = self.machine;
        // A cache line goes from one processor to the other; far below a wake-up.
        sim::Machine { cpus, wake_ns, slice_ns, spin_ns: wake_ns.min(100) }
    }

    /// The step of that name, if it has a price of its own.
    pub fn step(&self, name: &str) -> Option<&StepCost> {
        self.steps.iter().find(|step| step.name == name)
    }

    /// The call of that name, if it has a price of its own.
    pub fn call(&self, name: &str) -> Option<&CallCost> {
        self.calls.iter().find(|call| call.name == name)
    }
}
