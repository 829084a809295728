//! Each window from happenings written by hand: what opens it, closes it, hits it, notices the hit, and
//! which locks make it none. Beside `docs/KERNEL.md`, "Windows".

use super::*;
use crate::protocol;
use WindowKind::{W1, W2, W3, W4, W5, W6};

const LOCK: Key = Kind::IDataSem.key();
const MKWRITE: &str = "ext4_page_mkwrite";
const DROP_CACHE: &str = "truncate_pagecache_range";
const RESTART: &str = "ext4_datasem_ensure_credits";

/// Something that happens: when, and to whom.
type What = (u64, usize, Happening);

fn enter(now_ns: u64, task: usize, name: &'static str) -> What {
    (now_ns, task, Happening::Enter(name))
}

fn leave(now_ns: u64, task: usize, name: &'static str) -> What {
    (now_ns, task, Happening::Leave(name))
}

fn alone(now_ns: u64, task: usize, key: Key) -> What {
    (now_ns, task, Happening::Takes { key, exclusive: true })
}

fn shared(now_ns: u64, task: usize, key: Key) -> What {
    (now_ns, task, Happening::Takes { key, exclusive: false })
}

fn drops(now_ns: u64, task: usize, key: Key) -> What {
    (now_ns, task, Happening::Drops { key, exclusive: true })
}

fn at(now_ns: u64, task: usize, point: Point, lo: u32, hi: u32) -> What {
    (now_ns, task, Happening::Trace(Traced { point, lo, hi }))
}

fn folio(now_ns: u64, task: usize, index: u32) -> What {
    alone(now_ns, task, Kind::FolioLock.key_at(index))
}

fn watched(preset: &str, order: Order) -> Watched {
    let knobs = protocol::preset(preset).unwrap().knobs;
    Watched { lock: LOCK, folio_blocks: 1, order, knobs }
}

/// The windows that close, with those that a task still had when it ended.
fn seen(watched: Watched, what: &[What]) -> Vec<Window> {
    let mut windows = Windows::new(watched);
    for (now_ns, task, happening) in what {
        windows.see(*now_ns, *task, happening);
    }
    (0..4).for_each(|task| windows.ended(task));
    windows.take().collect()
}

fn window(kind: WindowKind, times: (u64, u64), blocks: (u32, u32)) -> Window {
    let ((opened_ns, closed_ns), (lo, hi)) = (times, blocks);
    Window { kind, task: 0, opened_ns, closed_ns, lo, hi, hit: false, caught: false }
}

fn hit(window: Window) -> Window {
    Window { hit: true, ..window }
}

fn caught(window: Window) -> Window {
    Window { hit: true, caught: true, ..window }
}

fn old(order: Order) -> Watched {
    watched("v6.8", order)
}

/// A fault by task 0 over block 3 that finds a hole at 40, asks for the lock and has it at 50 alone, and
/// inserts at 60; `more` happens in between.
fn fault(more: &[What]) -> Vec<What> {
    let mut what = vec![
        enter(10, 0, MKWRITE),
        shared(20, 0, Kind::InvalidateLock.key()),
        folio(30, 0, 3),
        enter(30, 0, MAP),
        at(40, 0, Point::Hole, 3, 4),
        alone(50, 0, LOCK),
        at(60, 0, Point::Delayed, 3, 4),
        drops(60, 0, LOCK),
        leave(60, 0, MAP),
        leave(60, 0, MKWRITE),
    ];
    what.extend_from_slice(more);
    what.sort_by_key(|(now_ns, ..)| *now_ns);
    what
}

#[test]
fn w2_reaches_from_the_hole_to_the_grant_and_is_hit_by_an_insertion_in_it() {
    let w2 = window(W2, (40, 50), (3, 4));
    for (when, blocks, is_hit) in
        [(35, (3, 4), false), (45, (3, 4), true), (45, (0, 3), false), (45, (2, 9), true)]
    {
        let changed = at(when, 1, Point::Changed, blocks.0, blocks.1);
        let windows = seen(old(Order::BufferHead), &fault(&[changed]));
        assert_eq!(windows, [if is_hit { hit(w2) } else { w2 }], "{when} {blocks:?}");
    }
    // What another delays is no hit, nor what is only cached.
    for point in [Point::Delayed, Point::HoleCached, Point::Cached, Point::Dirtied] {
        assert_eq!(seen(old(Order::BufferHead), &fault(&[at(45, 1, point, 3, 4)])), [w2]);
    }
}

