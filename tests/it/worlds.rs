//! Worlds against each other: what every interleaving says of a scenario, virtual time may not
//! contradict.

use crate::support::{ORDERS, PRESETS, all_turned, scenario};
use crate::windows::{MACHINE, drawn};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_scenario::measure::{Subject, Virtual};
use maprace_scenario::{Config, ExpectedVerdict, Measured, Media, Plan, Terms, catalogue};
use std::sync::atomic::AtomicBool;

/// A scenario in virtual time at drawn costs, from drawn starts.
fn measured(name: &str, config: &Config, media: Media, rounds: u64) -> Measured {
    let plan = Plan::new(&scenario(name), config).expect("it is modelled");
    let question = Virtual {
        subject: Subject::Plan(Box::new(plan)),
        name,
        config,
        terms: Terms { machine: MACHINE, media, keep_windows: false },
        costs: "drawn".to_owned(),
        seed: 7,
        rounds,
        starts: None,
        threads: None,
    };
    question.run(&Ext4Kind, &drawn, &AtomicBool::new(false), &|_| ()).measured
}

/// Rounds of one configuration.
const ROUNDS: u64 = 250;

/// Damage found, or that none was, against what the scenario expects; whether damage was found where it
/// is expected.
fn agrees(name: &str, config: &Config) -> Option<bool> {
    let scenario = scenario(name);
    let expect = scenario.expected(&config.names())?;
    let moved = config.moved();
    let what = format!("{name} {} {} {moved:?}", config.protocol.name, config.order);
    let mut found = 0;
    for media in [Media::Instantly, Media::Fixed(300)] {
        let measured = measured(name, config, media, ROUNDS);
        assert_eq!(measured.rounds, ROUNDS, "{what}");
        if expect.verdict == ExpectedVerdict::Safe {
            let Measured { damaged, checkers, stuck, .. } = measured;
            assert_eq!(damaged, 0, "{what}: {checkers:?}, {stuck} stuck");
        }
        found += measured.damaged;
    }
    (expect.verdict == ExpectedVerdict::Damaged).then_some(found > 0)
}

#[test]
fn virtual_time_finds_no_damage_where_every_interleaving_is_safe() {
    let (mut expected, mut missed) = (0, Vec::new());
    for entry in catalogue::all() {
        for order in ORDERS {
            for preset in PRESETS {
                let found = agrees(entry.name, &Config::ext4(preset, order));
                expected += usize::from(found.is_some());
                if found == Some(false) {
                    missed.push(format!("{} {preset} {order}", entry.name));
                }
            }
        }
    }
    for (name, config) in all_turned() {
        let found = agrees(name, &config);
        expected += usize::from(found.is_some());
        if found == Some(false) {
            missed.push(format!("{name} {:?}", config.moved()));
        }
    }
    // A few hundred rounds need not find everything, but they find most.
    assert!(expected > 100, "{expected}");
    assert!(missed.len() * 10 <= expected, "{expected} expected, not found: {missed:#?}");
}

#[test]
fn virtual_time_finds_the_damage_of_the_seed() {
    for preset in ["v5.10", "v6.8"] {
        for order in ORDERS {
            let config = Config::ext4(preset, order);
            let w2 = measured("mkwrite-fallocate", &config, Media::Instantly, ROUNDS);
            assert!(w2.damaged > 0 && w2.checkers.contains_key("reserved_at_evict"), "{w2:?}");
            assert!(w2.window("W2").is_some_and(|w2| w2.hits > 0 && w2.catches == 0));
        }
        let config = Config::ext4(preset, Order::Iomap);
        let w1 = measured("write-mkwrite", &config, Media::Instantly, ROUNDS);
        assert!(w1.damaged > 0 && w1.checkers.contains_key("reserved_equals_delayed"), "{w1:?}");
    }
}
