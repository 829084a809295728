//! Errors of a medium: at addresses, and by chance. Whether a request fails is a function of its key,
//! as its latency is.
//!
//! A fault that lasts until it is written heals where it was written, as bad blocks of persistent
//! memory and pending sectors of disks do.

use crate::draw::{Chance, Draws};
use std::collections::BTreeMap;

/// Which requests a fault concerns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Asked {
    /// Reads.
    Read,
    /// Writes, discards and zeroing.
    Write,
    /// Flushes; addresses do not count.
    Flush,
}

/// How long a fault is there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lasts {
    /// Always.
    ForEver,
    /// Until the address is written.
    UntilWritten,
}

/// Something that may fail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// Which requests.
    pub asked: Asked,
    /// The first byte it concerns.
    pub from: u64,
    /// The byte after the last.
    pub end: u64,
    /// How often a request that touches it fails.
    pub chance: Chance,
    /// How long it is there.
    pub lasts: Lasts,
}

/// A request that failed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error("medium error at byte {pos}")]
pub struct MediumError {
    /// The first byte that could not be read or written; 0 for a flush.
    pub pos: u64,
}

/// The faults of one medium, with what has healed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Faults {
    faults: Vec<Fault>,
    /// Ranges written since, first byte to the byte after the last: disjoint, not adjacent.
    written: BTreeMap<u64, u64>,
}

/// The first of the draws that faults use; the model uses those below.
const FIRST_WORD: u64 = 1 << 32;

impl Faults {
    /// With these.
    pub fn new(faults: Vec<Fault>) -> Faults {
        Faults { faults, written: BTreeMap::new() }
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// Whether a request for `len` bytes at `pos` fails, by these draws; of a flush both are 0.
    ///
    /// # Errors
    ///
    /// It does; the first fault of the list that strikes is told.
    pub fn strike(
        &self,
        asked: Asked,
        pos: u64,
        len: u64,
        draws: Draws,
    ) -> Result<(), MediumError> {
        for (word, fault) in (FIRST_WORD..).zip(&self.faults) {
            if fault.asked != asked {
                continue;
            }
            let touched = match asked {
                Asked::Flush => Some(0),
                _ => self.first_bad(fault, pos, pos.saturating_add(len)),
            };
            if let Some(pos) = touched
                && fault.chance.hit(draws.word(word), 0, 0).is_some()
            {
                return Err(MediumError { pos });
            }
        }
        Ok(())
    }

    /// The first byte of a range that a fault still concerns.
    fn first_bad(&self, fault: &Fault, lo: u64, hi: u64) -> Option<u64> {
        let (mut at, hi) = (lo.max(fault.from), hi.min(fault.end));
        if fault.lasts == Lasts::UntilWritten
            && let Some((_, end)) = self.written.range(..=at).next_back()
        {
            at = at.max(*end);
        }
        (at < hi).then_some(at)
    }

    /// Tells that these bytes were written.
    pub fn wrote(&mut self, pos: u64, len: u64) {
        if len == 0 || !self.faults.iter().any(|fault| fault.lasts == Lasts::UntilWritten) {
            return;
        }
        let (mut lo, mut hi) = (pos, pos.saturating_add(len));
        let touching: Vec<u64> = self
            .written
            .range(..=hi)
            .filter(|(_, end)| **end >= lo)
            .map(|(from, _)| *from)
            .collect();
        for from in touching {
            let end = self.written.remove(&from).unwrap_or(from);
            (lo, hi) = (lo.min(from), hi.max(end));
        }
        self.written.insert(lo, hi);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(asked: Asked, from: u64, end: u64, lasts: Lasts) -> Fault {
        Fault { asked, from, end, chance: Chance::new(1.0), lasts }
    }

    fn draws(i: u64) -> Draws {
        Draws::of([1, 2, 3, i])
    }

    #[test]
    fn an_address_fails_until_it_is_written() {
        let mut faults = Faults::new(vec![bad(Asked::Read, 4096, 12288, Lasts::UntilWritten)]);
        let read = |faults: &Faults, pos, len| faults.strike(Asked::Read, pos, len, draws(0));
        assert_eq!(read(&faults, 0, 4096), Ok(()));
        assert_eq!(read(&faults, 0, 4097), Err(MediumError { pos: 4096 }));
        assert_eq!(faults.strike(Asked::Write, 4096, 1, draws(0)), Ok(()));
        faults.wrote(0, 8192);
        assert_eq!(read(&faults, 0, 8192), Ok(()));
        assert_eq!(read(&faults, 0, 9000), Err(MediumError { pos: 8192 }));
        faults.wrote(10_000, 5_000);
        faults.wrote(8192, 2_000);
        assert_eq!(read(&faults, 0, 1 << 20), Ok(()));
        assert_eq!(faults.written.len(), 1, "what touches becomes one range");
    }

    #[test]
    fn what_lasts_for_ever_does_not_heal() {
        let mut faults = Faults::new(vec![bad(Asked::Write, 0, 512, Lasts::ForEver)]);
        faults.wrote(0, 512);
        assert_eq!(faults.strike(Asked::Write, 100, 1, draws(0)), Err(MediumError { pos: 100 }));
    }

    #[test]
    fn chance_strikes_as_often_as_it_says_and_alike_for_one_key() {
        let fault = Fault { chance: Chance::new(0.1), ..bad(Asked::Flush, 0, 1, Lasts::ForEver) };
        let faults = Faults::new(vec![fault]);
        let hits = |from: u64| {
            (from..from + 10_000)
                .filter(|i| faults.strike(Asked::Flush, 0, 0, draws(*i)).is_err())
                .count()
        };
        // 1000 on average, and 4 standard deviations of 30 around it.
        assert!((880..=1120).contains(&hits(0)), "{}", hits(0));
        assert_eq!(hits(0), hits(0));
    }
}
