//! The model by hand, by brute force, by its properties, and by the shapes that need no numbers.

use super::*;
use crate::check::load::{Load, run};
use crate::profile::{Profile, Work};
use proptest::prelude::*;

fn params(text: &str) -> Arc<Params> {
    Profile::parse("test", &format!("name = \"test\"\n{text}")).unwrap().params
}

fn built_in(name: &str) -> Arc<Params> {
    Profile::open(name).unwrap().params
}

fn read(pos: u64, len: u64) -> Request {
    Request::Read { pos, len }
}

fn write(pos: u64, len: u64) -> Request {
    Request::Write { pos, len }
}

const TWO_UNITS: &str = "[geometry]\nunits = 2\nstripe = 4096\ngrain = 512\nlink_read_mb_s = 2000\n\
    [read]\ncmd_ns = 10\nocc_ns.rand = 100\npost_ns.rand = 50\nunit_mb_s = 1000\n";

#[test]
fn one_read_by_hand() {
    let mut model = Model::new(params(TWO_UNITS));
    // 100 busy, 600 bytes in whole 512s are 1024 ns, then 50 after the unit.
    assert_eq!(model.serve(read(0, 600), 1_000).done_ns, 1_000 + 100 + 1_024 + 50);
}

#[test]
fn reads_queue_on_one_unit_and_not_on_two() {
    let mut model = Model::new(params(TWO_UNITS));
    let mut at = |pos| model.serve(read(pos, 512), 0).done_ns;
    let alone = 100 + 512 + 50;
    assert_eq!(at(0), alone);
    assert_eq!(at(3 * 4096), 10 + alone, "the other unit, after the front end");
    assert_eq!(at(4 * 4096), 2 * alone - 50, "the first unit, after its first read");
}

#[test]
fn a_read_over_both_units_ends_with_the_slower() {
    let mut model = Model::new(params(TWO_UNITS));
    model.serve(read(1 << 20, 512), 0);
    // Unit 0 is busy until 612; the half on unit 1 begins at 10, the half on unit 0 at 612.
    assert_eq!(model.serve(read(4096 - 512, 1024), 0).done_ns, 612 + 612 + 50);
}

#[test]
fn the_link_is_a_limit_of_its_own() {
    let mut model =
        Model::new(params("[geometry]\nlink_read_mb_s = 1000\nlink_write_mb_s = 1000\n"));
    assert_eq!(model.serve(read(0, 4096), 0).done_ns, 4_096);
    assert_eq!(model.serve(read(1 << 30, 4096), 0).done_ns, 8_192);
    assert_eq!(model.serve(write(1 << 30, 4096), 0).done_ns, 4_096, "the other direction is free");
    let half = "[geometry]\nlink_read_mb_s = 1000\nlink_write_mb_s = 1000\nhalf_duplex = true\n";
    let mut model = Model::new(params(half));
    model.serve(read(0, 4096), 0);
    assert_eq!(model.serve(write(0, 4096), 0).done_ns, 8_192);
}

#[test]
fn a_buffer_takes_writes_until_it_is_full() {
    let text = "[write]\nlat_ns.rand = 10\n[write.buffer]\nbytes = 8192\ndrain_mb_s = 1000\n";
    let mut model = Model::new(params(text));
    // Two fit at once; each further one waits until 4096 bytes have drained.
    let done: Vec<u64> = (0..4).map(|i| model.serve(write(i << 20, 4096), 0).done_ns).collect();
    assert_eq!(done, [10, 10, 4_096 + 10, 8_192 + 10]);
}

#[test]
fn programs_go_round_the_units() {
    let text = "[geometry]\nunits = 3\n[write.buffer]\nbytes = 65536\nprog_bytes = 512\nprog_ns = 100\n\
                [read]\nocc_ns.rand = 7\n";
    let mut model = Model::new(params(text));
    // 8 programs on 3 units, then 1 more on the third.
    model.serve(write(1 << 20, 4096), 0);
    model.serve(write(1 << 30, 512), 0);
    let done =
        [0, 1, 2].map(|unit| model.serve(read(unit * 3 * 4096 + unit * 4096, 512), 0).done_ns);
    assert_eq!(done, [307, 307, 307]);
    assert_eq!(model.serve(read(99 * 4096, 512), 0).done_ns, 314, "the first unit again");
}

