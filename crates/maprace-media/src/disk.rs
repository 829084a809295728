//! A whole medium: time, bytes, errors and durability, put together.
//!
//! Bytes change when a request is submitted; when it completes is what the answer says. Whoever wants
//! to show a reader the old bytes until then waits before reading. A request that fails takes its time
//! and changes nothing.

use crate::durability::{Kind, Log, Record};
use crate::faults::{Asked, Faults, MediumError};
use crate::model::{Keying, Model, Served};
use crate::store::Store;
use crate::{Profile, Request};
use std::io;
use std::sync::Arc;

/// What is remembered of writes, for cuts asked for later.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum History {
    /// Nothing: no cut can be asked for.
    Off,
    /// When they were submitted, completed and durable.
    Times,
    /// Their bytes too.
    Bytes,
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The medium has an error there; the model's answer says when that was known.
    #[error("{error}")]
    Medium {
        /// What failed.
        error: MediumError,
        /// When the request completes, with the error.
        served: Served,
    },
    /// The range leaves the medium, or its file failed. The request took no time.
    #[error(transparent)]
    Store(#[from] io::Error),
}

/// A medium with content.
#[derive(Debug)]
pub struct Disk<S> {
    model: Model,
    store: S,
    faults: Faults,
    history: History,
    log: Log<Option<Arc<[u8]>>>,
}

impl<S: Store> Disk<S> {
    /// A medium as the profile says, with those bytes.
    pub fn new(
        profile: &Profile,
        seed: u64,
        keying: Keying,
        history: History,
        store: S,
    ) -> Disk<S> {
        Disk {
            model: Model::seeded(Arc::clone(&profile.params), seed, keying),
            store,
            faults: Faults::new(profile.faults.clone()),
            history,
            log: Log::new(&profile.params),
        }
    }

    /// The bytes as they are now, power on.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// What a cut would keep; empty with [`History::Off`].
    pub fn log(&self) -> &Log<Option<Arc<[u8]>>> {
        &self.log
    }

    /// The same, to let it forget what is settled.
    pub fn log_mut(&mut self) -> &mut Log<Option<Arc<[u8]>>> {
        &mut self.log
    }

    /// Reads at `now_ns`.
    ///
    /// # Errors
    ///
    /// A fault struck; the range leaves the medium; its file failed.
    pub fn read(&mut self, now_ns: u64, pos: u64, into: &mut [u8]) -> Result<Served, DiskError> {
        self.store.read(pos, into)?;
        let request = Request::Read { pos, len: into.len() as u64 };
        self.pass(Asked::Read, request, pos, into.len() as u64, now_ns)
    }

    /// Writes at `now_ns`; `kind` is [`Kind::Write`] or [`Kind::WriteThrough`].
    ///
    /// # Errors
    ///
    /// A fault struck; the range leaves the medium; its file failed; a discard carries no bytes.
    pub fn write(
        &mut self,
        now_ns: u64,
        kind: Kind,
        pos: u64,
        bytes: &[u8],
    ) -> Result<Served, DiskError> {
        let len = bytes.len() as u64;
        let request = match kind {
            Kind::Write => Request::Write { pos, len },
            Kind::WriteThrough => Request::WriteThrough { pos, len },
            Kind::Discard | Kind::Zero => {
                let what = "a discard and zeroes carry no bytes: use `clear`";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what).into());
            }
        };
        self.in_range(pos, len)?;
        let served = self.pass(Asked::Write, request, pos, len, now_ns)?;
        self.store.write(pos, bytes)?;
        let payload = (self.history == History::Bytes).then(|| Arc::from(bytes));
        self.remember(Record { kind, pos, len, submit_ns: now_ns, payload, ..record_of(served) });
        Ok(served)
    }

    /// Gives bytes back ([`Kind::Discard`]) or makes them zero ([`Kind::Zero`]) at `now_ns`.
    ///
    /// # Errors
    ///
    /// A fault struck; the range leaves the medium; its file failed; a write has bytes.
    pub fn clear(
        &mut self,
        now_ns: u64,
        kind: Kind,
        pos: u64,
        len: u64,
    ) -> Result<Served, DiskError> {
        let request = match kind {
            Kind::Discard => Request::Discard { pos, len },
            Kind::Zero => Request::Zero { pos, len },
            Kind::Write | Kind::WriteThrough => {
                let what = "a write carries bytes: use `write`";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what).into());
            }
        };
        self.in_range(pos, len)?;
        let served = self.pass(Asked::Write, request, pos, len, now_ns)?;
        self.store.discard(pos, len)?;
        self.remember(Record {
            kind,
            pos,
            len,
            submit_ns: now_ns,
            payload: None,
            ..record_of(served)
        });
        Ok(served)
    }

    /// Flushes at `now_ns`.
    ///
    /// # Errors
    ///
    /// A fault struck: nothing is durable that was not before.
    pub fn flush(&mut self, now_ns: u64) -> Result<Served, DiskError> {
        let served = self.pass(Asked::Flush, Request::Flush, 0, 0, now_ns)?;
        if self.history != History::Off {
            self.log.flushed(now_ns, served.done_ns);
        }
        Ok(served)
    }

    /// Time and faults of a request.
    fn pass(
        &mut self,
        asked: Asked,
        request: Request,
        pos: u64,
        len: u64,
        now_ns: u64,
    ) -> Result<Served, DiskError> {
        let draws = self.model.draws(request);
        let served = self.model.serve(request, now_ns);
        self.faults
            .strike(asked, pos, len, draws)
            .map_err(|error| DiskError::Medium { error, served })?;
        if asked == Asked::Write {
            self.faults.wrote(pos, len);
        }
        Ok(served)
    }

    fn in_range(&self, pos: u64, len: u64) -> io::Result<()> {
        crate::store::within(self.store.size(), pos, len)
    }

    fn remember(&mut self, record: Record<Option<Arc<[u8]>>>) {
        if self.history != History::Off {
            self.log.wrote(record);
        }
    }
}

/// The times of a record; the rest is filled in by the caller.
fn record_of(served: Served) -> Record<Option<Arc<[u8]>>> {
    Record {
        kind: Kind::Write,
        pos: 0,
        len: 0,
        submit_ns: 0,
        done_ns: served.done_ns,
        durable_ns: served.durable_ns,
        payload: None,
    }
}

#[cfg(test)]
mod tests;
