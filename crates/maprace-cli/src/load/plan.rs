//! From what was typed to what will be run: the target's name is understood, defaults are filled in.

use super::args::{EngineArg, GoOnArg, ProcessArg, RunArgs};
use crate::failure::Failure;
use maprace_load::{Arrival, EngineChoice, Job, Pace, Pattern, Until};
use maprace_media::Profile;
use std::path::PathBuf;

/// Bytes of what has no size of its own.
const SIZE: u64 = 1 << 30;
/// Bytes that a storm rages over.
const STORM_SIZE: u64 = 64 << 10;

/// What is put under load.
#[derive(Debug)]
pub(super) enum Subject {
    /// A block device or a file.
    Path(PathBuf),
    /// Nothing.
    Null,
    /// A medium in this process.
    Media(Box<Profile>),
}

impl Subject {
    /// What a name means.
    pub(super) fn named(name: &str) -> Result<Subject, Failure> {
        match name.split_once(':') {
            Some(("null", "")) => Ok(Subject::Null),
            Some(("media", profile)) => Ok(Subject::Media(Box::new(Profile::open(profile)?))),
            _ => Ok(Subject::Path(name.into())),
        }
    }
}

/// The engine that was typed.
pub(super) fn engine(args: &RunArgs) -> EngineChoice {
    match args.how.ioengine {
        EngineArg::Auto => EngineChoice::Auto,
        EngineArg::Uring => EngineChoice::Uring,
        EngineArg::Psync => EngineChoice::Psync,
    }
}

/// Whether blocks tell who wrote them.
pub(super) fn stamps(args: &RunArgs) -> bool {
    args.check.verify || args.check.ack_log.is_some()
}

/// Bytes that a target must have for what was typed; none if its own size decides.
pub(super) fn size_needed(args: &RunArgs) -> Option<u64> {
    let size = args.what.size.map(|size| size.0);
    let storm = (args.what.rw == Pattern::Storm).then_some(STORM_SIZE);
    size.or(storm).map(|size| size.saturating_add(args.what.offset.0))
}

/// The job, on a target of so many bytes; none of what has no size of its own.
pub(super) fn job(args: &RunArgs, target_size: Option<u64>) -> Result<Job, Failure> {
    let what = &args.what;
    let usage = |what: String| Failure::Usage(format!("load run: {what}"));
    let is_storm = what.rw == Pattern::Storm;
    let bs = what.bs.map_or(if is_storm { 16 << 10 } else { 4096 }, |bs| bs.0);
    let bs = u32::try_from(bs).map_err(|_| usage(format!("bs {bs}: at most 16M is possible")))?;
    let offset = what.offset.0;
    let end = target_size.unwrap_or(u64::MAX);
    let rest = target_size.map_or(SIZE, |end| end.saturating_sub(offset));
    let size = match what.size {
        Some(size) => size.0,
        None if is_storm => STORM_SIZE.min(rest),
        None => rest,
    };
    if offset.checked_add(size).is_none_or(|needed| needed > end) {
        return Err(usage(format!(
            "{size} bytes from {offset} on leave the target, which has {end}"
        )));
    }
    let mut job = Job::new(what.rw, size, 1);
    job.bs = bs;
    (job.iodepth, job.numjobs) = (what.iodepth, what.numjobs);
    job.iodepth_batch_submit = what.iodepth_batch_submit;
    job.cpus_allowed = args.how.cpus_allowed.clone().map_or_else(Vec::new, |cpus| cpus.0);
    job.offset = offset;
    job.rwmixread = what.rwmixread.unwrap_or(if is_storm { 25 } else { 50 });
    job.ramp_ns = args.pace.ramp_time.0;
    (job.fsync, job.fua) = (what.fsync, what.fua);
    job.seed = what.randseed;
    job.verify = stamps(args);
    job.continue_on_error = args.check.continue_on_error == GoOnArg::All;
    if let Some(rate) = args.pace.rate_iops {
        let arrivals = match args.pace.rate_process {
            ProcessArg::Linear => Arrival::Fixed,
            ProcessArg::Poisson => Arrival::Poisson,
        };
        job.pace = Pace::Open { rate_iops: rate.0, arrivals };
    }
    if args.check.ack_log.is_some() && is_storm {
        return Err(usage("--ack-log needs writes with an order, and a storm has none".to_owned()));
    }
    job.check()?;
    job.until = match (args.pace.runtime, args.pace.number_ios) {
        (Some(time), _) if time.0 == 0 => {
            return Err(usage("runtime 0 measures nothing".to_owned()));
        }
        (Some(time), _) => Until::Ns(time.0),
        (None, Some(n)) => Until::Ios(n),
        (None, None) => Until::Ios((job.part(0).1 / u64::from(bs)).max(1)),
    };
    Ok(job)
}
