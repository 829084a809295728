//! `--backend fs`: the modelled file system between block layer and medium. A device is one file of it.
//!
//! A request becomes an operation on that file, and the operation a task of the queue that brought it: none
//! blocks its thread. The file is empty and sparse at every `add`, and lives in memory; its medium is a
//! profile's, whose time is waited for here, not in the queue loop. What the operations return is the
//! request's errno; what the checkers find is a remark.
//!
//! FLUSH is `fsync` of the whole file; FUA ends as a write with O_DSYNC does, which syncs its own range.

mod dial;
mod findings;

use dial::Dial;
use findings::Findings;
use maprace_fs::{Content, Errno, Under};
use maprace_media::Profile;
use maprace_runtime::tasks::Worker;
use maprace_scenario::{
    Answered, AnyLayer, Asked, Config, SERVED_BLOCK, SERVED_BYTES_MOST, Served, ServedFile, Slots,
    Store, Zeroes,
};
use maprace_ublk::{Answer, Backend, Bell, Finish, Io, Op, Outcome, Service, Tag, Timed, Timing};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a logical block that such a device has to have: what is asked for is whole ones.
pub(crate) const LOGICAL_BLOCK: u32 = SERVED_BLOCK;

/// A modelled file system, as it is opened.
#[derive(Clone, Debug)]
pub(crate) struct FsOptions {
    /// Bytes of the device: whole blocks of [`LOGICAL_BLOCK`].
    pub(crate) size: u64,
    /// Layer, protocol with its knobs, order.
    pub(crate) config: Config,
    /// What a write request becomes.
    pub(crate) store: Store,
    /// What a request to write zeroes becomes.
    pub(crate) zeroes: Zeroes,
    /// Bound of the page cache in MiB.
    pub(crate) cache_mb: u32,
    /// The medium; none: it takes no time.
    pub(crate) profile: Option<Profile>,
    /// Seeds its draws.
    pub(crate) seed: u64,
    /// How many times slower its time passes.
    pub(crate) dilate: u64,
}

/// A size that no such device can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Not whole blocks.
    #[error(
        "--size {0}: --backend fs has blocks of {LOGICAL_BLOCK} bytes: type a multiple of that"
    )]
    Uneven(u64),
    /// Too large.
    #[error(
        "--size {0}: --backend fs counts blocks in 32 bits, those of the medium twice, so that \
         {SERVED_BYTES_MOST} bytes are the most: type a smaller one, or --backend raw"
    )]
    TooLarge(u64),
}

/// An open one. [`FsBackend::close`] it when the device has gone.
#[derive(Debug)]
pub(crate) struct FsBackend {
    served: Arc<dyn Served>,
    medium: Arc<Dial>,
    findings: Findings,
}

/// Opens an empty file system with one sparse file in it.
///
/// # Errors
/// The size is none that such a file can have.
pub(crate) fn open(layer: &dyn AnyLayer, options: FsOptions) -> Result<Arc<FsBackend>, OpenError> {
    let FsOptions { size, config, store, zeroes, cache_mb, profile, seed, dilate } = options;
    if !size.is_multiple_of(u64::from(LOGICAL_BLOCK)) {
        return Err(OpenError::Uneven(size));
    }
    if size > SERVED_BYTES_MOST {
        return Err(OpenError::TooLarge(size));
    }
    let medium = Arc::new(Dial::new(&Timing { profile, seed, dilate }));
    let file = ServedFile {
        config,
        size,
        cache_bytes: u64::from(cache_mb) << 20,
        under: Under::Shared(medium.clone()),
        store,
        zeroes,
    };
    Ok(Arc::new(FsBackend { served: layer.serve(&file), medium, findings: Findings::default() }))
}

impl FsBackend {
    /// The medium becomes another one.
    pub(crate) fn set_timing(&self, timing: &Timing) {
        self.medium.set(timing);
    }

