//! The same loop through the kernel, on files.

use crate::{flag, skipped};
use maprace_load::{
    Access, EngineChoice, Finished, Job, Op, Pattern, Progress, RunSpec, Target, Watch,
    open_target, run_null, run_target,
};
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path, size: u64) -> Arc<Target> {
    let access = Access { writes: true, direct: false, size: Some(size), destroys: None };
    Arc::new(open_target(path, access).unwrap())
}

fn on(job: &Job, target: &Arc<Target>, choice: EngineChoice) -> Finished {
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    run_target(job, target, choice, &RunSpec::new(), watch).unwrap()
}

/// The engines that there are here; what cannot run is told.
fn engines() -> Vec<EngineChoice> {
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    let dir = tempfile::tempdir().unwrap();
    let target = open(&dir.path().join("probe"), 4096);
    let job = Job::new(Pattern::Read, 4096, 1);
    match run_target(&job, &target, EngineChoice::Uring, &RunSpec::new(), watch) {
        Ok(_) => vec![EngineChoice::Uring, EngineChoice::Psync],
        Err(error) => {
            let told = error.to_string();
            assert!(told.contains("the kernel grants no ring"), "{told}");
            skipped(&format!("on a ring: {told}"));
            vec![EngineChoice::Psync]
        }
    }
}

#[test]
fn every_pattern_works_on_a_file_and_what_is_verified_is_right() {
    let dir = tempfile::tempdir().unwrap();
    for choice in engines() {
        for pattern in [
            Pattern::Write,
            Pattern::Read,
            Pattern::Randrw,
            Pattern::Randtrim,
            Pattern::WriteZeroes,
            Pattern::Storm,
        ] {
            let target = open(&dir.path().join(format!("{pattern:?}")), 64 * 4096);
            let mut job = Job::new(pattern, 64 * 4096, 200);
            (job.iodepth, job.verify, job.fsync, job.fua) = (8, true, 20, 5);
            let finished = on(&job, &target, choice);
            let errors = &finished.tally.errors;
            // A file system may have no holes or no zeroes; then it says so, and nothing else does.
            let refused = |key: &(Op, i32)| key.0 != Op::Read && key.1 == 95;
            assert!(errors.keys().all(refused), "{choice:?} {pattern:?}: {errors:?}");
            assert_eq!(finished.wrong, 0, "{choice:?} {pattern:?}: {:?}", finished.mismatches);
            if errors.is_empty() {
                let flushes = finished.tally.op(Op::Flush).map_or(0, |op| op.latency.len());
                assert_eq!(finished.tally.ios() - flushes, 200, "{choice:?} {pattern:?}");
            }
        }
    }
}

#[test]
fn what_is_flipped_in_a_file_is_found() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    let target = open(&path, 16 * 4096);
    let log = dir.path().join("acks");
    let mut job = Job::new(Pattern::Write, 16 * 4096, 16);
    (job.verify, job.fsync) = (true, 16);
    let spec = RunSpec { ack_log: Some(log.clone()), ..RunSpec::new() };
    let header = maprace_load::AckHeader::new("file", spec.run, 4096, 1);
    maprace_load::AckLog::create(&log, &header).unwrap();
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    let finished = run_target(&job, &target, EngineChoice::Psync, &spec, watch).unwrap();
    assert_eq!(finished.wrong, 0);
    let (header, acks) = maprace_load::AckLog::read(&log).unwrap();
    let good = maprace_load::recheck_target(&target, &header, &acks).unwrap();
    assert_eq!((good.blocks, good.newest, good.wrong), (16, 16, 0));
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5 * 4096 + 77).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 5 * 4096 + 77).unwrap();
    let bad = maprace_load::recheck_target(&target, &header, &acks).unwrap();
    assert_eq!((bad.wrong, bad.mismatches[0].block), (1, 5));
    // A target that has become shorter is told, not passed.
    file.set_len(8 * 4096).unwrap();
    let told = maprace_load::recheck_target(&target, &header, &acks).unwrap_err().to_string();
    assert!(told.contains("it ends before byte 32768"), "{told}");
}

#[test]
fn workers_share_a_file_or_have_parts_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let target = open(&dir.path().join("file"), 64 * 4096);
    for choice in engines() {
        for verify in [false, true] {
            let mut job = Job::new(Pattern::Randrw, 64 * 4096, 100);
            (job.numjobs, job.iodepth, job.verify) = (3, 4, verify);
            let finished = on(&job, &target, choice);
            assert_eq!((finished.tally.ios(), finished.wrong), (300, 0));
            assert_eq!(finished.busy.len(), 3);
        }
    }
}

#[test]
fn a_processor_that_is_not_there_is_told() {
    let mut job = Job::new(Pattern::Randread, 1 << 20, 10);
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    for cpu in [1023, 1_000_000] {
        job.cpus_allowed = vec![cpu];
        let told = run_null(&job, &RunSpec::new(), watch).unwrap_err().to_string();
        assert!(told.contains(&format!("cpus_allowed {cpu}")), "{told}");
    }
    job.cpus_allowed = vec![0];
    assert_eq!(run_null(&job, &RunSpec::new(), watch).unwrap().tally.ios(), 10);
}

#[test]
fn nothing_keeps_nothing() {
    let mut job = Job::new(Pattern::Randrw, 1 << 20, 1_000);
    let watch = Watch { stop: flag(), tell: &|_: Progress| () };
    (job.iodepth, job.numjobs) = (32, 2);
    let finished = run_null(&job, &RunSpec::new(), watch).unwrap();
    assert_eq!(finished.tally.ios(), 2_000);
    job.verify = true;
    assert!(run_null(&job, &RunSpec::new(), watch).is_err());
}
