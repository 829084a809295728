//! The same file system on real threads. No figures: this proves that the model is written once and
//! keeps its promises where the machine schedules, that a medium's time is waited for, and that the
//! recorder tells what happened in the order in which it did.

use maprace_fs::check::check_idle;
use maprace_fs::ext4::{Ext4, Ext4Kind};
use maprace_fs::{
    Blocks, Broken, Checker, EsAtStart, FileAtStart, Inode, LayerKind, Log, Op, Order, Request,
    Under,
};
use maprace_media::{self as media, Medium};
use maprace_runtime::threads::{self, Off, Probe, Recorder, Recording, Threads};
use maprace_runtime::{Happening, Key};
use maprace_scenario::{Config, Plan, Scenario, Vocabulary, catalogue};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};

type File<P = Off> = Arc<Inode<Ext4<Threads<P>>>>;

fn plan(preset: &str, order: Order) -> Plan {
    let text = catalogue::text("mkwrite-fallocate").expect("the seed is built in");
    let names = Vocabulary::builtin();
    let scenario = Scenario::parse("mkwrite-fallocate", text, &names).expect("it parses");
    Plan::new(&scenario, &Config::ext4(preset, order)).expect("it is modelled")
}

fn build<P: Probe>(rt: &Threads<P>, plan: &Plan) -> File<P> {
    let log = Arc::new(Log::default());
    let layer = Ext4Kind.build(rt, &plan.setup, &log);
    Arc::new(Inode::new(rt, &plan.setup, layer, log))
}

fn run_all<P: Probe>(file: &File<P>, requests: &[Request]) {
    for request in requests {
        threads::run(file.run(*request)).expect("nothing of the seed fails");
    }
}

/// Runs the plan's two tasks against each other for up to `rounds` rounds, and what happens afterwards;
/// hands what was broken in each round to `look`, until that says stop.
fn race(plan: &Plan, rounds: u64, jitter: u32, mut look: impl FnMut(u64, Vec<Broken>) -> bool) {
    let rt = Threads::with_jitter(jitter);
    let (start, end) = (Barrier::new(3), Barrier::new(3));
    let now: Mutex<Option<File>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for (number, task) in (1u64..).zip(&plan.tasks) {
            let (start, end, now) = (&start, &end, &now);
            scope.spawn(move || {
                threads::seed(number);
                loop {
                    start.wait();
                    let file = now.lock().expect("nobody panics while holding it").clone();
                    let Some(file) = file else { return };
                    run_all(&file, &task.requests);
                    drop(file);
                    end.wait();
                }
            });
        }
        for round in 0..rounds {
            let file = build(&rt, plan);
            *now.lock().expect("nobody panics while holding it") = Some(file.clone());
            start.wait();
            end.wait();
            let mut broken = check_idle(&file);
            run_all(&file, &plan.after);
            broken.extend(check_idle(&file));
            broken.extend(file.log().take());
            if !look(round, broken) {
                break;
            }
        }
        *now.lock().expect("nobody panics while holding it") = None;
        start.wait();
    });
}

#[test]
fn v6_11_ends_with_data_and_counters_right_every_time() {
    for order in [Order::BufferHead, Order::Iomap] {
        let plan = plan("v6.11", order);
        race(&plan, 10_000, 200, |round, broken| {
            assert!(broken.is_empty(), "{order}, round {round}: {broken:?}");
            true
        });
    }
}

#[test]
fn v5_10_leaks_a_reservation() {
    for order in [Order::BufferHead, Order::Iomap] {
        let plan = plan("v5.10", order);
        let mut leaked = None;
        race(&plan, 100_000, 200, |round, broken| {
            if broken.iter().any(|b| b.checker == Checker::ReservedAtEvict) {
                leaked = Some(round);
            }
            leaked.is_none()
        });
        assert!(leaked.is_some(), "{order}: no leak in 100,000 rounds");
    }
}

/// How long a read takes, in nanoseconds.
const READ_NS: u64 = 20_000;

/// A medium on which reads take a while, and that counts them.
#[derive(Debug, Default)]
struct SlowReads {
    reads: AtomicU64,
}

impl Medium for SlowReads {
    fn latency_ns(&self, request: media::Request) -> u64 {
        if !matches!(request, media::Request::Read { .. }) {
            return 0;
        }
        self.reads.fetch_add(1, Ordering::Relaxed);
        READ_NS
    }
}

#[test]
fn a_cold_read_takes_as_long_as_the_medium_says() {
    let mut plan = plan("v6.12", Order::BufferHead);
    let medium = Arc::new(SlowReads::default());
    plan.setup.under = Under::Shared(medium.clone());
    let block = u64::from(plan.setup.geometry.block);
    plan.setup.file = FileAtStart {
        size: 4 * block,
        written: vec![Blocks::new(0, 4)],
        es: EsAtStart::Full,
        ..FileAtStart::default()
    };
    let rt = Threads::new();
    let file = build(&rt, &plan);
    let read = |id| Request { id, op: Op::Read, pos: 0, len: 4 * block, fails: None };
    let start_ns = rt.now_ns();
    run_all(&file, &[read(1)]);
    let took_ns = rt.now_ns() - start_ns;
    let reads = medium.reads.load(Ordering::Relaxed);
    assert!(reads > 0 && took_ns >= reads * READ_NS, "{reads} reads in {took_ns} ns");
    run_all(&file, &[read(2)]);
    assert_eq!(medium.reads.load(Ordering::Relaxed), reads, "the second read finds it cached");
    assert_eq!(check_idle(&file), []);
}

