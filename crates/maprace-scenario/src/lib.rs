//! What is run: the scenario file, the built-in catalogue, the schedule text.
//!
//! A [`Scenario`] is plain data: a file's initial state, the tasks and their operations, what happens
//! afterwards and what the kernel sources lead us to expect. A [`Schedule`] is the text of one
//! interleaving, and a [`Driver`] replays it. Nothing here runs a file system, prints, or keeps a
//! clock; the only input and output is [`Scenario::open`], which reads one file.
//!
//! The rule to know before editing: whatever the bytes, a parser answers with a value or with one
//! line that says where, what, and what is known instead. It never panics and never guesses.

#![deny(missing_docs)]

mod any_layer;
pub mod catalogue;
mod config;
pub mod costs;
pub mod device_world;
mod diagram;
mod error;
pub mod explain;
mod explore_world;
mod format;
pub mod hunt;
mod knobs;
pub mod measure;
mod measured;
mod op;
mod plan;
mod print;
mod probe;
mod range;
mod schedule;
mod served_world;
mod shrink;
mod sources;
mod suggest;
mod sweep;
mod threads_world;
mod verdict;
mod virtual_world;
mod vocabulary;
mod workload;

pub use any_layer::AnyLayer;
pub use config::Config;
pub use costs::{CostTable, Priced};
pub use diagram::{Scene, diagram, ending, operation};
pub use error::{Error, ErrorKind, Position};
pub use explore_world::{Happened, Moment, Storied, Story};
pub use format::{
    Bitmaps, ConfigNames, EsStart, Expect, ExpectedVerdict, FileSpec, FsSpec, JournalCredits,
    Scenario, TaskSpec, When, limits,
};
pub use knobs::{KnobSetting, KnobValues, single_turns};
pub use measured::{
    Estimate, Measured, Paid, Range as MedianRange, SCHEMA_MEASURED, Spread, Sweep, SweepPoint,
    WindowSeen, Word,
};
pub use op::{Op, OpError, OpErrorKind, OpKind};
pub use plan::{NotModelled, Plan, PlannedTask};
pub use probe::{First, Probed, Symptom, Visibility, probe, symptom};
pub use range::{BlockRange, ByteRange, Range, RangeError};
pub use schedule::{Driver, HEADER_KEYS, Item, Mismatch, MismatchKind, Run, Schedule, TaskView};
pub use served_world::{
    Answered, Asked, SERVED_BLOCK, SERVED_BYTES_MOST, Served, ServedFile, Slot, Slots, Store,
    Written, Zeroes,
};
pub use shrink::{Shrunk, Trial, shrink};
pub use sources::{citation, documented};
pub use sweep::{SweepKey, SweepSpec, SweepValue, nanoseconds};
pub use threads_world::OnThreads;
pub use verdict::{
    Expected, Found, Judgement, Machine, OnMachine, Paint, Question, Row, SCHEMA, SCHEMA_ROWS,
    Verdict, Verdicts, judge, page, quoted, table,
};
pub use virtual_world::{MakeCosts, Media, Round, Rounded, SeededCosts, Starts, Terms, Timed};
pub use vocabulary::{CheckerName, Vocabulary};
pub use workload::{WORKLOAD_KEYS, Workload, WorkloadKey, bytes};
