//! Naive enumeration, sums over traces and path counts over states say the same, to the digit.

use crate::brute::Brute;
use crate::programs::{Chance, lessons, programs};
use crate::small::Small;
use maprace_explore::little::{Grain, Insert, Job, Little};
use maprace_explore::{Engine, Options, Program, Report, Traces, enumerate_traces, explore};

fn with(engine: Engine) -> Options<'static> {
    Options { engine, ..Options::default() }
}

/// Compares all engines that give exact numbers, and returns the report of dpor.
fn agree(what: &str, program: &dyn Program) -> Report {
    let dpor = explore(program, &with(Engine::Dpor));
    let traces = enumerate_traces(program, &with(Engine::Naive)).expect("traces are one outcome");
    let counted = dpor.traces.zip(dpor.bad_traces);
    let counted = counted.map(|(traces, bad_traces)| Traces { traces, bad_traces });
    assert_eq!(counted, Some(traces), "{what}: traces");
    for engine in [Engine::Naive, Engine::States] {
        let other = explore(program, &with(engine));
        assert!(dpor.complete && other.complete, "{what}");
        assert_eq!(dpor.interleavings, other.interleavings, "{what}: {engine:?}");
        assert_eq!(dpor.bad_interleavings, other.bad_interleavings, "{what}: {engine:?}");
        assert_eq!(dpor.outcome_keys, other.outcome_keys, "{what}: {engine:?}");
        assert_eq!(dpor.bad_outcomes, other.bad_outcomes, "{what}: {engine:?}");
        let (p, q) = dpor.p_random.zip(other.p_random).expect("both are complete");
        assert!((p - q).abs() < 1e-9, "{what}: {p} {q}");
        for report in [&dpor, &other] {
            let certificate = report.certificate.expect("they are small");
            assert!((certificate - 1.0).abs() < 1e-9, "{what}: certificate {certificate}");
        }
    }
    if dpor.interleavings < Some(10_000) {
        let icb = explore(program, &with(Engine::Icb));
        assert!(icb.complete && dpor.outcome_keys == icb.outcome_keys, "{what}: icb");
    }
    dpor
}

fn agree_with_brute(what: &str, program: &Small, most: u128) -> Option<Report> {
    let brute = Brute::of(program, most)?;
    let dpor = agree(what, program);
    assert_eq!(dpor.interleavings, Some(brute.interleavings), "{what}");
    assert_eq!(dpor.bad_interleavings, Some(brute.bad), "{what}");
    assert_eq!(dpor.outcomes, Some(brute.outcomes.len() as u64), "{what}");
    assert_eq!(dpor.bad_outcomes, Some(brute.bad_outcomes.len() as u64), "{what}");
    let p = dpor.p_random.expect("it is complete");
    assert!((p - brute.p_random).abs() < 1e-9, "{what}: {p} {}", brute.p_random);
    Some(dpor)
}

#[test]
fn on_small_programs() {
    let mut deadlocks = 0;
    for (what, program) in programs().into_iter().chain(lessons()) {
        let report = agree_with_brute(what, &program, 100_000).expect("it is small");
        deadlocks += u64::from(report.deadlocks > 0);
    }
    assert!(deadlocks >= 4, "{deadlocks} programs with deadlocks");
}

#[test]
fn on_programs_made_up_by_chance() {
    let (mut chance, mut compared, mut deadlocks, mut bad) = (Chance(7), 0, 0, 0);
    for at in 0..Chance::programs() {
        let program = chance.program();
        let what = format!("program {at} {:?}", program.tasks);
        if let Some(report) = agree_with_brute(&what, &program, 2_000) {
            compared += 1;
            deadlocks += u32::from(report.deadlocks > 0);
            bad += u32::from(report.bad > 0);
        }
    }
    assert!(compared > 50 && deadlocks > 10 && bad > 20, "{compared} {deadlocks} {bad}");
}

#[test]
fn on_the_little_model() {
    for insert in [Insert::Buggy, Insert::Fixed] {
        for grain in [Grain::Sync, Grain::Sem, Grain::Fine] {
            agree("f2", &Little::faults(2, insert, grain));
            agree("buffer_head", &Little::write(Job::BufferHead, insert, grain));
            agree("iomap", &Little::write(Job::Iomap, insert, grain));
        }
        agree("f3", &Little::faults(3, insert, Grain::Sync));
    }
}
