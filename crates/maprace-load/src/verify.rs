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
        // Which it is will be asked again: a mixture decides nothing.
        if self.is_mixture(place, unit) {
            return;
        }
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

    /// Whether each byte is one that a store wrote which overlapped there and could have been last.
    #[cold]
    fn is_mixture(&self, place: usize, unit: &[u8]) -> bool {
        let (run, block) = (self.run, self.ledger.block(place));
        let mut would = vec![0; unit.len()];
        let mut is_known = vec![false; unit.len()];
        for content in self.ledger.overlapped(place) {
            match content {
                Content::Unknown => return true,
                Content::Zeroes(_) => would.fill(0),
                Content::Write(sequence) => Stamp { run, block, sequence }.write(&mut would),
            }
            for ((known, found), would) in is_known.iter_mut().zip(unit).zip(&would) {
                *known |= found == would;
            }
        }
        is_known.into_iter().all(|known| known)
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

    fn unit(block: u64, sequence: u64) -> Vec<u8> {
        let mut unit = vec![0; 4096];
        Stamp { run: RUN, block, sequence }.write(&mut unit);
        unit
    }

    /// Block 2 is written, then by two at once, and read; how many blocks are wrong.
    fn wrong_after_overlap(found: &[u8], acknowledged_before: bool) -> u64 {
        let job = Job::new(Pattern::Storm, 8 * 4096, 1);
        let mut verifier = Verifier::new(&job, 0, RUN, false);
        let of = |op| Request { op, fua: false, pos: 2 * 4096, len: 4096 };
        let (write, zeroes, read) = (of(Op::Write), of(Op::WriteZeroes), of(Op::Read));
        let mut buffer = vec![0; 4096];
        let first = verifier.begin(&write, &mut buffer);
        verifier.end(&write, first, true, &[]);
        let second = verifier.begin(&write, &mut buffer);
        if acknowledged_before {
            verifier.end(&write, second, true, &[]);
        }
        let third = verifier.begin(&zeroes, &mut []);
        if !acknowledged_before {
            verifier.end(&write, second, true, &[]);
        }
        verifier.end(&zeroes, third, true, &[]);
        assert_eq!((first.0, second.0, third.0), (1, 2, 3));
        let mark = verifier.begin(&read, &mut []);
        verifier.end(&read, mark, true, found);
        verifier.wrong
    }

    // A storm on a device with two queues found a block that no run wrote, once in some 100,000 requests: two
    // processors had copied to it at once, and it was of one write up to a byte of a sector, then of the other.
    #[test]
    fn stores_that_overlap_may_mix_and_others_may_not() {
        let mixed = |sequence: u64, at: usize| {
            let mut mixed = unit(2, sequence);
            mixed[at..].fill(0);
            mixed
        };
        for at in [0, 512, 1000, 4000, 4096] {
            assert_eq!(wrong_after_overlap(&mixed(2, at), false), 0, "{at}");
        }
        for at in [1000, 4000] {
            assert_eq!(wrong_after_overlap(&mixed(2, at), true), 1, "one after the other: {at}");
            assert_eq!(wrong_after_overlap(&mixed(1, at), false), 1, "of what was before: {at}");
        }
        let mut flipped = unit(2, 2);
        flipped[77] ^= 1;
        assert_eq!(wrong_after_overlap(&flipped, false), 1);
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