#[test]
fn w2_is_none_where_the_other_path_is_kept_out() {
    let order = Order::BufferHead;
    let writes = [alone(5, 0, Kind::IRwsem.key())];
    assert_eq!(seen(old(order), &fault(&writes)), []);
    let mut locked = old(order);
    locked.knobs.fallocate_takes_invalidate_lock = Switch::On;
    assert_eq!(seen(locked, &fault(&[])), []);
    // One that has given the lock back is not kept out any more.
    let gone = [drops(25, 0, Kind::InvalidateLock.key())];
    assert_eq!(seen(locked, &fault(&gone)).len(), 1);
}

#[test]
fn w2_with_the_second_look_is_caught() {
    // Under the lock it finds the extent, and inserts nothing.
    let mut what = fault(&[at(45, 1, Point::Changed, 3, 4), at(55, 0, Point::Known, 3, 4)]);
    what.retain(|(.., h)| !matches!(h, Happening::Trace(t) if t.point == Point::Delayed));
    let expected = [caught(window(W2, (40, 50), (3, 4)))];
    assert_eq!(seen(watched("v6.11", Order::BufferHead), &what), expected);
    let mut renewed = fault(&[at(55, 0, Point::Hole, 3, 4)]);
    let w2 = window(W2, (40, 50), (3, 4));
    assert_eq!(seen(watched("v6.11", Order::BufferHead), &renewed), [w2]);
    renewed.retain(|(.., h)| !matches!(h, Happening::Trace(t) if t.point == Point::Delayed));
    assert_eq!(seen(watched("v6.11", Order::BufferHead), &renewed), [w2], "ENOSPC after a look");
}

#[test]
fn a_look_up_that_comes_to_nothing_is_no_window() {
    let mut what = fault(&[]);
    what.retain(|(.., h)| !matches!(h, Happening::Trace(t) if t.point == Point::Delayed));
    assert_eq!(seen(old(Order::BufferHead), &what), []);
    let what = [enter(10, 0, MAP), at(20, 0, Point::Known, 3, 4), leave(20, 0, MAP)];
    assert_eq!(seen(old(Order::Iomap), &what), []);
}

/// A miss at 20; the query under the lock shared from 30 finds a hole at 40.
fn miss(more: &[What]) -> Vec<What> {
    let mut what = vec![
        enter(10, 0, MAP),
        at(20, 0, Point::Miss, 3, 4),
        shared(30, 0, LOCK),
        at(40, 0, Point::Hole, 3, 4),
    ];
    what.extend_from_slice(more);
    what
}

#[test]
fn after_a_miss_w2_opens_where_the_lock_is_given_back_and_in_v5_10_not_at_all() {
    let order = Order::BufferHead;
    let inserted = [at(60, 0, Point::Delayed, 3, 4), drops(60, 0, LOCK), leave(60, 0, MAP)];
    assert_eq!(seen(watched("v5.10", order), &miss(&inserted)), []);
    let dropped = [drops(45, 0, LOCK), at(47, 1, Point::Changed, 3, 4), alone(50, 0, LOCK)];
    let what = miss(&[&dropped[..], &inserted].concat());
    assert_eq!(seen(old(order), &what), [hit(window(W2, (45, 50), (3, 4)))]);
}

/// An iomap write by task 0 over 0..4: a hole at 10, the lock at 20, the insertion at 30.
fn write(more: &[What]) -> Vec<What> {
    let mut what = vec![
        alone(1, 0, Kind::IRwsem.key()),
        enter(5, 0, MAP),
        at(10, 0, Point::Hole, 0, 4),
        alone(20, 0, LOCK),
        at(30, 0, Point::Delayed, 0, 4),
        drops(30, 0, LOCK),
        leave(30, 0, MAP),
    ];
    what.extend_from_slice(more);
    what.sort_by_key(|(now_ns, ..)| *now_ns);
    what
}

