//! How does a block device in user space get its requests, and when does it answer them?
//!
//! The only crate that knows the ABI of ublk. A [`Transport`] brings the requests of one queue and takes
//! the answers; a [`Backend`] says what the answers are; between them stands the queue loop, which
//! answers when the medium would have. The loop, the backends and everything that counts run against
//! any transport, so that tests need no kernel.
//!
//! Times are nanoseconds of `CLOCK_MONOTONIC`, positions and lengths bytes.

#![deny(missing_docs)]

mod attributes;
mod backend;
mod calibrate;
mod company;
mod control;
mod deadlines;
pub mod desk;
pub mod device;
pub mod doctor;
pub mod floor;
mod io;
mod libublk;
mod plan;
pub mod queue;
pub mod raw;
mod stats;
mod tally;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod transport;
mod waiting;

pub use attributes::{Attributes, RANGE_BYTES_MAX, SECTOR, SizeError};
pub use backend::{Answer, Backend, Finish, Service, Timed};
pub use calibrate::prober;
pub use io::{Io, Op, Outcome, Tag};
pub use plan::{Floor, Partitions, Plan, Timing, Waiting};
pub use stats::{Counts, Percentiles, Stats};
pub use transport::{Arrival, Bell, Ring, State, Transport, Until};
