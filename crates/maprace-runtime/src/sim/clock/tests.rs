//! The clock with tasks so small that every time is computed by hand.
//!
//! A step whose name is a number costs that many nanoseconds, every other step nothing.

use super::*;
use crate::sim::{Keep, SimBit, SimSem, Task};
use crate::{BitLock, Key, Runtime, RwSem, SemSteps, sem_steps};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

static SEM: SemSteps = sem_steps!("sem");
static LOCK: Step = Step::new("lock");
static UNLOCK: Step = Step::new("unlock");
static WAIT: Step = Step::new("wait");

/// As many nanoseconds as the name of the step says; seven for the call of that name.
#[derive(Default)]
struct Named {
    spent_ns: u64,
}

impl Costs for Named {
    fn step_ns(&mut self, step: &'static Step, _: &Foot) -> u64 {
        let ns = step.name.parse().unwrap_or(0);
        self.spent_ns += ns;
        ns
    }
    fn call_ns(&mut self, name: &'static str) -> u64 {
        if name == "seven" { 7 } else { 0 }
    }
}

/// A step that costs `ns`.
fn costing(ns: u64) -> &'static Step {
    Box::leak(Box::new(Step::new(Box::leak(ns.to_string().into_boxed_str()))))
}

/// A step as it was told: when, whose, which, and how long it had waited.
type Told = (u64, usize, &'static str, u64);

struct Ran {
    told: Vec<Told>,
    ended: Ended,
    spent_ns: u64,
}

impl Ran {
    /// When `task` ran each of its steps of that name.
    fn at(&self, task: usize, name: &str) -> Vec<u64> {
        let of = |told: &&Told| told.1 == task && told.2 == name;
        self.told.iter().filter(of).map(|told| told.0).collect()
    }

    fn all_of(&self, task: usize) -> Vec<u64> {
        self.told.iter().filter(|told| told.1 == task).map(|told| told.0).collect()
    }
}

const WAKE: u64 = 100;
const SPIN: u64 = 7;

fn machine(cpus: u32) -> Machine {
    Machine { cpus, wake_ns: WAKE, slice_ns: 1 << 40, spin_ns: SPIN }
}

/// The world of a test: locks that its tasks share.
#[derive(Clone)]
struct World {
    sim: Sim,
    sems: Rc<Vec<SimSem<()>>>,
    bits: Rc<Vec<SimBit>>,
}

impl World {
    fn new(sim: &Sim, locks: u64) -> World {
        let sem = |index| SimSem::new(sim, Key { kind: "sem", index }, &SEM, ());
        let bit = |index| SimBit::new(sim, Key { kind: "bit", index });
        let sems = Rc::new((0..locks).map(sem).collect());
        World { sim: sim.clone(), sems, bits: Rc::new((0..locks).map(bit).collect()) }
    }

    async fn pass(&self, ns: u64) {
        self.sim.pass(costing(ns)).await;
    }

    /// A medium access of `latency_ns`, whose step is free.
    async fn io(&self, latency_ns: u64) {
        let done_ns = |now_ns| now_ns + latency_ns;
        self.sim.io(&WAIT, || Foot::NONE, done_ns, || ()).await;
    }

    async fn lock(&self, bit: usize) {
        self.bits[bit].lock(&LOCK, || Foot::NONE, || ()).await;
    }

    async fn unlock(&self, bit: usize) {
        self.bits[bit].unlock(&UNLOCK, || Foot::NONE, || ()).await;
    }

    /// Holds the semaphore alone for `ns` of processor time.
    async fn writes(&self, ns: u64) {
        let _alone = self.sems[0].down_write().await;
        self.pass(ns).await;
    }

    /// Holds the semaphore shared for `ns` of processor time.
    async fn reads(&self, ns: u64) {
        let _shared = self.sems[0].down_read().await;
        self.pass(ns).await;
    }

    /// Holds the semaphore alone for an access of `io_ns`, then for `ns` of processor time.
    async fn writes_in_io(&self, io_ns: u64, ns: u64) {
        let _alone = self.sems[0].down_write().await;
        self.io(io_ns).await;
        self.pass(ns).await;
    }
}

/// Runs what `make` makes, each task from its start on.
fn run_on(
    machine: Machine,
    starts: &[u64],
    make: impl FnOnce(&World) -> Vec<Task>,
    mut follow: impl FnMut(&Moment<'_>),
) -> Ran {
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let mut exec = Exec::recycling(&sim);
    let mut clock = Clock::new(&sim, machine, Named::default());
    clock.reset();
    let world = World::new(&sim, 3);
    exec.start(make(&world));
    let mut told = Vec::new();
    let ended = clock.run(&mut exec, starts, |_, moment| {
        follow(moment);
        if let Some(step) = moment.step {
            told.push((moment.now_ns, moment.task, step.name, moment.waited_ns));
        }
        ControlFlow::Continue(())
    });
    Ran { told, ended, spent_ns: clock.costs().spent_ns }
}

fn run(cpus: u32, starts: &[u64], make: impl FnOnce(&World) -> Vec<Task>) -> Ran {
    run_on(machine(cpus), starts, make, |_| ())
}

/// A task from a world and a body.
macro_rules! task {
    ($world:expr, |$w:ident| $body:block) => {{
        let $w = $world.clone();
        let task: Task = Box::pin(async move { $body });
        task
    }};
}

#[test]
fn a_step_runs_at_the_end_of_its_cost_and_calls_are_paid_with_the_next_step() {
    let ran = run(1, &[5], |world| {
        vec![task!(world, |w| {
            w.pass(10).await;
            w.pass(20).await;
            w.sim.call("seven", w.pass(3)).await;
        })]
    });
    assert_eq!(ran.all_of(0), [15, 35, 45]);
    let ended = Ended { now_ns: 45, steps: 3, stopped: None };
    assert_eq!(ran.ended, ended);
}

/// The child's place was made anew after its first call had been charged to it.
#[test]
fn a_child_pays_for_the_calls_before_its_first_step() {
    let ran = run(1, &[0], |world| {
        vec![task!(world, |w| {
            w.pass(10).await;
            let child = w.clone();
            w.sim.spawn("child", async move { child.sim.call("seven", child.pass(10)).await });
        })]
    });
    assert_eq!(ran.all_of(1), [10 + WAKE + 7 + 10]);
}

#[test]
fn so_many_tasks_run_at_once_as_there_are_processors() {
    let body = |world: &World| {
        let two = || {
            task!(world, |w| {
                w.pass(10).await;
                w.pass(10).await;
            })
        };
        (0..3).map(|_| two()).collect()
    };
    let two = run(2, &[0, 0, 0], body);
    assert_eq!([two.all_of(0), two.all_of(1), two.all_of(2)], [[10, 20], [10, 20], [30, 40]]);
    let three = run(3, &[0, 0, 0], body);
    assert_eq!(three.all_of(2), [10, 20]);
    let one = run(1, &[0, 0, 0], body);
    assert_eq!(one.all_of(2), [50, 60]);
}

#[test]
fn a_time_slice_ends_at_the_end_of_a_step_and_only_where_somebody_waits() {
    let body = |tasks: usize| {
        move |world: &World| {
            let three = |_| {
                task!(world, |w| {
                    for _ in 0..3 {
                        w.pass(10).await;
                    }
                })
            };
            (0..tasks).map(three).collect()
        }
    };
    let machine = Machine { slice_ns: 15, ..machine(1) };
    let alone = run_on(machine, &[0], body(1), |_| ());
    assert_eq!(alone.all_of(0), [10, 20, 30]);
    let both = run_on(machine, &[0, 0], body(2), |_| ());
    assert_eq!((both.all_of(0), both.all_of(1)), (vec![10, 20, 50], vec![30, 40, 60]));
}

#[test]
fn a_medium_access_frees_the_processor_and_completes_when_the_medium_says() {
    let ran = run(1, &[0, 0], |world| {
        vec![
            task!(world, |w| {
                w.pass(10).await;
                w.io(100).await;
                w.pass(5).await;
            }),
            task!(world, |w| { w.pass(50).await }),
        ]
    });
    assert_eq!(ran.at(0, "wait"), [110]);
    assert_eq!((ran.all_of(1), ran.at(0, "5")), (vec![60], vec![115]));
    // One that takes no time keeps the processor.
    let at_once = run(1, &[0, 0], |world| {
        vec![
            task!(world, |w| {
                w.pass(10).await;
                w.io(0).await;
                w.pass(5).await;
            }),
            task!(world, |w| { w.pass(50).await }),
        ]
    });
    assert_eq!((at_once.all_of(0), at_once.all_of(1)), (vec![10, 10, 15], vec![65]));
}

#[test]
fn accesses_that_complete_together_go_on_in_order_of_submission() {
    let ran = run(1, &[0, 0, 0], |world| {
        let access = |before: u64, latency: u64| {
            task!(world, |w| {
                w.pass(before).await;
                w.io(latency).await;
                w.pass(1).await;
            })
        };
        // Submitted at 30, 50 and 60, as one processor takes them in turn; all complete at 200.
        vec![access(30, 170), access(20, 150), access(10, 140)]
    });
    let order: Vec<usize> =
        ran.told.iter().filter(|told| told.2 == "wait").map(|told| told.1).collect();
    assert_eq!(order, [0, 1, 2]);
    assert_eq!([ran.at(0, "1"), ran.at(1, "1"), ran.at(2, "1")], [[201], [202], [203]]);
}

#[test]
fn a_spinner_has_the_semaphore_a_spin_after_its_release() {
    let ran = run(2, &[0, 10], |world| {
        vec![task!(world, |w| { w.writes(50).await }), task!(world, |w| { w.writes(20).await })]
    });
    assert_eq!(ran.told[2], (50 + SPIN, 1, "down_write(sem)", 40 + SPIN));
    assert_eq!(ran.ended.now_ns, 50 + SPIN + 20);
}

#[test]
fn a_spinner_goes_before_those_that_sleep() {
    let ran = run(3, &[0, 10, 120], |world| {
        vec![
            // In the medium until 100, done at 150.
            task!(world, |w| { w.writes_in_io(100, 50).await }),
            task!(world, |w| { w.writes(20).await }),
            task!(world, |w| { w.writes(20).await }),
        ]
    });
    assert_eq!(ran.at(2, "down_write(sem)"), [150 + SPIN]);
    // The one that sleeps is woken when the spinner lets go.
    assert_eq!(ran.at(1, "down_write(sem)"), [150 + SPIN + 20 + WAKE]);
}

#[test]
fn when_the_owner_leaves_its_processor_who_spins_goes_to_sleep() {
    let ran = run(2, &[0, 10, 15, 15], |world| {
        vec![
            task!(world, |w| {
                let _alone = w.sems[0].down_write().await;
                w.pass(20).await;
                w.io(100).await;
                w.pass(10).await;
            }),
            task!(world, |w| { w.writes(1).await }),
            task!(world, |w| { w.pass(3).await }),
            task!(world, |w| { w.pass(3).await }),
        ]
    });
    // Both processors are free at 20.
    assert_eq!((ran.all_of(2), ran.all_of(3)), (vec![23], vec![23]));
    assert_eq!(ran.at(1, "down_write(sem)"), [130 + WAKE]);
}

/// Only those that spun for what the owner itself had went to sleep; a spinner behind them kept its
/// processor for as long as the owner was away, and where all processors were kept so, for ever.
#[test]
fn who_spins_for_one_that_spins_goes_to_sleep_with_it() {
    let ran = run(3, &[0, 5, 10, 15, 15, 15], |world| {
        let other = || task!(world, |w| { w.pass(3).await });
        vec![
            task!(world, |w| {
                let _first = w.sems[0].down_write().await;
                w.pass(20).await;
                w.io(100).await;
                w.pass(10).await;
            }),
            task!(world, |w| {
                let _second = w.sems[1].down_write().await;
                w.writes(1).await;
            }),
            task!(world, |w| { drop(w.sems[1].down_write().await) }),
            other(),
            other(),
            other(),
        ]
    });
    assert_eq!([ran.all_of(3), ran.all_of(4), ran.all_of(5)], [[23], [23], [23]]);
    assert_eq!(ran.ended.stopped, None);
}

#[test]
fn nobody_spins_while_others_want_the_processor() {
    let ran = run(2, &[0, 10, 5, 5], |world| {
        vec![
            task!(world, |w| { w.writes(50).await }),
            task!(world, |w| { w.writes(1).await }),
            task!(world, |w| { w.pass(5).await }),
            task!(world, |w| { w.pass(5).await }),
        ]
    });
    // 2 until 10, 3 until 15, then 1: it asks when nobody waits any more, and spins.
    assert_eq!(ran.at(1, "down_write(sem)"), [50 + SPIN]);
    let ran = run(2, &[0, 10, 12, 12], |world| {
        vec![
            task!(world, |w| { w.writes(50).await }),
            task!(world, |w| {
                w.pass(5).await;
                w.writes(1).await;
            }),
            task!(world, |w| { w.pass(5).await }),
            task!(world, |w| { w.pass(5).await }),
        ]
    });
    assert_eq!((ran.all_of(2), ran.all_of(3)), (vec![20], vec![25]));
    assert_eq!(ran.at(1, "down_write(sem)"), [50 + WAKE]);
}

#[test]
fn sleeping_readers_are_woken_all_together_once_a_reader_is_first() {
    let ran = run(8, &[0, 10, 20, 30], |world| {
        vec![
            task!(world, |w| { w.writes_in_io(100, 0).await }),
            task!(world, |w| { w.reads(5).await }),
            task!(world, |w| { w.writes(5).await }),
            task!(world, |w| { w.reads(50).await }),
        ]
    });
    assert_eq!(ran.at(1, "down_read(sem)"), [100 + WAKE]);
    assert_eq!(ran.at(3, "down_read(sem)"), [100 + WAKE]);
    assert_eq!(ran.at(2, "down_write(sem)"), [100 + WAKE + 50 + WAKE]);
}

/// A reader holds the semaphore until 100000; a writer that came at 10 spins for 25 us and then sleeps.
#[test]
fn a_reader_joins_readers_before_spinners_and_queues_behind_sleepers() {
    let ran = run(8, &[0, 10, 20_000, 30_000], |world| {
        vec![
            task!(world, |w| { w.reads(100_000).await }),
            task!(world, |w| { w.writes(10).await }),
            task!(world, |w| { w.reads(10).await }),
            task!(world, |w| { w.reads(10).await }),
        ]
    });
    assert_eq!(ran.at(2, "down_read(sem)"), [20_000]);
    assert_eq!(ran.at(1, "down_write(sem)"), [100_000 + WAKE]);
    assert_eq!(ran.at(3, "down_read(sem)"), [100_000 + WAKE + 10 + WAKE]);
}

#[test]
fn a_reader_that_comes_takes_a_free_semaphore_before_the_writer_that_was_woken() {
    let ran = run(8, &[0, 10, 100_050], |world| {
        vec![
            task!(world, |w| { w.reads(100_000).await }),
            task!(world, |w| { w.writes(10).await }),
            task!(world, |w| { w.reads(1_000).await }),
        ]
    });
    assert_eq!(ran.at(2, "down_read(sem)"), [100_050]);
    assert_eq!(ran.at(1, "down_write(sem)"), [101_050 + WAKE]);
}

#[test]
fn a_writer_spins_for_readers_for_25_us_and_gives_its_processor_back() {
    let ran = run(2, &[0, 10, 11], |world| {
        vec![
            task!(world, |w| { w.reads(100_000).await }),
            task!(world, |w| { w.writes(10).await }),
            task!(world, |w| { w.pass(5).await }),
        ]
    });
    assert_eq!(ran.all_of(2), [10 + 25_000 + 5]);
    let within = run(2, &[0, 10], |world| {
        vec![task!(world, |w| { w.reads(25_000).await }), task!(world, |w| { w.writes(1).await })]
    });
    assert_eq!(within.at(1, "down_write(sem)"), [25_000 + SPIN]);
}

/// Two tasks that spin hand the semaphore to each other every millisecond; a third has slept since 10.
/// Without the handoff going before the spinners it slept until both were done.
#[test]
fn a_writer_that_has_slept_for_4_ms_is_handed_the_semaphore_before_those_that_spin() {
    let ran = run(4, &[0, 10, 200], |world| {
        vec![
            task!(world, |w| {
                w.writes_in_io(100, 1_000_000).await;
                for _ in 0..5 {
                    w.writes(1_000_000).await;
                }
            }),
            task!(world, |w| { w.writes(10).await }),
            task!(world, |w| {
                for _ in 0..5 {
                    w.writes(1_000_000).await;
                }
            }),
        ]
    });
    // Released at 1000100, 2000107, 3000114 and 4000121, the first after 4 ms of sleep.
    assert_eq!(ran.at(1, "down_write(sem)"), [4_000_121 + WAKE]);
    assert_eq!(ran.ended.stopped, None);
}

#[test]
fn a_waiter_is_handed_a_bit_after_five_failed_tries() {
    let ran = run(2, &[0, 10], |world| {
        vec![
            task!(world, |w| {
                for _ in 0..8 {
                    w.lock(0).await;
                    w.pass(200).await;
                    w.unlock(0).await;
                }
            }),
            task!(world, |w| {
                w.lock(0).await;
                w.pass(20).await;
                w.unlock(0).await;
            }),
        ]
    });
    // Released at 200, 400, .. and taken again at once; the try 100 ns later fails. The sixth is handed.
    assert_eq!(ran.at(1, "lock"), [1_200 + WAKE]);
    assert_eq!(ran.at(0, "lock")[..6], [0, 200, 400, 600, 800, 1_000]);
    assert_eq!(ran.at(0, "lock")[6], 1_200 + WAKE + 20 + WAKE);
}

/// One that failed stayed the first, and nobody else was woken while it was on its way.
#[test]
fn who_fails_to_take_a_bit_waits_behind_the_others() {
    let waits = |world: &World| {
        task!(world, |w| {
            w.lock(0).await;
            w.pass(10).await;
            w.unlock(0).await;
        })
    };
    let ran = run(3, &[0, 10, 20], |world| {
        let owner = task!(world, |w| {
            for _ in 0..2 {
                w.lock(0).await;
                w.pass(200).await;
                w.unlock(0).await;
            }
        });
        vec![owner, waits(world), waits(world)]
    });
    assert_eq!(ran.at(2, "lock"), [400 + WAKE]);
    assert_eq!(ran.at(1, "lock"), [400 + WAKE + 10 + WAKE]);
    let ran = run(3, &[0, 10, 20], |world| {
        let owner = task!(world, |w| {
            for ns in [200, 50] {
                w.lock(0).await;
                w.pass(ns).await;
                w.unlock(0).await;
            }
        });
        vec![owner, waits(world), waits(world)]
    });
    // Woken at 200 and at 250: the first has it from 300 to 310, the second finds it free at 350.
    assert_eq!((ran.at(1, "lock"), ran.at(2, "lock")), (vec![300], vec![350]));
}

#[test]
fn who_waits_until_a_bit_is_clear_goes_even_if_it_is_set_again() {
    let ran = run(2, &[0, 10, 20], |world| {
        let waits = || task!(world, |w| { w.bits[0].wait(&WAIT).await });
        vec![
            task!(world, |w| {
                for _ in 0..3 {
                    w.lock(0).await;
                    w.pass(200).await;
                    w.unlock(0).await;
                }
            }),
            waits(),
            waits(),
        ]
    });
    assert_eq!((ran.at(1, "wait"), ran.at(2, "wait")), (vec![300], vec![300]));
}

#[test]
fn tasks_that_wait_for_each_other_are_a_deadlock() {
    let crossed = |world: &World| {
        let both = |first: usize, second: usize| {
            task!(world, |w| {
                let _first = w.sems[first].down_write().await;
                w.pass(100).await;
                let _second = w.sems[second].down_write().await;
            })
        };
        vec![both(0, 1), both(1, 0)]
    };
    assert_eq!(run(2, &[0, 0], crossed).ended.stopped, Some(Stopped::Deadlock));
    assert_eq!(run(2, &[0, 500], crossed).ended.stopped, None);
    let twice = |world: &World| {
        vec![task!(world, |w| {
            w.lock(0).await;
            w.lock(0).await;
        })]
    };
    assert_eq!(run(1, &[0], twice).ended.stopped, Some(Stopped::Deadlock));
}

#[test]
fn who_follows_can_end_a_run() {
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let (mut exec, mut clock) =
        (Exec::recycling(&sim), Clock::new(&sim, machine(1), Named::default()));
    clock.reset();
    let world = World::new(&sim, 1);
    exec.start(vec![task!(world, |w| {
        loop {
            w.pass(10).await;
        }
    })]);
    let ended = clock.run(&mut exec, &[], |_, moment| match moment.now_ns {
        100.. => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    assert_eq!(ended, Ended { now_ns: 100, steps: 10, stopped: Some(Stopped::Asked) });
}

#[test]
fn what_happens_at_one_instant_happens_in_order_of_arrival() {
    let ran = run(4, &[3, 2, 1, 0], |world| {
        let pass = |ns| task!(world, |w| { w.pass(ns).await });
        vec![pass(7), pass(8), pass(9), pass(10)]
    });
    // All are done at 10; who began to pay first is first.
    let order: Vec<usize> = ran.told.iter().map(|told| told.1).collect();
    assert_eq!(order, [3, 2, 1, 0]);
    assert!(ran.told.iter().all(|told| told.0 == 10));
}

/// A child took the number of the parent that ended in the step that bore it, and one that ended before
/// its first step gave its number to its sister, which was then started twice.
#[test]
fn a_number_is_given_again_only_after_the_step_in_which_it_became_free() {
    let mut finished = Vec::new();
    let bear = |world: &World| {
        vec![task!(world, |w| {
            w.pass(10).await;
            for ns in [0, 30, 0, 20] {
                let child = w.clone();
                w.sim.spawn("child", async move {
                    if ns > 0 {
                        child.pass(ns).await;
                        let later = child.clone();
                        child.sim.spawn("later", async move { later.pass(1).await });
                    }
                });
            }
        })]
    };
    let ran = run_on(machine(4), &[0], bear, |moment| {
        if moment.finished {
            finished.push((moment.now_ns, moment.task));
        }
    });
    // The parent is 0, its children 1 to 4, of which 1 and 3 never run a step; what those at 130 and
    // 140 start takes a number that is free.
    assert_eq!(finished[..3], [(10, 0), (110 + 20, 4), (110 + 30, 2)]);
    assert_eq!(finished.len(), 5);
    assert!(finished[3..].iter().all(|(_, task)| *task < 5), "{finished:?}");
    assert_eq!(ran.ended, Ended { now_ns: 241, steps: 5, stopped: None });
    let empty =
        run(1, &[0, 7], |world| vec![task!(world, |_w| {}), task!(world, |w| { w.pass(1).await })]);
    assert_eq!(empty.told, [(8, 1, "1", 0)], "each start belongs to its task");
}

/// A small generator, so that this crate needs none.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// How a lock is taken.
#[derive(Clone, Copy, Debug)]
enum How {
    Alone(usize),
    Shared(usize),
    Bit(usize),
}

/// What is held, as the tasks see it.
#[derive(Default)]
struct Holds {
    alone: [Cell<u32>; 3],
    shared: [Cell<u32>; 3],
    bits: [Cell<u32>; 3],
}

fn more(cell: &Cell<u32>) {
    cell.set(cell.get() + 1);
}

fn less(cell: &Cell<u32>) {
    cell.set(cell.get() - 1);
}

/// Takes those locks in order, does something under each, and gives them back in the opposite order.
async fn nested(w: World, holds: Rc<Holds>, plan: Vec<(How, u64, u64)>) {
    let (mut alone, mut shared, mut bits) = (Vec::new(), Vec::new(), Vec::new());
    for (how, ns, io_ns) in plan {
        match how {
            How::Alone(i) => {
                alone.push((i, w.sems[i].down_write().await));
                assert_eq!((holds.alone[i].get(), holds.shared[i].get()), (0, 0));
                more(&holds.alone[i]);
            }
            How::Shared(i) => {
                shared.push((i, w.sems[i].down_read().await));
                assert_eq!(holds.alone[i].get(), 0);
                more(&holds.shared[i]);
            }
            How::Bit(i) => {
                w.lock(i).await;
                assert_eq!(holds.bits[i].get(), 0);
                more(&holds.bits[i]);
                bits.push(i);
            }
        }
        w.pass(ns).await;
        if io_ns > 0 {
            w.io(io_ns).await;
        }
    }
    for i in bits.into_iter().rev() {
        // What `unlock` runs before it releases.
        let act = || less(&holds.bits[i]);
        w.bits[i].unlock(&UNLOCK, || Foot::NONE, act).await;
    }
    alone.iter().for_each(|(i, _)| less(&holds.alone[*i]));
    shared.iter().for_each(|(i, _)| less(&holds.shared[*i]));
}

/// A task that takes some of three semaphores and then some of three bits, in that order.
fn drawn(draw: &mut Draw) -> Vec<(How, u64, u64)> {
    let mut plan = Vec::new();
    for i in 0..6 {
        let how = match draw.below(4) {
            0 | 1 => continue,
            _ if i >= 3 => How::Bit(i - 3),
            2 => How::Alone(i),
            _ => How::Shared(i),
        };
        // Some longer than a writer spins for readers, some longer than a writer sleeps without handoff.
        let ns = [10, 300, 40_000, 3_000_000][usize::try_from(draw.below(4)).unwrap()];
        let io = [0, 0, 500, 5_000_000][usize::try_from(draw.below(4)).unwrap()];
        plan.push((how, draw.below(ns) + 1, io));
    }
    plan
}

fn drawn_run(seed: u64) -> (Ran, u64) {
    let mut draw = Draw(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let cpus = 1 + draw.below(8);
    let slice_ns = [1, 10_000, 3_000_000][usize::try_from(draw.below(3)).unwrap()];
    let machine = Machine {
        cpus: u32::try_from(cpus).unwrap(),
        slice_ns,
        wake_ns: draw.below(3_000),
        spin_ns: draw.below(100),
    };
    let tasks = 2 + draw.below(11);
    let starts: Vec<u64> = (0..tasks).map(|_| draw.below(20_000)).collect();
    let plans: Vec<Vec<_>> = (0..tasks * 3).map(|_| drawn(&mut draw)).collect();
    let ran = run_on(
        machine,
        &starts,
        |world| {
            let holds = Rc::new(Holds::default());
            let three = |plans: &[Vec<_>]| {
                let (plans, holds) = (plans.to_vec(), holds.clone());
                task!(world, |w| {
                    for plan in plans {
                        nested(w.clone(), holds.clone(), plan).await;
                    }
                })
            };
            plans.chunks(3).map(three).collect()
        },
        |_| (),
    );
    (ran, cpus)
}

#[test]
fn drawn_tasks_exclude_each_other_and_all_of_them_end() {
    for seed in 0..3_000 {
        let (ran, cpus) = drawn_run(seed);
        assert_eq!(ran.ended.stopped, None, "seed {seed}: somebody was lost");
        let most = cpus * ran.ended.now_ns;
        assert!(ran.spent_ns <= most, "seed {seed}: {} of {most} ns", ran.spent_ns);
        assert!(ran.told.is_sorted_by_key(|told| told.0), "seed {seed}: time goes on");
    }
}

#[test]
fn the_same_tasks_give_the_same_events() {
    for seed in 0..50 {
        assert_eq!(drawn_run(seed).0.told, drawn_run(seed).0.told, "{seed}");
    }
}

/// A clock is used for many runs, and none knows of the one before.
#[test]
fn a_clock_that_was_reset_is_as_good_as_new() {
    let sim = Sim::new(Keep { events: true, ..Keep::default() });
    let mut exec = Exec::recycling(&sim);
    let mut clock = Clock::new(&sim, machine(2), Named::default());
    let log = RefCell::new(Vec::new());
    for starts in [[0, 10], [3, 0], [0, 10]] {
        exec.clear();
        sim.reset(Keep { events: true, ..Keep::default() });
        clock.reset();
        let world = World::new(&sim, 1);
        // Ended in the middle: locks are held and somebody spins.
        exec.start(vec![
            task!(world, |w| { w.writes(50).await }),
            task!(world, |w| { w.writes(20).await }),
        ]);
        let mut told = Vec::new();
        clock.run(&mut exec, &starts, |_, moment| {
            told.push((moment.now_ns, moment.task, moment.waited_ns));
            if moment.now_ns >= 40 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        log.borrow_mut().push(told);
    }
    let log = log.into_inner();
    assert_eq!(log[0], log[2]);
    assert_ne!(log[0], log[1]);
}
