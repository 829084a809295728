//! Worlds against each other: what every interleaving says of a scenario, virtual time may not
//! contradict.

use crate::support::{ORDERS, PRESETS, all_turned, scenario};
use crate::windows::{MACHINE, drawn};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::window::Window;
use maprace_scenario::measure::{Subject, Tally, Virtual};
use maprace_scenario::{
    AnyLayer, Config, ExpectedVerdict, Measured, Media, Plan, Round, Starts, Terms, Timed,
    catalogue,
};
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

/// A measurement on so many threads, with each of its windows.
fn on_threads(subject: &Subject, config: &Config, threads: usize) -> (String, Vec<Vec<Window>>) {
    let media = Media::Fixed(300);
    let question = Virtual {
        subject: subject.clone(),
        name: "x",
        config,
        terms: Terms { machine: MACHINE, media, keep_windows: true },
        costs: "drawn".to_owned(),
        seed: 11,
        rounds: 500,
        starts: None,
        threads: Some(threads),
    };
    let outcome = question.run(&Ext4Kind, &drawn, &AtomicBool::new(false), &|_| ());
    assert!(!outcome.cut);
    let numbers: Vec<u64> = outcome.windows.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..question.rounds()).collect::<Vec<_>>());
    let windows = outcome.windows.into_iter().map(|(_, windows)| windows).collect();
    (format!("{:?}", outcome.measured), windows)
}

#[test]
fn the_record_does_not_depend_on_the_number_of_threads() {
    let config = Config::ext4("v6.8", Order::Iomap);
    let plan = Plan::new(&scenario("mkwrite-fallocate"), &config).expect("it is modelled");
    let crowd = "w=2,m=2,f=1,r=1,file=64k,hit=0.5,ops=150".parse().expect("a workload");
    for subject in [Subject::Plan(Box::new(plan)), Subject::Workload(crowd)] {
        let one = on_threads(&subject, &config, 1);
        assert!(one.1.iter().any(|windows| !windows.is_empty()));
        for threads in [2, 3, 8] {
            assert!(on_threads(&subject, &config, threads) == one, "{threads} threads");
        }
    }
}

#[test]
fn a_round_does_not_depend_on_the_rounds_before_it() {
    for (name, preset) in
        [("mkwrite-fallocate", "v6.8"), ("stale-map", "v6.12"), ("writeback-collapse", "v6.12")]
    {
        let config = Config::ext4(preset, Order::Iomap).with("cookie", "off");
        let plan = Plan::new(&scenario(name), &config).expect("it is modelled");
        let media = Media::Fixed(300);
        let terms = Terms { machine: MACHINE, media, keep_windows: true };
        let world = || Ext4Kind.timed(&plan, terms.clone(), &drawn);
        let one = |world: &mut dyn Timed, number| {
            let starts = Starts::Drawn { within_ns: 2_000 };
            let round = Round { number, seed: 5, starts };
            format!("{:?}", world.round(&round, &mut Tally::default()))
        };
        let mut used = world();
        let in_turn: Vec<String> = (0..200).map(|number| one(&mut *used, number)).collect();
        for number in [0, 1, 77, 130, 199] {
            let at = usize::try_from(number).expect("small");
            assert_eq!(one(&mut *world(), number), in_turn[at], "{name}, fresh, {number}");
            assert_eq!(one(&mut *used, number), in_turn[at], "{name}, again, {number}");
        }
        assert!(in_turn.iter().any(|round| *round != in_turn[0]), "{name}: rounds differ");
    }
}
