//! The loop on a virtual clock: when it answers, what it counts, what it does when the device closes.

use super::*;
use crate::desk::Desks;
use crate::raw::Null;
use crate::testing::{self, Clock, Closed, Fake, Guest, Script};
use crate::{Backend, Bell, Finish, Stats, Waiting};
use maprace_media::faults::{Asked, Fault, Lasts};
use maprace_media::{Chance, Keying, Model, Profile};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

const READ: Io = Io { op: Op::Read, pos: 0, len: 4096 };
const WRITE: Io = Io { op: Op::Write { fua: false }, pos: 0, len: 4096 };
const FLUSH: Io = Io { op: Op::Flush, pos: 0, len: 0 };

fn at(io: Io, pos: u64) -> Io {
    Io { pos, ..io }
}

fn timing(text: &str) -> Timing {
    let profile = Profile::parse("test", &format!("name = \"test\"\n{text}")).unwrap();
    Timing { profile: Some(profile), seed: 3, dilate: 1 }
}

fn built_in(name: &str) -> Timing {
    Timing { profile: Some(Profile::open(name).unwrap()), seed: 3, dilate: 1 }
}

fn untimed() -> Timing {
    Timing { profile: None, seed: 3, dilate: 1 }
}

fn setup(timing: Timing, waiting: Waiting) -> QueueSetup {
    let (floor, timed) = (Floor::default(), Timed::ByLoop);
    QueueSetup { queue: 0, queues: 1, depth: 64, timed, timing, waiting, floor }
}

fn clock(late_ns: u64) -> Clock {
    Clock::Virtual { tick_ns: 50, late_ns }
}

/// Runs the loop until the guest is done; what it counted.
fn served<G: Guest>(fake: &mut Fake<G>, setup: QueueSetup, service: Box<dyn Service>) -> Stats {
    let (desks, mut posts) = Desks::new(1, setup.timed);
    run(&mut *fake, service, posts.remove(0), setup).unwrap();
    desks.stats().unwrap()
}

fn null() -> Box<dyn Service> {
    let bell: Bell = Arc::new(Silent);
    Arc::new(Null::new(1 << 40)).attach(0, bell)
}

#[derive(Debug)]
struct Silent;

impl crate::Ring for Silent {
    fn ring(&self) {}
}

/// What a model of its own says of each request, in the order in which they arrive.
fn expected(timing: &Timing) -> testing::Due {
    let seed = Draws::of([timing.seed, 0x7175_6575, 0, 0]).word(0);
    let params = Arc::clone(&timing.profile.as_ref().unwrap().params);
    let mut model = Model::seeded(params, seed, Keying::ByNumber);
    Box::new(move |io, arrived_ns| model.serve(io.on_medium(), arrived_ns).done_ns)
}

#[test]
fn every_request_is_answered_when_the_medium_would_have_and_never_before() {
    for (waiting, late_ns, late_max_ns) in [
        // Up to a tick late by reading the clock; by the timer where it has to do.
        (Waiting::Spin, 40_000, 50),
        (Waiting::Hybrid, 40_000, 50),
        (Waiting::Sleep, 40_000, 40_000),
    ] {
        let timing = built_in("nvme-tlc-dc");
        let make = |n: u64| match n % 5 {
            0 | 1 => at(READ, n * 7 % 100 * 4096),
            2 => at(WRITE, n * 3 % 50 * 4096),
            3 => FLUSH,
            _ => Io { op: Op::Discard, pos: n * 4096, len: 1 << 20 },
        };
        let guest = Closed::new(16, 4_000, make);
        let mut fake = Fake::new(guest, clock(late_ns), 64, 4096).expecting(expected(&timing));
        let stats = served(&mut fake, setup(timing, waiting), null());
        fake.assert_clean();
        assert_eq!(fake.guest.told.len(), 4_000);
        let read = &stats.operations["read"];
        assert_eq!(read.requests, 1_600);
        assert!(read.lateness.max_ns <= late_max_ns + 50, "{waiting:?}: {read:?}");
        assert!(read.latency.p50_ns >= 85_000, "{waiting:?}: {read:?}");
        assert_eq!(stats.in_flight, 0);
    }
}

#[test]
fn a_loop_that_answers_too_early_is_found() {
    let mut fake = Fake::new(Closed::new(4, 50, |_| READ), clock(0), 64, 4096);
    fake = fake.expecting(expected(&built_in("nvme-tlc-dc")));
    // A medium that is told less than it takes.
    let mut early = setup(built_in("nvme-tlc-dc"), Waiting::Spin);
    early.floor.credit_ns = 1_000;
    served(&mut fake, early, null());
    assert!(fake.breaches.iter().all(|breach| breach.ends_with("before it is due")));
    assert!(!fake.breaches.is_empty());
}

