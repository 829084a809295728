//! Verification while a load runs: writes are stamped, reads are compared with the ledger, and what is
//! wrong is named. What to make of it is decided in [`judge`], from what was found and what is known alone.

use crate::job::{Job, Pattern};
use crate::ledger::{Content, Ledger};
use crate::request::{Op, Request};
use crate::stamp::{Found, Stamp, look};
use serde::{Deserialize, Serialize};

/// What is wrong with a block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MismatchKind {
    /// The right write, but for some bits: its checksum is wrong.
    FlippedBit,
    /// An older write of the right address, or what was there before all of them.
    LostWrite,
    /// A write that was meant for another address.
    MisdirectedWrite,
    /// An older write, after a newer one had been read.
    StaleRead,
    /// Sectors of two writes.
    TornWrite,
    /// Bytes that this run did not write.
    Foreign,
}

impl MismatchKind {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            MismatchKind::FlippedBit => "flipped bit",
            MismatchKind::LostWrite => "lost write",
            MismatchKind::MisdirectedWrite => "misdirected write",
            MismatchKind::StaleRead => "stale read",
            MismatchKind::TornWrite => "torn write",
            MismatchKind::Foreign => "foreign bytes",
        }
    }
}

/// A block that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mismatch {
    /// What is wrong.
    pub kind: MismatchKind,
    /// The block: its position in bytes divided by those of a unit.
    pub block: u64,
    /// Its first byte.
    pub pos: u64,
    /// What ought to be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// What ought to be there, in words.
fn expected_in_words(expected: Content) -> String {
    match expected {
        Content::Unknown => "nothing in particular".to_owned(),
        Content::Zeroes(sequence) => format!("zeroes, sequence {sequence}"),
        Content::Write(sequence) => format!("sequence {sequence}"),
    }
}

/// What is there, in words.
pub(crate) fn found_in_words(found: Found, run: u64) -> String {
    match found {
        Found::Whole(stamp) if stamp.run != run => {
            format!("block {} sequence {} of another run", stamp.block, stamp.sequence)
        }
        Found::Whole(stamp) => format!("block {} sequence {}", stamp.block, stamp.sequence),
        Found::Zeroes => "zeroes".to_owned(),
        Found::Torn { older, newer } => format!("sectors of sequences {older} and {newer}"),
        Found::Flipped { sequence, byte, bits } => {
            let s = if bits == 1 { "" } else { "s" };
            format!("sequence {sequence} with {bits} bit{s} changed, from byte {byte} on")
        }
        Found::Junk => "bytes that no run wrote".to_owned(),
    }
}

/// What is wrong with a block of this run, if anything; `seen` is the highest sequence read from it.
pub(crate) fn judge(
    found: Found,
    run: u64,
    block: u64,
    expected: Content,
    seen: u64,
) -> Option<MismatchKind> {
    let older = |sequence: u64| {
        let stale = sequence < seen;
        if stale { MismatchKind::StaleRead } else { MismatchKind::LostWrite }
    };
    match (found, expected) {
        (Found::Whole(stamp), _) if stamp.run == run && stamp.block != block => {
            Some(MismatchKind::MisdirectedWrite)
        }
        (_, Content::Unknown) => None,
        (Found::Zeroes, Content::Zeroes(_)) => None,
        (Found::Whole(stamp), Content::Write(sequence))
            if stamp.run == run && stamp.sequence == sequence =>
        {
            None
        }
        (Found::Whole(stamp), _) if stamp.run == run => Some(older(stamp.sequence)),
        // What was there before this run's first write.
        (Found::Whole(stamp), _) if stamp.block == block => Some(older(0)),
        (Found::Zeroes, Content::Write(_)) => Some(older(0)),
        (Found::Torn { .. }, _) => Some(MismatchKind::TornWrite),
        (Found::Flipped { .. }, _) => Some(MismatchKind::FlippedBit),
        (Found::Whole(_) | Found::Junk, _) => Some(MismatchKind::Foreign),
    }
}

/// How many mismatches are kept whole; the others are counted.
const KEPT: usize = 100;

/// Verification of one worker.
#[derive(Debug)]
pub(crate) struct Verifier {
    run: u64,
    unit: usize,
    ledger: Ledger,
    sequence: u64,
    /// Units that were compared with something known.
    pub(crate) checked: u64,
    /// Units that are wrong.
    pub(crate) wrong: u64,
    /// The first of them.
    pub(crate) mismatches: Vec<Mismatch>,
}

impl Verifier {
    /// Of worker `worker`. `trim_zeroes`: what was trimmed reads as zeroes.
    pub(crate) fn new(job: &Job, worker: u16, run: u64, trim_zeroes: bool) -> Verifier {
        let (range, unit) = (job.part(worker), job.unit());
        Verifier {
            run,
            unit: usize::try_from(unit).unwrap_or(usize::MAX),
            ledger: Ledger::new(range, unit, job.pattern == Pattern::Storm, trim_zeroes),
            sequence: 0,
            checked: 0,
            wrong: 0,
            mismatches: Vec::new(),
        }
    }

    /// Whether a request may begin now.
    pub(crate) fn admits(&self, request: &Request) -> bool {
        self.ledger.admits(request)
    }

