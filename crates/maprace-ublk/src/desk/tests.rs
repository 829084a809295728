//! The desk with queues on threads of their own, on the machine's clock; no test depends on how long
//! anything takes, short of the limit.

use super::*;
use crate::queue::{QueueSetup, run};
use crate::raw::Null;
use crate::testing::{Answer, Clock, Fake, Guest};
use crate::{Backend, Io, Op, Waiting};
use maprace_media::faults::{Asked, Lasts};
use maprace_media::{Chance, Profile};
use std::sync::atomic::AtomicU64;
use std::thread::{self, JoinHandle};

/// What a guest and the test tell each other.
#[derive(Debug, Default)]
struct Wire {
    /// Requests to be sent, reads of 4096 bytes at 0.
    wanted: AtomicU64,
    answered: AtomicU64,
    failed: AtomicU64,
    ends: AtomicBool,
    bell: OnceLock<Bell>,
}

/// Sends what the test wants.
struct Remote {
    wire: Arc<Wire>,
    sent: u64,
    op: Op,
}

impl Guest for Remote {
    fn next_ns(&self) -> Option<u64> {
        (self.sent < self.wire.wanted.load(Ordering::SeqCst)).then_some(0)
    }

    fn send(&mut self, _: u64, _: &mut [u8]) -> Io {
        self.sent += 1;
        Io { op: self.op, pos: 0, len: 4096 }
    }

    fn answered(&mut self, answer: Answer, _: &[u8]) {
        self.wire.failed.fetch_add(u64::from(answer.result < 0), Ordering::SeqCst);
        self.wire.answered.fetch_add(1, Ordering::SeqCst);
    }

    fn is_done(&self) -> bool {
        self.wire.ends.load(Ordering::SeqCst)
            && self.sent == self.wire.wanted.load(Ordering::SeqCst)
    }
}

struct Device {
    desks: Desks,
    wires: Vec<Arc<Wire>>,
    threads: Vec<JoinHandle<()>>,
}

fn timing(name: &str) -> Timing {
    Timing { profile: Some(Profile::open(name).unwrap()), seed: 1, dilate: 1 }
}

impl Device {
    fn new(queues: u16, timing: &Timing) -> Device {
        let (desks, posts) = Desks::new(queues, Timed::ByLoop);
        let wires: Vec<Arc<Wire>> = (0..queues).map(|_| Arc::default()).collect();
        let serve = |(post, wire): (Post, &Arc<Wire>)| {
            let (wire, timing, queue) = (Arc::clone(wire), timing.clone(), post.queue());
            thread::spawn(move || {
                let guest = Remote { wire: Arc::clone(&wire), sent: 0, op: Op::Read };
                let mut fake = Fake::new(guest, Clock::Real, 16, 4096);
                let bell = crate::Transport::bell(&&mut fake);
                wire.bell.set(Arc::clone(&bell)).unwrap();
                let service = Arc::new(Null::new(1 << 30)).attach(queue, bell);
                let (waiting, floor, timed) = (Waiting::Hybrid, Floor::default(), Timed::ByLoop);
                let setup = QueueSetup { queue, queues, depth: 16, timed, timing, waiting, floor };
                run(&mut fake, service, post, setup).unwrap();
                fake.assert_clean();
            })
        };
        let threads = posts.into_iter().zip(&wires).map(serve).collect();
        Device { desks, wires, threads }
    }

    /// Wants so many more requests of a queue.
    fn send(&self, queue: usize, count: u64) {
        let wire = &self.wires[queue];
        wire.wanted.fetch_add(count, Ordering::SeqCst);
        while wire.bell.get().is_none() {
            thread::yield_now();
        }
        wire.bell.get().unwrap().ring();
    }

    fn answered(&self, queue: usize) -> u64 {
        self.wires[queue].answered.load(Ordering::SeqCst)
    }

    fn wait_for(&self, queue: usize, count: u64) {
        until(|| self.answered(queue) >= count);
    }