#[test]
fn what_waits_for_nothing_is_answered_in_the_turn_in_which_it_comes() {
    for timing in [untimed(), built_in("null")] {
        let guest = Closed::new(32, 3_200, |n| at(READ, n * 4096));
        let mut fake = Fake::new(guest, clock(0), 64, 4096);
        let stats = served(&mut fake, setup(timing, Waiting::Hybrid), null());
        fake.assert_clean();
        // Each batch ends with one wait: others run meanwhile, since several come together.
        assert_eq!(fake.waits, [100, 0, 0], "one wait for each batch");
        let read = &stats.operations["read"];
        assert_eq!((read.requests, read.bytes), (3_200, 3_200 * 4096));
        assert_eq!((read.latency.count, read.lateness.count, read.infeasible), (3_200, 0, 0));
        assert!(fake.guest.told.iter().all(|answer| answer.result == 4096));
    }
}

#[test]
fn a_flush_waits_for_the_writes_before_it() {
    // Taken at once, drained at 1 GB/s; a flush takes 500 ns more.
    let cache = "[write]\nlat_ns.rand = 10\n[write.buffer]\nbytes = 1000000\ndrain_mb_s = 1000\n\
                 [flush]\nvolatile = true\nns = 500\n";
    let script = Script::new([(0, WRITE), (0, at(WRITE, 1 << 20)), (0, FLUSH)]);
    let mut fake = Fake::new(script, clock(0), 8, 4096);
    served(&mut fake, setup(timing(cache), Waiting::Sleep), null());
    let answers: Vec<_> = fake.guest.answers.iter().map(|a| (a.io.op, a.answered_ns)).collect();
    assert_eq!(answers, [(WRITE.op, 10), (WRITE.op, 10), (Op::Flush, 8_192 + 500)]);
}

#[test]
fn a_stop_leaves_everything_to_the_kernel() {
    let guest = Closed::new(16, 10_000, |n| at(READ, n * 4096));
    let mut fake = Fake::new(guest, clock(0), 64, 4096).closing_at(1_000_000);
    let stats = served(&mut fake, setup(built_in("nvme-tlc-dc"), Waiting::Hybrid), null());
    fake.assert_clean();
    assert!(fake.guest.told.len() > 50 && fake.guest.told.len() < 10_000);
    assert_eq!(stats.operations["read"].requests, fake.guest.told.len() as u64);
    assert_eq!(stats.in_flight, 0);
}

#[test]
fn what_this_machine_cannot_show_is_counted() {
    let mut slow =
        setup(timing("[read]\nlat_ns.rand = 5000\n[write]\nlat_ns.rand = 9000\n"), Waiting::Spin);
    slow.floor = Floor { read_ns: 6_000, write_ns: 6_000, credit_ns: 5_500 };
    let script = Script::new([(0, at(READ, 8192)), (0, at(WRITE, 8192)), (9, at(READ, 1 << 20))]);
    let mut fake = Fake::new(script, clock(0), 8, 4096);
    let stats = served(&mut fake, slow, null());
    assert_eq!(stats.operations["read"].infeasible, 2);
    assert_eq!(stats.operations["write"].infeasible, 0);
    assert_eq!(stats.floor.read_ns, 6_000);
    let write = fake.guest.answers.iter().find(|answer| answer.io.op == WRITE.op).unwrap();
    assert_eq!(write.answered_ns, 9_000 - 5_500);
}

fn fault(asked: Asked, from: u64, end: u64, chance: f64, lasts: Lasts) -> Fault {
    Fault { asked, from, end, chance: Chance::new(chance), lasts }
}

/// Runs with faults that were set before it began.
fn with_faults<G: Guest>(fake: &mut Fake<G>, timing: Timing, faults: Vec<Fault>) -> Stats {
    let (desks, mut posts) = Desks::new(1, Timed::ByLoop);
    desks.ground().replace(List::Set, faults);
    run(&mut *fake, null(), posts.remove(0), setup(timing, Waiting::Sleep)).unwrap();
    desks.stats().unwrap()
}

