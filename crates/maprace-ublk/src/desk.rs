//! The control side of a device's queues: what is asked of a queue's thread while it runs.
//!
//! A thread looks at one flag in each turn of its loop; the rest is a channel that is read only when
//! there is something in it. Nothing here waits for longer than [`LIMIT`].

use crate::queue::{Ground, List, Pace};
use crate::tally::Tally;
use crate::{Bell, Floor, Stats, Timed, Timing};
use maprace_media::faults::Fault;
use maprace_media::params::ShareError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a queue may take to answer.
pub const LIMIT: Duration = Duration::from_secs(2);

/// Why a queue did not do what was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its thread did not answer.
    #[error(
        "queue {queue} did not answer within {LIMIT:?}: its thread hangs or gets no CPU; delete the device if that lasts"
    )]
    Silent {
        /// Its number.
        queue: u16,
    },
    /// Its thread is no more.
    #[error("queue {queue} has ended, and with it the device: add it again")]
    Ended {
        /// Its number.
        queue: u16,
    },
    /// The medium cannot be shared by so many queues.
    #[error(transparent)]
    Share(#[from] ShareError),
}

/// What is asked of a queue's thread. Whoever reads it answers.
#[derive(Debug)]
pub(crate) enum Mail {
    /// Another medium.
    Timing(Box<(Timing, Option<Pace>)>, Sender<()>),
    /// Another floor.
    Floor(Floor, Sender<()>),
    /// The faults are others.
    Faults(Sender<()>),
    /// Requests that touch these bytes, from the first to the one after the last, stay unanswered.
    Stick(u64, u64, Sender<()>),
    /// What is stuck goes on; how many were.
    Release(Sender<u64>),
    /// The counts are wanted; the queue goes on with an empty tally. Answered by number.
    Count(u64, Box<Tally>),
}

/// Counts that a queue has handed over.
#[derive(Debug)]
struct Handed {
    /// In answer to which question; none: the queue has ended.
    number: Option<u64>,
    tally: Box<Tally>,
}

/// What both sides of a queue's desk look at.
#[derive(Debug, Default)]
struct Shared {
    has_mail: AtomicBool,
    bell: OnceLock<Bell>,
}

/// One queue's desk.
#[derive(Debug)]
struct Desk {
    queue: u16,
    mail: Sender<Mail>,
    shared: Arc<Shared>,
    drawer: Mutex<Drawer>,
}

/// What a queue has counted so far.
#[derive(Debug)]
struct Drawer {
    handed: Receiver<Handed>,
    total: Tally,
    asked: u64,
}

/// The desks of all queues of a device.
#[derive(Debug)]
pub struct Desks {
    desks: Vec<Desk>,
    timed: Timed,
    ground: Arc<Ground>,
}

/// A queue's own side of its desk, for [`crate::queue::run`].
#[derive(Debug)]
pub struct Post {
    queue: u16,
    mail: Receiver<Mail>,
    shared: Arc<Shared>,
    handed: Sender<Handed>,
    pub(crate) ground: Arc<Ground>,
}

impl Desks {
    /// For so many queues whose requests wait for that, with the other side of each.
    pub fn new(queues: u16, timed: Timed) -> (Desks, Vec<Post>) {
        let ground = Arc::new(Ground::default());
        let pair = |queue| {
            let (mail, read) = channel();
            let (handed, taken) = channel();
            let shared = Arc::new(Shared::default());
            let drawer = Mutex::new(Drawer { handed: taken, total: Tally::new(), asked: 0 });
            let post = Post {
                queue,
                mail: read,
                shared: Arc::clone(&shared),
                handed,
                ground: Arc::clone(&ground),
            };
            (Desk { queue, mail, shared, drawer }, post)
        };
        let (desks, posts) = (0..queues).map(pair).unzip();
        (Desks { desks, timed, ground }, posts)
    }

