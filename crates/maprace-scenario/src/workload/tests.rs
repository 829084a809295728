//! What is typed, what an epoch starts from, and who does what in it.

use super::*;
use maprace_fs::Order;
use std::collections::BTreeSet;

fn workload(text: &str) -> Workload {
    text.parse().unwrap_or_else(|e: ErrorKind| panic!("{text}: {e}"))
}

fn error(text: &str) -> String {
    text.parse::<Workload>().expect_err(text).to_string()
}

#[test]
fn what_is_printed_is_read_back() {
    for text in [
        "w=4,m=4,f=1,r=8,file=1g,hit=0.9",
        "m=1",
        "w=256,m=256,f=256,r=256,file=64k,hit=0,cached=1,bs=64k,folio=4k,chunk=4k,ops=1t",
        "w=1,file=4g,bs=4m,folio=4m,chunk=4m,ops=1",
        "w=1,file=65536,hit=0.125,ops=1023",
    ] {
        let read = workload(text);
        assert_eq!(workload(&read.to_string()), read, "{text}: {read}");
    }
    let read = workload("w=2,file=1g,hit=0.5");
    assert_eq!((read.writers, read.storers, read.fallocators, read.readers), (2, 0, 0, 0));
    assert_eq!((read.file, read.hit, read.cached), (1 << 30, 0.5, 0.5));
    // A chunk that was not typed is not longer than the file.
    assert_eq!(workload("w=1,f=1,file=64k").chunk, 64 << 10);
    assert_eq!(workload("w=1,f=1").chunk, 256 << 10);
}

#[test]
fn each_key_knows_its_range() {
    for (text, line) in [
        ("w=257", "workload key w is `257`, must be 0 to 256"),
        ("m=-1", "workload key m is `-1`, must be 0 to 256"),
        ("f=", "workload key f is ``, must be 0 to 256"),
        ("r=1e3", "workload key r is `1e3`, must be 0 to 256"),
        ("file=63k", "workload key file is `63k`, must be 64k to 4g"),
        ("file=4097m", "workload key file is `4097m`, must be 64k to 4g"),
        ("file=k", "workload key file is `k`, must be 64k to 4g"),
        ("file=99999999999t", "workload key file is `99999999999t`, must be 64k to 4g"),
        ("hit=1.0001", "workload key hit is `1.0001`, must be 0 to 1"),
        ("hit=NaN", "workload key hit is `NaN`, must be 0 to 1"),
        ("cached=-1", "workload key cached is `-1`, must be 0 to 1"),
        ("bs=12k", "workload key bs is `12k`, must be 4k to 4m, a power of two"),
        ("folio=2k", "workload key folio is `2k`, must be 4k to 4m, a power of two"),
        ("chunk=8m", "workload key chunk is `8m`, must be 4k to 4m, a power of two"),
        ("ops=0", "workload key ops is `0`, must be 1 to 1t"),
        ("ops=2t", "workload key ops is `2t`, must be 1 to 1t"),
        ("f=4,r=4", "workload key w is `0`, must be 1 or more with m: somebody writes"),
        (
            "w=1,file=64k,folio=128k",
            "workload key file is `64k`, must be at least bs, folio and chunk",
        ),
    ] {
        assert_eq!(error(text), line);
    }
    assert!(error("writers=4").starts_with("unknown workload key `writers`"));
    assert!(error("w=1,,m=1").starts_with("unknown workload key ``"));
    // Every key is listed, and no other is.
    let printed = workload("w=1").to_string();
    let keys: Vec<&str> =
        printed.split(',').filter_map(|part| part.split_once('=')).map(|p| p.0).collect();
    assert_eq!(keys, WORKLOAD_KEYS.iter().map(|known| known.key).collect::<Vec<_>>());
}

fn blocks_of(ranges: &[Blocks]) -> u32 {
    ranges.iter().map(|range| range.hi - range.lo).sum()
}

