//! What a power cut would keep, write by write.
//!
//! The log holds when each write was submitted, completed and left the last volatile cache, and when
//! each flush began and ended. That is enough to ask, afterwards and at any instant, which writes a
//! cut at that instant certainly keeps, may keep, or cannot keep. Nothing is cut here: building the
//! images is the business of who asks.
//!
//! Two questions with two answers. [`Log::fate`] is the contract between host and medium: what may be
//! relied on. [`Log::was_on_medium`] is what this medium, with these times, had done by then; latency
//! changes it, and the contract allows it always.

use crate::params::{Cache, Contract, Params};
use std::collections::BTreeMap;

/// The number of a record in its log, from 0, in the order of submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Id(pub u64);

/// What a record did to its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Wrote them.
    Write,
    /// Wrote them through (FUA).
    WriteThrough,
    /// Gave them back.
    Discard,
    /// Made them zero.
    Zero,
}

/// A write, or what is like one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Record<P> {
    /// What it did.
    pub kind: Kind,
    /// The first byte.
    pub pos: u64,
    /// How many bytes.
    pub len: u64,
    /// When it was submitted.
    pub submit_ns: u64,
    /// When it completed.
    pub done_ns: u64,
    /// When it was on the medium without a flush, [`crate::Served::durable_ns`].
    pub durable_ns: u64,
    /// What it carried: bytes, or a name for them, or nothing.
    pub payload: P,
}

/// What a cut does to a write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Fate {
    /// It was not submitted before the cut: nothing of it is there.
    Absent,
    /// It is there, or not, or in part: down to pieces of `persist.tear` bytes.
    Uncertain,
    /// It is there.
    Certain,
}

/// A flush.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct FlushSpan {
    submit_ns: u64,
    done_ns: u64,
}

/// What may stand at one address after a cut.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Cut {
    /// The last write that is certain; `None`: what was there before the first.
    pub certain: Option<Id>,
    /// Later ones that are not, in the order of submission. Any of them may be what is there.
    pub uncertain: Vec<Id>,
}

/// When a completed write may be relied on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Relied {
    OnCompletion,
    OnFlush,
}

/// Every write and flush of a medium.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Log<P> {
    relied: Relied,
    records: BTreeMap<u64, Record<P>>,
    next: u64,
    /// By the time of submission.
    flushes: Vec<FlushSpan>,
}

impl<P> Log<P> {
    /// An empty log for a medium with these parameters.
    pub fn new(params: &Params) -> Log<P> {
        let relied = match (params.flush.cache, params.persist.contract) {
            (Cache::Protected, Contract::Completion) => Relied::OnCompletion,
            (Cache::Volatile, _) | (_, Contract::Flush) => Relied::OnFlush,
        };
        Log { relied, records: BTreeMap::new(), next: 0, flushes: Vec::new() }
    }

    /// Writes a record down; records come in the order of submission.
    pub fn wrote(&mut self, record: Record<P>) -> Id {
        let id = Id(self.next);
        self.next += 1;
        self.records.insert(id.0, record);
        id
    }

    /// Writes a flush down. The flush that a host sends after a write through, where the medium has no
    /// such write of its own, is part of that write and not told here: it makes sure of that write alone.
    pub fn flushed(&mut self, submit_ns: u64, done_ns: u64) {
        let place = self.flushes.partition_point(|flush| flush.submit_ns <= submit_ns);
        self.flushes.insert(place, FlushSpan { submit_ns, done_ns });
    }

    /// The record of that number, unless it was forgotten.
    pub fn record(&self, id: Id) -> Option<&Record<P>> {
        self.records.get(&id.0)
    }

    /// Every record that is kept, in the order of submission.
    pub fn records(&self) -> impl Iterator<Item = (Id, &Record<P>)> {
        self.records.iter().map(|(id, record)| (Id(*id), record))
    }

    /// What a cut at `at_ns` does to a record. What happens at `at_ns` itself has happened.
    pub fn fate(&self, record: &Record<P>, at_ns: u64) -> Fate {
        if record.submit_ns > at_ns {
            return Fate::Absent;
        }
        let through = record.kind == Kind::WriteThrough || self.relied == Relied::OnCompletion;
        let after = self.flushes.partition_point(|flush| flush.submit_ns < record.done_ns);
        let mut begun = self.flushes[after..].iter().take_while(|flush| flush.submit_ns <= at_ns);
        let mut covered = || begun.any(|flush| flush.done_ns <= at_ns);
        if (through && record.done_ns <= at_ns) || covered() {
            Fate::Certain
        } else {
            Fate::Uncertain
        }
    }

    /// Whether the medium itself had a record by `at_ns`, flushed or drained: the one outcome of a cut
    /// that follows from the times.
    pub fn was_on_medium(&self, record: &Record<P>, at_ns: u64) -> bool {
        record.durable_ns <= at_ns || self.fate(record, at_ns) == Fate::Certain
    }

    /// What may stand at byte `pos` after a cut at `at_ns`. Of two writes the one submitted later
    /// stands, if both are there.
    pub fn at(&self, pos: u64, at_ns: u64) -> Cut {
        let mut cut = Cut::default();
        for (id, record) in self.records() {
            if pos < record.pos || pos - record.pos >= record.len {
                continue;
            }
            match self.fate(record, at_ns) {
                Fate::Absent => {}
                Fate::Uncertain => cut.uncertain.push(id),
                Fate::Certain => cut = Cut { certain: Some(id), uncertain: Vec::new() },
            }
        }
        cut
    }

    /// The numbers of all records a cut at `at_ns` leaves uncertain.
    pub fn uncertain(&self, at_ns: u64) -> Vec<Id> {
        let open = |(id, record): (Id, &Record<P>)| {
            (self.fate(record, at_ns) == Fate::Uncertain).then_some(id)
        };
        self.records().filter_map(open).collect()
    }

    /// Forgets the records that every cut from `at_ns` on keeps, and returns them in the order in which
    /// they are to be laid over what was there before. Cuts before `at_ns` cannot be asked for any more.
    ///
    /// A record stays while an earlier one that overlaps it stays.
    pub fn settle(&mut self, at_ns: u64) -> Vec<(Id, Record<P>)> {
        let mut held: Vec<(u64, u64)> = Vec::new();
        let mut settled = Vec::new();
        for (id, record) in &self.records {
            let (lo, hi) = (record.pos, record.pos.saturating_add(record.len));
            let free = held.iter().all(|(from, end)| hi <= *from || *end <= lo);
            if free && self.fate(record, at_ns) == Fate::Certain {
                settled.push(*id);
            } else {
                held.push((lo, hi));
            }
        }
        let first = self.records.values().map(|record| record.done_ns).min();
        let needed = |flush: &FlushSpan| {
            flush.done_ns > at_ns || first.is_some_and(|done| flush.submit_ns >= done)
        };
        let taken = settled.into_iter().filter_map(|id| Some((Id(id), self.records.remove(&id)?)));
        let taken = taken.collect();
        self.flushes.retain(needed);
        taken
    }
}

#[cfg(test)]
mod tests;