    /// A request begins: its sequence and the ledger's time. The bytes of a write are made.
    pub(crate) fn begin(&mut self, request: &Request, buffer: &mut [u8]) -> (u64, u64) {
        let sequence = if request.op.changes() {
            self.sequence += 1;
            self.sequence
        } else {
            0
        };
        if request.op == Op::Write {
            let first = request.pos / self.unit as u64;
            let len = usize::try_from(request.len).unwrap_or(0);
            for (block, unit) in (first..).zip(buffer[..len].chunks_exact_mut(self.unit)) {
                Stamp { run: self.run, block, sequence }.write(unit);
            }
        }
        self.ledger.begin(request, sequence);
        (sequence, self.ledger.now())
    }

    /// A request was answered.
    pub(crate) fn end(
        &mut self,
        request: &Request,
        (sequence, begun): (u64, u64),
        good: bool,
        buffer: &[u8],
    ) {
        match request.op {
            Op::Flush => {}
            Op::Read => {
                let places = self.ledger.read(request);
                if good {
                    let units = buffer.chunks_exact(self.unit);
                    places.zip(units).for_each(|(place, unit)| self.check(place, unit));
                }
            }
            _ => self.ledger.stored(request, sequence, begun, good),
        }
    }

    fn check(&mut self, place: usize, unit: &[u8]) {
        let block = self.ledger.block(place);
        let expected = self.ledger.expected(place);
        let write = match expected {
            Content::Write(sequence) => Some(sequence),
            _ => None,
        };
        let found = look(unit, self.run, block, write);
        let content = match found {
            Found::Whole(stamp) if stamp.run == self.run && stamp.block == block => {
                Content::Write(stamp.sequence)
            }
            Found::Zeroes => Content::Zeroes(expected.sequence()),
            _ => Content::Unknown,
        };
        self.checked += u64::from(expected != Content::Unknown);
        let is_other_candidate = content != Content::Unknown && self.ledger.accepts(place, content);
        let kind = judge(found, self.run, block, expected, self.ledger.seen(place));
        let Some(kind) = kind.filter(|_| !is_other_candidate) else {
            if expected != Content::Unknown {
                self.ledger.settle(place, content);
            }
            return;
        };
        self.wrong += 1;
        if self.mismatches.len() < KEPT {
            self.mismatches.push(Mismatch {
                kind,
                block,
                pos: block * self.unit as u64,
                expected: expected_in_words(expected),
                found: found_in_words(found, self.run),
            });
        }
    }

    /// The next place from which something is known.
    pub(crate) fn known_from(&self, from: usize) -> Option<usize> {
        self.ledger.known_from(from)
    }

    /// The read of `bs` bytes, or up to `end`, that begins at a place.
    pub(crate) fn read_at(&self, place: usize, bs: u32, end: u64) -> Request {
        let pos = self.ledger.block(place) * self.unit as u64;
        let len = u32::try_from(end.saturating_sub(pos)).unwrap_or(u32::MAX).min(bs);
        Request { op: Op::Read, fua: false, pos, len }
    }

    /// How many places a read covers.
    pub(crate) fn units_of(&self, request: &Request) -> usize {
        usize::try_from(request.len).unwrap_or(0) / self.unit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 3;

    fn whole(run: u64, block: u64, sequence: u64) -> Found {
        Found::Whole(Stamp { run, block, sequence })
    }

    #[test]
    fn each_kind_has_its_name() {
        use MismatchKind::{
            FlippedBit, Foreign, LostWrite, MisdirectedWrite, StaleRead, TornWrite,
        };
        let flipped = Found::Flipped { sequence: 9, byte: 0, bits: 1 };
        let torn = Found::Torn { older: 8, newer: 9 };
        let nine = Content::Write(9);
        let rows = [
            (whole(RUN, 5, 9), nine, 9, None),
            (whole(RUN, 5, 8), nine, 8, Some(LostWrite)),
            (whole(RUN, 5, 8), nine, 9, Some(StaleRead)),
            (whole(RUN, 6, 9), nine, 9, Some(MisdirectedWrite)),
            (whole(RUN, 6, 9), Content::Unknown, 0, Some(MisdirectedWrite)),
            (whole(RUN, 5, 8), Content::Unknown, 0, None),
            (whole(RUN + 1, 5, 99), nine, 0, Some(LostWrite)),
            (whole(RUN + 1, 6, 9), nine, 0, Some(Foreign)),
            (flipped, nine, 0, Some(FlippedBit)),
            (torn, nine, 0, Some(TornWrite)),
            (Found::Zeroes, nine, 0, Some(LostWrite)),
            (Found::Zeroes, nine, 9, Some(StaleRead)),
            (Found::Zeroes, Content::Zeroes(9), 9, None),
            (whole(RUN, 5, 8), Content::Zeroes(9), 8, Some(LostWrite)),
            (whole(RUN, 5, 8), Content::Zeroes(9), 9, Some(StaleRead)),
            (Found::Junk, nine, 9, Some(Foreign)),
            (Found::Junk, Content::Unknown, 0, None),
        ];
        for (found, expected, seen, want) in rows {
            assert_eq!(judge(found, RUN, 5, expected, seen), want, "{found:?} {expected:?} {seen}");
        }
    }

    #[test]
    fn a_mismatch_names_what_it_found() {
        assert_eq!(found_in_words(whole(RUN, 6, 9), RUN), "block 6 sequence 9");
        let flipped = Found::Flipped { sequence: 9, byte: 77, bits: 1 };
        let told = found_in_words(flipped, RUN);
        assert_eq!(told, "sequence 9 with 1 bit changed, from byte 77 on");
        assert_eq!(expected_in_words(Content::Write(9)), "sequence 9");
    }
}
