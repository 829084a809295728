//! The same file system on two real threads, over a medium that takes no time. No figures: this proves
//! that the model is written once and keeps its promises where the machine schedules.

use maprace_fs::check::check_idle;
use maprace_fs::ext4::{Ext4, Ext4Kind};
use maprace_fs::{Broken, Checker, Inode, LayerKind, Log, Order, Request};
use maprace_runtime::threads::{self, Threads};
use maprace_scenario::{Config, Plan, Scenario, Vocabulary, catalogue};
use std::sync::{Arc, Barrier, Mutex};

type File = Arc<Inode<Ext4<Threads>>>;

fn plan(preset: &str, order: Order) -> Plan {
    let text = catalogue::text("mkwrite-fallocate").expect("the seed is built in");
    let names = Vocabulary::builtin();
    let scenario = Scenario::parse("mkwrite-fallocate", text, &names).expect("it parses");
    Plan::new(&scenario, &Config::ext4(preset, order)).expect("it is modelled")
}

fn build(rt: &Threads, plan: &Plan) -> File {
    let log = Arc::new(Log::default());
    let layer = Ext4Kind.build(rt, &plan.setup, &log);
    Arc::new(Inode::new(rt, &plan.setup, layer, log))
}

fn run_all(file: &File, requests: &[Request]) {
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
