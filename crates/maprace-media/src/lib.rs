//! What a medium does: how long a request takes, what it leaves behind, what a power cut would keep.
//!
//! Three layers, each usable without the next. [`Model`] says when a request completes; it is a pure
//! function of request, state, seed and `now_ns`, and owns no clock. [`Profile`] is a medium as a text
//! file, with the figures it was made after, against which [`check`] runs the model. [`Disk`] adds
//! bytes ([`store`]), errors ([`faults`]) and durability, write by write ([`Log`]).
//!
//! All times are whole nanoseconds, all lengths bytes. The same profile, seed and requests give the
//! same bytes on every machine.

pub mod check;
mod disk;
mod draw;
mod durability;
mod error;
pub mod faults;
mod model;
pub mod params;
mod profile;
pub mod store;
mod units;

pub use disk::{Disk, DiskError, History};
pub use draw::{Body, Chance, Draws};
pub use durability::{Cut, Fate, Id, Kind, Log, Record};
pub use error::{Error, ErrorKind, Position};
pub use model::{Alone, Keying, Model, Served};
pub use profile::{
    Entry, Expect, KEYS, Key, Kind as KeyKind, Known, Measure, Profile, Target, Work, all,
};
pub use units::{Curve, Factor, Rate};

use std::sync::{Mutex, PoisonError};

/// What is asked of a medium.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Request {
    /// Reads `len` bytes at `pos`.
    Read {
        /// The first byte.
        pos: u64,
        /// How many bytes.
        len: u64,
    },
    /// Writes `len` bytes at `pos`.
    Write {
        /// The first byte.
        pos: u64,
        /// How many bytes.
        len: u64,
    },
    /// The same, durable when it completes (FUA).
    WriteThrough {
        /// The first byte.
        pos: u64,
        /// How many bytes.
        len: u64,
    },
    /// Makes everything that was complete when it began durable.
    Flush,
    /// Gives `len` bytes at `pos` back: they read as zeroes.
    Discard {
        /// The first byte.
        pos: u64,
        /// How many bytes.
        len: u64,
    },
    /// Writes `len` zeroes at `pos`; takes as long as any write of that length, since no profile has a
    /// figure for it.
    Zero {
        /// The first byte.
        pos: u64,
        /// How many bytes.
        len: u64,
    },
}

/// A model of a medium.
pub trait Medium: std::fmt::Debug + Send + Sync {
    /// How long the request takes when nothing else is asked of the medium, in nanoseconds.
    fn latency_ns(&self, request: Request) -> u64;

    /// Takes the request at `now_ns`, and tells when it completes. `now_ns` does not decrease from one
    /// call to the next.
    fn serve(&self, request: Request, now_ns: u64) -> Served {
        let done_ns = now_ns.saturating_add(self.latency_ns(request));
        Served { done_ns, durable_ns: done_ns }
    }
}

/// A medium that takes no time.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Instantly;

impl Medium for Instantly {
    fn latency_ns(&self, _: Request) -> u64 {
        0
    }
}

/// A medium that behaves as a profile says. Requests of several threads are served one at a time; where
/// their order is not repeatable, key the model by address ([`Keying::ByAddress`]).
#[derive(Debug)]
pub struct Modelled {
    /// Nobody has asked it anything.
    fresh: Model,
    model: Mutex<Model>,
}

impl Modelled {
    /// A medium with that model.
    pub fn new(model: Model) -> Modelled {
        Modelled { fresh: model.clone(), model: Mutex::new(model) }
    }
}

impl Medium for Modelled {
    /// That of a first request: its draw is that of the seed, not the mean.
    fn latency_ns(&self, request: Request) -> u64 {
        self.fresh.clone().serve(request, 0).done_ns
    }

    fn serve(&self, request: Request, now_ns: u64) -> Served {
        // A panic elsewhere leaves a state that is whole: `serve` has no point at which it could stop.
        self.model.lock().unwrap_or_else(PoisonError::into_inner).serve(request, now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_time_on_the_instant_medium() {
        for request in [Request::Read { pos: 0, len: 1 << 40 }, Request::Flush] {
            assert_eq!(Instantly.latency_ns(request), 0);
            assert_eq!(Instantly.serve(request, 7), Served { done_ns: 7, durable_ns: 7 });
        }
    }

    #[test]
    fn a_modelled_medium_is_its_model() {
        let profile = Profile::open("optane-ssd-p4800x").unwrap();
        let mut model = Model::new(profile.params.clone());
        let medium = Modelled::new(model.clone());
        let request = Request::Read { pos: 4096, len: 4096 };
        let alone = medium.latency_ns(request);
        assert!((8_000..10_000).contains(&alone), "{alone}");
        for now in [0, 10, 1_000, 1_000_000] {
            assert_eq!(medium.serve(request, now), model.serve(request, now));
        }
        assert_eq!(medium.latency_ns(request), alone, "asking how long changes nothing");
    }
}
