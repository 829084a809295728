//! What a medium does: how long a request takes.
//!
//! A model is a pure function of the request; it owns no clock and holds no data. So far there is one
//! medium, which takes no time: the explorer has no clock, and needs only to know *that* the medium is
//! asked. Profiles, caches and faults have their place here.

/// What is asked of a medium.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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
    /// Makes everything written so far durable.
    Flush,
}

/// A model of a medium.
pub trait Medium: std::fmt::Debug + Send + Sync {
    /// How long the request takes, in nanoseconds.
    fn latency_ns(&self, request: Request) -> u64;
}

/// A medium that takes no time.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Instantly;

impl Medium for Instantly {
    fn latency_ns(&self, _: Request) -> u64 {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_takes_time_on_the_instant_medium() {
        for request in [Request::Read { pos: 0, len: 1 << 40 }, Request::Flush] {
            assert_eq!(Instantly.latency_ns(request), 0);
        }
    }
}
