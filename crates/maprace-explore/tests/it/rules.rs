//! The rule of races for locks: what is lost without it, and that the certificate shows the loss.

use maprace_explore::little::{Grain, Insert, Little};
use maprace_explore::{Budget, Engine, Options, RaceRule, Report, Stop, explore};

fn textbook(tasks: u64, insert: Insert, grain: Grain) -> Report {
    let race_rule = RaceRule::Textbook;
    let options = Options { engine: Engine::Dpor, race_rule, ..Options::default() };
    explore(&Little::faults(tasks, insert, grain), &options)
}

#[test]
fn the_textbook_finds_no_race_on_a_lock_whose_release_is_a_step() {
    for tasks in 2..=4 {
        for insert in [Insert::Fixed, Insert::Buggy] {
            let report = textbook(tasks, insert, Grain::Fine);
            assert_eq!((report.executions, report.bad, report.bad_traces), (1, 0, Some(0)));
            let certificate = report.certificate.expect("the trace is small");
            assert!(certificate < 0.05, "the certificate gives it away: {certificate}");
        }
    }
    let certificate = textbook(2, Insert::Buggy, Grain::Fine).certificate;
    assert_eq!(certificate.map(|c| (c * 1000.0).round()), Some(35.0));
}

#[test]
fn the_textbook_finds_a_part_where_releases_are_no_steps() {
    let runs = |tasks| {
        let report = textbook(tasks, Insert::Buggy, Grain::Sync);
        let certificate = report.certificate.expect("every trace is small");
        assert!(certificate < 0.7, "the certificate gives it away: {certificate}");
        (report.executions, report.bad)
    };
    assert_eq!([2, 3, 4].map(runs), [(2, 0), (18, 0), (408, 0)]);
}

#[test]
fn a_search_that_was_cut_off_has_no_certificate_of_one() {
    for executions in [1, 10, 46] {
        let budget = Budget { executions, ..Budget::default() };
        let options = Options { engine: Engine::Dpor, budget, ..Options::default() };
        let report = explore(&Little::faults(3, Insert::Fixed, Grain::Sync), &options);
        assert_eq!((report.complete, report.stopped), (false, Some(Stop::Executions)));
        assert!(report.certificate.expect("every trace is small") < 1.0 - 1e-6);
        assert_eq!((report.p_random, report.interleavings, report.minimal), (None, None, false));
    }
}
