//! Tracepoints: what a step found or changed, for whoever measures windows and costs.
//!
//! They sit in the primitives of a layer and of the page cache, where Linux has its own, never in a
//! path. They are no steps, change nothing, and where nobody watches they compile to nothing.

use crate::Key;

/// What a tracepoint says of some blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Point {
    /// A look-up found a hole: the answer covers these blocks.
    Hole,
    /// A look-up found something: the answer covers these blocks.
    Known,
    /// A look-up found out nothing: somebody else has to be asked.
    Miss,
    /// A scan for what is delayed has ended.
    Scanned,
    /// A hole was entered into a cache of look-ups; nothing changed.
    HoleCached,
    /// What is there already was entered into a cache of look-ups; nothing changed.
    Cached,
    /// Blocks begin to be taken away or moved.
    Removing,
    /// Blocks were entered as delayed: the answer of a look-up has taken effect.
    Delayed,
    /// What is true of the blocks changed.
    Changed,
    /// Blocks of the page cache became dirty.
    Dirtied,
    /// Operation `lo` of its task begins.
    Begins,
    /// Operation `lo` of its task has ended.
    Ends,
}

/// What happens to a task, for whoever measures: in virtual time and on threads alike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A kernel function began.
    Enter(&'static str),
    /// It returned.
    Leave(&'static str),
    /// The task wants a lock.
    Asks {
        /// Which.
        key: Key,
        /// Alone.
        exclusive: bool,
    },
    /// It has it.
    Takes {
        /// Which.
        key: Key,
        /// Alone.
        exclusive: bool,
    },
    /// It gives it back.
    Drops {
        /// Which.
        key: Key,
        /// Alone.
        exclusive: bool,
    },
    /// A tracepoint fired.
    Trace(Traced),
}

/// One firing of a tracepoint: what, and the blocks `lo..hi`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Traced {
    /// What it says.
    pub point: Point,
    /// The first block.
    pub lo: u32,
    /// One past the last.
    pub hi: u32,
}
