//! The queues' threads: started, waited for until they have asked for requests, and ended.
//!
//! One thread per queue, with the processors that send to it. It makes its ring itself, since a ring
//! belongs to the thread that made it. A thread that does not end in time is left behind.

use super::Error;
use crate::Partitions;
use crate::desk::Post;
use crate::libublk::{Device, Queue};
use crate::{Bell, control};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// What a thread does with its ring, until the ring is gone.
pub(super) type Serve = dyn Fn(Queue<'_>, Post) -> std::io::Result<()> + Send + Sync;

/// The threads of a device.
#[derive(Debug)]
pub(super) struct Threads {
    quit: Arc<AtomicBool>,
    bells: Vec<Bell>,
    alive: Arc<Alive>,
}

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// A thread could not be had, or could not make its ring, or `limit` has passed; those that could
    /// are handed back too, to be ended when the device is stopped.
    pub(super) fn start(
        device: &Arc<Device>,
        posts: Vec<Post>,
        serve: &Arc<Serve>,
        partitions: Partitions,
        limit: Duration,
    ) -> (Threads, Result<(), Error>) {
        let alive = Arc::new(Alive::default());
        let mut threads = Threads { quit: Arc::default(), bells: Vec::new(), alive };
        let result = threads.start_all(device, posts, serve, partitions, limit);
        (threads, result)
    }

    fn start_all(
        &mut self,
        device: &Arc<Device>,
        posts: Vec<Post>,
        serve: &Arc<Serve>,
        partitions: Partitions,
        limit: Duration,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + limit;
        let (tell, told) = mpsc::channel();
        for post in posts {
            let queue = post.queue();
            let processors = control::affinity(device.id(), queue)?;
            let (device, serve, tell) = (Arc::clone(device), Arc::clone(serve), tell.clone());
            let (quit, alive) = (Arc::clone(&self.quit), self.alive.enter());
            std::thread::Builder::new()
                .name(format!("ublk-{}-{queue}", device.id()))
                .spawn(move || {
                    prepare(&processors, partitions);
                    match Queue::new(&device, queue, quit) {
                        Ok(ring) => {
                            let _ = tell.send(Ok(crate::Transport::bell(&ring)));
                            alive.failed(serve(ring, post).err());
                        }
                        Err(error) => drop(tell.send(Err(error))),
                    }
                    // The character device first: whoever waits for the thread deletes the device.
                    drop(device);
                    drop(alive);
                })
                .map_err(|source| Error::Io { what: "a thread for a queue", source })?;
        }
        drop(tell);
        for _ in 0..device.queues() {
            let left = deadline.saturating_duration_since(Instant::now());
            let bell = told.recv_timeout(left).unwrap_or_else(|_| {
                let advice =
                    "a queue's thread does not come up: the machine may be overloaded".to_owned();
                Err(Error::TooLate { what: "asking for requests", limit, advice })
            })?;
            self.bells.push(bell);
        }
        Ok(())
    }

    /// Waits until all have ended by themselves; whether they did before `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> bool {
        self.alive.wait(deadline)
    }

    /// Why one of them ended, if not because the device went.
    pub(super) fn failure(&self) -> Option<String> {
        self.alive.lock().failure.clone()
    }

    /// Waits `patience` for them to end by themselves, then has them end.
    pub(super) fn end(self, patience: Duration) -> Result<(), Error> {
        if self.wait(Some(Instant::now() + patience)) {
            return Ok(());
        }
        self.quit.store(true, Ordering::Relaxed);
        for bell in &self.bells {
            bell.ring();
        }
        let limit = Duration::from_secs(5);
        if self.wait(Some(Instant::now() + limit)) {
            return Ok(());
        }
        let advice = "a queue's thread is left behind until the process ends".to_owned();
        Err(Error::TooLate { what: "the end of a queue's thread", limit, advice })
    }
}

/// What is set of a queue's thread before it serves; the device works without, too.
fn prepare(processors: &[u64; 16], partitions: Partitions) {
    // Memory that the thread needs must not wait for a device that waits for the thread.
    let _ = rustix::process::configure_io_flusher_behavior(true);
    let mut set = rustix::thread::CpuSet::new();
    for cpu in 0..rustix::thread::CpuSet::MAX_CPU.min(16 * 64) {
        if processors[cpu / 64] >> (cpu % 64) & 1 == 1 {
            set.set(cpu);
        }
    }
    if set.count() > 0 {
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    if partitions == Partitions::Ignored {
        // See there. Nothing that a queue does needs it.
        if let Ok(mut sets) = rustix::thread::capabilities(None) {
            sets.effective.remove(rustix::thread::CapabilitySet::SYS_ADMIN);
            let _ = rustix::thread::set_capabilities(None, sets);
        }
    }
}

/// How many threads there are.
#[derive(Debug, Default)]
struct Alive {
    state: Mutex<Count>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Count {
    threads: usize,
    failure: Option<String>,
}

impl Alive {
    fn lock(&self) -> std::sync::MutexGuard<'_, Count> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more, until what is given back is dropped, also by a panic.
    fn enter(self: &Arc<Alive>) -> Entered {
        self.lock().threads += 1;
        Entered(Arc::clone(self))
    }

    fn wait(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        while state.threads > 0 {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            state = match left {
                Some(left) => {
                    let waited = self.ended.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }
}

/// A thread that is counted.
struct Entered(Arc<Alive>);

impl Entered {
    fn failed(&self, error: Option<std::io::Error>) {
        if let Some(error) = error {
            self.0.lock().failure.get_or_insert(error.to_string());
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
        self.0.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_ends_with_the_last_thread_also_by_a_panic() {
        let alive = Arc::new(Alive::default());
        let (one, two) = (alive.enter(), alive.enter());
        drop(one);
        assert!(!alive.wait(Some(Instant::now())));
        let ended = std::thread::spawn(move || {
            let _two = two;
            panic!("planted");
        });
        assert!(alive.wait(None) && ended.join().is_err());
    }

    #[test]
    fn the_first_failure_is_kept() {
        let alive = Arc::new(Alive::default());
        let one = alive.enter();
        one.failed(None);
        assert_eq!(alive.lock().failure, None);
        one.failed(Some(std::io::Error::other("first")));
        one.failed(Some(std::io::Error::other("second")));
        assert_eq!(alive.lock().failure.as_deref(), Some("first"));
    }
}
