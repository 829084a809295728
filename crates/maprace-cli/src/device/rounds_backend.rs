//! The backend of the device world: requests are operations of a scenario's tasks, a queue for each task.
//!
//! An operation runs on the queue's thread to its end, so that every request is answered when it has been
//! taken. What a request is told is whether it arrived; what its operation returned is known here, and a
//! range of zeroes that failed would come again as writes.

use super::spec::{MediaSpec, RoundsSpec};
use crate::failure::Failure;
use crate::layers::Layers;
use maprace_fs::Broken;
use maprace_scenario::device_world::{
    Arrival, BlockKind, BlockRequest, OnDevice, RoundSeen, RoundServer, express,
};
use maprace_scenario::{Measured, Media, Plan, Scenario};
use maprace_ublk::{Answer, Backend, Bell, Io, Op, Outcome, Service, Tag, Timed};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// EIO: it is no operation of the scenario.
const STRAY: i32 = 5;

/// What the other end asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoundsAsked {
    /// Files for so many rounds.
    Begin(u32),
    /// The rounds have ended.
    End,
    /// What all came to.
    Sum,
}

/// What it is answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RoundsReply {
    /// They are there.
    Begun,
    /// What was seen of each.
    Ended(Vec<RoundSeen>),
    /// Everything.
    Sum(Box<RoundsSum>),
}

/// What all rounds came to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct RoundsSum {
    pub(crate) measured: Measured,
    pub(crate) strays: u64,
    /// What was broken, a line for each kind.
    pub(crate) log: Vec<String>,
}

/// A scenario that is served.
#[derive(Debug)]
pub(crate) struct RoundsBackend {
    server: Arc<dyn RoundServer>,
}

/// Opens a scenario.
pub(crate) fn open(layers: &Layers, spec: &RoundsSpec) -> Result<Arc<RoundsBackend>, Failure> {
    let config = spec.fs.config(layers)?;
    let scenario = Scenario::parse("the scenario", &spec.scenario, &layers.vocabulary())?;
    let plan = Plan::new(&scenario, &config)?;
    let expressed = express(&scenario, &plan)?;
    let layer = layers.get(&spec.fs.layer)?;
    let (name, media, seed) = (scenario.name, spec.media.media()?, spec.seed);
    let job = OnDevice { plan, expressed, name, config, media, seed };
    Ok(Arc::new(RoundsBackend { server: layer.serve_rounds(job) }))
}

impl RoundsBackend {
    /// Does what the other end asks for.
    pub(crate) fn asked(&self, asked: RoundsAsked) -> Result<RoundsReply, Failure> {
        match asked {
            RoundsAsked::Begin(count) => {
                self.server.begin(count);
                Ok(RoundsReply::Begun)
            }
            RoundsAsked::End => self.server.end().map(RoundsReply::Ended).map_err(Failure::Device),
            RoundsAsked::Sum => {
                let (measured, strays) = (self.server.measured(), self.server.strays());
                Ok(RoundsReply::Sum(Box::new(RoundsSum { measured, strays, log: self.told() })))
            }
        }
    }

    /// What was broken, a line for each kind, in the kernel's words where it has any.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |(first, rounds): &(Broken, u64)| match rounds {
            1 => first.words(),
            rounds => format!("{} (the first of {rounds} rounds)", first.words()),
        };
        self.server.broken().iter().map(line).collect()
    }
}

impl Backend for RoundsBackend {
    fn attach(self: Arc<Self>, queue: u16, _: Bell) -> Box<dyn Service> {
        let task = usize::from(queue);
        self.server.attend(task);
        Box::new(RoundsService { server: Arc::clone(&self.server), task })
    }

    fn timed(&self) -> Timed {
        Timed::ByBackend
    }

    fn kept_bytes(&self) -> u64 {
        // Files come and go with their rounds.
        0
    }

    fn remarks(&self) -> Vec<String> {
        self.told()
    }
}

/// One queue's access.
struct RoundsService {
    server: Arc<dyn RoundServer>,
    task: usize,
}

impl Service for RoundsService {
    fn submit(&mut self, _: Tag, io: Io, buffer: &mut [u8], _: u64) -> Answer {
        let outcome = match self.server.request(self.task, request(io), buffer) {
            Arrival::Ran(_) => Ok(()),
            Arrival::Stray => stray(io, buffer),
        };
        Answer::Now(outcome)
    }
}

/// A look at the device, as whoever opens one takes it, finds nothing; all else fails.
fn stray(io: Io, buffer: &mut [u8]) -> Outcome {
    match io.op {
        Op::Read => {
            buffer.fill(0);
            Ok(())
        }
        Op::Flush => Ok(()),
        Op::Write { .. } | Op::Discard | Op::WriteZeroes { .. } => Err(STRAY),
    }
}

fn request(io: Io) -> BlockRequest {
    let kind = match io.op {
        Op::Read => BlockKind::Read,
        Op::Write { .. } => BlockKind::Write,
        Op::Flush => BlockKind::Flush,
        Op::Discard => BlockKind::Discard,
        Op::WriteZeroes { .. } => BlockKind::WriteZeroes,
    };
    match kind {
        BlockKind::Flush => BlockRequest { kind, pos: 0, len: 0 },
        _ => BlockRequest { kind, pos: io.pos, len: io.len },
    }
}

impl MediaSpec {
    /// The medium that it names.
    fn media(&self) -> Result<Media, Failure> {
        Ok(match self {
            MediaSpec::Instant => Media::Instantly,
            MediaSpec::Fixed(ns) => Media::Fixed(*ns),
            MediaSpec::Profile { name, text } => {
                Media::Profile(Arc::new(maprace_media::Profile::parse(name, text)?))
            }
        })
    }
}

#[cfg(test)]
mod tests;