#[test]
fn what_the_device_does_not_take_waits_in_the_host() {
    let text = "[geometry]\nunits = 64\nqueue_depth = 2\n[read]\nlat_ns.rand = 100\n";
    let mut model = Model::new(params(text));
    let done: Vec<u64> = (0..5).map(|i| model.serve(read((i * 2) << 20, 512), i).done_ns).collect();
    assert_eq!(done, [100, 101, 200, 201, 300]);
}

#[test]
fn a_write_through_is_durable_and_a_flush_waits_for_all() {
    let cache = "[write]\nlat_ns.rand = 10\n[write.buffer]\nbytes = 1000000\ndrain_mb_s = 1000\n[flush]\n\
                 volatile = true\nns = 500\n";
    let mut native = Model::new(params(&format!("{cache}fua_native = true\n")));
    assert_eq!(native.serve(write(0, 4096), 0), Served { done_ns: 10, durable_ns: 4_096 });
    let through = Request::WriteThrough { pos: 1 << 20, len: 4096 };
    assert_eq!(native.serve(through, 0), Served { done_ns: 8_192, durable_ns: 8_192 });
    assert_eq!(native.serve(Request::Flush, 20).done_ns, 8_192 + 500);
    assert_eq!(native.serve(Request::Flush, 10_000).done_ns, 10_500);
    let mut by_flush = Model::new(params(cache));
    assert_eq!(by_flush.serve(through, 0).done_ns, 4_096 + 500);
    let mut protected = Model::new(params("[write]\nlat_ns.rand = 10\n[flush]\nns = 5\n"));
    assert_eq!(protected.serve(through, 0), Served { done_ns: 10, durable_ns: 10 });
    assert_eq!(protected.serve(Request::Flush, 0).done_ns, 5);
}

#[test]
fn a_discard_costs_the_front_end_and_its_own_time() {
    let mut model = Model::new(params("[write]\ncmd_ns = 7\n[discard]\nns = 30\n"));
    assert_eq!(model.serve(Request::Discard { pos: 0, len: 1 << 40 }, 0).done_ns, 30);
    assert_eq!(model.serve(Request::Discard { pos: 0, len: 1 << 40 }, 0).done_ns, 37);
}

#[test]
fn draws_by_address_do_not_depend_on_the_order_of_requests() {
    let latencies = |order: &[u64]| {
        let mut model = Model::seeded(built_in("dram"), 9, Keying::ByAddress);
        let mut found: Vec<(u64, u64)> = Vec::new();
        for (i, pos) in (0..).zip(order) {
            let now = i * 1_000_000;
            found.push((*pos, model.serve(read(pos * 8192, 64), now).done_ns - now));
        }
        found.sort_unstable();
        found
    };
    assert_eq!(latencies(&[1, 2, 3, 1, 2, 9]), latencies(&[9, 2, 2, 1, 3, 1]));
    let spread: std::collections::BTreeSet<u64> =
        latencies(&(0..500).collect::<Vec<_>>()).into_iter().map(|(_, ns)| ns).collect();
    assert!(spread.len() > 10, "{spread:?}");
}

/// Tails are counted, not read off percentiles: of n requests np are struck, give or take 4 deviations.
#[test]
fn outliers_come_as_often_as_the_profile_says() {
    let n = 1_000_000_u64;
    let struck = |name: &str, over_ns: u64, pos: &dyn Fn(u64) -> Request| {
        let mut model = Model::new(built_in(name));
        let count = |i: &u64| {
            let now = i * 1_000_000;
            model.serve(pos(*i), now).done_ns - now > over_ns
        };
        (0..n).filter(count).count()
    };
    let near = |found: usize, p: f64| {
        let (found, mean) = (crate::units::float(found as u64), p * crate::units::float(n));
        assert!((found - mean).abs() <= 4.0 * libm::sqrt(mean), "{found} of {mean}");
    };
    near(struck("optane-ssd-p4800x", 20_000, &|i| read(i * 8192, 4096)), 3e-5);
    near(struck("sata-tlc-dc", 240_000, &|i| read(i * 8192, 4096)), 1e-3);
    // A hot block of 64 KiB: 16 lines of 256 B, each at 5e-5; spread over 1 MiB there are none.
    near(struck("pmem-dcpmm100-6x", 40_000, &|i| write((i * 4096) % 32_768, 4096)), 16.0 * 5e-5);
    assert_eq!(struck("pmem-dcpmm100-6x", 40_000, &|i| write((i * 4096) % (1 << 20), 4096)), 0);
}

