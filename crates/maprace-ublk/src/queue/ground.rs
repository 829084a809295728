//! What fails: the faults of a device, shared by its queues, since what one queue writes heals for all.
//!
//! Only a queue that knows of faults comes here; without any, no lock is touched.

use crate::{Io, Op};
use maprace_media::Draws;
use maprace_media::faults::{Asked, Fault, Faults};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The faults of a device.
#[derive(Debug, Default)]
pub(crate) struct Ground(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    /// The medium's own; none: no queue has begun.
    own: Option<Faults>,
    /// Those that were set while it ran.
    set: Faults,
}

/// Which list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum List {
    /// The medium's own.
    Own,
    /// Those that were set.
    Set,
}

impl Ground {
    fn lists(&self) -> MutexGuard<'_, Lists> {
        // Whoever panicked here left lists that are whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The medium's own faults, from the first queue that begins.
    pub(crate) fn begin(&self, own: &[Fault]) {
        self.lists().own.get_or_insert_with(|| Faults::new(own.to_vec()));
    }

    /// Replaces a list; what had healed is bad again.
    pub(crate) fn replace(&self, list: List, faults: Vec<Fault>) {
        let (mut lists, faults) = (self.lists(), Faults::new(faults));
        match list {
            List::Own => lists.own = Some(faults),
            List::Set => lists.set = faults,
        }
    }

    /// Whether anything may fail.
    pub(crate) fn is_sound(&self) -> bool {
        let lists = self.lists();
        lists.set.is_empty() && lists.own.as_ref().is_none_or(Faults::is_empty)
    }

    /// Whether a request fails, by these draws.
    pub(crate) fn strikes(&self, io: Io, draws: Draws) -> bool {
        let asked = match io.op {
            Op::Read => Asked::Read,
            Op::Write { .. } | Op::Discard | Op::WriteZeroes { .. } => Asked::Write,
            Op::Flush => Asked::Flush,
        };
        let lists = self.lists();
        // The lists number their faults alike, so each has draws of its own.
        let others = Draws::of([draws.word(u64::MAX - 1), 0, 0, 0]);
        let own = lists.own.as_ref().map_or(Ok(()), |own| own.strike(asked, io.pos, io.len, draws));
        own.is_err() || lists.set.strike(asked, io.pos, io.len, others).is_err()
    }

    /// A request has succeeded: what it wrote has healed.
    pub(crate) fn succeeded(&self, io: Io) {
        if matches!(io.op, Op::Write { .. } | Op::Discard | Op::WriteZeroes { .. }) {
            let mut lists = self.lists();
            lists.set.wrote(io.pos, io.len);
            if let Some(own) = &mut lists.own {
                own.wrote(io.pos, io.len);
            }
        }
    }
}