/// Runs the tasks of the plan at the same time, and what happens afterwards as one more thread: what
/// each recorded.
fn record<P: Probe>(rt: &Threads<P>, plan: &Plan) -> Vec<Recording> {
    let file = build(rt, plan);
    let start = Barrier::new(plan.tasks.len());
    let recorded = |thread: usize, requests: &[Request], start: Option<&Barrier>| {
        Recorder::start(thread, 10_000);
        start.map(Barrier::wait);
        run_all(&file, requests);
        Recorder::stop()
    };
    let mut all: Vec<Recording> = std::thread::scope(|scope| {
        let spawn = |(thread, requests)| {
            let (recorded, start) = (&recorded, &start);
            scope.spawn(move || recorded(thread, requests, Some(start)))
        };
        let tasks = plan.tasks.iter().map(|task| task.requests.as_slice()).enumerate();
        let threads: Vec<_> = tasks.map(spawn).collect();
        threads.into_iter().map(|t| t.join().expect("no task panics")).collect()
    });
    all.push(recorded(plan.tasks.len(), &plan.after, None));
    assert!(all.iter().all(|recording| recording.lost() == 0));
    all
}

/// What one thread last told of a lock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Asks(bool),
    Takes(bool),
}

/// Follows the locks of one thread; the keys it asked for before it took them.
fn follow_locks(events: impl Iterator<Item = Happening>) -> Vec<(&'static str, u64)> {
    let at = |key: Key| (key.kind, key.index);
    let (mut told, mut asked) = (BTreeMap::<_, Vec<Told>>::new(), Vec::new());
    for event in events {
        match event {
            Happening::Asks { key, exclusive } => {
                let told = told.entry(at(key)).or_default();
                // A handle is held while the end of an I/O joins the transaction as well.
                let nests = told.is_empty() || (*told == [Told::Takes(false)] && !exclusive);
                assert!(nests, "{event:?} after {told:?}");
                told.push(Told::Asks(exclusive));
            }
            Happening::Takes { key, exclusive } => {
                let told = told.entry(at(key)).or_default();
                match told.pop_if(|last| matches!(last, Told::Asks(_))) {
                    Some(last) => {
                        assert_eq!(last, Told::Asks(exclusive), "{event:?}");
                        asked.push(at(key));
                    }
                    // A bit that is set, and a lock that nobody ever has to wait for.
                    None => assert!(matches!(key.kind, "writeback" | "jbd2_handle"), "{event:?}"),
                }
                told.push(Told::Takes(exclusive));
            }
            Happening::Drops { key, exclusive } => {
                let last = told.get_mut(&at(key)).and_then(Vec::pop);
                assert_eq!(last, Some(Told::Takes(exclusive)), "{event:?}");
            }
            Happening::Enter(_) | Happening::Leave(_) | Happening::Trace(_) => {}
        }
    }
    assert!(told.values().all(Vec::is_empty), "held or wanted at the end: {told:?}");
    asked
}

#[test]
fn the_recorder_sees_every_lock_asked_for_taken_and_dropped_in_order() {
    for order in [Order::BufferHead, Order::Iomap] {
        let plan = plan("v6.11", order);
        let rt = Threads::new().probed::<Recorder>();
        let events = rt.merge(record(&rt, &plan));
        assert!(events.is_sorted_by_key(|(ns, ..)| *ns));
        let mut asked = Vec::new();
        for thread in 0..=plan.tasks.len() {
            let of_thread = || events.iter().filter(|event| event.1 == thread);
            asked.extend(follow_locks(of_thread().map(|event| event.2)));
            let depth = of_thread().fold(0_i32, |depth, (.., what)| {
                let depth = match what {
                    Happening::Enter(_) => depth + 1,
                    Happening::Leave(_) => depth - 1,
                    _ => depth,
                };
                assert!(depth >= 0, "{what:?} without its beginning");
                depth
            });
            assert_eq!(depth, 0);
        }
        for kind in ["i_rwsem", "i_data_sem", "folio_lock"] {
            assert!(asked.iter().any(|(k, _)| *k == kind), "{kind}: {asked:?}");
        }
        let traced = |event: &&(u64, usize, Happening)| matches!(event.2, Happening::Trace(_));
        assert!(events.iter().filter(traced).count() > 0);
    }
}

#[test]
fn without_a_probe_nothing_is_recorded() {
    let plan = plan("v6.11", Order::BufferHead);
    let recordings = record(&Threads::new(), &plan);
    assert_eq!(recordings.len(), 3);
    assert!(recordings.iter().all(Recording::is_empty));
}