fn mib_s(name: &str, work: Work, bytes: u64, depth: u64) -> f64 {
    let pattern = Pattern::Random;
    let load = Load { work, pattern, bytes, depth, pause_ns: 0, requests: 40_000, seed: 3 };
    run(&built_in(name), &load).rate_hz * crate::units::float(bytes) / 1_048_576.0
}

#[test]
fn shapes_that_need_no_numbers() {
    let six = |work, bytes, depth| mib_s("pmem-dcpmm100-6x", work, bytes, depth);
    assert!(
        six(Work::Write, 4096, 24) < 0.8 * six(Work::Write, 4096, 8),
        "more writers, less written"
    );
    assert!(six(Work::Read, 4096, 16) < six(Work::Read, 65_536, 16), "one DIMM for each 4 KiB");
    let ratio = mib_s("pmem-dcpmm100-1x", Work::Write, 256, 4)
        / mib_s("pmem-dcpmm100-1x", Work::Write, 64, 4);
    assert!((3.5..4.5).contains(&ratio), "64 B cost a whole line of 256: {ratio}");
}

/// Median and 99th percentile of reads beside 30 % of writes, 8 threads, random 4 KiB, in nanoseconds.
fn reads_beside_writes(name: &str) -> (u64, u64) {
    let mut model = Model::new(built_in(name));
    let mut reads: Vec<u64> = Vec::new();
    let mut turns = [0_u64; 8];
    for i in 0..100_000_u64 {
        let thread = (0..8).min_by_key(|thread| turns[*thread]).unwrap_or(0);
        let now = turns[thread];
        let pos = Draws::of([5, 0, i, 0]).between(0, 0, 1 << 24) * 4096;
        let is_write = Draws::of([6, 0, i, 0]).between(0, 0, 10) < 3;
        let request = if is_write { write(pos, 4096) } else { read(pos, 4096) };
        turns[thread] = model.serve(request, now).done_ns;
        if !is_write {
            reads.push(turns[thread] - now);
        }
    }
    reads.sort_unstable();
    (reads[reads.len() / 2], reads[reads.len() * 99 / 100])
}

/// What an independent program of the same formulas found, in microseconds: a read behind a program
/// waits for it, and nobody drew that.
#[test]
fn tails_of_reads_beside_writes_come_out_of_the_units() {
    for (name, p50, p99) in [
        ("nvme-tlc-dc", 86, 590),
        ("nvme-mlc-client", 65, 214),
        ("znand", 15, 139),
        ("optane-ssd-p4800x", 14, 23),
        ("sata-tlc-dc", 125, 962),
    ] {
        let found = reads_beside_writes(name);
        let near = |found: u64, us: u64| found.abs_diff(us * 1_000) <= us * 100;
        assert!(near(found.0, p50) && near(found.1, p99), "{name}: {found:?}");
    }
}

/// The same program's medians of a write and a flush, in nanoseconds.
#[test]
fn a_write_and_a_flush_cost_what_they_did_before() {
    for (name, ns) in [
        ("pmem-dcpmm100-6x", 1_580),
        ("optane-ssd-p4800x", 14_800),
        ("nvme-tlc-dc", 25_000),
        ("nvme-mlc-client", 1_005_700),
        ("hdd-7200", 12_100_000),
    ] {
        let (work, pattern) = (Work::WriteThenFlush, Pattern::Random);
        let load =
            Load { work, pattern, bytes: 4096, depth: 1, pause_ns: 0, requests: 20_000, seed: 3 };
        let found = run(&built_in(name), &load).latency_ns.value_at_quantile(0.5);
        assert!(found.abs_diff(ns) <= ns / 50, "{name}: {found}");
    }
}

/// The kept sum: a machine, or a change, that moves one nanosecond of one request changes it.
#[test]
fn the_same_seed_gives_the_same_times_everywhere() {
    let mut sum = 0_u64;
    for entry in crate::all() {
        let mut model = Model::new(built_in(entry.name));
        for i in 0..2_000_u64 {
            let pos = Draws::of([1, 1, i, 1]).between(0, 0, 1 << 20) * 4096;
            let request = match i % 5 {
                0 => write(pos, 4096),
                1 => Request::WriteThrough { pos, len: 8192 },
                2 => Request::Flush,
                _ => read(pos, 16_384),
            };
            let served = model.serve(request, i * 700);
            sum = sum.rotate_left(7) ^ served.done_ns ^ served.durable_ns.rotate_left(32);
        }
    }
    assert_eq!(sum, 0x3e5a_d8c4_1982_af67, "{sum:#x}");
}

