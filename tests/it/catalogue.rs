//! The verdicts of the built-in scenarios, in every configuration: what the kernel sources lead one to
//! expect, written down before it was run.

use crate::support::{ORDERS, PRESETS, failed, run, scenario, turned, visible};
use maprace_explore::{Engine, Report};
use maprace_fs::{Checker, Order};
use maprace_scenario::{Config, ExpectedVerdict, catalogue};

/// How many configurations the catalogue's expectations of turned knobs speak of.
const TURNED: usize = 36;

fn explored(name: &str, config: &Config) -> Report {
    let report = run(Engine::Dpor, name, config);
    assert!(report.complete, "{name} {config:?}");
    let certificate = report.certificate.expect("small enough to be weighed");
    assert!((certificate - 1.0).abs() < 1e-6, "{name} {config:?}: certificate {certificate}");
    report
}

#[test]
fn every_scenario_gives_the_verdict_that_it_expects() {
    for entry in catalogue::all() {
        let name = entry.name;
        for order in ORDERS {
            for preset in PRESETS {
                for cookie in ["off", "late", "on"] {
                    if order == Order::BufferHead && cookie != "on" {
                        continue;
                    }
                    let config = Config::ext4(preset, order).with("cookie", cookie);
                    let report = explored(name, &config);
                    let scenario = scenario(name);
                    let names = config.names();
                    let Some(expect) = scenario.expected(&names) else { continue };
                    let what = format!("{name} {preset} {order} cookie={cookie}");
                    let bad = expect.verdict == ExpectedVerdict::Damaged;
                    assert_eq!(report.bad != 0, bad, "{what}: {:?}", failed(&report));
                    for checker in &expect.checkers {
                        assert!(
                            failed(&report).contains(&checker.as_str()),
                            "{what}: {checker} did not fail: {:?}",
                            failed(&report)
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_expectation_of_a_turned_knob_holds() {
    let mut tried = 0;
    for entry in catalogue::all() {
        let scenario = scenario(entry.name);
        for expect in scenario.expect.iter().filter(|expect| !expect.when.set.is_empty()) {
            for config in turned(&expect.when) {
                let report = explored(entry.name, &config);
                let failed = failed(&report);
                let what = format!("{} {:?} {failed:?}", entry.name, expect.when.set);
                let bad = expect.verdict == ExpectedVerdict::Damaged;
                assert_eq!(report.bad != 0, bad, "{what}");
                assert!(expect.checkers.iter().all(|c| failed.contains(&c.as_str())), "{what}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, TURNED);
}

#[test]
fn mixed_orders_of_folio_and_transaction_deadlock_and_neither_order_does() {
    for order in ORDERS {
        let pure = Config::ext4("v6.12", order);
        assert_eq!(explored("lock-order", &pure).deadlocks, 0, "{order}");
        let mixed = explored("lock-order", &pure.with("handle", "mixed"));
        assert!(mixed.deadlocks > 0, "{order}");
    }
}

#[test]
fn the_seed_shows_at_evict_and_not_when_it_is_punched() {
    for order in ORDERS {
        for preset in ["v5.10", "v6.8"] {
            let config = Config::ext4(preset, order);
            let seed = explored("mkwrite-fallocate", &config);
            assert!(visible(&seed).contains(&"reserved_at_evict"));
            let punched = explored("mkwrite-fallocate-punched", &config);
            assert_eq!(failed(&punched), ["delayed_not_allocated"]);
            assert_eq!(visible(&punched), Vec::<&str>::new());
            if order == Order::Iomap {
                let w1 = explored("write-mkwrite-punched", &config);
                assert!(visible(&w1).contains(&"reserved_at_evict"));
            }
        }
    }
}

#[test]
fn without_the_recheck_v6_12_leaks_nothing_and_charges_twice() {
    for order in ORDERS {
        let config = Config::ext4("v6.12", order).with("recheck", "off");
        assert!(config.is_counterfactual());
        let report = explored("mkwrite-fallocate", &config);
        let failed = failed(&report);
        assert!(!failed.contains(&"reserved_at_evict"), "{failed:?}");
        assert!(failed.contains(&"i_blocks") && failed.contains(&"quota_equals_allocation"));
    }
}

#[test]
fn w3_of_the_first_era_on_neighbours_is_never_seen_by_the_kernel() {
    let config = Config::ext4("v5.10", Order::BufferHead);
    let report = explored("write-mkwrite-neighbours", &config);
    assert!(failed(&report).contains(&"reserved_equals_delayed"));
    assert_eq!(visible(&report), Vec::<&str>::new());
    let read = explored("read-write-hole", &config);
    assert!(visible(&read).contains(&"reserved_at_evict"));
}

#[test]
fn cold_and_first_era_most_damage_is_w3() {
    let config = Config::ext4("v5.10", Order::BufferHead);
    let report = explored("mkwrite-fallocate-cold", &config);
    let w2 = report
        .damage
        .iter()
        .find(|damage| Checker::ALL[damage.checker as usize] == Checker::DelayedNotAllocated);
    // What is not W2, a delayed block over an allocated one, is a HOLE over a delayed block: W3.
    assert_eq!((report.bad_traces, w2.map(|damage| damage.traces)), (Some(3), Some(1)));
    assert!(failed(&report).contains(&"reserved_equals_delayed"));
}
