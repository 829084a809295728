//! Which schedules to try: partial order reduction, state search, bounds, random; replay and
//! certificate.
//!
//! A [`Program`] builds the same world each time; [`explore`] runs it under many schedules and says
//! what can come out. It deliberately knows nothing of file systems, of time and of the machine: the
//! same program and [`Options`] give the same [`Report`], bit for bit.
//!
//! The rule to know before editing: an engine that reduces ([`Engine::Dpor`]) believes the footprints
//! of steps. One that is too small loses traces in silence. [`check_independence`] tests them; the
//! certificate, which needs the sum of all traces' chances to be 1, catches what is lost.

#![deny(missing_docs)]

mod auto;
mod bounded;
mod clocks;
mod cost;
mod dpor;
mod holds;
mod icb;
mod independence;
#[doc(hidden)]
pub mod little;
mod measure;
mod naive;
mod packed;
mod program;
mod races;
mod random;
mod replay;
mod report;
mod run;
mod shortest;
mod states;
mod table;
mod tally;
mod trace;
mod weigh;

pub use independence::{Checked, Dependence, Flaw, check_independence};
pub use naive::{Traces, Uncounted, enumerate_traces};
pub use program::{End, Outcome, Program, Watch, World};
pub use replay::{Mismatch, Replay, Replayed, replay, replay_with};
pub use report::{
    Budget, Counterexample, Damage, Engine, Missing, Options, Progress, RaceRule, Report, Stop,
};

/// Explores `program` as `options` say.
pub fn explore(program: &dyn Program, options: &Options<'_>) -> Report {
    match options.engine {
        Engine::Naive => naive::explore(program, options),
        Engine::Dpor => dpor::explore(program, options),
        Engine::States => states::explore(program, options),
        Engine::Icb => icb::explore(program, options, options.budget.executions),
        Engine::Random | Engine::Pct => random::explore(program, options),
        Engine::Auto => auto::explore(program, options),
    }
}
