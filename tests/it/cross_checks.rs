//! Three computations that share nothing but the footprints agree to the digit: every interleaving one
//! by one, linear extensions summed over traces, ways counted over states.

use crate::support::{ORDERS, PRESETS, all_turned, options, program, scenario};
use maprace_explore::{Engine, Report, enumerate_traces, explore};
use maprace_scenario::{Config, catalogue};

/// Up to so many interleavings are enumerated one by one.
const FEW: u128 = 200_000;

fn agree(what: &str, a: &Report, b: &Report) {
    assert!(a.complete && b.complete, "{what}");
    assert_eq!(a.interleavings, b.interleavings, "{what}: {:?} {:?}", a.engine, b.engine);
    assert_eq!(a.bad_interleavings, b.bad_interleavings, "{what}");
    assert_eq!(a.outcome_keys, b.outcome_keys, "{what}");
    assert_eq!(a.steps_max, b.steps_max, "{what}");
    let (p, q) = (a.p_random.expect("exact"), b.p_random.expect("exact"));
    assert!((p - q).abs() < 1e-9, "{what}: {p} {q}");
}

/// Cross-checks every configuration of the scenarios whose place in the catalogue leaves `part` of two;
/// one by one only the first and the last release, since those between differ in less.
fn cross_check(part: usize) -> usize {
    let mut enumerated = 0;
    for entry in catalogue::all().iter().skip(part).step_by(2) {
        let scenario = scenario(entry.name);
        for order in ORDERS {
            for preset in PRESETS {
                let config = Config::ext4(preset, order);
                let program = program(&scenario, &config);
                let what = format!("{} {preset} {order}", entry.name);
                let traces = explore(&*program, &options(Engine::Dpor));
                let states = explore(&*program, &options(Engine::States));
                agree(&what, &traces, &states);
                let first_and_last = preset == "v5.10" || preset == "v6.12";
                if first_and_last && traces.interleavings.is_some_and(|all| all < FEW) {
                    let all = explore(&*program, &options(Engine::Naive));
                    agree(&what, &traces, &all);
                    enumerated += 1;
                }
            }
        }
    }
    enumerated
}

#[test]
fn three_computations_agree_on_one_half_of_the_catalogue() {
    assert!(cross_check(0) >= 5);
}

#[test]
fn three_computations_agree_on_the_other_half() {
    assert!(cross_check(1) >= 5);
}

#[test]
fn traces_and_states_agree_where_a_protection_is_taken_away() {
    for (name, config) in all_turned() {
        let program = program(&scenario(name), &config);
        let traces = explore(&*program, &options(Engine::Dpor));
        agree(name, &traces, &explore(&*program, &options(Engine::States)));
    }
}

#[test]
fn an_outcome_is_a_matter_of_the_trace_and_every_trace_is_run() {
    for (name, preset) in [
        ("mkwrite-fallocate", "v5.10"),
        ("mkwrite-fallocate-cold", "v6.8"),
        ("write-mkwrite", "v6.8"),
        ("read-punch", "v5.10"),
        ("mkwrite-punch", "v6.12"),
    ] {
        for order in ORDERS {
            let program = program(&scenario(name), &Config::ext4(preset, order));
            let traces = explore(&*program, &options(Engine::Dpor));
            let all = enumerate_traces(&*program, &options(Engine::Naive));
            let all = all.unwrap_or_else(|e| panic!("{name} {preset} {order}: {e:?}"));
            assert_eq!(traces.traces, Some(all.traces), "{name} {preset} {order}");
            assert_eq!(traces.bad_traces, Some(all.bad_traces), "{name} {preset} {order}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    for engine in [Engine::Auto, Engine::Random, Engine::Pct, Engine::Icb, Engine::States] {
        let program = program(&scenario("stale-map"), &Config::ext4("v6.12", ORDERS[1]));
        let mut options = options(engine);
        options.budget.executions = 2_000;
        options.seed = 7;
        assert_eq!(explore(&*program, &options), explore(&*program, &options), "{engine:?}");
    }
}

#[test]
fn the_first_bug_of_the_seed_is_found_within_100_executions() {
    for order in ORDERS {
        for preset in ["v5.10", "v6.8"] {
            let program = program(&scenario("mkwrite-fallocate"), &Config::ext4(preset, order));
            let report = explore(&*program, &options(Engine::Icb));
            assert!(report.first_bug_at.is_some_and(|at| at <= 100), "{:?}", report.first_bug_at);
        }
    }
}