#[test]
fn w1_reaches_from_the_hole_to_the_insertion_and_is_hit_by_another_insertion_in_it() {
    let w1 = window(W1, (10, 30), (0, 4));
    let iomap = old(Order::Iomap);
    assert_eq!(seen(iomap, &write(&[])), [w1]);
    assert_eq!(seen(iomap, &write(&[at(15, 1, Point::Delayed, 2, 3)])), [hit(w1)]);
    assert_eq!(seen(iomap, &write(&[at(7, 1, Point::Delayed, 2, 3)])), [w1]);
    assert_eq!(seen(iomap, &write(&[at(15, 1, Point::Delayed, 4, 5)])), [w1]);
    // What fallocate could change is kept out by i_rwsem.
    assert_eq!(seen(iomap, &write(&[at(15, 1, Point::Changed, 2, 3)])), [w1]);
    assert_eq!(seen(old(Order::BufferHead), &write(&[])), [], "under the folio lock");
}

#[test]
fn of_two_w1_over_a_common_block_the_second_insertion_is_hit() {
    let two = [
        enter(10, 0, MAP),
        enter(10, 1, MAP),
        at(20, 0, Point::Hole, 0, 4),
        at(30, 1, Point::Hole, 2, 3),
        alone(40, 1, LOCK),
        at(50, 1, Point::Delayed, 2, 3),
        drops(50, 1, LOCK),
        leave(50, 1, MAP),
        alone(50, 0, LOCK),
        at(60, 0, Point::Delayed, 0, 4),
        drops(60, 0, LOCK),
        leave(60, 0, MAP),
    ];
    let mut knobs = old(Order::Iomap);
    knobs.knobs.fallocate_takes_invalidate_lock = Switch::Off;
    let windows = seen(knobs, &two);
    let w1: Vec<Window> = windows.into_iter().filter(|w| w.kind == W1).collect();
    let first = Window { task: 1, ..window(W1, (30, 50), (2, 3)) };
    assert_eq!(w1, [first, hit(window(W1, (20, 60), (0, 4)))]);
}

/// The second look finds less: the blocks at risk were those of the first.
#[test]
fn w1_that_the_second_look_shortens_keeps_the_block_that_was_hit() {
    let mut what = write(&[at(15, 1, Point::Delayed, 2, 3), at(25, 0, Point::Hole, 0, 2)]);
    for (.., happening) in &mut what {
        if let Happening::Trace(Traced { point: Point::Delayed, lo: 0, hi }) = happening {
            *hi = 2;
        }
    }
    let expected = [caught(window(W1, (10, 30), (0, 4)))];
    assert_eq!(seen(watched("v6.12", Order::Iomap), &what), expected);
}

#[test]
fn under_one_hold_w1_is_open_only_where_others_insert_under_it_too() {
    let inside = |preset, first: What| {
        let what = [
            enter(10, 0, MAP),
            first,
            at(20, 0, Point::Hole, 0, 4),
            at(25, 1, Point::Delayed, 1, 2),
            at(30, 0, Point::Delayed, 0, 4),
            drops(30, 0, LOCK),
            leave(30, 0, MAP),
        ];
        seen(watched(preset, Order::Iomap), &what)
    };
    assert_eq!(inside("v5.10", shared(15, 0, LOCK)), [hit(window(W1, (20, 30), (0, 4)))]);
    assert_eq!(inside("exclusive", alone(15, 0, LOCK)), []);
}

/// The second look was taken to close the window whatever the mode of the lock.
#[test]
fn a_second_look_under_the_lock_shared_closes_one_window_and_opens_the_next() {
    let mut watched = watched("v5.10", Order::Iomap);
    watched.knobs.recheck = Switch::On;
    let what = [
        enter(10, 0, MAP),
        at(20, 0, Point::Hole, 0, 4),
        shared(30, 0, LOCK),
        at(40, 0, Point::Hole, 0, 4),
        at(45, 1, Point::Delayed, 1, 2),
        at(50, 0, Point::Delayed, 0, 4),
        drops(50, 0, LOCK),
        leave(50, 0, MAP),
    ];
    let w1: Vec<Window> = seen(watched, &what).into_iter().filter(|w| w.kind == W1).collect();
    assert_eq!(w1, [window(W1, (20, 40), (0, 4)), hit(window(W1, (40, 50), (0, 4)))]);
}

