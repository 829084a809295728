//! The virtual clock at round costs: windows as exact equalities, computed by hand here.
//!
//! Every step costs 10 ns and nothing else costs anything, so the times of a task that nobody delays
//! are its step numbers times ten. Starts of the second task are odd, so that no two steps of different
//! tasks ever fall on one instant.

use maprace_fs::Order;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::window::{Window, WindowKind};
use maprace_runtime::sim::{Costs, Machine, Sim};
use maprace_runtime::{Foot, Step};
use maprace_scenario::measure::Tally;
use maprace_scenario::{
    AnyLayer, Config, Media, Plan, Round, Rounded, Scenario, SeededCosts, Starts, Terms, Timed,
    Vocabulary,
};

/// Ten nanoseconds a step.
struct Tens;

impl Costs for Tens {
    fn step_ns(&mut self, _: &'static Step, _: &Foot) -> u64 {
        10
    }
    fn call_ns(&mut self, _: &'static str) -> u64 {
        0
    }
}

impl SeededCosts for Tens {
    fn reseed(&mut self, _: u64) {}
    fn looks_at_footprints(&self) -> bool {
        false
    }
}

fn tens(_: &Sim) -> Box<dyn SeededCosts> {
    Box::new(Tens)
}

const MACHINE: Machine = Machine { cpus: 4, wake_ns: 0, slice_ns: 1_000_000_000, spin_ns: 0 };

/// A scenario of those tasks on a file of `blocks` blocks that are all cached holes.
fn scenario(blocks: u32, fs: &str, tasks: &[&str]) -> Scenario {
    let task = |(i, op): (usize, &&str)| format!("[[task]]\nname = \"t{i}\"\nops = [\"{op}\"]\n");
    let tasks: String = tasks.iter().enumerate().map(task).collect();
    let text = format!(
        "format = 1\nname = \"x\"\ntitle = \"x\"\n[fs]\n{fs}\n[file]\nblocks = {blocks}\n\
         prefault = [\"0..{blocks}\"]\n{tasks}[after]\nops = [\"fsync\", \"evict\"]\n"
    );
    Scenario::parse("x", &text, &Vocabulary::builtin()).expect("it parses")
}

fn on_clock(scenario: &Scenario, config: &Config, media: Media) -> Box<dyn Timed> {
    let plan = Plan::new(scenario, config).expect("it is modelled");
    let terms = Terms { machine: MACHINE, media, keep_windows: true };
    Ext4Kind.timed(&plan, terms, &tens)
}

fn once(world: &mut dyn Timed, starts: &[u64]) -> Rounded {
    let starts = Starts::At(starts.to_vec());
    world.round(&Round { number: 0, seed: 0, starts }, &mut Tally::default())
}

fn of(rounded: &Rounded, kind: WindowKind) -> Vec<Window> {
    rounded.windows.iter().copied().filter(|window| window.kind == kind).collect()
}

/// `fallocate` of one block that is a cached hole, started at 100:
/// 110 i_rwsem, 120 ext4_es_lookup_extent, 130 i_data_sem (f1), 140 ext4_mb_new_blocks,
/// then in the accounting of v5.10 150 ext4_es_delayed_clu, 160 ext4_es_scan_range,
/// 170 ext4_es_insert_extent (f2), which is the last step under i_data_sem (f3).
const F1: u64 = 130;
const F2_V5_10: u64 = 170;
/// The newer accounting neither counts nor scans: 150 ext4_es_insert_extent (f2, f3).
const F2_V6_12: u64 = 150;

/// The look-up of a fault on a present, read-only page, started at s: s+10 pte_offset_map,
/// s+20 invalidate_lock, s+30 folio_lock, s+40 ext4_es_lookup_extent (a).
const A: u64 = 40;

#[test]
fn w2_is_hit_iff_it_opens_before_the_insertion_and_closes_after_the_release() {
    let seed = scenario(1, "", &["fallocate 0..1", "mmap_write 0..1"]);
    for (preset, f2) in
        [("v5.10", F2_V5_10), ("v6.8", F2_V5_10), ("v6.11", F2_V5_10), ("v6.12", F2_V6_12)]
    {
        for order in [Order::BufferHead, Order::Iomap] {
            let mut world = on_clock(&seed, &Config::ext4(preset, order), Media::Instantly);
            let (mut hits, mut catches) = (0, 0);
            for start in (1..300).step_by(2) {
                let rounded = once(&mut *world, &[100, start]);
                let windows = of(&rounded, WindowKind::W2);
                let at = start + A;
                if at > f2 {
                    // The look-up finds the extent: nothing is inserted.
                    assert!(windows.is_empty(), "{preset} {order} {start}: {windows:?}");
                    continue;
                }
                let [window] = windows[..] else { panic!("{preset} {order} {start}: {windows:?}") };
                let (a, b) = (window.opened_ns, window.closed_ns);
                assert_eq!(a, at, "{preset} {order} {start}");
                // i_data_sem: 10 after the look-up, or when fallocate releases it (f3 = f2).
                let asks = a + 10;
                assert_eq!(b, if (F1..f2).contains(&asks) { f2 } else { asks });
                assert_eq!(window.hit, a < f2 && f2 <= b, "{preset} {order} {start}: {window:?}");
                hits += u64::from(window.hit);
                catches += u64::from(window.caught);
                let damaged = window.hit && matches!(preset, "v5.10" | "v6.8");
                assert_eq!(!rounded.broken.is_empty(), damaged, "{preset} {order} {start}");
                assert_eq!(window.caught, window.hit && !damaged, "{preset} {order} {start}");
            }
            // Every look-up after f1 - 10 and before f2: the fault then sleeps until f3.
            let certain = (1..300).step_by(2).filter(|s| (F1 - 10..f2).contains(&(s + A)));
            assert_eq!(hits, certain.count() as u64, "{preset} {order}");
            let catching = matches!(preset, "v6.11" | "v6.12");
            assert_eq!(catches, if catching { hits } else { 0 }, "{preset} {order}");
        }
    }
}