/// Units as queues of work that shrink by one each nanosecond: no formula in it.
fn by_nanoseconds(occ: u64, post: u64, units: u64, requests: &[(u64, u64)]) -> Vec<u64> {
    let mut queues: Vec<VecDeque<(usize, u64)>> = vec![VecDeque::new(); index(units)];
    let mut done = vec![0; requests.len()];
    for now in 0..10_000 {
        for (i, (at, stripe)) in requests.iter().enumerate() {
            if *at == now {
                queues[index(stripe % units)].push_back((i, occ));
            }
        }
        for queue in &mut queues {
            if let Some((i, left)) = queue.front_mut() {
                *left -= 1;
                if *left == 0 {
                    done[*i] = now + 1 + post;
                    queue.pop_front();
                }
            }
        }
    }
    done
}

fn requests() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0_u64..60, 0_u64..12), 1..40).prop_map(|mut list| {
        list.sort_by_key(|(at, _)| *at);
        list
    })
}

proptest! {
    #[test]
    fn units_are_queues(list in requests(), units in 1_u64..5, occ in 1_u64..30, post in 0_u64..9) {
        let text = format!("[geometry]\nunits = {units}\n[read]\nocc_ns = {{ rand = {occ}, seq = {occ} }}\n\
                            post_ns = {{ rand = {post}, seq = {post} }}\n");
        let mut model = Model::new(params(&text));
        let done: Vec<u64> =
            list.iter().map(|(at, stripe)| model.serve(read(stripe * 4096, 512), *at).done_ns).collect();
        prop_assert_eq!(done, by_nanoseconds(occ, post, units, &list));
    }

    /// Bytes need link time, whatever else happens.
    #[test]
    fn no_link_is_faster_than_it_is(list in requests()) {
        let mut model = Model::new(built_in("sata-tlc-dc"));
        let len = 65_536;
        let last = list.iter().map(|(at, place)| {
            model.serve(if place % 2 == 0 { read(place << 20, len) } else { write(place << 20, len) }, *at).done_ns
        }).max().unwrap_or(0);
        let bytes = len * list.len() as u64;
        prop_assert!(last - list[0].0 >= bytes * 1_000 / 530 - list.len() as u64);
    }

    /// More load never makes anything faster, where efficiency falls with load and does not change what
    /// fits into a buffer.
    #[test]
    fn an_earlier_request_never_helps(
        list in requests(), extra in (0_u64..60, 0_u64..12), buffered in any::<bool>(),
    ) {
        let both = "[geometry]\nunits = 3\nplace = \"hash\"\nlink_write_mb_s = 900\n[write]\ncmd_ns = 3\n\
                    lat_ns.rand = 40\n";
        let rest = match buffered {
            true => "[write.buffer]\nbytes = 8192\nqueues = 2\ndrain_mb_s = 300\n",
            false => "occ_ns.rand = 70\nunit_mb_s = 300\ncrowd = [[1, 1], [9, 0.5]]\n",
        };
        let text = format!("{both}{rest}");
        let serve = |with: Option<(u64, u64)>| {
            let mut model = Model::new(params(&text));
            let mut list: Vec<((u64, u64), bool)> = list.iter().map(|r| (*r, true)).collect();
            list.extend(with.map(|r| (r, false)));
            // The extra one first among equals: it is the earlier.
            list.sort_by_key(|((at, _), counted)| (*at, *counted));
            // No request begins where another ends, so none is sequential.
            let done = list.iter().map(|((at, place), counted)| {
                (model.serve(write(place * 12_288, 4096), *at).done_ns, *counted)
            });
            done.filter(|(_, counted)| *counted).map(|(done, _)| done).collect::<Vec<_>>()
        };
        let (without, with) = (serve(None), serve(Some(extra)));
        prop_assert!(without.iter().zip(&with).all(|(a, b)| a <= b), "{:?} {:?}", without, with);
    }

    /// A flush completes after everything that was accepted has left the cache.
    #[test]
    fn a_flush_covers_everything_before_it(list in requests(), gap in 0_u64..10_000_000) {
        for name in ["nvme-mlc-client", "hdd-7200"] {
            let mut model = Model::new(built_in(name));
            let served: Vec<Served> =
                list.iter().map(|(at, place)| model.serve(write(place << 20, 4096), *at)).collect();
            let flushed = model.serve(Request::Flush, 60 + gap).done_ns;
            for one in served.iter().filter(|one| one.done_ns <= 60 + gap) {
                prop_assert!(one.durable_ns <= flushed);
            }
        }
    }
}
