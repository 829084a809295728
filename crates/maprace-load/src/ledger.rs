//! What ought to be in each block, while requests are in flight.
//!
//! Two ways to keep it. *In turn*: a block with a request in flight gets no other that would make its
//! content uncertain, so there is one right answer. *Overlapping*, for storms: stores to one block are in
//! flight together, nobody promises their order, and any that could have been last is right; so is a mixture
//! of them, since two processors may copy to one block at once. Reads and stores of one block are never in
//! flight together in either: a read across a store may show both.

use crate::request::{Op, Request};
use rustc_hash::FxHashMap;

/// What ought to be in a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Content {
    /// Nobody knows: not written by this run, trimmed on a device, or a write failed.
    Unknown,
    /// Zeroes, since that sequence.
    Zeroes(u64),
    /// That write.
    Write(u64),
}

impl Content {
    /// Its sequence; 0 if unknown.
    pub(crate) fn sequence(self) -> u64 {
        match self {
            Content::Unknown => 0,
            Content::Zeroes(sequence) | Content::Write(sequence) => sequence,
        }
    }

    /// In one word: 0 is unknown, so that a fresh ledger costs no memory.
    fn packed(self) -> u64 {
        match self {
            Content::Unknown => 0,
            Content::Zeroes(sequence) => sequence << 1 | 1,
            Content::Write(sequence) => sequence << 1,
        }
    }

    fn unpacked(word: u64) -> Content {
        match (word, word & 1) {
            (0, _) => Content::Unknown,
            (_, 1) => Content::Zeroes(word >> 1),
            (_, _) => Content::Write(word >> 1),
        }
    }
}

/// A store that could have been the last.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    content: Content,
    /// Which store it is.
    sequence: u64,
    /// When it was acknowledged, by the ledger's own count; none: in flight.
    done: Option<u64>,
}

/// The ledger of one worker's blocks.
#[derive(Debug)]
pub(crate) struct Ledger {
    unit: u64,
    first: u64,
    content: Vec<u64>,
    /// The highest sequence that was read from each block since it was known.
    seen: Vec<u64>,
    /// Above 0: reads in flight; below: stores.
    busy: Vec<i16>,
    overlapping: bool,
    candidates: FxHashMap<usize, Vec<Candidate>>,
    /// Counts beginnings and ends.
    now: u64,
    /// Whether a trimmed block reads as zeroes.
    trim_zeroes: bool,
}

impl Ledger {
    /// Of the units in a range of bytes, both ends whole units.
    pub(crate) fn new(
        range: (u64, u64),
        unit: u32,
        overlapping: bool,
        trim_zeroes: bool,
    ) -> Ledger {
        let unit = u64::from(unit);
        let blocks = usize::try_from(range.1 / unit).unwrap_or(0);
        Ledger {
            unit,
            first: range.0 / unit,
            content: vec![0; blocks],
            seen: vec![0; blocks],
            busy: vec![0; blocks],
            overlapping,
            candidates: FxHashMap::default(),
            now: 0,
            trim_zeroes,
        }
    }

    /// The places of a request's units.
    fn places(&self, request: &Request) -> std::ops::Range<usize> {
        let place = |pos: u64| usize::try_from(pos / self.unit - self.first).unwrap_or(usize::MAX);
        place(request.pos)..place(request.pos + u64::from(request.len))
    }

    /// The address of a place.
    pub(crate) fn block(&self, place: usize) -> u64 {
        self.first + u64::try_from(place).unwrap_or(u64::MAX)
    }

    /// Whether a request may begin now.
    pub(crate) fn admits(&self, request: &Request) -> bool {
        let free = |busy: &i16| match request.op {
            Op::Flush => true,
            Op::Read => *busy >= 0,
            _ => *busy == 0 || self.overlapping && *busy < 0,
        };
        request.op == Op::Flush || self.busy[self.places(request)].iter().all(free)
    }

    /// What a store makes of a block.
    fn made(&self, op: Op, sequence: u64) -> Content {
        match op {
            Op::Write => Content::Write(sequence),
            Op::WriteZeroes => Content::Zeroes(sequence),
            Op::Trim if self.trim_zeroes => Content::Zeroes(sequence),
            _ => Content::Unknown,
        }
    }

    /// A request begins; of a store, with its sequence.
    pub(crate) fn begin(&mut self, request: &Request, sequence: u64) {
        self.now += 1;
        if request.op == Op::Flush {
            return;
        }
        let step = if request.op == Op::Read { 1 } else { -1 };
        let content = self.made(request.op, sequence);
        for place in self.places(request) {
            self.busy[place] += step;
            if self.overlapping && request.op != Op::Read {
                let settled = Content::unpacked(self.content[place]);
                let all = self.candidates.entry(place).or_insert_with(|| {
                    let sequence = settled.sequence();
                    vec![Candidate { content: settled, sequence, done: Some(0) }]
                });
                all.push(Candidate { content, sequence, done: None });
            }
        }
    }

    /// A store was answered; `begun` is what [`Ledger::now`] said when it began.
    pub(crate) fn stored(&mut self, request: &Request, sequence: u64, begun: u64, good: bool) {
        self.now += 1;
        let now = self.now;
        let content = if good { self.made(request.op, sequence) } else { Content::Unknown };
        for place in self.places(request) {
            self.busy[place] += 1;
            if !self.overlapping {
                self.content[place] = content.packed();
                if content == Content::Unknown {
                    self.seen[place] = 0;
                }
                continue;
            }
            let Some(all) = self.candidates.get_mut(&place) else { continue };
            // What was acknowledged before this one began has been written over.
            all.retain(|one| one.done.is_none_or(|done| done > begun) || !good);
            if let Some(one) = all.iter_mut().find(|one| one.sequence == sequence) {
                (one.done, one.content) = (Some(now), content);
            }
            let unknown = all.iter().any(|one| one.content == Content::Unknown);
            let settled = if unknown { Content::Unknown } else { content };
            self.content[place] = settled.packed();
            if unknown {
                self.seen[place] = 0;
            }
            if all.len() == 1 {
                self.candidates.remove(&place);
            }
        }
    }

