//! What a meter makes of runs written by hand: the union of windows, waits, holds, operations.

use super::*;
use crate::config::Config;
use crate::measure::About;
use crate::measured::Measured;
use maprace_fs::Order;

const LOCK: Key = Key::only("i_data_sem");

fn watched() -> Watched {
    let protocol = maprace_fs::protocol::preset("v6.8").unwrap();
    Watched { lock: LOCK, folio_blocks: 1, order: Order::BufferHead, knobs: protocol.knobs }
}

fn record(tally: &Tally) -> Measured {
    let config = Config::ext4("v6.8", Order::BufferHead);
    tally.measured(&About {
        world: "virtual",
        subject: "x",
        config: &config,
        media: "instant".to_owned(),
        costs: None,
        cpus: 1,
        seed: 0,
        starts_within_ns: None,
    })
}

#[test]
fn stretches_are_a_union_in_whatever_order_they_come() {
    let windows = [(10, 20), (30, 40), (15, 35), (50, 60), (60, 61), (5, 6), (0, 3), (55, 58)];
    let union = [(0, 3), (5, 6), (10, 40), (50, 61)];
    for turn in 0..windows.len() {
        for step in [1, 3, 5, 7] {
            let mut stretches = Vec::new();
            for i in 0..windows.len() {
                let (from, to) = windows[(turn + i * step) % windows.len()];
                merge(&mut stretches, from, to);
            }
            assert_eq!(stretches, union, "{turn} {step}");
        }
    }
    // One around all that came before, and one of no length.
    let mut stretches = union.to_vec();
    merge(&mut stretches, 4, 4);
    assert_eq!(stretches[..2], [(0, 3), (4, 4)]);
    merge(&mut stretches, 0, 100);
    assert_eq!(stretches, [(0, 100)]);
}

/// A fault over `block` from its look-up at `from_ns` to its grant at `to_ns`.
fn fault(block: u32, task: usize, from_ns: u64, to_ns: u64) -> Vec<(u64, usize, Happening)> {
    let trace = |point| Happening::Trace(Traced { point, lo: block, hi: block + 1 });
    vec![
        (from_ns, task, Happening::Enter("ext4_da_map_blocks")),
        (from_ns, task, trace(Point::Hole)),
        (to_ns, task, Happening::Takes { key: LOCK, exclusive: true }),
        (to_ns + 1, task, trace(Point::Delayed)),
        (to_ns + 1, task, Happening::Drops { key: LOCK, exclusive: true }),
        (to_ns + 1, task, Happening::Leave("ext4_da_map_blocks")),
    ]
}

fn metered(tally: &mut Tally, mut all: Vec<(u64, usize, Happening)>, run_ns: u64) {
    all.sort_by_key(|(now_ns, ..)| *now_ns);
    let mut meter = Meter::new(watched());
    for (now_ns, task, happening) in &all {
        meter.see(*now_ns, *task, happening, tally);
    }
    meter.next_round(tally);
    tally.round(run_ns, 0, false, &[]);
}

#[test]
fn what_is_exposed_is_the_union_of_windows_over_the_time() {
    // 10..30 and 20..50 are 10..50; with 60..70 half of 100.
    let all = [fault(0, 0, 10, 30), fault(1, 1, 20, 50), fault(2, 2, 60, 70)].concat();
    let mut tally = Tally::default();
    metered(&mut tally, all.clone(), 100);
    let w2 = |tally: &Tally| record(tally).window("W2").unwrap().clone();
    assert!((w2(&tally).exposed - 0.5).abs() < 1e-12);
    assert_eq!((w2(&tally).length.count, w2(&tally).length.max), (3, 30));
    // Windows of two rounds never overlap: 50 of 100 and 50 of 400.
    metered(&mut tally, all, 400);
    assert!((w2(&tally).exposed - 0.2).abs() < 1e-12);
}

/// Stretches were counted in parts, and one that began before those that had been counted twice.
#[test]
fn a_window_around_very_many_others_is_counted_once() {
    let mut all = fault(0, 0, 0, 100_000);
    for i in 0..500 {
        all.extend(fault(1, 1, 100 * i + 10, 100 * i + 20));
    }
    let mut tally = Tally::default();
    metered(&mut tally, all, 100_000);
    assert!((record(&tally).window("W2").unwrap().exposed - 1.0).abs() < 1e-12);
}

#[test]
fn waits_holds_and_operations_are_measured_from_their_ends() {
    let mut meter = Meter::new(watched());
    let mut tally = Tally::default();
    let trace = |point, lo, hi| Happening::Trace(Traced { point, lo, hi });
    let other = Key::only("i_rwsem");
    for (now_ns, happening) in [
        (10, trace(Point::Begins, 0, 0)),
        (15, Happening::Takes { key: other, exclusive: true }),
        (20, Happening::Asks { key: LOCK, exclusive: true }),
        (27, Happening::Takes { key: LOCK, exclusive: true }),
        (30, trace(Point::Known, 0, 1)),
        (40, Happening::Drops { key: LOCK, exclusive: true }),
        (50, Happening::Takes { key: LOCK, exclusive: false }),
        (60, Happening::Drops { key: LOCK, exclusive: false }),
        (70, trace(Point::Ends, 0, 1 << 20)),
    ] {
        meter.see(now_ns, 0, &happening, &mut tally);
    }
    meter.next_round(&mut tally);
    tally.round(100, 9, false, &[]);
    let cost = record(&tally).cost;
    assert_eq!((cost.operations, cost.bytes_written, cost.operation.max), (1, 1 << 20, 60));
    assert_eq!((cost.lock_wait.count, cost.lock_wait.min, cost.lock_wait.max), (2, 0, 7));
    assert_eq!((cost.exclusive_hold.count, cost.exclusive_hold.max), (1, 13));
    assert!((cost.exclusive_share - 0.13).abs() < 1e-12);
    assert_eq!((cost.lookups_per_operation, cost.lookups_hit), (1.0, 1.0));
    assert_eq!(cost.acquisitions["i_data_sem"], 2.0, "per MiB, and one was written");
}

#[test]
fn tallies_add_up_in_any_order() {
    let parts: Vec<Tally> = (0..5)
        .map(|i| {
            let mut tally = Tally::default();
            let all = [fault(0, 0, 10 + i, 40 + 3 * i), fault(1, 1, 20, 30 + 100 * i)].concat();
            metered(&mut tally, all, 1_000 + i);
            tally
        })
        .collect();
    let sum = |order: &[usize]| {
        let mut sum = Tally::default();
        order.iter().for_each(|i| sum.merge(&parts[*i]));
        serde_json::to_string(&record(&sum)).unwrap()
    };
    let first = sum(&[0, 1, 2, 3, 4]);
    for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3], [1, 4, 0, 3, 2]] {
        assert_eq!(sum(&order), first);
    }
    // In groups, as threads do.
    let mut halves = [Tally::default(), Tally::default()];
    [0, 3].iter().for_each(|i| halves[0].merge(&parts[*i]));
    [1, 2, 4].iter().for_each(|i| halves[1].merge(&parts[*i]));
    let [mut all, rest] = halves;
    all.merge(&rest);
    assert_eq!(serde_json::to_string(&record(&all)).unwrap(), first);
}
