//! Parts side by side against the whole: at saturation, and alone.

use super::*;
use crate::check::load::{Load, quantile_ns, run};
use crate::params::Pattern;
use crate::{Profile, Work};
use std::sync::Arc;

fn load(work: Work, depth: u64, pause_ns: u64, requests: u64) -> Load {
    Load { work, pattern: Pattern::Random, bytes: 4096, depth, pause_ns, requests, seed: 7 }
}

fn part(profile: &Profile, parts: u32) -> Arc<Params> {
    Arc::new(profile.params.share(parts).unwrap())
}

/// How much more all parts together do than the whole, as a share.
fn surplus(profile: &Profile, part: &Arc<Params>, parts: u32, work: Work) -> f64 {
    let depth = 1024;
    let whole = run(&profile.params, &load(work, depth, 0, 60_000)).rate_hz;
    let one = run(part, &load(work, depth / u64::from(parts), 0, 60_000)).rate_hz;
    one * f64::from(parts) / whole - 1.0
}

#[test]
fn parts_together_do_what_the_whole_does() {
    for name in ["nvme-tlc-dc", "optane-ssd-p4800x", "pmem-dcpmm100-6x", "sata-tlc-dc"] {
        let profile = Profile::open(name).unwrap();
        for parts in [2, 4] {
            for work in [Work::Read, Work::Write] {
                let surplus = surplus(&profile, &part(&profile, parts), parts, work);
                assert!(surplus.abs() < 0.02, "{name} {parts} {work:?}: {surplus}");
            }
        }
    }
}

#[test]
fn a_part_that_is_the_whole_is_found() {
    let profile = Profile::open("nvme-tlc-dc").unwrap();
    let surplus = surplus(&profile, &profile.params, 2, Work::Read);
    assert!(surplus > 0.5, "{surplus}");
}

#[test]
fn a_request_alone_takes_the_same_time() {
    for name in ["nvme-tlc-dc", "optane-ssd-p4800x", "pmem-dcpmm100-6x", "nvme-mlc-client"] {
        let profile = Profile::open(name).unwrap();
        for parts in [2, 3, 4] {
            for work in [Work::Read, Work::Write, Work::WriteThenFlush] {
                // Far apart, so that nothing is still held.
                let alone = load(work, 1, 100_000_000, 4_000);
                let p50 = |params| quantile_ns(&run(params, &alone).latency_ns, 0.5);
                let (whole, one) = (p50(&profile.params), p50(&part(&profile, parts)));
                assert_eq!(whole, one, "{name} {parts} {work:?}");
            }
        }
    }
}

#[test]
fn one_part_is_the_whole() {
    for entry in crate::all() {
        let profile = Profile::open(entry.name).unwrap();
        let (part, work) = (part(&profile, 1), load(Work::Write, 8, 0, 5_000));
        assert_eq!(run(&part, &work), run(&profile.params, &work), "{}", entry.name);
    }
}

#[test]
fn a_disk_has_one_arm() {
    let disk = Profile::open("hdd-7200").unwrap().params;
    let error = disk.share(2).unwrap_err().to_string();
    let want = "a medium with 1 unit cannot serve 2 queues side by side: use --queues 1 or fewer";
    assert_eq!(error, want);
}

#[test]
fn what_takes_no_time_can_be_shared_by_any_number() {
    let null = Profile::open("null").unwrap().params;
    assert!(null.is_instant() && null.share(64).unwrap().is_instant());
    for entry in crate::all().iter().filter(|entry| entry.name != "null") {
        assert!(!Profile::open(entry.name).unwrap().params.is_instant(), "{}", entry.name);
    }
}

#[test]
fn things_are_dealt_or_held_longer() {
    assert_eq!(dealt(64, 8), (8, 1));
    assert_eq!(dealt(7, 2), (7, 2));
    assert_eq!(dealt(6, 4), (3, 2));
    assert_eq!(dealt(1, 4), (1, 4));
}
