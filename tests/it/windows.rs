//! Windows in the scenarios of the catalogue, in virtual time at drawn costs: each is seen where
//! `docs/KERNEL.md` says so, hits happen, and damage needs a hit that nobody noticed.

use crate::support::{ORDERS, scenario};
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::window::WindowKind::{self, W1, W2, W3, W4, W5, W6};
use maprace_fs::{Checker, Order};
use maprace_runtime::sim::{Costs, Machine, Sim};
use maprace_runtime::{Foot, Step};
use maprace_scenario::measure::Tally;
use maprace_scenario::{AnyLayer, Config, Media, Plan, Round, Rounded, SeededCosts, Starts, Terms};

/// Each step costs something between 1 and 30 ns, drawn, and one in eight up to 1000: steps of two tasks
/// meet in either order, and now and then one task is overtaken by much of another.
pub(crate) struct Drawn(u64);

impl Costs for Drawn {
    fn step_ns(&mut self, _: &'static Step, _: &Foot) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let (is_rare, draw) = (self.0.is_multiple_of(8), self.0 >> 8);
        1 + draw % if is_rare { 1_000 } else { 30 }
    }
    fn call_ns(&mut self, _: &'static str) -> u64 {
        0
    }
}

impl SeededCosts for Drawn {
    fn reseed(&mut self, seed: u64) {
        self.0 = seed | 1;
    }
    fn looks_at_footprints(&self) -> bool {
        false
    }
}

pub(crate) fn drawn(_: &Sim) -> Box<dyn SeededCosts> {
    Box::new(Drawn(1))
}

pub(crate) const MACHINE: Machine =
    Machine { cpus: 4, wake_ns: 10, slice_ns: 1_000_000, spin_ns: 3 };

/// Rounds of a built-in scenario, each task starting within 2000 ns.
fn rounds(name: &str, config: &Config) -> Vec<Rounded> {
    let plan = Plan::new(&scenario(name), config).expect("it is modelled");
    let terms = Terms { machine: MACHINE, media: Media::Instantly, keep_windows: true };
    let mut world = Ext4Kind.timed(&plan, terms, &drawn);
    let mut tally = Tally::default();
    let starts = Starts::Drawn { within_ns: 2_000 };
    let round = |number| Round { number, seed: 1, starts: starts.clone() };
    (0..3_000).map(|number| world.round(&round(number), &mut tally)).collect()
}

/// How many windows of that kind there were, how many were hit, and how many of those were noticed.
fn counts(rounds: &[Rounded], kind: WindowKind) -> (usize, usize, usize) {
    let all = || rounds.iter().flat_map(|r| &r.windows).filter(|w| w.kind == kind);
    (all().count(), all().filter(|w| w.hit).count(), all().filter(|w| w.caught).count())
}

fn is_hit(rounded: &Rounded, kind: WindowKind) -> bool {
    rounded.windows.iter().any(|w| w.kind == kind && w.hit && !w.caught)
}

fn damaged(rounds: &[Rounded]) -> usize {
    rounds.iter().filter(|r| !r.broken.is_empty()).count()
}

/// The window is seen and hit, some rounds are damaged, and none without a hit that nobody noticed.
fn damage_needs_a_hit(name: &str, config: &Config, kind: WindowKind) {
    let what = format!("{name} {} {} {}", config.protocol.name, config.order, kind.name());
    let rounds = rounds(name, config);
    let (seen, hits, _) = counts(&rounds, kind);
    assert!(seen > 0 && hits > 0, "{what}: {seen} seen, {hits} hit");
    assert!(damaged(&rounds) > 0, "{what}");
    for (number, rounded) in rounds.iter().enumerate() {
        let broken = &rounded.broken;
        assert!(!rounded.stuck, "{what} {number}");
        assert!(broken.is_empty() || is_hit(rounded, kind), "{what} {number}: {rounded:?}");
    }
}

fn hit_and_damage_are_one(name: &str, config: &Config, kind: WindowKind) {
    damage_needs_a_hit(name, config, kind);
    for (number, rounded) in rounds(name, config).iter().enumerate() {
        let is_damaged = !rounded.broken.is_empty();
        assert_eq!(is_hit(rounded, kind), is_damaged, "{name} {number}: {rounded:?}");
    }
}

#[test]
fn w1_and_w2_do_damage_iff_they_are_hit() {
    for preset in ["v5.10", "v6.8"] {
        hit_and_damage_are_one("write-mkwrite", &Config::ext4(preset, Order::Iomap), W1);
        for order in ORDERS {
            let config = Config::ext4(preset, order);
            hit_and_damage_are_one("mkwrite-fallocate", &config, W2);
            hit_and_damage_are_one("mkwrite-zero-range-unaligned", &config, W2);
        }
    }
    for preset in ["v6.11", "v6.12"] {
        for (name, kind) in [("write-mkwrite", W1), ("mkwrite-fallocate", W2)] {
            let rounds = rounds(name, &Config::ext4(preset, Order::Iomap));
            let (_, hits, catches) = counts(&rounds, kind);
            assert!(hits > 0 && hits == catches, "{name} {preset}: {hits} {catches}");
            assert_eq!(damaged(&rounds), 0, "{name} {preset}");
        }
    }
}