#[test]
fn a_bad_range_fails_when_the_medium_would_have_answered_until_it_is_written() {
    let read = |at_ns, pos| (at_ns, at(READ, pos));
    let script = Script::new([
        read(0, 0),
        read(0, 8192),
        (500_000, at(WRITE, 8192)),
        read(900_000, 8192),
        read(900_000, 12_288),
    ]);
    let mut fake = Fake::new(script, clock(0), 8, 4096);
    let faults = vec![fault(Asked::Read, 8192, 16_384, 1.0, Lasts::UntilWritten)];
    let takes = "[read]\nlat_ns = { rand = 7000, seq = 7000 }\n[write]\nlat_ns.rand = 7000\n";
    let stats = with_faults(&mut fake, timing(takes), faults);
    let answers: Vec<_> = fake.guest.answers.iter().map(|a| (a.answered_ns, a.result)).collect();
    let want = [(7_000, 4096), (7_000, -5), (507_000, 4096), (907_000, 4096), (907_000, -5)];
    assert_eq!(answers, want);
    assert_eq!((stats.operations["read"].errors, stats.operations["write"].errors), (2, 0));
}

/// Counts what it is asked to write.
struct Writes(Rc<RefCell<u64>>);

impl Service for Writes {
    fn submit(&mut self, _: Tag, io: Io, _: &mut [u8], _: u64) -> Answer {
        *self.0.borrow_mut() += u64::from(matches!(io.op, Op::Write { .. }));
        Answer::Now(Ok(()))
    }
}

#[test]
fn faults_by_chance_strike_as_often_as_they_say_and_change_no_byte() {
    for timing in [untimed(), timing("[write]\nlat_ns.rand = 100\n")] {
        let written = Rc::new(RefCell::new(0));
        let mut fake = Fake::new(Closed::new(8, 20_000, |_| WRITE), clock(0), 8, 4096);
        let (desks, mut posts) = Desks::new(1, Timed::ByLoop);
        let faults = vec![fault(Asked::Write, 0, 1 << 40, 0.1, Lasts::ForEver)];
        desks.ground().replace(List::Set, faults);
        let service = Box::new(Writes(Rc::clone(&written)));
        run(&mut fake, service, posts.remove(0), setup(timing, Waiting::Sleep)).unwrap();
        let errors = desks.stats().unwrap().operations["write"].errors;
        // 2000 on average, and 4 standard deviations of 42 around it.
        assert!((1_830..=2_170).contains(&errors), "{errors}");
        assert_eq!(*written.borrow() + errors, 20_000);
        let failed = fake.guest.told.iter().filter(|answer| answer.result == -5).count();
        assert_eq!(failed as u64, errors);
    }
}

/// A backend with a medium of its own: a read takes 1000 ns, all at once.
#[derive(Default)]
struct Slow {
    waiting: Vec<(Tag, u64)>,
}

impl Service for Slow {
    fn submit(&mut self, tag: Tag, io: Io, _: &mut [u8], now_ns: u64) -> Answer {
        if io.op == Op::Flush {
            return Answer::Now(Ok(()));
        }
        self.waiting.push((tag, now_ns + 1_000));
        Answer::Later
    }

    fn poll(&mut self, now_ns: u64, done: &mut dyn Finish) -> Option<u64> {
        self.waiting.retain(|(tag, due_ns)| {
            if *due_ns <= now_ns {
                done.finish(*tag, Ok(()), &[9; 4096]);
            }
            *due_ns > now_ns
        });
        self.waiting.iter().map(|(_, due_ns)| *due_ns).min()
    }
}

/// Answers when it is asked for the first time.
#[derive(Default)]
struct AtPoll(Vec<Tag>);

impl Service for AtPoll {
    fn submit(&mut self, tag: Tag, _: Io, _: &mut [u8], _: u64) -> Answer {
        self.0.push(tag);
        Answer::Later
    }

    fn poll(&mut self, _: u64, done: &mut dyn Finish) -> Option<u64> {
        self.0.drain(..).for_each(|tag| done.finish(tag, Ok(()), &[0; 4096]));
        None
    }
}

#[test]
fn others_run_where_a_backend_has_answered_all_that_came_together() {
    let mut fake = Fake::new(Closed::new(32, 3_200, |_| READ), clock(0), 64, 4096);
    let mut by_backend = setup(untimed(), Waiting::Hybrid);
    by_backend.timed = Timed::ByBackend;
    served(&mut fake, by_backend, Box::<AtPoll>::default());
    fake.assert_clean();
    assert_eq!(fake.waits, [100, 0, 0], "one wait for each batch, and it yields");
}

