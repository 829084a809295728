//! Timelines of the catalogue's counterexamples against what docs/KERNEL.md says of their windows.

use super::*;
use maprace_explore::{Options, explore, replay};
use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_scenario::{AnyLayer, Vocabulary};

/// The timeline of the counterexample that an exploration finds.
pub(crate) fn of(scenario: &str, order: &str, protocol: &str) -> Timeline {
    of_config(scenario, Config::ext4(protocol, self::order(order)))
}

/// A run of three tasks and an I/O: W4 with its cookie off.
pub(crate) fn stale_map() -> Timeline {
    of_config("stale-map", Config::ext4("v6.12", Order::Iomap).with("cookie", "off"))
}

fn order(name: &str) -> Order {
    Order::ALL.iter().copied().find(|order| order.name() == name).unwrap()
}

fn of_config(scenario: &str, config: Config) -> Timeline {
    let scenario = Scenario::open(scenario, &Vocabulary::default()).unwrap();
    let plan = Plan::new(&scenario, &config).unwrap();
    let program = Ext4Kind.program(&plan);
    let report = explore(&*program, &Options::default());
    let schedule = report.counterexample.expect("it is damaged").schedule;
    let replay = replay(&*program, &schedule).unwrap();
    let of = Of {
        name: &scenario.name,
        scenario: &scenario,
        plan: &plan,
        config: &config,
        command: "replay",
    };
    of_replay(&of, &replay, &program.story())
}

/// The windows that were hit: name, whose, and by which steps.
fn hit(timeline: &Timeline) -> Vec<(String, String, Vec<String>)> {
    let words = |step: &usize| {
        let step = &timeline.steps[*step];
        format!("{} {}", timeline.tasks[step.task].name, step.name)
    };
    let window = |window: &Window| {
        let name = timeline.tasks[window.task].name.clone();
        (window.name.clone(), name, window.hits.iter().map(words).collect())
    };
    timeline.windows.iter().map(window).collect()
}

fn expected(name: &str, task: &str, steps: &[&str]) -> (String, String, Vec<String>) {
    (name.to_owned(), task.to_owned(), steps.iter().map(|step| (*step).to_owned()).collect())
}

#[test]
fn the_windows_of_the_catalogue_are_those_of_the_table() {
    let w1 = of("write-mkwrite", "iomap", "v6.8");
    assert_eq!(hit(&w1), [expected("W1", "write", &["fault ext4_es_insert_delayed_block"])]);
    let w2 = of("mkwrite-fallocate", "buffer_head", "v6.8");
    assert_eq!(hit(&w2), [expected("W2", "fault", &["fallocate ext4_es_insert_extent"])]);
    let w3 = of("read-write-hole", "buffer_head", "v5.10");
    assert_eq!(hit(&w3), [expected("W3", "read", &["write ext4_es_insert_delayed_block"])]);
    let w4 = stale_map();
    assert_eq!(hit(&w4), [expected("W4", "write", &["io_end ext4_es_insert_extent"])]);
    let w5 = of("fiemap-collapse", "buffer_head", "v6.12");
    let inserts = ["fiemap ext4_es_insert_extent", "fiemap ext4_es_insert_extent"];
    assert_eq!(hit(&w5), [expected("W5", "collapse", &inserts)]);
}

#[test]
fn a_timeline_has_lanes_locks_waits_and_what_is_wrong() {
    let timeline = of("mkwrite-fallocate", "buffer_head", "v6.8");
    let fault = &timeline.tasks[0];
    assert_eq!((fault.name.as_str(), fault.ops[0].function.as_str()), ("fault", "page_mkwrite"));
    let step = &timeline.steps[13];
    assert_eq!(step.name, "ext4_es_insert_delayed_block");
    assert_eq!(
        step.calls,
        ["ext4_page_mkwrite", "ext4_da_map_blocks", "ext4_insert_delayed_block"]
    );
    assert_eq!(step.saw, ["replaces unwritten"]);
    let locks: Vec<(usize, &str, bool, u64, u64)> = timeline
        .locks
        .iter()
        .map(|l| (l.task, l.lock.as_str(), l.exclusive, l.from, l.to))
        .collect();
    assert!(locks.contains(&(0, "folio_lock 0", true, 2, 17)), "{locks:?}");
    assert!(locks.contains(&(0, "invalidate_lock", false, 1, 15)), "{locks:?}");
    assert!(locks.contains(&(1, "i_data_sem", true, 6, 11)), "{locks:?}");
    let waits: Vec<(usize, &str, u64, u64)> =
        timeline.waits.iter().map(|w| (w.task, w.lock.as_str(), w.from, w.to)).collect();
    assert_eq!(waits, [(0, "i_data_sem", 7, 11)]);
    let wrong: Vec<(Option<usize>, &str)> =
        timeline.wrong.iter().map(|w| (w.step, w.words.as_str())).collect();
    assert_eq!(wrong[0], (Some(13), "delayed over allocated"));
    assert_eq!(wrong.last().unwrap().1, "i_reserved_data_blocks (1) not cleared!");
    assert_eq!(timeline.after, ["fsync", "evict"]);
}

#[test]
fn every_hold_and_window_lies_within_the_run() {
    let mixed = Config::ext4("v6.12", Order::Iomap).with("handle", "mixed");
    let direct = Config::ext4("v6.12", Order::BufferHead);
    for timeline in [stale_map(), of_config("lock-order", mixed), of_config("dio-mkwrite", direct)]
    {
        let end = timeline.steps.len() as u64;
        assert!(timeline.locks.iter().all(|held| held.from < held.to && held.to <= end));
        assert!(timeline.waits.iter().all(|wait| wait.from < wait.to && wait.to <= end));
        assert!(timeline.windows.iter().all(|w| w.from < w.to && w.to <= end));
        assert!(!timeline.wrong.is_empty());
        assert!(timeline.steps.iter().all(|step| step.task < timeline.tasks.len()));
    }
}