    /// Changes the medium; every queue has it when this returns. Nothing is changed if the medium
    /// cannot be shared.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn set_timing(&self, timing: &Timing) -> Result<(), Error> {
        let queues = u16::try_from(self.desks.len()).unwrap_or(u16::MAX);
        let mut paces = Vec::new();
        if self.timed == Timed::ByLoop {
            for desk in &self.desks {
                paces.push(Pace::new(timing, desk.queue, queues)?);
            }
            let own = timing.profile.as_ref().map_or(Vec::new(), |profile| profile.faults.clone());
            self.ground.replace(List::Own, own);
        }
        let mut paces = paces.into_iter();
        let changed = |pace: Option<Pace>| Box::new((timing.clone(), pace));
        self.ask(|done| Mail::Timing(changed(paces.next().flatten()), done)).map(drop)
    }

    /// What this machine takes at least, from now on.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn set_floor(&self, floor: Floor) -> Result<(), Error> {
        self.ask(|done| Mail::Floor(floor, done)).map(drop)
    }

    /// Replaces the faults that were set; those of the profile stay.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn set_faults(&self, faults: Vec<Fault>) -> Result<(), Error> {
        self.ground.replace(List::Set, faults);
        self.ask(Mail::Faults).map(drop)
    }

    /// Requests that touch the bytes `from..end` from now on are not answered.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn stick(&self, from: u64, end: u64) -> Result<(), Error> {
        self.ask(|done| Mail::Stick(from, end, done)).map(drop)
    }

    /// Goes on with what is stuck, and sticks no more; how many there were.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn release(&self) -> Result<u64, Error> {
        Ok(self.ask(Mail::Release)?.into_iter().sum())
    }

    /// The faults, for tests that set them before a queue begins.
    #[cfg(test)]
    pub(crate) fn ground(&self) -> &Ground {
        &self.ground
    }

    /// What all queues have counted; the last counts of one that has ended. What only the device knows
    /// (bytes kept, remarks) is left empty.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub fn stats(&self) -> Result<Stats, Error> {
        let mut sum = Tally::new();
        self.each_drawer(|total| {
            let before = sum.gauges;
            sum.add(total);
            sum.gauges.in_flight += before.in_flight;
            sum.gauges.stuck += before.stuck;
        })?;
        Ok(sum.stats())
    }

    /// Begins to count anew: what was there before the device was ready is not the user's.
    ///
    /// # Errors
    /// [`Error::Silent`].
    pub fn forget(&self) -> Result<(), Error> {
        self.each_drawer(|total| {
            let gauges = total.gauges;
            *total = Tally::new();
            total.gauges = gauges;
        })
    }

    /// Brings the counts of all queues up to date.
    fn each_drawer(&self, mut look: impl FnMut(&mut Tally)) -> Result<(), Error> {
        let ends = Instant::now() + LIMIT;
        let mut drawers: Vec<_> = self
            .desks
            .iter()
            // Whoever panicked with it left a total that is whole.
            .map(|desk| (desk, desk.drawer.lock().unwrap_or_else(PoisonError::into_inner)))
            .collect();
        for (desk, drawer) in &mut drawers {
            drawer.asked += 1;
            // Of a queue that has ended there are the last counts.
            desk.send(Mail::Count(drawer.asked, Box::new(Tally::new())));
        }
        for (desk, drawer) in &mut drawers {
            drawer.catch_up(ends).map_err(|Late| Error::Silent { queue: desk.queue })?;
        }
        for (_, drawer) in &mut drawers {
            look(&mut drawer.total);
        }
        Ok(())
    }

    /// Asks every queue, and collects the answers.
    fn ask<R>(&self, mut mail: impl FnMut(Sender<R>) -> Mail) -> Result<Vec<R>, Error> {
        let ends = Instant::now() + LIMIT;
        let answers: Vec<_> = self
            .desks
            .iter()
            .map(|desk| {
                let (answer, answered) = channel();
                desk.send(mail(answer));
                (desk.queue, answered)
            })
            .collect();
        let collect = |(queue, answered): (u16, Receiver<R>)| {
            answered.recv_timeout(left(ends)).map_err(|error| match error {
                RecvTimeoutError::Timeout => Error::Silent { queue },
                RecvTimeoutError::Disconnected => Error::Ended { queue },
            })
        };
        answers.into_iter().map(collect).collect()
    }
}

fn left(ends: Instant) -> Duration {
    ends.saturating_duration_since(Instant::now())
}

impl Desk {
    /// Leaves mail, and wakes the thread. Mail for nobody is dropped, and with it who would answer.
    fn send(&self, mail: Mail) {
        if self.mail.send(mail).is_ok() {
            self.shared.has_mail.store(true, Ordering::SeqCst);
            if let Some(bell) = self.shared.bell.get() {
                bell.ring();
            }
        }
    }
}

/// Counts did not come in time.
struct Late;

impl Drawer {
    /// Takes what the queue has handed over, until it has answered the last question or has ended.
    /// Answers that came too late for whoever asked are in the sum, too.
    fn catch_up(&mut self, ends: Instant) -> Result<(), Late> {
        loop {
            match self.handed.recv_timeout(left(ends)) {
                Ok(Handed { number, tally }) => {
                    self.total.add(&tally);
                    if number == Some(self.asked) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => return Err(Late),
            }
        }
    }
}

impl Post {
    /// Which queue's.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// The thread can be woken from now on; mail that was there before is seen in the first turn.
    pub(crate) fn open(&self, bell: Bell) {
        // Set once: a post has one queue.
        let _ = self.shared.bell.set(bell);
    }

    /// Whether there is mail: one load, as long as there is none.
    pub(crate) fn has_mail(&self) -> bool {
        self.shared.has_mail.load(Ordering::Relaxed)
            && self.shared.has_mail.swap(false, Ordering::SeqCst)
    }

    /// The next piece of mail.
    pub(crate) fn next(&self) -> Option<Mail> {
        self.mail.try_recv().ok()
    }

    /// Hands counts over, in answer to a question or for the last time.
    pub(crate) fn hand_over(&self, number: Option<u64>, tally: Box<Tally>) {
        // Nobody may be left who wants them.
        let _ = self.handed.send(Handed { number, tally });
    }
}

#[cfg(test)]
mod tests;
