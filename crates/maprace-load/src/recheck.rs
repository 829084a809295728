//! After a crash: is what was acknowledged still there?
//!
//! What was durable when it was acknowledged, or acknowledged before a flush began that was acknowledged
//! too, must be there, or something newer. What was only acknowledged may be missing: a volatile cache
//! promises no more. It is counted apart, as is what was written and never acknowledged.

use crate::ack::{AckHeader, Acked};
use crate::engine::{Engine, Wait};
use crate::error::Error;
use crate::psync::Psync;
use crate::request::{Op, Request};
use crate::stamp::{Found, look};
use crate::target::Target;
use crate::verify::{Mismatch, MismatchKind, found_in_words};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Recheck {
    /// Blocks that something acknowledged was written to.
    pub blocks: u64,
    /// Blocks with something that must be there.
    pub durable: u64,
    /// Blocks that hold the newest that was acknowledged.
    pub newest: u64,
    /// Blocks that hold something written later and never acknowledged.
    pub unacknowledged: u64,
    /// Blocks whose newest was acknowledged, not flushed, and is not there: no fault.
    pub missing_unflushed: u64,
    /// Blocks that a write in flight left half written: no fault of a device that promises whole sectors.
    pub torn_in_flight: u64,
    /// Blocks that lost what must be there.
    pub wrong: u64,
    /// The first of them.
    pub mismatches: Vec<Mismatch>,
}

/// How many mismatches are kept whole.
const KEPT: usize = 100;

/// What was acknowledged of one block: the highest sequences.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    newest: u64,
    newest_is_write: bool,
    durable: u64,
    durable_is_write: bool,
}

/// Puts the records together, block by block.
fn blocks(acks: &[Acked]) -> BTreeMap<u64, Block> {
    let mut covered: BTreeMap<u16, u64> = BTreeMap::new();
    for flush in acks.iter().filter(|ack| ack.op == Op::Flush) {
        let upto = covered.entry(flush.worker).or_insert(0);
        *upto = (*upto).max(flush.sequence);
    }
    let mut numbers: BTreeMap<u16, u64> = BTreeMap::new();
    let mut blocks: BTreeMap<u64, Block> = BTreeMap::new();
    for ack in acks {
        let number = numbers.entry(ack.worker).or_insert(0);
        let is_durable = ack.fua || *number < covered.get(&ack.worker).copied().unwrap_or(0);
        *number += 1;
        if ack.op == Op::Flush {
            continue;
        }
        for at in ack.block..ack.block + u64::from(ack.units) {
            let block = blocks.entry(at).or_default();
            if ack.sequence >= block.newest {
                (block.newest, block.newest_is_write) = (ack.sequence, ack.op == Op::Write);
            }
            if is_durable && ack.sequence >= block.durable {
                (block.durable, block.durable_is_write) = (ack.sequence, ack.op == Op::Write);
            }
        }
    }
    blocks
}