#[test]
fn so_many_slots_are_written_and_cached_as_asked() {
    let config = Config::ext4("v6.12", Order::Iomap);
    let work = workload("w=1,file=64m,hit=0.9,cached=0.25,bs=16k");
    let setup = work.setup(&config, 1);
    // 4096 slots of four blocks: 3686 and 1024 are asked for.
    assert_eq!(
        (blocks_of(&setup.file.written) / 4, blocks_of(&setup.file.prefault) / 4),
        WRITTEN_AND_CACHED
    );
    for range in setup.file.written.iter().chain(&setup.file.prefault) {
        assert_eq!((range.lo % 4, range.hi % 4), (0, 0), "whole slots");
    }
    for pair in setup.file.written.windows(2) {
        assert!(pair[0].hi < pair[1].lo, "ascending and apart");
    }
    let ends = |hit: &str| {
        let setup = workload(&format!("w=1,file=1m,{hit}")).setup(&config, 5);
        (blocks_of(&setup.file.written), blocks_of(&setup.file.prefault))
    };
    assert_eq!(ends("hit=0,cached=0"), (0, 0));
    assert_eq!(ends("hit=1,cached=1"), (256, 256));
    // Within four deviations for any seed: 4 sqrt(4096 * 0.9 * 0.1) is 77.
    for seed in 0..50 {
        let written = blocks_of(&work.setup(&config, seed).file.written) / 4;
        assert!(written.abs_diff(3_686) <= 77, "seed {seed}: {written}");
    }
    assert_ne!(work.setup(&config, 1).file.written, work.setup(&config, 2).file.written);
}

/// Drawn once, for seed 1.
const WRITTEN_AND_CACHED: (u32, u32) = (3_711, 1_037);

#[test]
fn each_slot_is_taken_once_and_the_rest_ends_with_the_writers() {
    let work = workload("w=2,m=1,f=1,r=1,file=256k,bs=8k,ops=40");
    // 32 slots: an epoch of 32 operations and one of 8.
    assert_eq!((work.epochs(), work.tasks()), (2, 5));
    for (epoch, slots) in [(0, 32), (1, 8)] {
        let crowd = work.source(epoch, 9);
        let (mut taken, mut ended) = (BTreeSet::new(), BTreeSet::new());
        for number in 0..100 {
            for task in (0..3).filter(|task| !ended.contains(task)).collect::<Vec<u32>>() {
                // Those that do not write go on while somebody does.
                for other in [3, 4] {
                    let (request, counts) = crowd.next(other, number).unwrap();
                    assert!(!counts && request.pos + request.len <= work.file);
                    let op = if other == 3 { Op::Fallocate } else { Op::Read };
                    assert_eq!(request.op, op);
                }
                let Some((request, counts)) = crowd.next(task, number) else {
                    ended.insert(task);
                    continue;
                };
                assert!(counts && request.len == 8 << 10);
                assert_eq!(request.op, if task < 2 { Op::Write } else { Op::MmapWrite });
                assert!(taken.insert(request.pos), "a slot is taken once");
            }
        }
        assert_eq!((taken.len(), ended.len()), (slots, 3));
        assert!(crowd.next(3, 100).is_none() && crowd.next(4, 100).is_none());
    }
    // The order is drawn anew each epoch, by its seed.
    assert_ne!(work.source(0, 1).order, work.source(0, 2).order);
    assert_eq!(work.source(0, 1).order, work.source(0, 1).order);
}

#[test]
fn sizes_are_numbers_with_a_power_of_1024() {
    for (text, size) in
        [("4096", 4096), ("4k", 4096), ("1M", 1 << 20), ("2g", 2 << 30), ("1t", 1 << 40)]
    {
        assert_eq!(bytes(text), Some(size), "{text}");
    }
    for text in
        ["", "k", "4kb", "-4k", "4 k", "0x10", "99999999999999999999", "18446744073709551615k"]
    {
        assert_eq!(bytes(text), None, "{text}");
    }
    for size in [0, 1, 1023, 1024, 1 << 20, 3 << 19, 1 << 40, (1 << 40) + 1] {
        assert_eq!(bytes(&Size(size).to_string()), Some(size));
    }
}
