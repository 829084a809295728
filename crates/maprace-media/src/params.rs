//! The parameters of the latency model, ready to be used: everything a profile says, in integers.
//!
//! Fields are plain data and are read by the model, by the closed form of an idle medium and by who
//! prints them. What is left out of a profile is zero, one, or without limit here, so a medium of
//! constant latency, memory and a disk are the same code.

mod share;

pub use share::ShareError;

use crate::draw::{Body, Chance};
use crate::units::{Curve, Rate};

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the medium.
    Read,
    /// To the medium.
    Write,
}

/// Whether a request goes on where an earlier one ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// It starts anywhere.
    Random,
    /// It starts where one of the last eight requests of its direction ended.
    Sequential,
}

/// A value for each pattern.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct ByPattern<T> {
    /// For random requests.
    pub random: T,
    /// For sequential ones.
    pub sequential: T,
}

impl<T: Copy> ByPattern<T> {
    /// The value for that pattern.
    pub fn of(&self, pattern: Pattern) -> T {
        match pattern {
            Pattern::Random => self.random,
            Pattern::Sequential => self.sequential,
        }
    }
}

/// How addresses are spread over units.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Stripe after stripe, round and round.
    Stripe,
    /// By a hash of the stripe's number, as a translation layer spreads them.
    Hash,
}

/// Whether the link carries both directions at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Duplex {
    /// Both at once.
    Full,
    /// One at a time.
    Half,
}

/// Where bytes go, and what they share.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Geometry {
    /// Units that work side by side, from 1.
    pub units: u32,
    /// How many times longer than it works a unit is held: 1, or parts that share it.
    pub unit_hold: u32,
    /// Bytes that lie on one unit before the next begins.
    pub stripe: u64,
    /// How stripes are spread.
    pub place: Place,
    /// Bytes to which a length on a unit is rounded up.
    pub grain: u64,
    /// The rate of the shared link, by direction.
    pub link_read: Rate,
    /// The same for writes.
    pub link_write: Rate,
    /// How many times longer than it takes a request holds the link: 1, or parts that share one.
    pub link_hold: u32,
    /// Whether the directions share it.
    pub duplex: Duplex,
    /// Requests the medium takes at once; `None`: any number. More wait in the host.
    pub queue_depth: Option<u32>,
    /// Efficiency by the share of writes among requests in flight, from 0 to 1.
    pub rw_mix: Curve,
}

/// What a request of one direction costs.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Costs {
    /// Time of the serial front end, per request; it delays the next request, not this one.
    pub cmd_ns: u64,
    /// Latency beside the transfer.
    pub lat_ns: ByPattern<u64>,
    /// Time a unit is busy before it transfers.
    pub occ_ns: ByPattern<u64>,
    /// Latency after the unit has finished.
    pub post_ns: ByPattern<u64>,
    /// The rate at which bytes occupy a unit.
    pub unit: Rate,
    /// The rate at which one request moves bytes.
    pub stream: Rate,
    /// Efficiency by requests of this direction in flight, this one included.
    pub crowd: Curve,
    /// The spread of `lat`, `occ` and `post`.
    pub body: Body,
    /// Mean time of a seek, for random requests of a disk.
    pub seek_ns: u64,
    /// Time of a revolution of a disk.
    pub rev_ns: u64,
}

impl Costs {
    /// Whether random requests seek: their time on the unit is drawn, and `occ_ns` does not count.
    pub fn seeks(&self) -> bool {
        self.seek_ns > 0 || self.rev_ns > 0
    }
}

/// Where accepted writes wait for the medium.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Buffer {
    /// Its size for each queue.
    pub bytes: u64,
    /// Queues that drain side by side, from 1.
    pub queues: u32,
    /// The rate of one queue.
    pub drain: Rate,
    /// How many times longer than it takes a write holds its queue: 1, or parts that share one.
    pub hold: u32,
    /// Time of one write in the queue, beside its bytes.
    pub drain_occ_ns: ByPattern<u64>,
    /// Bytes written to the medium for each byte accepted.
    pub waf: ByPattern<crate::units::Factor>,
    /// Bytes after which a unit programs; `None`: draining does not disturb units.
    pub programs: Option<Programs>,
}

/// How draining makes units busy.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Programs {
    /// Bytes of one program operation.
    pub bytes: u64,
    /// How long it keeps a unit busy.
    pub ns: u64,
}

/// What a completed write is worth.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cache {
    /// It is durable, or protected.
    Protected,
    /// It may be lost until it is flushed.
    Volatile,
}

/// Who makes a write through (FUA) durable.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fua {
    /// The medium: it completes when this write is durable.
    Native,
    /// The host: a flush follows the write.
    ByFlush,
}

/// What a flush costs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Flush {
    /// Whether there is anything to be flushed.
    pub cache: Cache,
    /// Its own time, after what it waits for.
    pub ns: u64,
    /// How a write through is done.
    pub fua: Fua,
}

/// When an outlier may strike.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum When {
    /// At any request.
    Always,
    /// At a write to a 64 KiB block that took more than 3/4 of the last 1024 writes.
    Hot,
}

/// A rare stall: with that chance an even draw between two times is added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tail {
    /// Of which requests.
    pub direction: Direction,
    /// When.
    pub when: When,
    /// How often.
    pub chance: Chance,
    /// Of so many bytes; `None`: of a request, whatever its length.
    pub per_bytes: Option<u64>,
    /// The shortest.
    pub lo_ns: u64,
    /// The longest.
    pub hi_ns: u64,
}

/// Where persistence begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Domain {
    /// At the memory controller's write queue.
    Adr,
    /// At the processor's caches.
    Eadr,
    /// At completion.
    DurableOnCompletion,
    /// At the end of a flush, or of a write through.
    VolatileCache,
}

/// What a power cut may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Persist {
    /// Where persistence begins.
    pub domain: Domain,
    /// Bytes of a cache line, for media written by stores; 0: not such a medium.
    pub line: u64,
    /// Bytes the medium writes at once inside; 0: not told. It matters for speed, not for atomicity.
    pub internal_line: u64,
    /// The largest aligned piece that a cut leaves whole, in bytes.
    pub tear: u64,
    /// What a completed write is worth where nothing is volatile.
    pub contract: Contract,
}

/// What a host may rely on where no cache is volatile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Contract {
    /// Completion is enough.
    Completion,
    /// Only a flush, or a write through, is: what the Linux pmem driver promises.
    Flush,
}

/// The parameters of a medium.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Params {
    /// Where draws begin, unless the caller says otherwise.
    pub seed: u64,
    /// Where bytes go.
    pub geometry: Geometry,
    /// What a read costs.
    pub read: Costs,
    /// What a write costs.
    pub write: Costs,
    /// Where writes wait; `None`: they go to their units at once.
    pub buffer: Option<Buffer>,
    /// What a flush costs.
    pub flush: Flush,
    /// What a discard costs, after the front end.
    pub discard_ns: u64,
    /// Rare stalls.
    pub tails: Vec<Tail>,
    /// What a power cut may do.
    pub persist: Persist,
}

impl Params {
    /// What a request of that direction costs.
    pub fn costs(&self, direction: Direction) -> &Costs {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }

    /// The rate of the link in that direction.
    pub fn link(&self, direction: Direction) -> Rate {
        match direction {
            Direction::Read => self.geometry.link_read,
            Direction::Write => self.geometry.link_write,
        }
    }
}
