//! The little model against numbers from a program that shares nothing with this one.

use maprace_explore::little::{Grain, Insert, Job, Little};
use maprace_explore::{Budget, Engine, Options, Report, explore};

fn with(engine: Engine) -> Options<'static> {
    Options { engine, ..Options::default() }
}

fn dpor(little: &Little) -> Report {
    let report = explore(little, &with(Engine::Dpor));
    assert!(report.complete && report.engine == Engine::Dpor);
    let certificate = report.certificate.expect("every trace is small");
    assert!((certificate - 1.0).abs() < 1e-6, "certificate {certificate}");
    report
}

/// Traces and bad ones.
fn traces(little: &Little) -> (u64, u64) {
    let report = dpor(little);
    (report.traces.expect("dpor counts them"), report.bad_traces.expect("dpor counts them"))
}

/// Interleavings and bad ones, by two engines.
fn interleavings(little: &Little) -> (u128, u128) {
    let count = |report: &Report| (report.interleavings, report.bad_interleavings);
    let (by_traces, by_states) = (dpor(little), explore(little, &with(Engine::States)));
    assert_eq!(count(&by_traces), count(&by_states));
    assert_eq!(by_traces.outcome_keys, by_states.outcome_keys);
    by_traces.interleavings.zip(by_traces.bad_interleavings).expect("they fit")
}

#[test]
fn traces_whether_releases_are_steps_or_not() {
    for grain in [Grain::Sync, Grain::Fine] {
        let fixed = |tasks| traces(&Little::faults(tasks, Insert::Fixed, grain));
        assert_eq!([fixed(2), fixed(3), fixed(4)], [(5, 0), (47, 0), (781, 0)]);
        let buggy = |tasks| traces(&Little::faults(tasks, Insert::Buggy, grain));
        assert_eq!([buggy(2), buggy(3), buggy(4)], [(4, 1), (39, 16), (859, 390)]);
    }
}

#[test]
fn traces_of_writes_in_both_orders() {
    for grain in [Grain::Sync, Grain::Fine] {
        let write = |job: fn(u64) -> Job, insert| traces(&Little::write(job, insert, grain));
        assert_eq!(write(Job::BufferHead, Insert::Buggy), (2, 0));
        assert_eq!(write(Job::Iomap, Insert::Buggy), (7, 4));
        assert_eq!(write(Job::Iomap, Insert::Fixed), (5, 0));
    }
}

#[test]
fn traces_with_ranges_and_counters() {
    let fixed = |tasks| traces(&Little::faults(tasks, Insert::Fixed, Grain::Sem));
    assert_eq!([fixed(2), fixed(3), fixed(4)], [(5, 0), (24, 0), (135, 0)]);
    let buggy = |tasks| traces(&Little::faults(tasks, Insert::Buggy, Grain::Sem));
    assert_eq!([buggy(2), buggy(3), buggy(4)], [(4, 1), (12, 6), (36, 24)]);
}

#[test]
fn dpor_wastes_few_executions() {
    let report = dpor(&Little::faults(4, Insert::Buggy, Grain::Sync));
    assert_eq!(report.traces, Some(859));
    assert!(report.executions <= 893, "{}", report.executions);
    let report = dpor(&Little::faults(4, Insert::Fixed, Grain::Sync));
    assert_eq!((report.executions, report.cut), (781, 0));
}

#[test]
fn interleavings_at_acquires() {
    let of = |tasks, insert| interleavings(&Little::faults(tasks, insert, Grain::Sync));
    assert_eq!(of(2, Insert::Fixed), (59, 0));
    assert_eq!(of(2, Insert::Buggy), (77, 15));
    assert_eq!(of(3, Insert::Fixed), (17_938, 0));
    assert_eq!(of(3, Insert::Buggy), (90_444, 15_700));
    assert_eq!(of(4, Insert::Fixed), (14_723_466, 0));
    assert_eq!(of(4, Insert::Buggy), (700_696_314, 75_889_170));
}

#[test]
fn interleavings_of_acquires_and_releases() {
    let of = |tasks, insert| interleavings(&Little::faults(tasks, insert, Grain::Fine));
    assert_eq!(of(2, Insert::Fixed), (3_073, 0));
    assert_eq!(of(2, Insert::Buggy), (14_544, 672));
    assert_eq!(of(3, Insert::Fixed), (151_930_062, 0));
    assert_eq!(of(3, Insert::Buggy), (39_800_624_310, 518_353_680));
    assert_eq!(of(4, Insert::Fixed), (37_059_812_251_890, 0));
}

