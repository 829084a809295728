//! What stands between the pairs of the seed, as runs tell it.

use super::*;
use crate::catalogue;
use maprace_fs::{Order, ext4::Ext4Kind};

fn explained(name: &str, config: &Config) -> Explained {
    explain(&Ext4Kind, catalogue::find(name).unwrap(), config).unwrap()
}

fn v6_8(order: Order) -> Config {
    Config::ext4("v6.8", order)
}

fn locks(pair: &PairLocks) -> Vec<&str> {
    pair.common.iter().map(|lock| lock.lock.as_str()).collect()
}

#[test]
fn a_fault_and_fallocate_have_only_i_data_sem_between_them() {
    for order in Order::ALL {
        let explained = explained("mkwrite-fallocate", &v6_8(*order));
        let [pair] = &explained.pairs[..] else { panic!("{explained:?}") };
        assert_eq!((pair.one.as_str(), pair.other.as_str()), ("fault", "fallocate"));
        assert_eq!(locks(pair), ["i_data_sem"], "{order}");
        assert!(pair.common[0].conflicts < pair.conflicts);
        let status = pair.open.iter().find(|open| open.place == "extent status").unwrap();
        // The look-up without the lock is what can become stale; both sides have one.
        let has = |one: &str, other: &str| status.steps.contains(&[one.into(), other.into()]);
        assert!(has("ext4_es_lookup_extent", "ext4_es_insert_extent"), "{status:?}");
        assert!(has("ext4_es_insert_delayed_block", "ext4_es_lookup_extent"), "{status:?}");
        assert!(!has("ext4_es_insert_delayed_block", "ext4_es_insert_extent"), "{status:?}");
        assert_eq!((status.range, status.unit), (Some((0, 1)), "blocks"));
    }
}

#[test]
fn a_write_and_fallocate_exclude_each_other_by_i_rwsem_everywhere() {
    let explained = explained("write-fallocate", &v6_8(Order::BufferHead));
    let pair = &explained.pairs[0];
    assert_eq!(pair.common[0].lock, "i_rwsem");
    assert_eq!((pair.common[0].conflicts, pair.open.len()), (pair.conflicts, 0), "{pair:#?}");
}

#[test]
fn the_order_decides_whether_a_write_and_a_fault_share_the_folio_lock() {
    let shared = |order| {
        let explained = explained("write-mkwrite", &v6_8(order));
        let pair = explained.pairs[0].clone();
        let open = pair.open.iter().any(|open| open.place == "extent status");
        (locks(&pair).contains(&"folio_lock"), open)
    };
    assert_eq!(shared(Order::BufferHead), (true, false));
    assert!(shared(Order::Iomap).1, "the map is taken before the lock");
}

#[test]
fn a_table_shows_what_is_held_and_what_was_found() {
    let explained = explained("mkwrite-fallocate", &v6_8(Order::BufferHead));
    let fault = &explained.tasks[0];
    assert_eq!((fault.task.as_str(), fault.ops[0].function), ("fault", "page_mkwrite"));
    assert!(explained.tasks.iter().all(|task| task.after.is_empty()), "each has something to do");
    let of = |name: &str| fault.steps.iter().find(|step| step.step == name).unwrap();
    let held = |name: &str| of(name).held.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(held("pte_offset_map"), Vec::<String>::new());
    assert_eq!(held("ext4_es_lookup_extent"), ["invalidate_lock R", "folio_lock 0 W"]);
    let inside = ["invalidate_lock R", "folio_lock 0 W", "i_data_sem W"];
    assert_eq!(held("ext4_es_insert_delayed_block"), inside);
    assert_eq!(of("ext4_es_lookup_extent").saw, ["hole"]);
    assert_eq!(of("ext4_es_lookup_extent").calls, ["ext4_page_mkwrite", "ext4_da_map_blocks"]);
    assert_eq!(held("finish_mkwrite_fault"), ["folio_lock 0 W"]);
}

#[test]
fn who_has_nothing_to_do_alone_is_shown_after_the_others_and_an_io_has_a_table() {
    let explained = explained("stale-map", &Config::ext4("v6.12", Order::Iomap));
    let names: Vec<_> = explained.tasks.iter().map(|task| task.task.as_str()).collect();
    assert_eq!(names, ["write", "writeback", "io_end of writeback", "reclaim"]);
    assert_eq!(explained.tasks[1].after, ["write"]);
    // The second write stands as a second operation.
    assert_eq!(explained.tasks[0].steps.last().map(|step| step.op), Some(1));
    let io = &explained.tasks[2];
    assert!(io.steps[0].held.iter().any(|held| held.lock == "writeback bit 0"), "{io:#?}");
    let reclaim = explained.pairs.iter().find(|p| (&*p.one, &*p.other) == ("write", "reclaim"));
    assert!(!reclaim.unwrap().open.is_empty());
}

#[test]
fn a_handle_is_held_from_its_start_to_its_stop_though_neither_is_a_step() {
    let explained = explained("mkwrite-fallocate", &v6_8(Order::BufferHead));
    let steps = &explained.tasks[1].steps;
    let then = steps.iter().flat_map(|step| step.then.iter().map(|quiet| quiet.what.as_str()));
    let all =
        ["ext4_journal_start", "up_write(i_data_sem)", "ext4_journal_stop", "up_write(i_rwsem)"];
    assert_eq!(then.collect::<Vec<_>>(), all);
    let start = &steps[0].then[0];
    assert_eq!((&start.calls[..], start.takes), (&["ext4_alloc_file_blocks"][..], true));
    let has = |step: &LockedStep| step.held.iter().any(|held| held.lock == "jbd2 handle");
    assert!(!has(&steps[0]) && steps[1..].iter().all(has), "{steps:#?}");
}

#[test]
fn the_locks_of_two_folios_are_one_protection() {
    let explained = explained("write-write", &v6_8(Order::BufferHead));
    let pair = &explained.pairs[0];
    let held = |lock: &CommonLock| (lock.lock.clone(), lock.conflicts == pair.conflicts);
    let all: Vec<_> = pair.common.iter().map(held).collect();
    assert_eq!(all, [("folio_lock".to_owned(), true), ("i_rwsem".to_owned(), true)]);
    assert!(pair.open.is_empty());
}

#[test]
fn every_place_and_every_lock_of_the_catalogue_has_a_name() {
    let mut configs = Vec::new();
    for preset in maprace_fs::protocol::PRESETS {
        configs.extend(Order::ALL.iter().map(|order| Config::ext4(preset.name, *order)));
    }
    let mut runs = 0;
    for entry in catalogue::all() {
        let scenario = catalogue::find(entry.name).unwrap();
        for config in &configs {
            let Ok(plan) = Plan::new(scenario, config) else { continue };
            let in_turn: Vec<usize> = (0..scenario.tasks.len()).collect();
            let ran = run(&*Ext4Kind.program(&plan), &in_turn);
            assert_eq!(ran.unnamed(), Vec::<String>::new(), "{} {config:?}", scenario.name);
            runs += 1;
        }
    }
    assert!(runs > 200, "{runs}");
}