/// A reader's scan of 0..8 under the lock shared at 10; `more` happens, and the lock is given back.
fn scan(preset: &str, more: &[What]) -> Vec<Window> {
    let mut what = vec![shared(5, 0, LOCK), at(10, 0, Point::Scanned, 0, 8)];
    what.extend_from_slice(more);
    what.push(drops(30, 0, LOCK));
    seen(watched(preset, Order::BufferHead), &what)
}

/// A hit was never seen: a hole over what somebody delayed since the scan is a change, and only what
/// changed nothing closed the window.
#[test]
fn w3_reaches_from_the_scan_to_the_hole_and_is_hit_by_what_is_delayed_in_it() {
    let w3 = window(W3, (10, 20), (0, 8));
    assert_eq!(scan("v5.10", &[at(20, 0, Point::HoleCached, 0, 8)]), [w3]);
    let delayed = at(15, 1, Point::Delayed, 0, 1);
    assert_eq!(scan("v5.10", &[delayed, at(20, 0, Point::Changed, 0, 8)]), [hit(w3)]);
    // The hole was cut before something delayed that the scan found: what is past it is at no risk.
    let cut = [at(15, 1, Point::Delayed, 5, 6), at(20, 0, Point::HoleCached, 0, 4)];
    assert_eq!(scan("v5.10", &cut), [window(W3, (10, 20), (0, 4))]);
}

#[test]
fn w3_is_none_where_insertion_is_exclusive_or_no_hole_is_cached() {
    for preset in ["v6.8", "v6.11", "v6.12", "exclusive"] {
        assert_eq!(scan(preset, &[at(20, 0, Point::HoleCached, 0, 8)]), [], "{preset}");
    }
    // The scan found that something delayed begins there; a later hole is another's affair.
    let later = [drops(12, 0, LOCK), alone(14, 0, LOCK), at(20, 0, Point::HoleCached, 0, 8)];
    assert_eq!(scan("v5.10", &later), []);
    let alone_at_once = [alone(5, 0, LOCK), at(10, 0, Point::Scanned, 0, 8)];
    let what = [&alone_at_once[..], &[at(20, 0, Point::HoleCached, 0, 8)]].concat();
    assert_eq!(seen(watched("v5.10", Order::BufferHead), &what), []);
}

#[test]
fn a_hole_that_is_cached_over_something_delayed_is_no_hit_of_w2() {
    let cached = [
        shared(41, 1, LOCK),
        at(42, 1, Point::Scanned, 0, 8),
        at(43, 2, Point::Delayed, 5, 6),
        at(45, 1, Point::Changed, 0, 8),
        drops(45, 1, LOCK),
    ];
    let windows = seen(watched("v5.10", Order::BufferHead), &fault(&cached));
    let w3 = Window { task: 1, ..window(W3, (42, 45), (0, 8)) };
    assert_eq!(windows, [hit(w3), window(W2, (40, 50), (3, 4))]);
}

/// An iomap write by task 0 whose mapping 0..3 is known at 10; `iomap_begin` returns at 20. Then `more`.
fn walk(more: &[What]) -> Vec<Window> {
    let mut what = vec![
        alone(1, 0, Kind::IRwsem.key()),
        enter(5, 0, BEGIN),
        enter(5, 0, MAP),
        at(10, 0, Point::Known, 0, 3),
        leave(10, 0, MAP),
        leave(20, 0, BEGIN),
    ];
    what.extend_from_slice(more);
    what.sort_by_key(|(now_ns, ..)| *now_ns);
    seen(watched("v6.12", Order::Iomap), &what)
}

/// Folio `index` is locked, written and unlocked.
fn written(now_ns: u64, index: u32) -> [What; 3] {
    let folio = folio(now_ns, 0, index);
    let dirtied = at(now_ns + 2, 0, Point::Dirtied, index, index + 1);
    [folio, dirtied, drops(now_ns + 4, 0, Kind::FolioLock.key_at(index))]
}

