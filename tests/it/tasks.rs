//! The same file system on tasks, several threads of them: the promises that it keeps on threads, with
//! tasks that step back in the middle, and one thread on which every wait would be the last if it kept
//! the thread.

use crate::support::{ORDERS, plan, scenario};
use maprace_fs::check::check_idle;
use maprace_fs::ext4::{Ext4, Ext4Kind};
use maprace_fs::{Broken, Checker, Inode, LayerKind, Log, Op, Request};
use maprace_runtime::tasks::{self, Tasks, Worker};
use maprace_scenario::{Config, Plan, catalogue};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Barrier};
use std::time::Duration;

type File = Arc<Inode<Ext4<Tasks>>>;

fn build(plan: &Plan, one_in: u32) -> File {
    let (rt, log) = (Tasks::yielding(one_in), Arc::new(Log::default()));
    let layer = Ext4Kind.build(&rt, &plan.setup, &log);
    Arc::new(Inode::new(&rt, &plan.setup, layer, log))
}

/// A wake-up that has not come after this long never will.
const NEVER: Duration = Duration::from_secs(60);

/// Runs what `start` starts, and what that starts, to its end on this thread.
fn run(start: impl FnOnce(&Worker)) {
    // One ring is kept, however often it rings.
    let (bell, rung) = sync_channel(1);
    let worker = Worker::new(Arc::new(move || {
        let _ = bell.try_send(());
    }));
    start(&worker);
    while !worker.run_ahead() {
        let woken = rung.recv_timeout(NEVER);
        assert!(woken.is_ok(), "{} tasks wait for ever", worker.live());
    }
}

fn start(worker: &Worker, file: &File, requests: &[Request]) {
    let (file, requests) = (file.clone(), requests.to_vec());
    worker.spawn(async move {
        for request in requests {
            // What it returns is a result of the model and no damage.
            let _ = file.run(request).await;
        }
    });
}

/// Runs the plan's tasks against each other, on one thread or each on one of its own, and what happens
/// afterwards; what was broken.
fn race(plan: &Plan, seed: u64, apart: bool) -> Vec<Broken> {
    let file = build(plan, 4);
    let together = Barrier::new(plan.tasks.len());
    std::thread::scope(|scope| {
        let (file, together) = (&file, &together);
        if apart {
            for (number, task) in (seed..).zip(&plan.tasks) {
                scope.spawn(move || {
                    tasks::seed(number);
                    together.wait();
                    run(|worker| start(worker, file, &task.requests));
                });
            }
        } else {
            scope.spawn(move || {
                tasks::seed(seed);
                run(|worker| {
                    plan.tasks.iter().for_each(|task| start(worker, file, &task.requests));
                });
            });
        }
    });
    let mut broken = check_idle(&file);
    for request in &plan.after {
        run(|worker| start(worker, &file, &[*request]));
        broken.extend(check_idle(&file));
    }
    broken.extend(file.log().take());
    broken
}

fn seed_plan(preset: &str, order: maprace_fs::Order) -> Plan {
    plan(&scenario("mkwrite-fallocate"), &Config::ext4(preset, order))
}

#[test]
fn v6_11_ends_with_data_and_counters_right_every_time() {
    for order in ORDERS {
        let plan = seed_plan("v6.11", order);
        for round in 0..500 {
            for apart in [false, true] {
                let broken = race(&plan, 2 * round + 1, apart);
                assert!(broken.is_empty(), "{order}, round {round}, {apart}: {broken:?}");
            }
        }
    }
}

#[test]
fn v5_10_leaks_a_reservation() {
    for order in ORDERS {
        let plan = seed_plan("v5.10", order);
        let leaks = |round: u64| {
            let broken = race(&plan, round, false);
            broken.iter().any(|b| b.checker == Checker::ReservedAtEvict)
        };
        assert!((1..20_000).any(leaks), "{order}: no leak in 20,000 rounds");
    }
}

/// Every scenario of the catalogue comes to its end on tasks, whatever it breaks there.
#[test]
fn the_whole_catalogue_ends() {
    for entry in catalogue::all() {
        for order in ORDERS {
            let plan = plan(&scenario(entry.name), &Config::ext4("v6.12", order));
            for round in 1..4 {
                race(&plan, round, round % 2 == 0);
            }
        }
    }
}

#[test]
fn one_thread_has_hundreds_of_operations_in_flight() {
    for order in ORDERS {
        let mut plan = seed_plan("v6.12", order);
        let block = u64::from(plan.setup.geometry.block);
        let size = plan.setup.file.size;
        plan.setup.free_blocks = 1000;
        let ops = [Op::Write, Op::Read, Op::MmapWrite, Op::Fsync, Op::PunchHole, Op::Reclaim];
        let file = build(&plan, 3);
        run(|worker| {
            for (id, op) in (1..).zip(ops.iter().cycle().take(300)) {
                let pos = (id * 7 % (size / block)) * block;
                let request = Request { id, op: *op, pos, len: block, fails: None };
                start(worker, &file, &[request]);
            }
        });
        assert_eq!(file.log().take(), [], "{order}");
        assert_eq!(check_idle(&file), [], "{order}");
    }
}
