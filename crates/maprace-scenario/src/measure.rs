//! From what happens to tasks to figures: windows, costs, distributions, intervals.
//!
//! [`Meter`] follows one run, [`Tally`] adds runs up, [`Tally::measured`] makes the record. The same for
//! virtual time and for threads; where the times come from is their affair.

mod meter;
mod repeats;
mod run;
mod stats;
mod tally;

pub use meter::Meter;
pub use repeats::Repeats;
pub use run::{Outcome, Subject, Virtual};
pub use stats::{spread, wilson};
pub use tally::{About, Tally};