/// Checks a target, read by `read`, against what was acknowledged.
///
/// # Errors
///
/// The target cannot be read.
pub fn recheck(
    header: &AckHeader,
    acks: &[Acked],
    mut read: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> Result<Recheck, Error> {
    let mut unit = vec![0; usize::try_from(header.unit).unwrap_or(0)];
    let mut report = Recheck::default();
    for (at, block) in blocks(acks) {
        let pos = at * u64::from(header.unit);
        read(pos, &mut unit).map_err(|cause| Error::system("it cannot be read", cause))?;
        let newest = block.newest_is_write.then_some(block.newest);
        let found = look(&unit, header.run, at, newest);
        report.blocks += 1;
        report.durable += u64::from(block.durable != 0);
        report.sort(header, at, block, found);
    }
    Ok(report)
}

/// The same of an opened target, block by block through plain reads.
///
/// # Errors
///
/// The target cannot be read, or ends before what was acknowledged.
pub fn recheck_target(
    target: &Arc<Target>,
    header: &AckHeader,
    acks: &[Acked],
) -> Result<Recheck, Error> {
    let mut engine = Psync::new(Arc::clone(target), header.unit, 0)?;
    let mut done = Vec::with_capacity(1);
    recheck(header, acks, |pos, unit| {
        engine.queue(0, &Request { op: Op::Read, fua: false, pos, len: header.unit });
        engine.submit(Wait::Answer)?;
        engine.reap(&mut done);
        let result = done.pop().map_or(0, |one| one.result);
        if result < 0 {
            return Err(io::Error::from_raw_os_error(-result));
        }
        if u32::try_from(result) != Ok(header.unit) {
            let what = format!("it ends before byte {pos}, where something was acknowledged");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        unit.copy_from_slice(engine.buffer(0));
        Ok(())
    })
}

impl Recheck {
    /// Counts one block where it belongs.
    fn sort(&mut self, header: &AckHeader, at: u64, block: Block, found: Found) {
        let kind = match found {
            Found::Whole(stamp) if stamp.run == header.run && stamp.block != at => {
                Some(MismatchKind::MisdirectedWrite)
            }
            Found::Whole(stamp) if stamp.run == header.run => {
                self.sort_sequence(block, stamp.sequence)
            }
            Found::Torn { newer, .. } if newer > block.newest => {
                self.torn_in_flight += 1;
                None
            }
            Found::Torn { .. } => Some(MismatchKind::TornWrite),
            Found::Flipped { .. } => Some(MismatchKind::FlippedBit),
            Found::Zeroes if !block.newest_is_write => {
                self.newest += 1;
                None
            }
            // What was there before, or bytes of somebody else: where nothing had to be there, nothing is lost.
            Found::Zeroes | Found::Whole(_) | Found::Junk => self.sort_sequence(block, 0),
        };
        let Some(kind) = kind else { return };
        self.wrong += 1;
        if self.mismatches.len() < KEPT {
            let (expected, zeroed) = (block.durable.max(1), !block.durable_is_write);
            let what = if zeroed { "what is zeroed or trimmed in" } else { "" };
            let expected = format!("{what} sequence {expected} or later").trim_start().to_owned();
            let found = found_in_words(found, header.run);
            let pos = at * u64::from(header.unit);
            self.mismatches.push(Mismatch { kind, block: at, pos, expected, found });
        }
    }

    fn sort_sequence(&mut self, block: Block, sequence: u64) -> Option<MismatchKind> {
        // What was zeroed or trimmed and reads as something older has lost that as a write would be lost.
        match sequence {
            s if s > block.newest => self.unacknowledged += 1,
            s if s == block.newest => self.newest += 1,
            s if s >= block.durable => self.missing_unflushed += 1,
            _ => return Some(MismatchKind::LostWrite),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Stamp;

    const RUN: u64 = 9;

    fn header() -> AckHeader {
        AckHeader::new("t", RUN, 512, 2)
    }

    fn write(worker: u16, block: u64, sequence: u64, fua: bool) -> Acked {
        Acked { worker, op: Op::Write, fua, block, units: 1, sequence }
    }

    fn flush(worker: u16, covers: u64) -> Acked {
        Acked { worker, op: Op::Flush, fua: false, block: 0, units: 0, sequence: covers }
    }

    /// The report of acks against a device whose blocks hold these sequences; 0 is nothing.
    fn report(acks: &[Acked], sequences: &[u64]) -> Recheck {
        recheck(&header(), acks, |pos, unit| {
            let block = pos / 512;
            let sequence = sequences[usize::try_from(block).unwrap()];
            match sequence {
                0 => unit.fill(0),
                _ => Stamp { run: RUN, block, sequence }.write(unit),
            }
            Ok(())
        })
        .unwrap()
    }

    #[test]
    fn what_was_flushed_must_be_there() {
        let acks = [write(0, 0, 1, false), write(0, 1, 2, false), flush(0, 1)];
        let good = report(&acks, &[1, 2]);
        assert_eq!((good.blocks, good.durable, good.newest, good.wrong), (2, 1, 2, 0));
        // The second was not covered: it may be missing.
        let missing = report(&acks, &[1, 0]);
        assert_eq!((missing.missing_unflushed, missing.wrong), (1, 0));
        let lost = report(&acks, &[0, 2]);
        assert_eq!((lost.wrong, lost.mismatches[0].kind), (1, MismatchKind::LostWrite));
        assert_eq!(lost.mismatches[0].found, "zeroes");
        assert_eq!(lost.mismatches[0].expected, "sequence 1 or later");
    }

    #[test]
    fn a_flush_makes_durable_what_its_worker_had_and_no_more() {
        let acks =
            [write(1, 0, 1, false), write(0, 1, 1, false), flush(0, 1), write(0, 1, 2, false)];
        let other = report(&acks, &[0, 2]);
        assert_eq!((other.durable, other.missing_unflushed, other.wrong), (1, 1, 0));
        let older = report(&acks, &[1, 1]);
        assert_eq!((older.missing_unflushed, older.wrong), (1, 0));
        assert_eq!(report(&acks, &[1, 0]).wrong, 1);
    }

    #[test]
    fn fua_needs_no_flush() {
        let acks = [write(0, 0, 1, true), write(0, 1, 2, false)];
        let report = report(&acks, &[0, 0]);
        assert_eq!((report.wrong, report.missing_unflushed), (1, 1));
    }

    #[test]
    fn what_came_later_and_was_never_acknowledged_is_no_fault() {
        let report = report(&[write(0, 0, 1, true)], &[7]);
        assert_eq!((report.unacknowledged, report.wrong), (1, 0));
    }

    #[test]
    fn zeroes_are_kept_as_writes_are() {
        let zero =
            |block, sequence, fua| Acked { op: Op::WriteZeroes, ..write(0, block, sequence, fua) };
        let acks = [write(0, 0, 1, true), zero(0, 2, true), write(0, 1, 3, false)];
        assert_eq!(report(&acks, &[0, 3]).newest, 2);
        let back = report(&acks, &[1, 3]);
        assert_eq!((back.wrong, back.mismatches[0].kind), (1, MismatchKind::LostWrite));
    }

    #[test]
    fn other_damage_is_named() {
        let acks = [write(0, 0, 5, true)];
        let with = |spoil: fn(&mut [u8])| {
            let report = recheck(&header(), &acks, |_, unit| {
                Stamp { run: RUN, block: 0, sequence: 5 }.write(unit);
                spoil(unit);
                Ok(())
            });
            report.unwrap().mismatches.first().map(|mismatch| mismatch.kind)
        };
        assert_eq!(with(|_| ()), None);
        assert_eq!(with(|unit| unit[100] ^= 4), Some(MismatchKind::FlippedBit));
        let elsewhere = |unit: &mut [u8]| Stamp { run: RUN, block: 3, sequence: 5 }.write(unit);
        assert_eq!(with(elsewhere), Some(MismatchKind::MisdirectedWrite));
    }
}