    /// The count of beginnings and ends.
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// The places that a read looks at. It is over: they are free.
    pub(crate) fn read(&mut self, request: &Request) -> std::ops::Range<usize> {
        let places = self.places(request);
        self.busy[places.clone()].iter_mut().for_each(|busy| *busy -= 1);
        places
    }

    /// What ought to be at a place.
    pub(crate) fn expected(&self, place: usize) -> Content {
        Content::unpacked(self.content[place])
    }

    /// Whether it may be there too, since stores overlapped.
    pub(crate) fn accepts(&self, place: usize, found: Content) -> bool {
        let same = |one: &Candidate| match (one.content, found) {
            (Content::Write(a), Content::Write(b)) => a == b,
            (Content::Zeroes(_), Content::Zeroes(_)) | (Content::Unknown, _) => true,
            _ => false,
        };
        self.candidates.get(&place).is_some_and(|all| all.iter().any(same))
    }

    /// What each of the stores made of it that overlapped there and could have been last.
    pub(crate) fn overlapped(&self, place: usize) -> impl Iterator<Item = Content> {
        self.candidates.get(&place).into_iter().flatten().map(|one| one.content)
    }

    /// The highest sequence that was read there.
    pub(crate) fn seen(&self, place: usize) -> u64 {
        self.seen[place]
    }

    /// What was read is right: where several could be, it is the one.
    pub(crate) fn settle(&mut self, place: usize, found: Content) {
        if self.candidates.remove(&place).is_some() {
            self.content[place] = found.packed();
            self.seen[place] = 0;
        }
        self.seen[place] = self.seen[place].max(found.sequence());
    }

    /// Where something is known, from a place on.
    pub(crate) fn known_from(&self, from: usize) -> Option<usize> {
        (from..self.content.len()).find(|place| self.content[*place] != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(op: Op, block: u64, blocks: u32) -> Request {
        Request { op, fua: false, pos: block * 4096, len: blocks * 4096 }
    }

    fn ledger(overlapping: bool) -> Ledger {
        Ledger::new((0, 8 * 4096), 4096, overlapping, true)
    }

    #[test]
    fn in_turn_a_block_has_one_request_in_flight() {
        let mut ledger = ledger(false);
        let write = request(Op::Write, 2, 2);
        ledger.begin(&write, 1);
        for (op, block) in [(Op::Read, 1), (Op::Write, 3), (Op::Trim, 0)] {
            assert!(!ledger.admits(&request(op, block, 3)));
        }
        assert!(ledger.admits(&request(Op::Write, 4, 1)) && ledger.admits(&Request::FLUSH));
        ledger.stored(&write, 1, 0, true);
        assert_eq!(ledger.expected(3), Content::Write(1));
        let read = request(Op::Read, 2, 1);
        ledger.begin(&read, 0);
        assert!(ledger.admits(&read) && !ledger.admits(&write));
        assert_eq!(ledger.read(&read), 2..3);
        assert!(ledger.admits(&write));
    }

    #[test]
    fn what_failed_is_not_known() {
        let mut ledger = ledger(false);
        let write = request(Op::Write, 0, 1);
        for (sequence, good, want) in [(1, true, Content::Write(1)), (2, false, Content::Unknown)] {
            ledger.begin(&write, sequence);
            ledger.stored(&write, sequence, 0, good);
            assert_eq!(ledger.expected(0), want);
        }
    }

    #[test]
    fn of_stores_in_flight_together_any_may_be_last() {
        let mut ledger = ledger(true);
        let (write, zero) = (request(Op::Write, 0, 2), request(Op::WriteZeroes, 1, 2));
        ledger.begin(&write, 1);
        let write_began = ledger.now();
        assert!(ledger.admits(&zero) && !ledger.admits(&request(Op::Read, 1, 1)));
        ledger.begin(&zero, 2);
        let zero_began = ledger.now();
        ledger.stored(&write, 1, write_began, true);
        ledger.stored(&zero, 2, zero_began, true);
        assert!(ledger.accepts(1, Content::Write(1)) && ledger.accepts(1, Content::Zeroes(0)));
        assert!(!ledger.accepts(1, Content::Write(7)));
        // Where only one of them was, there is nothing to choose.
        assert_eq!(
            (ledger.expected(0), ledger.expected(2)),
            (Content::Write(1), Content::Zeroes(2))
        );
        assert!(!ledger.accepts(0, Content::Zeroes(0)));
        // Once read it is decided.
        ledger.settle(1, Content::Write(1));
        assert!(!ledger.accepts(1, Content::Zeroes(0)));
        assert_eq!(ledger.expected(1), Content::Write(1));
    }

    #[test]
    fn a_store_ends_what_was_acknowledged_before_it_began() {
        let mut ledger = ledger(true);
        let write = request(Op::Write, 0, 1);
        for sequence in 1..=2 {
            ledger.begin(&write, sequence);
        }
        ledger.stored(&write, 1, 1, true);
        ledger.stored(&write, 2, 2, true);
        assert!(ledger.accepts(0, Content::Write(1)) && ledger.accepts(0, Content::Write(2)));
        ledger.begin(&write, 3);
        let began = ledger.now();
        ledger.stored(&write, 3, began, true);
        assert_eq!(ledger.expected(0), Content::Write(3));
        assert!(!ledger.accepts(0, Content::Write(2)) && !ledger.accepts(0, Content::Write(1)));
    }
}
