//! `cargo xtask ci`: the one entry that CI and developers run.
//!
//! Stages run in the order of [`Stage`], cheapest first. All of them build with one profile,
//! release, so that they share what they build and the explorer's tests stay fast. A stage that
//! cannot run is skipped with its reason and counted; with `CI` set, a skip is a failure.

mod own_layer;
mod stage;

use std::env;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::workspace::Workspace;
use stage::{Outcome, Stage};

/// What was typed after `ci`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask ci\n  \
    cargo xtask ci --only clippy --only doc\n  \
    cargo xtask ci --keep-going\n  \
    cargo xtask ci --list\n\n\
    Environment: with CI set, a skipped stage is a failed one.")]
pub(crate) struct Args {
    /// Run only this stage; may be given more than once
    #[arg(long, value_name = "STAGE")]
    only: Vec<Stage>,
    /// Go on after a failed stage
    #[arg(long)]
    keep_going: bool,
    /// Name the stages and what each one does, and run none
    #[arg(long)]
    list: bool,
}

/// What became of the stages so far.
#[derive(Debug, Default)]
struct Tally {
    /// How many passed.
    passed: usize,
    /// The failed ones.
    failed: Vec<Stage>,
    /// The skipped ones, with the reason.
    skipped: Vec<(Stage, String)>,
    /// Not started, because an earlier one failed.
    not_run: usize,
}

impl Tally {
    /// Whether nothing stands against the change.
    fn passed(&self) -> bool {
        self.failed.is_empty()
    }

    /// The last line of the output.
    fn summary(&self, took: Duration) -> String {
        let mut line = format!(
            "ci: {}: {} passed, {} failed, {} skipped",
            if self.passed() { "ok" } else { "FAILED" },
            self.passed,
            self.failed.len(),
            self.skipped.len(),
        );
        if self.not_run > 0 {
            line += &format!(", {} not run", self.not_run);
        }
        line + &format!(", in {}", seconds(took))
    }
}

/// Runs the chosen stages; true when none failed.
pub(crate) fn run(args: &Args, workspace: &Workspace) -> Result<bool> {
    if args.list {
        for stage in Stage::ALL {
            println!("{:<10} {}", stage.name(), stage.about());
        }
        return Ok(true);
    }
    let skip_is_failure = on_ci(env::var("CI").ok().as_deref());
    let chosen: Vec<Stage> =
        Stage::ALL.into_iter().filter(|s| args.only.is_empty() || args.only.contains(s)).collect();
    let started = Instant::now();
    let mut tally = Tally::default();
    for (index, &stage) in chosen.iter().enumerate() {
        run_stage(stage, workspace, skip_is_failure, &mut tally);
        if !tally.passed() && !args.keep_going {
            tally.not_run = chosen.len() - index - 1;
            break;
        }
    }
    report(&tally, started.elapsed());
    Ok(tally.passed())
}

/// Runs one stage between its two header lines.
fn run_stage(stage: Stage, workspace: &Workspace, skip_is_failure: bool, tally: &mut Tally) {
    println!("\n== {}: {}", stage.name(), stage.about());
    let started = Instant::now();
    let outcome = stage.run(workspace);
    let took = seconds(started.elapsed());
    match outcome {
        Ok(Outcome::Passed) => {
            println!("== {}: ok, {took}", stage.name());
            tally.passed += 1;
        }
        Ok(Outcome::Skipped(reason)) if !skip_is_failure => {
            println!("== {}: skipped: {reason}", stage.name());
            tally.skipped.push((stage, reason));
        }
        Ok(Outcome::Skipped(reason)) => {
            println!("== {}: FAILED: skipped where CI is set: {reason}", stage.name());
            tally.failed.push(stage);
        }
        Err(error) => {
            println!("== {}: FAILED, {took}: {error:#}", stage.name());
            tally.failed.push(stage);
        }
    }
}

/// The end of the output: what was skipped and why, how to repeat what failed, the summary.
fn report(tally: &Tally, took: Duration) {
    println!();
    for (stage, reason) in &tally.skipped {
        println!("ci: skipped {}: {reason}", stage.name());
    }
    for stage in &tally.failed {
        println!("ci: {} failed; alone: cargo xtask ci --only {}", stage.name(), stage.name());
    }
    println!("{}", tally.summary(took));
}

/// Whether the variable `CI` has a value that means yes.
fn on_ci(value: Option<&str>) -> bool {
    !matches!(value, None | Some("" | "0" | "false"))
}

/// A duration for people.
fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_a_variable_with_a_value() {
        assert!(on_ci(Some("true")) && on_ci(Some("1")) && on_ci(Some("yes")));
        assert!(!on_ci(None) && !on_ci(Some("")) && !on_ci(Some("false")) && !on_ci(Some("0")));
    }

    #[test]
    fn summary_counts_every_kind() {
        let clean = Tally { passed: 2, ..Tally::default() };
        assert_eq!(
            clean.summary(Duration::from_millis(1500)),
            "ci: ok: 2 passed, 0 failed, 0 skipped, in 1.5 s"
        );
        let mixed = Tally {
            passed: 1,
            failed: vec![Stage::Doc],
            skipped: vec![(Stage::Bench, "no benches".to_owned())],
            not_run: 4,
        };
        assert_eq!(
            mixed.summary(Duration::from_secs(3)),
            "ci: FAILED: 1 passed, 1 failed, 1 skipped, 4 not run, in 3.0 s"
        );
    }
}