#[test]
fn w4_reaches_from_the_mapping_to_the_lock_of_each_folio_and_is_hit_folio_by_folio() {
    let all = [written(30, 0), written(40, 1), written(50, 2)].concat();
    let w4 = |closed, lo| window(W4, (20, closed), (lo, lo + 1));
    assert_eq!(walk(&all), [w4(30, 0), w4(40, 1), w4(50, 2)]);
    for (when, hits) in [(25, [false, true, false]), (39, [false, true, false]), (45, [false; 3])] {
        let changed = at(when, 1, Point::Changed, 1, 2);
        let windows = walk(&[&all[..], &[changed]].concat());
        assert_eq!(windows.iter().map(|w| w.hit).collect::<Vec<_>>(), hits, "{when}");
        assert!(windows.iter().all(|w| !w.caught));
    }
    // A folio outside the mapping is none of its.
    assert_eq!(walk(&written(30, 3)), []);
    // What another delays or caches takes nothing away from a mapping.
    let harmless = [at(25, 1, Point::Delayed, 0, 3), at(25, 1, Point::Cached, 0, 3)];
    assert!(walk(&[&all[..], &harmless].concat()).iter().all(|w| !w.hit));
}

#[test]
fn w4_is_caught_where_the_write_maps_again_and_not_where_it_ends() {
    let stale = [
        at(25, 1, Point::Changed, 0, 1),
        folio(30, 0, 0),
        drops(35, 0, Kind::FolioLock.key_at(0)),
        enter(35, 0, END),
        leave(35, 0, END),
        enter(36, 0, BEGIN),
    ];
    let w4 = window(W4, (20, 30), (0, 1));
    assert_eq!(walk(&stale), [caught(w4)]);
    // Nothing could be copied, and the write ends; what the task writes next is another matter.
    let mut short = stale.to_vec();
    short.insert(5, drops(35, 0, Kind::IRwsem.key()));
    assert_eq!(walk(&short), [hit(w4)]);
    assert_eq!(walk(&stale[..3]), [hit(w4)], "the task ends");
}

/// With the late cookie a mapping can be old when `iomap_begin` returns.
#[test]
fn w4_is_hit_by_what_changes_between_the_answer_and_the_return_of_the_mapping() {
    let changed = at(15, 1, Point::Changed, 0, 1);
    let windows = walk(&[&[changed][..], &written(30, 0)].concat());
    assert_eq!(windows, [hit(window(W4, (20, 30), (0, 1)))]);
    // What changed before the answer is in it.
    let windows = walk(&[&[at(7, 1, Point::Changed, 0, 1)][..], &written(30, 0)].concat());
    assert_eq!(windows, [window(W4, (20, 30), (0, 1))]);
}

/// The clean-up of a short write locks the folios that it drops.
#[test]
fn w4_is_none_in_a_fault_nor_in_the_clean_up() {
    let clean_up = [enter(30, 0, END), folio(35, 0, 1), leave(40, 0, END), folio(45, 0, 2)];
    assert_eq!(walk(&clean_up), []);
    let fault = [
        enter(10, 0, MKWRITE),
        enter(11, 0, BEGIN),
        at(12, 0, Point::Known, 0, 3),
        leave(13, 0, BEGIN),
        folio(20, 0, 1),
        leave(30, 0, MKWRITE),
    ];
    assert_eq!(seen(watched("v6.12", Order::Iomap), &fault), []);
}

/// A change of 1..8 that gives the lock back at 20 to restart its transaction, and has it again at 40.
fn restart(more: &[What]) -> Vec<Window> {
    let mut what = vec![
        alone(5, 0, LOCK),
        at(10, 0, Point::Removing, 1, 8),
        enter(20, 0, RESTART),
        drops(20, 0, LOCK),
        alone(40, 0, LOCK),
        leave(40, 0, RESTART),
        drops(50, 0, LOCK),
    ];
    what.extend_from_slice(more);
    what.sort_by_key(|(now_ns, ..)| *now_ns);
    seen(watched("v6.12", Order::BufferHead), &what)
}

