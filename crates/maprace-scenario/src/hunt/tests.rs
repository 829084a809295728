//! What a hunt must find, and what it must not.

use super::*;
use crate::{OpKind, probe};
use maprace_explore::{Budget, Engine, Options};
use maprace_fs::ext4::Ext4Kind;

const KNOWN: &str = "write,mmap_write,fallocate,read,shrink_es,writeback,reclaim";

fn kinds(names: &str) -> Vec<OpKind> {
    let kind = |name: &str| Space::kinds().into_iter().find(|kind| kind.name() == name).unwrap();
    names.split(',').map(kind).collect()
}

fn explored(scenario: &Scenario, config: &Config, _: Purpose) -> Result<Probed, Refused> {
    let budget = Budget { executions: 3_000, states: 200_000, ..Budget::default() };
    let options = Options { engine: Engine::Dpor, budget, ..Options::default() };
    probe(&Ext4Kind, scenario, config, &options).map_err(Refused::NotModelled)
}

fn hunted(ops: &str, blocks: u64, configs: Vec<Config>, budget: u64) -> Catch {
    let space = Space::new(&kinds(ops), blocks, Depth::Usual);
    hunt(&Hunt { space, configs, budget }, &mut explored)
}

/// `CURE ORDERS FIRST: PAIR`, without which pairs it also stands for.
fn lines(catch: &Catch) -> Vec<String> {
    let cure =
        |group: &Group| group.cures.first().map_or("no knob".to_owned(), ToString::to_string);
    let orders = |group: &Group| match &group.orders[..] {
        [one] => one.order.name(),
        _ => "both",
    };
    let line =
        |g: &Group| format!("{} {} {}: {}", cure(g), orders(g), g.first.name(), g.pairs()[0]);
    catch.groups.iter().map(line).collect()
}

#[test]
fn the_known_windows_of_v5_10_are_found_by_the_knob_that_closes_each() {
    let both = Order::ALL.iter().map(|order| Config::ext4("v5.10", *order));
    let catch = hunted(KNOWN, 2, both.collect(), u64::MAX);
    let off = Config::ext4("v5.10", Order::Iomap).with("cookie", "off");
    let without_cookie = hunted(KNOWN, 1, vec![off], u64::MAX);
    let found = [lines(&catch), lines(&without_cookie)].concat();
    let has = |line: &str| assert!(found.iter().any(|found| found == line), "{line}: {found:#?}");
    // W1: two look-ups, two insertions. Shared holds exclude nobody, so only one hold cures it.
    has("insert=one-hold iomap reserved_equals_delayed: write x mmap_write");
    // W2, in both orders, since a fault locks first in both.
    has("recheck=on both delayed_not_allocated: mmap_write x fallocate");
    // W3: whoever looks up caches holes, here the read.
    let w3 = |g: &&Group| {
        let has_buffer_head = g.orders.iter().any(|own| own.order == Order::BufferHead);
        has_buffer_head && g.cures.first().is_some_and(|c| c.to_string() == "insert=exclusive")
    };
    let readers = catch.groups.iter().find(w3).unwrap_or_else(|| panic!("{found:#?}"));
    assert!(readers.pairs().contains(&"write x read"), "{:?}", readers.pairs());
    // What the next preset cures comes first, then the one after it, then what no release has.
    let cures = catch.groups.iter().map(|group| group.cures[0].to_string());
    let mut cures: Vec<String> = cures.collect();
    cures.dedup();
    let by_preset = ["insert=exclusive", "recheck=on", "insert=one-hold"];
    assert_eq!(cures, by_preset);
    // W4.
    has("cookie=on iomap data: write x writeback, reclaim");
    assert!(catch.is_complete() && without_cookie.is_complete());
    for group in catch.groups.iter().chain(&without_cookie.groups) {
        assert!(group.citation.is_some(), "{found:#?}");
        let kept = group.scenario();
        assert_eq!(kept.to_toml().parse::<Scenario>().unwrap(), kept);
        for InOrder { order, example, .. } in &group.orders {
            assert_eq!(example.config.order, *order);
            assert_eq!(example.scenario, group.orders[0].example.scenario);
            let expected = kept.expected(&example.config.names());
            assert_eq!(expected.map(|expect| expect.verdict), Some(ExpectedVerdict::Damaged));
        }
    }
}