    fn end(&mut self) {
        for wire in &self.wires {
            wire.ends.store(true, Ordering::SeqCst);
            until(|| wire.bell.get().is_some());
            wire.bell.get().unwrap().ring();
        }
        self.threads.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

fn until(holds: impl Fn() -> bool) {
    let ends = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < ends, "it does not happen");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn what_all_queues_count_is_one_sum_also_afterwards() {
    let mut device = Device::new(2, &timing("null"));
    for queue in [0, 1] {
        device.send(queue, 100);
        device.wait_for(queue, 100);
    }
    let read = |device: &Device| device.desks.stats().unwrap().operations["read"].requests;
    assert_eq!(read(&device), 200);
    device.send(1, 50);
    device.wait_for(1, 150);
    assert_eq!(read(&device), 250, "what was counted before is in the sum");
    device.send(0, 7);
    device.wait_for(0, 107);
    device.end();
    assert_eq!(read(&device), 257, "the last counts are kept");
    assert_eq!(read(&device), 257);
    assert_eq!(device.desks.set_floor(Floor::default()), Err(Error::Ended { queue: 0 }));
}

#[test]
fn counts_can_begin_anew() {
    let mut device = Device::new(1, &timing("null"));
    device.send(0, 10);
    device.wait_for(0, 10);
    device.desks.forget().unwrap();
    assert_eq!(device.desks.stats().unwrap().operations["read"].requests, 0);
    device.send(0, 5);
    device.wait_for(0, 15);
    assert_eq!(device.desks.stats().unwrap().operations["read"].latency.count, 5);
    device.end();
}

#[test]
fn what_is_stuck_stays_until_it_is_released() {
    let mut device = Device::new(2, &timing("null"));
    device.desks.stick(4095, 4096).unwrap();
    device.send(0, 3);
    device.send(1, 2);
    until(|| device.desks.stats().unwrap().stuck == 5);
    let stats = device.desks.stats().unwrap();
    assert_eq!((stats.in_flight, device.answered(0), device.answered(1)), (5, 0, 0));
    assert_eq!(device.desks.release(), Ok(5));
    device.wait_for(0, 3);
    device.wait_for(1, 2);
    assert_eq!(device.desks.release(), Ok(0));
    // Another range sticks nothing.
    device.desks.stick(4096, 8192).unwrap();
    device.send(0, 1);
    device.wait_for(0, 4);
    let stats = device.desks.stats().unwrap();
    assert_eq!((stats.stuck, stats.in_flight, stats.operations["read"].requests), (0, 0, 6));
    device.end();
}

#[test]
fn the_medium_changes_while_requests_are_in_flight() {
    let mut device = Device::new(1, &timing("null"));
    device.send(0, 1_000);
    let slow = Timing { dilate: 4, ..timing("nvme-tlc-dc") };
    device.desks.set_timing(&slow).unwrap();
    device.send(0, 20);
    device.wait_for(0, 1_020);
    let stats = device.desks.stats().unwrap();
    assert_eq!(stats.dilate, 4);
    assert!(stats.operations["read"].latency.max_ns >= 4 * 60_000, "{stats:?}");
    assert!(stats.operations["read"].lateness.count >= 20);
    device.desks.set_timing(&timing("null")).unwrap();
    device.send(0, 100);
    device.wait_for(0, 1_120);
    assert_eq!(device.wires[0].failed.load(Ordering::SeqCst), 0, "no error");
    device.end();
}

#[test]
fn a_medium_that_cannot_be_shared_changes_nothing() {
    let mut device = Device::new(2, &timing("null"));
    let error = device.desks.set_timing(&timing("hdd-7200")).unwrap_err();
    assert!(matches!(error, Error::Share(_)), "{error}");
    assert_eq!(device.desks.stats().unwrap().dilate, 1);
    device.end();
}

#[test]
fn faults_come_and_go_for_all_queues() {
    let mut device = Device::new(2, &timing("null"));
    let chance = Chance::new(1.0);
    let bad = Fault { asked: Asked::Read, from: 0, end: 512, chance, lasts: Lasts::ForEver };
    device.desks.set_faults(vec![bad]).unwrap();
    for queue in [0, 1] {
        device.send(queue, 10);
        device.wait_for(queue, 10);
        assert_eq!(device.wires[queue].failed.load(Ordering::SeqCst), 10);
    }
    device.desks.set_faults(Vec::new()).unwrap();
    device.send(0, 10);
    device.wait_for(0, 20);
    assert_eq!(device.wires[0].failed.load(Ordering::SeqCst), 10);
    assert_eq!(device.desks.stats().unwrap().operations["read"].errors, 20);
    device.end();
}

#[test]
fn a_thread_that_hangs_is_an_error_and_no_hang() {
    let (desks, posts) = Desks::new(1, Timed::ByLoop);
    assert_eq!(desks.stats(), Err(Error::Silent { queue: 0 }));
    assert_eq!(desks.release(), Err(Error::Silent { queue: 0 }));
    // What it answers too late is not lost.
    let mut tally = Tally::new();
    tally.count_infeasible(Op::Flush);
    posts[0].hand_over(Some(1), Box::new(tally));
    drop(posts);
    assert_eq!(desks.stats().unwrap().operations["flush"].infeasible, 1);
    assert_eq!(desks.release(), Err(Error::Ended { queue: 0 }));
}