/// What enters the status tree without a change of status, which is all that hits, was not seen.
#[test]
fn w5_reaches_from_the_drop_to_the_grant_and_is_hit_by_what_is_cached_in_it() {
    let w5 = window(W5, (20, 40), (1, 8));
    assert_eq!(restart(&[]), [w5]);
    for point in [Point::Cached, Point::HoleCached, Point::Changed, Point::Delayed] {
        assert_eq!(restart(&[at(30, 1, point, 2, 3)]), [hit(w5)], "{point:?}");
        assert_eq!(restart(&[at(30, 1, point, 0, 1)]), [w5], "{point:?} before the range");
        assert_eq!(restart(&[at(15, 1, point, 2, 3)]), [w5], "{point:?} too early");
    }
    assert_eq!(restart(&[at(30, 1, Point::Known, 2, 3)]), [w5], "only looked at");
    // The last drop is none of a restart.
    assert_eq!(restart(&[at(55, 1, Point::Cached, 2, 3)]), [w5]);
}

/// The clean-up of a short write by task 0: the page cache from 10 to 20, what is delayed over 1..2 at
/// 40.
fn clean_up(more: &[What]) -> Vec<What> {
    let mut what = vec![
        at(1, 0, Point::Delayed, 0, 2),
        enter(5, 0, END),
        enter(10, 0, DROP_CACHE),
        leave(20, 0, DROP_CACHE),
        alone(30, 0, LOCK),
        at(40, 0, Point::Removing, 1, 2),
        at(40, 0, Point::Changed, 1, 2),
        drops(40, 0, LOCK),
        leave(40, 0, END),
    ];
    what.extend_from_slice(more);
    what.sort_by_key(|(now_ns, ..)| *now_ns);
    what
}

#[test]
fn w6_reaches_from_the_page_cache_to_the_reservation_and_is_hit_by_what_is_dirtied_in_it() {
    let iomap = watched("v6.12", Order::Iomap);
    let w6 = window(W6, (20, 40), (1, 2));
    assert_eq!(seen(iomap, &clean_up(&[])), [w6]);
    let dirtied = |when, lo| seen(iomap, &clean_up(&[at(when, 1, Point::Dirtied, lo, lo + 1)]));
    assert_eq!(dirtied(30, 1), [hit(w6)]);
    assert_eq!(dirtied(15, 1), [hit(w6)], "dropped, or left dirty with nothing under it");
    // A fault that finds the block delayed dirties it when it comes to that.
    let finds = [enter(25, 1, MAP), at(30, 1, Point::Known, 1, 2), leave(30, 1, MAP)];
    assert_eq!(seen(iomap, &clean_up(&finds)), [hit(w6)]);
    assert_eq!(seen(iomap, &clean_up(&[at(30, 1, Point::Known, 1, 2)])), [w6], "a reader");
    // The write mapped 0..2 and uses the first block.
    assert_eq!(dirtied(30, 0), [w6]);
    assert_eq!(dirtied(7, 1), [w6]);
    assert_eq!(dirtied(45, 1), [w6]);
}

#[test]
fn w6_is_none_under_the_invalidate_lock_nor_where_nothing_is_given_back() {
    let iomap = watched("v6.12", Order::Iomap);
    let locked = clean_up(&[alone(7, 0, Kind::InvalidateLock.key())]);
    assert_eq!(seen(iomap, &locked), []);
    let mut kept = clean_up(&[]);
    kept.retain(|(.., h)| !matches!(h, Happening::Trace(t) if t.point == Point::Changed));
    assert_eq!(seen(iomap, &kept), []);
    // A punch drops the page cache as well, under locks of its own.
    let mut punch = clean_up(&[]);
    punch.retain(
        |(.., h)| !matches!(h, Happening::Enter(name) | Happening::Leave(name) if *name == END),
    );
    assert_eq!(seen(iomap, &punch), []);
}

#[test]
fn windows_are_forgotten_with_their_tasks() {
    let mut windows = Windows::new(old(Order::BufferHead));
    for (now_ns, task, happening) in &fault(&[])[..5] {
        windows.see(*now_ns, *task, happening);
    }
    windows.ended(0);
    windows.see(50, 0, &Happening::Takes { key: LOCK, exclusive: true });
    windows.see(60, 0, &at(60, 0, Point::Delayed, 3, 4).2);
    assert_eq!(windows.take().count(), 0);
    windows.reset();
    for (now_ns, task, happening) in &fault(&[]) {
        windows.see(*now_ns, *task, happening);
    }
    assert_eq!(windows.take().collect::<Vec<_>>(), [window(W2, (40, 50), (3, 4))]);
}
