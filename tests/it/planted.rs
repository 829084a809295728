//! Every checker is caught failing on a bug planted in a path of the model, and the explorer gets there.

use crate::support::{failed, options, parsed, program_with};
use maprace_explore::{Engine, explore};
use maprace_fs::{Checker, Order, Planted};
use maprace_scenario::Config;
use std::collections::BTreeSet;

/// A scenario without a race, in which the bug shows.
fn text(tasks: &[&str], after: &str, file: &str) -> String {
    let mut text = format!("format = 1\nname = \"planted\"\n[file]\n{file}\n");
    for (i, ops) in tasks.iter().enumerate() {
        text += &format!("[[task]]\nname = \"t{i}\"\nops = [{ops}]\n");
    }
    text + &format!("[after]\nops = [{after}]\n")
}

const ONE: &str = "blocks = 1\nes = \"hole\"";
const WRITTEN: &str = "blocks = 1\nwritten = [\"0..1\"]";

/// The bug, where it shows, and the checker that must see it.
fn planted() -> Vec<(Planted, String, &'static str)> {
    let write = "\"write 0..1\"";
    let punch = "\"punch_hole 0..1\"";
    let mapped = "blocks = 1\nprefault = [\"0..1\"]";
    vec![
        (
            Planted::RemovalKeepsReservation,
            text(&[write, punch], "\"evict\"", ONE),
            "reserved_equals_delayed",
        ),
        (
            Planted::RemovalKeepsReservation,
            text(&[write, punch], "\"punch_hole 0..1\", \"evict\"", ONE),
            "reserved_at_evict",
        ),
        (Planted::ReleaseOneTooMany, text(&[write, punch], "", ONE), "release_within_reservation"),
        (
            Planted::DirtyCounterKept,
            text(&[write, punch], "", ONE),
            "dirty_counter_equals_reserved",
        ),
        (Planted::DirtyCounterKept, text(&[write], "\"fsync\"", ONE), "dirty_counter_after_sync"),
        (
            Planted::AllocationLeavesEs,
            text(&["\"fallocate 0..1\"", "\"read 0..1\""], "", ONE),
            "es_matches_extent_tree",
        ),
        (
            Planted::AllocationLeavesEs,
            text(&["\"write 0..1\"", "\"fallocate 0..1\""], "", ONE),
            "delayed_not_allocated",
        ),
        (Planted::CopyLeavesClean, text(&[write], "", ONE), "delayed_has_dirty_folio"),
        (
            Planted::PunchKeepsDirty,
            text(&["\"mmap_write 0..1\"", punch], "", mapped),
            "dirty_is_mapped",
        ),
        (Planted::PunchLeavesExtents, text(&[punch], "", WRITTEN), "no_block_twice"),
        (
            Planted::AllocationUncharged,
            text(&["\"fallocate 0..1\""], "", ONE),
            "quota_equals_allocation",
        ),
        (Planted::AllocationUncounted, text(&["\"fallocate 0..1\""], "", ONE), "i_blocks"),
        (
            Planted::ConvertBeforeData,
            text(&["\"write 0..1\", \"writeback\""], "", ONE),
            "written_after_data",
        ),
        (
            Planted::SequenceNotBumped,
            text(&["\"write 0..1\", \"writeback\""], "", ONE),
            "sequence_dates_changes",
        ),
        (Planted::FillForgetsData, text(&["\"read 0..1\""], "", WRITTEN), "data"),
        (Planted::FolioLeftLocked, text(&["\"write 0..1\""], "\"fsync\"", ONE), "after_ends"),
    ]
}

/// The same for what came with the journal and with the paths that move the end of the file.
fn planted_later() -> Vec<(Planted, String, &'static str)> {
    let (write, punch) = ("\"write 0..1\"", "\"punch_hole 0..1\"");
    vec![
        (
            Planted::WritebackEndsEarly,
            text(&["\"write 0..1\", \"writeback\""], "", ONE),
            "writeback_covers_conversion",
        ),
        (Planted::LocksInverted, text(&[punch], "", WRITTEN), "lock_order"),
        (
            Planted::DisksizePastEof,
            text(&["\"write 1000@4096\""], "\"fsync\"", ONE),
            "disksize_within_size",
        ),
        (
            Planted::RemovalKeepsReservation,
            text(&[write, punch], "\"fallocate 0..1\"", "blocks = 1\n[fs]\nfree_blocks = 1"),
            "enospc_with_space_free",
        ),
    ]
}

/// The same for what only a buffered write in iomap order does.
fn planted_in_iomap() -> Vec<(Planted, String, &'static str)> {
    let halves = "\"write 2048@0\", \"write 2048@2048\"";
    let unwritten = "blocks = 1\nunwritten = [\"0..1\"]";
    vec![
        (
            Planted::StaleMapUsed,
            text(&[halves, "\"writeback\""], "", unwritten),
            "mapping_is_current",
        ),
        (Planted::NeverValid, text(&["\"write 0..1\""], "", ONE), "stale_retries_end"),
    ]
}

/// Every bug with the order in which it shows.
fn all_planted() -> Vec<(Planted, String, &'static str, Order)> {
    let in_order = |order| move |(bug, text, checker)| (bug, text, checker, order);
    let buffer_head = planted().into_iter().chain(planted_later());
    let buffer_head = buffer_head.map(in_order(Order::BufferHead));
    buffer_head.chain(planted_in_iomap().into_iter().map(in_order(Order::Iomap))).collect()
}

#[test]
fn every_checker_catches_a_planted_bug() {
    let mut caught = BTreeSet::new();
    for (bug, text, checker, order) in all_planted() {
        let scenario = parsed("planted", &text);
        let config = Config::ext4("v6.12", order);
        let program = program_with(&scenario, &config, bug);
        let report = explore(&*program, &options(Engine::Dpor));
        assert!(report.complete, "{bug:?}");
        assert!(failed(&report).contains(&checker), "{bug:?}: {:?}", failed(&report));
        caught.insert(checker);
    }
    let all: BTreeSet<_> = Checker::ALL.iter().map(|c| c.name()).collect();
    assert_eq!(all.difference(&caught).collect::<Vec<_>>(), Vec::<&&str>::new());
}

#[test]
fn without_the_bug_the_same_scenarios_are_clean() {
    for (_, text, checker, _) in all_planted() {
        let scenario = parsed("planted", &text);
        for order in crate::support::ORDERS {
            let config = Config::ext4("v6.12", order);
            let program = crate::support::program(&scenario, &config);
            let report = explore(&*program, &options(Engine::Dpor));
            assert!(report.complete && report.bad == 0, "{checker} {order}: {:?}", failed(&report));
        }
    }
}

#[test]
fn a_folio_left_locked_is_a_deadlock_where_somebody_waits_for_it() {
    let two =
        text(&["\"write 0..1\"", "\"mmap_write 0..1\""], "", "blocks = 1\nprefault = [\"0..1\"]");
    let scenario = parsed("planted", &two);
    let config = Config::ext4("v6.12", Order::BufferHead);
    let program = program_with(&scenario, &config, Planted::FolioLeftLocked);
    let report = explore(&*program, &options(Engine::Dpor));
    assert!(report.complete && report.deadlocks > 0);
}
