//! A log of acknowledgements against what a power cut leaves of a device with a cache.

use crate::devices::Cached;
use crate::run_as;
use maprace_load::{AckHeader, AckLog, Job, MismatchKind, Op, Pattern, Recheck, RunSpec, recheck};

/// Writes with flushes and FUA, then a power cut, then the check.
fn cut(job: &Job, device: Cached) -> Recheck {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("acks");
    let spec = RunSpec { ack_log: Some(path.clone()), ..RunSpec::new() };
    AckLog::create(&path, &AckHeader::new("t", spec.run, job.unit(), 1)).unwrap();
    let kept = device.kept.clone();
    let finished = run_as(job, device, &spec);
    assert_eq!(finished.wrong, 0, "power on, the cache hides it");
    let (header, acks) = AckLog::read(&path).unwrap();
    // All that counted stands in the log.
    let writes = acks.iter().filter(|ack| ack.op == Op::Write).count() as u64;
    assert_eq!(writes, finished.tally.op(Op::Write).unwrap().latency.len());
    recheck(&header, &acks, |pos, unit| {
        kept.borrow().get(pos, unit);
        Ok(())
    })
    .unwrap()
}

fn job() -> Job {
    let mut job = Job::new(Pattern::Randwrite, 64 * 4096, 1_000);
    (job.verify, job.iodepth, job.bs) = (true, 8, 8192);
    job
}

#[test]
fn what_was_flushed_survives_and_what_was_not_is_counted_apart() {
    let flushed = cut(&Job { fsync: 37, ..job() }, Cached::default());
    assert_eq!((flushed.wrong, flushed.mismatches.first()), (0, None));
    assert!(flushed.durable == 64 && flushed.missing_unflushed > 0, "{flushed:?}");
    assert_eq!(flushed.newest + flushed.missing_unflushed, flushed.blocks);
    let never = cut(&job(), Cached::default());
    assert_eq!((never.wrong, never.durable, never.newest), (0, 0, 0));
    assert_eq!(never.missing_unflushed, 64);
}

#[test]
fn a_device_that_lies_about_flushes_or_fua_is_caught() {
    let fua = cut(&Job { fua: 5, ..job() }, Cached::default());
    assert_eq!(fua.wrong, 0);
    assert!(fua.durable > 0);
    let flushes = Cached { ignores_flushes: true, ..Cached::default() };
    let report = cut(&Job { fsync: 37, ..job() }, flushes);
    assert_eq!(report.wrong, report.durable);
    assert!(report.mismatches.iter().all(|one| one.kind == MismatchKind::LostWrite));
    let through = Cached { ignores_fua: true, ..Cached::default() };
    assert!(cut(&Job { fua: 5, ..job() }, through).wrong > 0);
}