#[test]
fn the_newest_release_is_clean_over_the_same_operations() {
    let configs = Order::ALL.iter().map(|order| Config::ext4("v6.12", *order));
    let catch = hunted(KNOWN, 2, configs.collect(), u64::MAX);
    assert_eq!(lines(&catch), Vec::<String>::new());
    assert!(catch.is_complete());
    // Eight sides, each pair once.
    assert_eq!(catch.tally.pairs.len(), 8 * 9 / 2);
}

#[test]
fn a_budget_ends_a_hunt_at_the_same_scenario_every_time() {
    let configs = || vec![Config::ext4("v6.12", Order::BufferHead)];
    let (one, other) = (hunted(KNOWN, 1, configs(), 100), hunted(KNOWN, 1, configs(), 100));
    assert_eq!((one.tally.scenarios, one.tally.left), (other.tally.scenarios, other.tally.left));
    assert!(one.tally.left > 0 && !one.is_complete());
}

#[test]
fn what_is_not_modelled_is_counted_by_name() {
    let mut explorer = |_: &Scenario, _: &Config, _: Purpose| {
        let (scenario, instead) = ("x".to_owned(), "nothing");
        let what = "operation `dio_write 0..1`".to_owned();
        Err(Refused::NotModelled(NotModelled { scenario, what, instead }))
    };
    let space = Space::new(&kinds("dio_write"), 1, Depth::Usual);
    let configs = vec![Config::ext4("v6.12", Order::BufferHead)];
    let catch = hunt(&Hunt { space, configs, budget: 1 }, &mut explorer);
    assert_eq!(catch.tally.skipped.keys().collect::<Vec<_>>(), ["dio_write"]);
    assert!(catch.is_complete() && catch.tally.scenarios == 0);
}

#[test]
fn an_end_that_was_asked_for_still_finds_the_cures() {
    let mut before = 0;
    let space = Space::new(&kinds("mmap_write,fallocate"), 1, Depth::Usual);
    let configs = vec![Config::ext4("v6.8", Order::BufferHead)];
    let mut explorer = |scenario: &Scenario, config: &Config, purpose: Purpose| {
        before += usize::from(purpose == Purpose::Damage);
        if before > 5 && purpose == Purpose::Damage {
            return Err(Refused::Stopped);
        }
        explored(scenario, config, purpose)
    };
    let catch = hunt(&Hunt { space, configs, budget: u64::MAX }, &mut explorer);
    assert_eq!(
        lines(&catch),
        ["recheck=on buffer_head delayed_not_allocated: mmap_write x fallocate"]
    );
    assert!(catch.interrupted && catch.tally.left > 0 && !catch.is_complete());
}

#[test]
fn every_scenario_of_a_thorough_hunt_can_be_read_back() {
    let space = Space::new(&Space::kinds(), 3, Depth::Thorough);
    let mut names = BTreeSet::new();
    let cases = space.cases();
    // Every seventeenth: enough to meet each operation, place and state.
    for case in cases.iter().step_by(17) {
        let scenario = space.scenario(case);
        assert_eq!(scenario.to_toml().parse::<Scenario>().unwrap(), scenario);
        names.insert(scenario.name);
    }
    let sides = space.sides.len();
    assert_eq!(names.len(), sides * (sides + 1) / 2);
}

#[test]
fn no_case_is_there_twice_and_a_seed_changes_only_the_order() {
    let mut space =
        Space::new(&kinds("write,mmap_write,truncate,zero_range,fsync"), 2, Depth::Usual);
    let plain = space.cases();
    let text = |space: &Space, cases: &[Case]| -> BTreeSet<String> {
        cases.iter().map(|case| space.scenario(case).to_toml()).collect()
    };
    let all = text(&space, &plain);
    assert_eq!(all.len(), plain.len());
    space.seed = 7;
    let shuffled = space.cases();
    assert!(shuffled != plain && text(&space, &shuffled) == all);
}