/// A read of the bitmap lies between f1 and f2, so every nanosecond of it is one of the window of a fault
/// that has looked up before and sleeps.
#[test]
fn a_longer_bitmap_read_lengthens_w2_by_exactly_that() {
    let seed = scenario(1, "bitmaps = \"cold\"", &["fallocate 0..1", "mmap_write 0..1"]);
    let window = |read_ns, preset, order| {
        let config = Config::ext4(preset, order);
        let mut world = on_clock(&seed, &config, Media::Fixed(read_ns));
        let rounded = once(&mut *world, &[100, 101]);
        let [window] = of(&rounded, WindowKind::W2)[..] else { panic!("{rounded:?}") };
        assert!(window.hit && window.opened_ns == 141, "{window:?}");
        window.closed_ns - window.opened_ns
    };
    for preset in ["v5.10", "v6.12"] {
        for order in [Order::BufferHead, Order::Iomap] {
            let base = window(1_000, preset, order);
            // f1 130, the read until 1130, its step 1140, then as with warm bitmaps.
            let f3 = 1_000 + 10 + if preset == "v5.10" { F2_V5_10 } else { F2_V6_12 };
            assert_eq!(base, f3 - 141, "{preset} {order}");
            for d in [1, 17, 1_000, 250_000, 10_000_000] {
                assert_eq!(window(1_000 + d, preset, order), base + d, "{preset} {order} {d}");
            }
        }
    }
}

/// One insertion for the whole map: one window, and a footprint that is the map.
#[test]
fn w1_is_the_same_for_every_block_of_one_map_and_its_footprint_is_the_map() {
    for (preset, insertion) in [("v5.10", 30), ("v6.8", 30), ("v6.12", 40)] {
        // i_data_sem, with the recheck a second look, ext4_da_reserve_space, the insertion.
        for blocks in [1, 2, 7, 64] {
            let write = scenario(blocks, "", &[&format!("write 0..{blocks}")]);
            let config = Config::ext4(preset, Order::Iomap);
            let rounded = once(&mut *on_clock(&write, &config, Media::Instantly), &[0]);
            let [window] = of(&rounded, WindowKind::W1)[..] else { panic!("{rounded:?}") };
            assert_eq!(window.closed_ns - window.opened_ns, insertion, "{preset} {blocks}");
            assert_eq!((window.lo, window.hi), (0, blocks), "{preset}");
            let config = Config::ext4(preset, Order::BufferHead);
            let rounded = once(&mut *on_clock(&write, &config, Media::Instantly), &[0]);
            assert_eq!(of(&rounded, WindowKind::W1), [], "{preset} {blocks}");
        }
    }
}

/// Per folio: balance_dirty_pages, __filemap_get_folio, folio_lock, with a cookie READ_ONCE(i_es_seq),
/// the copy, folio_unlock. The first folio is locked after three of them.
#[test]
fn w4_is_linear_in_the_folio_with_the_cost_of_a_folio_as_slope() {
    for (cookie, slope) in [("off", 50), ("late", 60), ("on", 60)] {
        for (folio_blocks, folios) in [(1, 16), (4, 4), (16, 1)] {
            let fs = format!("folio_blocks = {folio_blocks}");
            let write = scenario(16, &fs, &["write 0..16"]);
            let config = Config::ext4("v6.12", Order::Iomap).with("cookie", cookie);
            let rounded = once(&mut *on_clock(&write, &config, Media::Instantly), &[0]);
            let windows = of(&rounded, WindowKind::W4);
            assert_eq!(windows.len(), folios, "{cookie}");
            for (i, window) in (0..).zip(&windows) {
                let length = window.closed_ns - window.opened_ns;
                assert_eq!(length, 30 + slope * i, "{cookie}, folio {i} of {folios}");
                let lo = u32::try_from(i).unwrap() * folio_blocks;
                assert_eq!((window.lo, window.hi), (lo, lo + folio_blocks));
            }
        }
    }
    let write = scenario(16, "", &["write 0..16"]);
    let config = Config::ext4("v6.12", Order::BufferHead);
    let rounded = once(&mut *on_clock(&write, &config, Media::Instantly), &[0]);
    assert_eq!(of(&rounded, WindowKind::W4), []);
}

/// Looking up and inserting in one hold leaves nothing open.
#[test]
fn one_hold_has_neither_w1_nor_w2() {
    let pair = scenario(4, "", &["write 0..4", "mmap_write 0..4"]);
    for order in [Order::BufferHead, Order::Iomap] {
        let mut world = on_clock(&pair, &Config::ext4("exclusive", order), Media::Instantly);
        for start in (1..400).step_by(2) {
            let rounded = once(&mut *world, &[100, start]);
            let kinds: Vec<_> = rounded.windows.iter().map(|w| w.kind).collect();
            assert!(!kinds.contains(&WindowKind::W1) && !kinds.contains(&WindowKind::W2));
            assert!(rounded.broken.is_empty() && !rounded.stuck);
        }
    }
}
