//! What does a block device do under load?
//!
//! A [`Job`] says what is asked of a target: which operations, how many at a time, at whose pace. [`drive`]
//! asks it of an [`Engine`], which is all that differs between a kernel's ring, plain system calls, nothing
//! at all, and a device in this process. What comes back is a [`Tally`], then a [`Record`]: figures with
//! their histograms, and the [`Doubt`]s that they leave.
//!
//! It knows no media, no file system and no ublk; it prints nothing. `unsafe` stands in `ring` and below
//! it, and nowhere else.

mod ack;
mod arrivals;
mod clock;
mod compare;
mod cpu;
mod doubts;
mod drive;
mod engine;
mod error;
mod facts;
mod fio_json;
mod generate;
mod in_process;
mod job;
mod lanes;
mod ledger;
mod null;
mod psync;
mod recheck;
mod record;
mod request;
mod ring;
mod run;
mod safety;
mod signature;
mod stamp;
mod tally;
mod target;
mod verify;

pub use ack::{AckHeader, AckLog, Acked};
pub use clock::Clock;
pub use compare::{Compared, Comparison, Metric, Said, compare, ratio_interval, records};
pub use cpu::CpuTime;
pub use doubts::Doubt;
pub use drive::{Ending, Outcome, Parts, Shared, Waited, drive};
pub use engine::{Done, Engine, EngineFacts, Wait};
pub use error::{Error, ErrorKind};
pub use facts::{Facts, Kind, Use, facts};
pub use fio_json::fio_json_plus;
pub use in_process::{Device, InProcess, Reply};
pub use job::{Arrival, Job, Pace, Pattern, Until};
pub use lanes::{LaneRound, Lanes};
pub use null::Null;
pub use psync::Psync;
pub use recheck::{Recheck, recheck, recheck_target};
pub use record::{
    DoubtRecord, Ended, ErrorRecord, LatencyRecord, Machine, OpRecord, Percentile, Record, SCHEMA,
    Seen, VerifyRecord, errno_in_words, time,
};
pub use request::{Op, Request};
pub use ring::Uring;
pub use run::{
    EngineChoice, Finished, Progress, RunSpec, Watch, run_in_process, run_null, run_target,
};
pub use safety::{Refusal, decide};
pub use signature::{At, SIGNATURES, Signature, known};
pub use tally::{OpTally, Tally};
pub use target::{Access, Target, open_target};
pub use verify::{Mismatch, MismatchKind};