#[test]
fn a_backend_answers_in_its_own_time() {
    for waiting in [Waiting::Sleep, Waiting::Hybrid, Waiting::Spin] {
        let mut by_backend = setup(built_in("hdd-7200"), waiting);
        by_backend.timed = Timed::ByBackend;
        let script = Script::new([(0, READ), (300, FLUSH), (400, READ)]);
        let mut fake = Fake::new(script, clock(0), 8, 4096);
        let stats = served(&mut fake, by_backend, Box::new(Slow::default()));
        fake.assert_clean();
        let answers: Vec<_> = fake.guest.answers.iter().map(|a| (a.io.op, a.answered_ns)).collect();
        assert_eq!(
            answers,
            [(Op::Flush, 300), (Op::Read, 1_000), (Op::Read, 1_400)],
            "{waiting:?}"
        );
        assert_eq!(stats.operations["read"].lateness.count, 0, "whose medium is not the loop's");
    }
}

#[test]
fn a_backend_without_a_medium_may_take_longer_than_the_medium_of_the_loop() {
    // The later of both: 1000 of the backend, or 400 or 5000 of the medium.
    for (medium_ns, want_ns) in [(400, 1_000), (5_000, 5_000)] {
        let timing = timing(&format!("[read]\nlat_ns.rand = {medium_ns}\n"));
        let mut fake = Fake::new(Script::new([(0, READ)]), clock(0), 8, 4096);
        served(&mut fake, setup(timing, Waiting::Sleep), Box::new(Slow::default()));
        assert_eq!(fake.guest.answers[0].answered_ns, want_ns);
    }
    let mut fake = Fake::new(Closed::new(4, 100, |_| READ), clock(0), 8, 4096);
    let stats = served(&mut fake, setup(untimed(), Waiting::Sleep), Box::new(Slow::default()));
    fake.assert_clean();
    assert_eq!(stats.operations["read"].requests, 100);
}

struct Twice(Slow);

impl Service for Twice {
    fn submit(&mut self, tag: Tag, io: Io, buffer: &mut [u8], now_ns: u64) -> Answer {
        self.0.submit(tag, io, buffer, now_ns)
    }

    fn poll(&mut self, _: u64, done: &mut dyn Finish) -> Option<u64> {
        for (tag, _) in self.0.waiting.drain(..) {
            done.finish(tag, Ok(()), &[0; 4096]);
            done.finish(tag, Ok(()), &[0; 4096]);
        }
        None
    }
}

#[test]
#[should_panic(expected = "goes from Due to Due: a backend finished what it does not have")]
fn a_backend_that_finishes_twice_is_found() {
    let mut fake = Fake::new(Script::new([(0, READ)]), clock(0), 8, 4096);
    served(&mut fake, setup(untimed(), Waiting::Sleep), Box::new(Twice(Slow::default())));
}

#[test]
fn a_transfer_longer_than_its_buffer_is_refused() {
    let long = Io { len: 8192, ..READ };
    let mut fake = Fake::new(Script::new([(0, long)]), clock(0), 8, 4096);
    served(&mut fake, setup(untimed(), Waiting::Sleep), null());
    assert_eq!(fake.guest.answers[0].result, -22);
}

#[test]
fn a_medium_for_fewer_queues_is_refused() {
    let mut fake = Fake::new(Script::default(), clock(0), 8, 4096);
    let (_desks, mut posts) = Desks::new(2, Timed::ByLoop);
    let setup = QueueSetup { queues: 2, ..setup(built_in("hdd-7200"), Waiting::Sleep) };
    let error = run(&mut fake, null(), posts.remove(0), setup).unwrap_err().to_string();
    assert!(error.starts_with("a medium with 1 unit cannot serve 2 queues"), "{error}");
}

proptest! {
    /// Any medium of constant times, any order of arrival: nothing early, nothing lost, nothing twice.
    #[test]
    fn requests_at_any_time_are_answered_once_and_not_early(
        gaps in prop::collection::vec(0_u64..3_000, 1..80),
        takes_ns in 1_u64..5_000,
        late_ns in 0_u64..3_000,
        units in 1..5_u64,
        waiting in prop_oneof![Just(Waiting::Sleep), Just(Waiting::Hybrid), Just(Waiting::Spin)],
    ) {
        let text = format!("[geometry]\nunits = {units}\n[read]\nocc_ns.rand = {takes_ns}\nsigma = 0.5\n");
        let timing = timing(&text);
        let mut at_ns = 0;
        let script = gaps.iter().map(|gap| {
            at_ns += gap;
            (at_ns, at(READ, at_ns * 4096))
        });
        let mut fake = Fake::new(Script::new(script), clock(late_ns), 8, 4096).expecting(expected(&timing));
        let stats = served(&mut fake, setup(timing, waiting), null());
        prop_assert_eq!(&fake.breaches, &Vec::<String>::new());
        prop_assert_eq!(fake.guest.answers.len(), gaps.len());
        prop_assert_eq!(stats.operations["read"].requests, gaps.len() as u64);
    }
}
