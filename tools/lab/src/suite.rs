//! `lab smoke` and `lab full`: lists of stages, one after the other, and what is printed and kept of them.

mod report;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::End;
use crate::accel::{Accel, Wish};
use crate::commands::run::keep_said;
use crate::host::{self, Host};
use crate::machine;
use crate::stage::{self, Ended, Stage, StageRan, Suite, file_name};
use crate::transcript::Verdict;

/// What was typed after `smoke` or `full`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only this stage, by its name or by what stands before the slash; may be given more than once
    #[arg(long, value_name = "STAGE")]
    only: Vec<String>,
    /// Go on after a failed stage
    #[arg(long)]
    keep_going: bool,
    /// Name the stages and what each one shows, and run none
    #[arg(long)]
    list: bool,
    /// Print JSON on the output, and the progress on the errors
    #[arg(long)]
    json: bool,
    /// What executes the guests of real time
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
}

/// What was typed after `full`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask lab full --keep-going        all stages, into docs/runs/DATE-device\n  \
    cargo xtask lab full --only speed        some, and no folder\n  \
    cargo xtask lab full --only speed --name speed\n\n\
    Exit codes: 0 passed; 1 a stage failed; 2 could not run; 3 nothing failed, but a stage was skipped.")]
pub(crate) struct FullArgs {
    /// What to run
    #[command(flatten)]
    stages: Args,
    /// What the folder is called behind the date; `device` if all stages run, else there is none
    #[arg(long)]
    name: Option<String>,
}

/// The short list.
pub(crate) fn smoke(args: &Args, host: &Host) -> Result<End> {
    let stages = chosen(args, stage::all().into_iter().filter(|s| s.suite == Suite::Smoke))?;
    if args.list {
        return Ok(list(&stages));
    }
    Ok(run(args, host, &stages)?.1)
}

/// The long list, and its folder.
pub(crate) fn full(args: &FullArgs, host: &Host) -> Result<End> {
    let stages = chosen(&args.stages, stage::all().into_iter())?;
    if args.stages.list {
        return Ok(list(&stages));
    }
    let (ran, end) = run(&args.stages, host, &stages)?;
    let name = match &args.name {
        Some(name) => Some(name.as_str()),
        None => (args.stages.only.is_empty() && !ran.is_empty()).then_some("device"),
    };
    if let Some(name) = name {
        let folder = report::write(host, name, &ran)?;
        eprintln!("lab: written to {}", folder.display());
    }
    Ok(end)
}

/// The stages that were asked for.
fn chosen(args: &Args, stages: impl Iterator<Item = Stage>) -> Result<Vec<Stage>> {
    let stages: Vec<Stage> = stages.collect();
    for name in &args.only {
        let is_any = stages.iter().any(|stage| stage.is_called(name));
        ensure!(is_any, "no stage of this list is called {name:?}; --list names them");
    }
    let is_chosen =
        |stage: &Stage| args.only.is_empty() || args.only.iter().any(|name| stage.is_called(name));
    Ok(stages.into_iter().filter(is_chosen).collect())
}

/// Names the stages.
fn list(stages: &[Stage]) -> End {
    for stage in stages {
        println!("{:<36} {}", stage.name, stage.about);
    }
    End::Passed
}

/// Runs the stages; what came of those that ran, and of all.
fn run(args: &Args, host: &Host, stages: &[Stage]) -> Result<(Vec<StageRan>, End)> {
    let programs: Vec<&str> = stages.iter().flat_map(|stage| stage.programs()).copied().collect();
    if let Some(line) = host::missing(&programs) {
        eprintln!("lab: skipped: {line}");
        return Ok((Vec::new(), End::Skipped));
    }
    let started = Instant::now();
    let mut all = Vec::new();
    for stage in stages {
        eprintln!("== {}: {}", stage.name, stage.about);
        let ran = match stage.run(host, args.accel) {
            Err(error) if machine::is_interrupted() => return Err(error),
            Err(error) => stage.failed(&format!("{error:#}")),
            Ok(ran) => ran,
        };
        if let Some((script, console)) = &ran.said {
            keep_said(&host.cache.join("logs"), &file_name(ran.name), script, console)?;
        }
        show(&ran, host);
        let is_failed = matches!(ran.ended, Ended::Failed(_));
        all.push(ran);
        if is_failed && !args.keep_going {
            break;
        }
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&all)?);
    }
    let (line, end) = summary(&all, stages.len(), started.elapsed());
    eprintln!("{line}");
    Ok((all, end))
}

