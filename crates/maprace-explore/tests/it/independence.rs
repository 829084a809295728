//! Steps that are declared independent are run in both orders; those that are not are caught.

use crate::programs::{Chance, lessons, programs};
use crate::small::{Op, Small};
use maprace_explore::little::{Grain, Insert, Job, Little};
use maprace_explore::{Engine, Flaw, Options, Uncounted, check_independence, enumerate_traces};

#[test]
fn of_the_little_model() {
    for grain in [Grain::Sync, Grain::Sem, Grain::Fine] {
        for insert in [Insert::Buggy, Insert::Fixed] {
            for little in [
                Little::faults(2, insert, grain),
                Little::faults(3, insert, grain),
                Little::write(Job::BufferHead, insert, grain),
                Little::write(Job::Iomap, insert, grain),
            ] {
                let checked = check_independence(&little, 10_000).expect("footprints are true");
                assert!(
                    checked.complete && checked.pairs > 0 || little.jobs[0] == Job::BufferHead(0)
                );
            }
        }
    }
}

#[test]
fn of_small_programs() {
    for (what, program) in programs().into_iter().chain(lessons()) {
        let checked = check_independence(&program, 10_000);
        let checked = checked.unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        assert!(checked.complete && checked.states > 1, "{what}");
    }
    let mut chance = Chance(3);
    for _ in 0..Chance::programs() {
        let program = chance.program();
        let checked = check_independence(&program, 300);
        checked.unwrap_or_else(|wrong| panic!("{:?}: {wrong}", program.tasks));
    }
}

#[test]
fn a_footprint_that_is_too_small_is_caught() {
    // The lie is told of the first cell, after a step that makes the two states differ.
    let tasks = vec![vec![Op::Load(1), Op::Lie(0)], vec![Op::Add(0)]];
    let program = Small { tasks, expected: None };
    let wrong = check_independence(&program, 1_000).expect_err("the order matters");
    assert_eq!(wrong.flaw, Flaw::State);
    assert_eq!((wrong.one, wrong.other), ((0, "store"), (1, "add")));
    assert_eq!(wrong.schedule, [0]);
    assert!(wrong.to_string().contains("declared independent"));
    // So is the difference between two interleavings of what then counts as one trace.
    let options = Options { engine: Engine::Naive, ..Options::default() };
    let split = enumerate_traces(&program, &options).expect_err("the order matters");
    assert!(matches!(split, Uncounted::Split(one, other) if one != other));
}
