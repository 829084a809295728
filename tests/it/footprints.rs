//! Steps that are declared independent are: both orders of every pair, in every state, end in the same
//! state.

use crate::support::{ORDERS, PRESETS, all_turned, program, scenario};
use maprace_explore::check_independence;
use maprace_scenario::{Config, catalogue};

#[test]
fn steps_declared_independent_commute_in_the_whole_catalogue() {
    let mut pairs = 0;
    for entry in catalogue::all() {
        for order in ORDERS {
            for preset in PRESETS {
                for cookie in ["off", "late", "on"] {
                    let config = Config::ext4(preset, order).with("cookie", cookie);
                    let program = program(&scenario(entry.name), &config);
                    let checked = check_independence(&*program, 1_000_000)
                        .unwrap_or_else(|e| panic!("{} {preset} {order}: {e:?}", entry.name));
                    assert!(checked.complete, "{} {preset} {order} {cookie}", entry.name);
                    pairs += checked.pairs;
                }
            }
        }
    }
    assert!(pairs > 1_000, "only {pairs} pairs were compared");
}

#[test]
fn so_do_they_where_a_protection_is_taken_away() {
    for (name, config) in all_turned() {
        let program = program(&scenario(name), &config);
        let checked = check_independence(&*program, 1_000_000)
            .unwrap_or_else(|e| panic!("{name} {:?} {}: {e:?}", config.moved(), config.order));
        assert!(checked.complete, "{name} {:?}", config.moved());
    }
}