#[test]
fn naive_runs_them_one_by_one() {
    for (tasks, insert, all, bad) in [
        (2, Insert::Fixed, 59, 0),
        (2, Insert::Buggy, 77, 15),
        (3, Insert::Fixed, 17_938, 0),
        (3, Insert::Buggy, 90_444, 15_700),
    ] {
        let little = Little::faults(tasks, insert, Grain::Sync);
        let report = explore(&little, &with(Engine::Naive));
        assert!(report.complete);
        assert_eq!((report.executions, report.bad), (all, bad));
        assert_eq!(report.interleavings, Some(u128::from(all)));
    }
}

#[test]
fn the_exact_chance_of_a_random_scheduler() {
    let of = |grain, tasks| {
        let little = Little::faults(tasks, Insert::Buggy, grain);
        let p = dpor(&little).p_random.expect("it is complete");
        let states = explore(&little, &with(Engine::States)).p_random.expect("it is complete");
        assert!((p - states).abs() < 1e-9);
        (p * 1000.0).round() / 1000.0
    };
    assert_eq!([2, 3, 4].map(|tasks| of(Grain::Sync, tasks)), [0.234, 0.292, 0.288]);
    assert_eq!([2, 3, 4].map(|tasks| of(Grain::Fine, tasks)), [0.219, 0.158, 0.099]);
    assert_eq!([2, 3].map(|tasks| of(Grain::Sem, tasks)), [0.234, 0.292]);
    let iomap = |grain| {
        let report = dpor(&Little::write(Job::Iomap, Insert::Buggy, grain));
        report.p_random.map(|p| (p * 1000.0).round() / 1000.0)
    };
    assert_eq!((iomap(Grain::Sync), iomap(Grain::Fine)), (Some(0.781), Some(0.93)));
}

#[test]
fn states() {
    let of = |tasks, insert| {
        let report = explore(&Little::faults(tasks, insert, Grain::Sync), &with(Engine::States));
        assert!(report.complete);
        report.states
    };
    assert_eq!([2, 3, 4].map(|tasks| of(tasks, Insert::Fixed)), [45, 263, 1_450].map(Some));
    assert_eq!([2, 3, 4].map(|tasks| of(tasks, Insert::Buggy)), [42, 262, 1_678].map(Some));
}

#[test]
fn schedules_with_few_preemptions() {
    let of = |tasks, preemptions| {
        let budget = Budget { preemptions, ..Budget::default() };
        let options = Options { budget, ..with(Engine::Icb) };
        let report = explore(&Little::faults(tasks, Insert::Buggy, Grain::Sync), &options);
        assert_eq!(report.preemption_bound, Some(preemptions));
        report.executions
    };
    assert_eq!([of(3, 0), of(3, 1), of(4, 0), of(4, 1)], [6, 82, 24, 690]);
    // A round begins anew: its executions come on top of those of the round before.
    assert_eq!([of(3, 2), of(4, 2)], [82 + 622, 690 + 9_762]);
}

#[test]
fn the_first_bug_is_found_within_ten_executions() {
    for grain in [Grain::Sync, Grain::Sem, Grain::Fine] {
        for tasks in 2..=4 {
            let little = Little::faults(tasks, Insert::Buggy, grain);
            for engine in [Engine::Icb, Engine::Dpor, Engine::Auto] {
                let options = Options { first_bug_only: true, ..with(engine) };
                let report = explore(&little, &options);
                let at = report.first_bug_at.expect("there is a bug");
                assert!(at <= 10 && report.bad == 1, "{engine:?} needs {at}");
            }
        }
    }
}

#[test]
fn the_smallest_counterexample_has_one_preemption() {
    for grain in [Grain::Sync, Grain::Sem, Grain::Fine] {
        for tasks in 2..=4 {
            let report = dpor(&Little::faults(tasks, Insert::Buggy, grain));
            let least = report.counterexample.expect("there is a bug");
            assert!(report.minimal);
            assert_eq!((least.preemptions, u64::from(least.switches)), (1, tasks));
        }
    }
    // The diagram of two columns, as commit messages draw it.
    let report = dpor(&Little::faults(2, Insert::Buggy, Grain::Sync));
    let schedule = report.counterexample.map(|least| least.schedule);
    assert_eq!(schedule, Some(vec![0, 0, 1, 1, 1, 1, 1, 0, 0, 0]));
}
