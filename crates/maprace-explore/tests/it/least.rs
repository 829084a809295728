//! The least counterexample, against all interleavings; and that it can be run again.

use crate::brute::Brute;
use crate::programs::{Chance, lessons, programs};
use crate::small::Small;
use maprace_explore::little::{Grain, Insert, Little};
use maprace_explore::{Counterexample, Engine, Options, Program, Report, explore, replay};

const ENGINES: [Engine; 6] =
    [Engine::Naive, Engine::Dpor, Engine::States, Engine::Icb, Engine::Random, Engine::Pct];

fn run(program: &dyn Program, engine: Engine) -> Report {
    let mut options = Options { engine, seed: 3, ..Options::default() };
    if matches!(engine, Engine::Random | Engine::Pct) {
        options.budget.executions = 50;
    }
    explore(program, &options)
}

/// Runs a counterexample again and compares.
fn reproduce(what: &str, program: &dyn Program, found: &Counterexample) {
    let again = replay(program, &found.schedule).expect("every step can be taken");
    let (end, outcome) = again.end.expect("it ends where it ended");
    assert_eq!(outcome.failed, found.failed, "{what}");
    assert_eq!(end.is_deadlock(), found.deadlock, "{what}");
    assert_eq!(again.preemptions, found.preemptions, "{what}");
    assert_eq!(again.switches, found.switches, "{what}");
    assert_eq!(again.steps.len(), found.schedule.len(), "{what}");
}

fn check(what: &str, program: &Small, brute: &Brute) {
    let cost = |c: &Counterexample| (c.preemptions, c.switches, c.schedule.len());
    for engine in ENGINES {
        let what = format!("{what}, {engine:?}");
        let report = run(program, engine);
        for found in report.examples.iter().chain(&report.counterexample) {
            assert!(found.failed != 0 || found.deadlock, "{what}");
            reproduce(&what, program, found);
        }
        let is_exact = matches!(engine, Engine::Naive | Engine::Dpor | Engine::Icb);
        assert_eq!(report.minimal, is_exact, "{what}");
        if is_exact {
            let least = report.counterexample.as_ref().map(cost);
            assert_eq!(least, brute.least_of_all(), "{what}");
            for damage in &report.damage {
                let example = cost(&report.examples[damage.example]);
                assert_eq!(Some(&example), brute.least.get(&damage.checker), "{what}");
            }
            assert_eq!(report.deadlocks > 0, brute.least.contains_key(&64), "{what}");
        }
    }
}

#[test]
fn of_small_programs() {
    for (what, program) in programs().into_iter().chain(lessons()) {
        check(what, &program, &Brute::of(&program, 100_000).expect("it is small"));
    }
}

#[test]
fn of_programs_made_up_by_chance() {
    let (mut chance, mut checked) = (Chance(11), 0);
    for at in 0..Chance::programs() {
        let program = chance.program();
        if let Some(brute) = Brute::of(&program, 1_000) {
            checked += 1;
            check(&format!("program {at} {:?}", program.tasks), &program, &brute);
        }
    }
    assert!(checked > 40, "{checked}");
}

#[test]
fn of_the_little_model_is_reproduced() {
    for grain in [Grain::Sync, Grain::Sem, Grain::Fine] {
        for engine in ENGINES {
            let little = Little::faults(2, Insert::Buggy, grain);
            let report = run(&little, engine);
            let found = report.counterexample.expect("there is a bug");
            reproduce("f2", &little, &found);
            assert!(found.preemptions >= 1);
        }
    }
}

#[test]
fn a_schedule_that_does_not_fit_says_where() {
    let little = Little::faults(2, Insert::Buggy, Grain::Sync);
    let mismatch = replay(&little, &[0, 0, 9]).expect_err("there is no task 9");
    assert_eq!((mismatch.at, mismatch.wanted, mismatch.enabled), (2, 9, 0b11));
    let early = replay(&little, &[0, 1]).expect("a schedule may end early");
    assert!(early.end.is_none() && early.steps.len() == 2);
    assert_eq!(early.steps[1].done.step.name, "inode_lock");
}