/// What a person is told of one stage: all checks that did not pass, all figures, one line at the end.
fn show(ran: &StageRan, host: &Host) {
    for check in &ran.checks {
        let word = match check.verdict {
            Verdict::Ok => "ok  ",
            Verdict::Fail => "FAIL",
            Verdict::Skip => "skip",
        };
        eprintln!("   {word} {}: {}", check.name, check.text);
    }
    if let Some(first) = &ran.retried {
        eprintln!("   its first boot died before the script: {first}");
    }
    let on = ran.release.as_ref().map_or_else(String::new, |release| {
        let accel = ran.accel.map_or("", Accel::name);
        format!(" on {release}, {accel}, {} processors", ran.processors)
    });
    match &ran.ended {
        Ended::Passed => eprintln!("== {}: ok, {:.1} s{on}", ran.name, ran.seconds),
        Ended::Skipped(reason) => eprintln!("== {}: skipped: {reason}", ran.name),
        Ended::Failed(why) => {
            eprintln!("== {}: FAILED, {:.1} s{on}: {why}", ran.name, ran.seconds);
            let logs = host.cache.join("logs").join(file_name(ran.name));
            eprintln!("   what it said: {}.script.log, .console.log, .files", logs.display());
            eprintln!("   alone: cargo xtask lab full --only {}", ran.name);
        }
    }
}

/// The last line, and how the whole ended.
fn summary(all: &[StageRan], wanted: usize, took: Duration) -> (String, End) {
    let count = |is: fn(&StageRan) -> bool| all.iter().filter(|ran| is(ran)).count();
    let failed = count(|ran| matches!(ran.ended, Ended::Failed(_)));
    let skipped = count(|ran| matches!(ran.ended, Ended::Skipped(_)));
    let partly = count(|ran| {
        ran.ended == Ended::Passed && ran.checks.iter().any(|c| c.verdict == Verdict::Skip)
    });
    let end = if failed > 0 {
        End::Failed
    } else if skipped + partly > 0 {
        End::Skipped
    } else {
        End::Passed
    };
    let mut line = format!(
        "lab: {}: {} passed, {failed} failed, {skipped} skipped",
        if failed > 0 { "FAILED" } else { "ok" },
        all.len() - failed - skipped,
    );
    if partly > 0 {
        line += &format!(", {partly} with skipped checks");
    }
    if wanted > all.len() {
        line += &format!(", {} not run", wanted - all.len());
    }
    (line + &format!(", in {:.0} s", took.as_secs_f64()), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::check;

    fn ran(ended: Ended) -> StageRan {
        StageRan { ended, checks: vec![check("a", true, "")], ..stage::all()[0].blank() }
    }

    #[test]
    fn a_failure_outweighs_a_skip_and_a_skip_a_pass() {
        let (passed, skipped, failed) = (
            ran(Ended::Passed),
            ran(Ended::Skipped("why".to_owned())),
            ran(Ended::Failed("why".to_owned())),
        );
        let of = |all: &[StageRan]| summary(all, 4, Duration::from_secs(3));
        let line = "lab: ok: 1 passed, 0 failed, 0 skipped, 3 not run, in 3 s".to_owned();
        assert_eq!(of(std::slice::from_ref(&passed)), (line, End::Passed));
        assert_eq!(of(&[passed.clone(), skipped.clone()]).1, End::Skipped);
        assert_eq!(of(&[passed, skipped, failed]).1, End::Failed);
    }

    #[test]
    fn a_skipped_check_is_a_skip_of_the_whole() {
        let mut one = ran(Ended::Passed);
        one.checks[0].verdict = Verdict::Skip;
        let (line, end) = summary(&[one], 1, Duration::ZERO);
        assert_eq!(end, End::Skipped);
        assert!(line.contains("1 with skipped checks"), "{line}");
    }
}
