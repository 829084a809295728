//! Every kind of wrong block is named right, and none is seen where there is none.

use crate::devices::{Late, Liar, Lie};
use crate::run;
use maprace_load::{Job, MismatchKind, Pattern, Until};

/// A job over 64 blocks that comes back to each of them often.
fn job(ios: u64) -> Job {
    let mut job = Job::new(Pattern::Randrw, 64 * 4096, ios);
    (job.verify, job.iodepth) = (true, 8);
    job
}

#[test]
fn a_planted_fault_is_named_as_what_it_is() {
    let rows = [
        (Lie::Flips, MismatchKind::FlippedBit),
        (Lie::Loses, MismatchKind::LostWrite),
        (Lie::Misdirects, MismatchKind::MisdirectedWrite),
        (Lie::ReadsStale, MismatchKind::StaleRead),
    ];
    for (lie, kind) in rows {
        let mut seen = 0;
        for seed in 0..10 {
            let mut job = job(2_000);
            job.seed = seed;
            // Late enough that every block has been written once.
            let device = Liar::new(lie, 400);
            let at = device.at.clone();
            let finished = run(&job, device);
            let block = at.get().expect("it lied") / 4096;
            // The victim of a write that went astray is its neighbour.
            let wrong = if lie == Lie::Misdirects { block ^ 1 } else { block };
            let told = &finished.mismatches;
            assert_eq!(finished.wrong, told.len() as u64);
            for one in told {
                // The block whose write went astray has lost it; nobody else is accused of anything.
                let lost = lie == Lie::Misdirects && one.block == block;
                let want = if lost { (block, MismatchKind::LostWrite) } else { (wrong, kind) };
                assert_eq!((one.block, one.kind), want, "{lie:?}, seed {seed}: {told:?}");
            }
            seen += u32::from(told.iter().any(|one| one.kind == kind));
        }
        // Where it was written over before anybody read it there was nothing to see.
        assert!(seen >= 3, "{lie:?}: seen {seen} times of 10");
    }
}

#[test]
fn a_mismatch_says_what_was_expected_and_what_was_found() {
    let device = Liar::new(Lie::Flips, 400);
    let at = device.at.clone();
    let finished = run(&job(2_000), device);
    let first = finished.mismatches.first().expect("it lied");
    assert_eq!(Some(first.pos), at.get());
    assert!(first.expected.starts_with("sequence "), "{first:?}");
    let sequence = &first.expected;
    assert_eq!(first.found, format!("{sequence} with 1 bit changed, from byte 2048 on"));
}

#[test]
fn a_write_that_nobody_reads_is_read_at_the_end() {
    for lie in [Lie::Flips, Lie::Loses] {
        let mut job = Job::new(Pattern::Randwrite, 64 * 4096, 300);
        job.verify = true;
        // The last write of all: nothing comes after it.
        let finished = run(&job, Liar::new(lie, 300));
        assert_eq!((finished.wrong, finished.tally.ios()), (1, 300), "{lie:?}");
        let mut honest = run(&job, Liar::new(Lie::Nothing, 1));
        assert_eq!((honest.wrong, honest.mismatches.pop()), (0, None));
        assert!(honest.checked > 0);
    }
}

#[test]
fn a_million_honest_operations_raise_no_alarm() {
    let many = if cfg!(debug_assertions) { 30_000 } else { 1_000_000 };
    for (pattern, bs) in [(Pattern::Randrw, 4096), (Pattern::Storm, 16_384)] {
        let mut job = Job::new(pattern, 64 << 10, many);
        (job.verify, job.bs, job.iodepth, job.rwmixread) = (true, bs, 16, 40);
        (job.fsync, job.fua) = (50, 7);
        let honest = run(&job, Liar::new(Lie::Nothing, 1));
        assert_eq!((honest.wrong, honest.mismatches.first()), (0, None), "{pattern:?}");
        assert!(honest.checked > many / 4, "{}", honest.checked);
        let late = run(&job, Late::default());
        assert_eq!((late.wrong, late.mismatches.first()), (0, None), "{pattern:?} late");
        assert!(late.is_whole_number_of(many));
    }
}

/// What this file asks of a run.
trait Whole {
    fn is_whole_number_of(&self, ios: u64) -> bool;
}

impl Whole for maprace_load::Finished {
    fn is_whole_number_of(&self, ios: u64) -> bool {
        let flushes = self.tally.op(maprace_load::Op::Flush).map_or(0, |op| op.latency.len());
        self.tally.ios() - flushes == ios && self.job.until == Until::Ios(ios)
    }
}

#[test]
fn a_storm_is_told_from_damage() {
    let mut job = Job::new(Pattern::Storm, 32 << 10, 4_000);
    (job.verify, job.bs, job.iodepth, job.rwmixread) = (true, 16_384, 8, 40);
    let finished = run(&job, Liar::new(Lie::Flips, 500));
    let kinds: Vec<_> = finished.mismatches.iter().map(|one| one.kind).collect();
    // It may have been written over before anybody read it; whoever saw it named it.
    assert!(kinds.iter().all(|kind| *kind == MismatchKind::FlippedBit), "{kinds:?}");
    let seen = (0..20).any(|n| run(&job, Liar::new(Lie::Flips, 500 + n)).wrong > 0);
    assert!(seen, "no flip of twenty was seen");
}

#[test]
fn small_blocks_and_odd_ones_are_verified_too() {
    for bs in [512, 5_120, 12_288] {
        let mut job = Job::new(Pattern::Randrw, 64 * 12_288, 2_000);
        (job.verify, job.bs, job.iodepth) = (true, bs, 4);
        assert_eq!(run(&job, Liar::new(Lie::Nothing, 1)).wrong, 0, "{bs}");
        let seen = (0..20).any(|n| run(&job, Liar::new(Lie::Loses, 900 + n)).wrong > 0);
        assert!(seen, "{bs}: no lost write of twenty was seen");
    }
}
