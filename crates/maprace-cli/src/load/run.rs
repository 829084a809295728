//! `load run`: the target is opened, the job run, the result shown.

use super::args::{FormatArg, RunArgs};
use super::media::MediaDevice;
use super::page;
use super::plan::{self, Subject};
use crate::answer::{Answer, BAD_INPUT, Context, DAMAGE, INCOMPLETE};
use crate::failure::Failure;
use crate::machine;
use crate::search::{Bar, STOP, watch_for_interrupt};
use maprace_load::{
    Access, AckHeader, AckLog, Clock, Ended, Finished, Job, Op, Progress, Record, RunSpec, Seen,
    Watch, fio_json_plus, open_target, run_in_process, run_null, run_target,
};
use std::cell::Cell;
use std::sync::Arc;

/// Does it.
pub(super) fn run(context: &Context<'_>, args: &RunArgs) -> Result<Answer, Failure> {
    let mut seen = Seen { target: args.target.clone(), host: machine::host(), ..Seen::default() };
    watch_for_interrupt();
    let finished = match Subject::named(&args.target)? {
        Subject::Null => {
            let job = plan::job(args, None)?;
            watched(context, args, &job, |spec, watch| run_null(&job, spec, watch))?
        }
        Subject::Media(profile) => {
            let job = plan::job(args, None)?;
            let size = job.offset.saturating_add(job.size);
            let device = MediaDevice::new(&profile, size, job.verify);
            watched(context, args, &job, |spec, watch| run_in_process(&job, device, spec, watch))?
        }
        Subject::Path(path) => {
            let writes = !args.what.rw.only_reads();
            let access = Access {
                writes,
                direct: args.how.direct,
                size: plan::size_needed(args),
                destroys: args.check.destroys.as_deref(),
            };
            let target = Arc::new(open_target(&path, access)?);
            let job = plan::job(args, Some(target.size()))?;
            seen.is_cached = !args.how.direct;
            seen.is_unwritten = target.is_new() && !writes;
            let engine = plan::engine(args);
            watched(context, args, &job, |spec, watch| {
                run_target(&job, &target, engine, spec, watch)
            })?
        }
    };
    answer(context, args, &finished, &seen)
}

/// Runs with somebody who watches: Ctrl-C, and a line on a terminal.
fn watched(
    context: &Context<'_>,
    args: &RunArgs,
    job: &Job,
    run: impl FnOnce(&RunSpec, Watch<'_>) -> Result<Finished, maprace_load::Error>,
) -> Result<Finished, Failure> {
    let mut spec = RunSpec::new();
    if let Some(path) = &args.check.ack_log {
        let header = AckHeader::new(&args.target, spec.run, job.unit(), job.numjobs);
        AckLog::create(path, &header)?;
        (spec.ack_log, spec.ack_syncs) = (Some(path.clone()), args.check.ack_sync);
    }
    let bar = Bar::new(context);
    let clock = Clock::new();
    let last = Cell::new((clock.now_ns(), 0, 0));
    let tell = |progress: Progress| {
        let (then, ios, bytes) = last.get();
        let now = clock.now_ns();
        // Two a second: a rate that can be read.
        if now - then >= 500_000_000 {
            last.set((now, progress.ios, progress.bytes));
            bar.say(|| page::progress(progress, (ios, bytes), now - then));
        }
    };
    let what = args.target.clone();
    bar.say(|| format!("{what}: starting"));
    Ok(run(&spec, Watch { stop: &STOP, tell: &tell })?)
}

/// The result, in the form that was asked for.
fn answer(
    context: &Context<'_>,
    args: &RunArgs,
    finished: &Finished,
    seen: &Seen,
) -> Result<Answer, Failure> {
    let mut record = Record::of(finished, seen);
    if args.how.no_timing {
        record.machine = None;
    }
    let format = if args.how.json { FormatArg::Json } else { args.how.format };
    let text = match format {
        FormatArg::Table => page::run(&record, context.paint),
        FormatArg::Json => super::json(&record)?,
        FormatArg::FioJson => super::json(&fio_json_plus(&record, env!("CARGO_PKG_VERSION")))?,
    };
    let (code, errors) = verdict(&record, &context.terminal.program);
    Ok(Answer { text, errors, code })
}

/// The exit code, and the one line that says why it is not 0.
fn verdict(record: &Record, program: &str) -> (u8, String) {
    let line = |what: String| format!("{program}: {}: {what}\n", record.target);
    let answered = |ios: u64| match ios {
        0 => "nothing was answered before".to_owned(),
        ios => format!("{ios} requests were answered before"),
    };
    let wrong = record.verify.as_ref().map_or(0, |verify| verify.wrong);
    match (&record.ended, &record.ended_by) {
        (Ended::Failed, Some(by)) => {
            let ios: u64 = record.ops.iter().filter(|op| op.op != Op::Flush).map(|op| op.ios).sum();
            // An engine that never worked is no finding about the target.
            let code = if ios == 0 && record.errors.is_empty() { BAD_INPUT } else { DAMAGE };
            (code, line(format!("{by}; {}", answered(ios))))
        }
        _ if record.lost > 0 => {
            let longest = record.lost_longest.as_ref();
            let longest = longest.map_or_else(String::new, |one| format!(" (the longest: {one})"));
            let what = format!(
                "{} requests were never answered{longest}: is the server alive?",
                record.lost
            );
            (DAMAGE, line(what))
        }
        _ if wrong > 0 => (DAMAGE, line(format!("{wrong} blocks are wrong"))),
        _ if !record.errors.is_empty() => {
            let failed: u64 = record.errors.iter().map(|error| error.count).sum();
            (DAMAGE, line(format!("{failed} requests failed")))
        }
        (Ended::Stopped, _) => {
            (INCOMPLETE, line("interrupted: this is the result so far".to_owned()))
        }
        _ => (0, String::new()),
    }
}