    /// The inode goes: to be called when every queue has ended. What the checkers have found in the life of
    /// the device, in the kernel's words where it has any.
    pub(crate) fn close(&self) -> Vec<String> {
        self.findings.add(self.served.clone().evict());
        self.findings.remarks()
    }
}

impl Backend for FsBackend {
    fn attach(self: Arc<Self>, _: u16, bell: Bell) -> Box<dyn Service> {
        let thread = std::thread::current();
        let wake = move || {
            bell.ring();
            thread.unpark();
        };
        let worker = Worker::new(Arc::new(wake));
        let ended = Rc::<Ended>::default();
        let slots = Slots::new(self.served.clone(), ended.clone());
        Box::new(FsService { backend: self, worker, slots, ended, reads: Vec::new() })
    }

    fn timed(&self) -> Timed {
        Timed::ByBackend
    }

    fn kept_bytes(&self) -> u64 {
        self.served.kept_bytes()
    }

    fn remarks(&self) -> Vec<String> {
        self.findings.add(self.served.broken());
        self.findings.remarks()
    }
}

/// One queue's access.
struct FsService {
    backend: Arc<FsBackend>,
    worker: Worker,
    slots: Slots,
    ended: Rc<Ended>,
    /// Where the reads in flight begin, by tag.
    reads: Vec<Option<u64>>,
}

/// What has ended and was not handed over yet.
#[derive(Default)]
struct Ended(RefCell<VecDeque<(u64, Result<Content, Errno>)>>);

impl Answered for Ended {
    fn answered(&self, token: u64, outcome: Result<Content, Errno>) {
        self.0.borrow_mut().push_back((token, outcome));
    }
}

impl FsService {
    fn ask(&self, io: Io, buffer: &[u8]) -> Asked {
        let Io { op, pos, len } = io;
        match op {
            Op::Read => Asked::Read { pos, len },
            Op::Write { fua } => {
                Asked::Write { pos, bytes: self.backend.served.take(pos, buffer), durable: fua }
            }
            Op::Flush => Asked::Sync,
            Op::Discard => Asked::Discard { pos, len },
            Op::WriteZeroes { .. } => Asked::Zero { pos, len },
        }
    }
}

impl Service for FsService {
    fn submit(&mut self, tag: Tag, io: Io, buffer: &mut [u8], _: u64) -> Answer {
        let at = usize::from(tag.0);
        if self.reads.len() <= at {
            self.reads.resize(at + 1, None);
        }
        self.reads[at] = (io.op == Op::Read).then_some(io.pos);
        self.slots.start(&self.worker, tag.0.into(), self.ask(io, buffer));
        Answer::Later
    }

    fn poll(&mut self, now_ns: u64, done: &mut dyn Finish) -> Option<u64> {
        let next = self.worker.run(now_ns);
        while let Some((token, outcome)) = self.ended.0.borrow_mut().pop_front() {
            let tag = Tag(u16::try_from(token).expect("it is a tag"));
            match (outcome, self.reads[usize::from(tag.0)]) {
                (Ok(content), Some(pos)) => {
                    done.finish_with(tag, Ok(()), &mut |into| content.fill(pos, into));
                }
                (outcome, _) => {
                    let outcome: Outcome = outcome.map(drop).map_err(number);
                    done.finish(tag, outcome, &[]);
                }
            }
        }
        next
    }
}

/// What is in flight goes on to its end, as fast as it can: a folio that stayed locked would be in the
/// way of every other queue, and of the end of the inode.
impl Drop for FsService {
    fn drop(&mut self) {
        self.slots.close();
        while !self.worker.run_ahead() {
            // Somebody of another queue has what is waited for, and rings.
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
}

/// The errno as a number.
fn number(errno: Errno) -> i32 {
    match errno {
        Errno::Sigbus => 5, // EIO: a request has nobody who could be killed
        Errno::Efault => 14,
        Errno::Einval => 22,
        Errno::Efbig => 27,
        Errno::Enospc => 28,
        Errno::Eopnotsupp => 95,
    }
}

#[cfg(test)]
mod tests;