#[test]
fn a_second_look_under_the_lock_shared_leaves_w1() {
    let config = Config::ext4("v5.10", Order::Iomap).with("recheck", "on");
    damage_needs_a_hit("write-mkwrite", &config, W1);
}

#[test]
fn w3_is_seen_in_the_first_era_alone_and_does_damage_iff_it_is_hit() {
    for order in ORDERS {
        let config = Config::ext4("v5.10", order);
        hit_and_damage_are_one("read-write-hole", &config, W3);
        for preset in ["v6.8", "v6.11", "v6.12", "exclusive"] {
            let rounds = rounds("read-write-hole", &Config::ext4(preset, order));
            assert_eq!((counts(&rounds, W3).0, damaged(&rounds)), (0, 0), "{preset} {order}");
        }
    }
    let neighbours = Config::ext4("v5.10", Order::BufferHead);
    hit_and_damage_are_one("write-mkwrite-neighbours", &neighbours, W3);
}

#[test]
fn w4_is_hit_whatever_the_cookie_and_caught_by_the_one_that_is_right() {
    for preset in ["v5.10", "v6.12"] {
        for cookie in ["off", "late"] {
            let config = Config::ext4(preset, Order::Iomap).with("cookie", cookie);
            damage_needs_a_hit("stale-map", &config, W4);
        }
        let config = Config::ext4(preset, Order::Iomap).with("cookie", "on");
        let rounds = rounds("stale-map", &config);
        let (_, hits, catches) = counts(&rounds, W4);
        assert!(hits > 0 && hits == catches, "{preset}: {hits} {catches}");
        assert_eq!(damaged(&rounds), 0, "{preset}");
    }
}

#[test]
fn w5_is_hit_where_a_restart_lets_somebody_cache_and_the_cures_leave_the_window() {
    for (name, cure) in [
        ("writeback-collapse", "writeback_nocache"),
        ("writeback-truncate", "writeback_nocache"),
        ("fiemap-collapse", "fiemap_takes_i_rwsem"),
    ] {
        for order in ORDERS {
            let config = Config::ext4("v6.12", order);
            damage_needs_a_hit(name, &config, W5);
            let cured = rounds(name, &config.with(cure, "on"));
            let (seen, hits, _) = counts(&cured, W5);
            assert!(seen > 0 && hits == 0, "{name} {order}: {seen} seen, {hits} hit");
            assert_eq!(damaged(&cured), 0, "{name} {order}");
        }
    }
    let windows = rounds("writeback-collapse", &Config::ext4("v6.12", Order::BufferHead));
    let of = windows.iter().flat_map(|r| &r.windows).filter(|w| w.kind == W5);
    assert!(of.into_iter().all(|w| w.lo == 1 && w.hi <= 8), "to the end of the file, no farther");
}

#[test]
fn w6_is_open_only_without_the_invalidate_lock_and_damage_needs_a_hit() {
    let config = Config::ext4("v6.12", Order::Iomap);
    let unlocked = config.clone().with("delalloc_release", "unlocked");
    let rounds_of_it = rounds("short-write-mkwrite", &unlocked);
    let (seen, hits, _) = counts(&rounds_of_it, W6);
    assert!(seen > 0 && hits > 0, "{seen} seen, {hits} hit");
    let is_bare = |r: &&Rounded| r.broken.iter().any(|b| b.checker == Checker::DirtyIsMapped);
    assert!(rounds_of_it.iter().any(|r| is_bare(&r)));
    // What was dirtied before the window, and so dropped with the page cache, shows in the data alone.
    for rounded in rounds_of_it.iter().filter(is_bare) {
        assert!(is_hit(rounded, W6), "{rounded:?}");
    }
    for release in ["truncates", "skips-dirty"] {
        let config = config.clone().with("delalloc_release", release);
        assert_eq!(counts(&rounds("short-write-mkwrite", &config), W6).0, 0, "{release}");
    }
    let buffered = Config::ext4("v6.12", Order::BufferHead);
    assert_eq!(counts(&rounds("short-write-mkwrite", &buffered), W6).0, 0);
}

/// The clean-up locks folios that the mapping covers, and writes none of them.
#[test]
fn a_short_write_has_no_w4_beyond_what_it_wrote() {
    for release in ["unlocked", "truncates", "skips-dirty"] {
        let config = Config::ext4("v6.12", Order::Iomap).with("delalloc_release", release);
        for rounded in rounds("short-write-mkwrite", &config) {
            let w4 = rounded.windows.iter().filter(|w| w.kind == W4 && w.lo == 1);
            assert!(w4.count() <= 1, "{release}: {rounded:?}");
        }
    }
}
