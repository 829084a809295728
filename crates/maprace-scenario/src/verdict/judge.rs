//! From a report to a verdict: names instead of numbers, and what the examples show when they are
//! run again.

use super::expected::{self, Seen};
use super::{Found, Judgement, SCHEMA, Verdict};
use crate::config::Config;
use crate::explore_world::{Happened, Moment, Storied};
use crate::format::Scenario;
use crate::knobs::KnobValues;
use crate::schedule::Schedule;
use maprace_explore::{Budget, Counterexample, Missing, Options, Report, Stop, replay};
use maprace_fs::Checker;

/// What was asked, to be repeated in the answer.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The program, as commands call it: `maprace`.
    pub program: &'a str,
    /// The scenario, as it was typed.
    pub typed: &'a str,
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The configuration.
    pub config: &'a Config,
}

impl Question<'_> {
    /// The command that runs `schedule` again.
    pub fn replay_command(&self, schedule: &str) -> String {
        let Question { program, typed, config, .. } = self;
        let mut command = format!("{program} replay {}", quoted(typed));
        if config.layer != "ext4" {
            command += &format!(" --layer {}", quoted(&config.layer));
        }
        command += &format!(" --protocol {}", config.protocol.name);
        if config.order != maprace_fs::Order::BufferHead {
            command += &format!(" --order {}", config.order);
        }
        for (knob, value) in config.moved() {
            command += &format!(" --set {knob}={value}");
        }
        command + &format!(" --schedule \"{schedule}\"")
    }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// What running one kept schedule again shows.
struct Shown {
    /// The schedule as text.
    schedule: String,
    /// The broken invariants, each with its place in words.
    happened: Vec<(Happened, String)>,
}

/// Judges a report. `story` is the program that was explored: its examples are run again.
pub fn judge(
    question: &Question<'_>,
    story: &dyn Storied,
    options: &Options<'_>,
    report: &Report,
) -> Verdict {
    let shown: Vec<Shown> = report.examples.iter().map(|e| show(question, story, e)).collect();
    let damage: Vec<Found> = report
        .damage
        .iter()
        .map(|damage| {
            found(Checker::ALL[damage.checker as usize], damage.traces, &shown[damage.example])
        })
        .collect();
    let least = report.counterexample.as_ref().map(|least| show(question, story, least).schedule);
    let damaged = !damage.is_empty() || report.deadlocks > 0 || report.counterexample.is_some();
    let judgement = match (damaged, report.complete) {
        (true, _) => Judgement::Damaged,
        (false, true) => Judgement::Safe,
        (false, false) => Judgement::Incomplete,
    };
    let config = question.config;
    Verdict {
        schema: SCHEMA,
        world: "explore",
        scenario: question.scenario.name.clone(),
        layer: config.layer.clone(),
        protocol: config.protocol.name.to_owned(),
        order: config.order.name(),
        knobs: KnobValues(config.protocol.knobs.values()),
        counterfactual: config.is_counterfactual(),
        engine: report.engine.name(),
        granularity: "sync",
        dependency: "range",
        verdict: judgement,
        complete: report.complete,
        executions: report.executions,
        traces: report.traces,
        bad_traces: report.bad_traces,
        outcomes: report.outcomes,
        bad_outcomes: report.bad_outcomes,
        certificate: report.certificate,
        certificate_missing: missing(report, &options.budget),
        min_preemptions: report
            .counterexample
            .as_ref()
            .filter(|_| report.minimal)
            .map(|c| c.preemptions),
        p_random: report.p_random,
        deadlocks: report.deadlocks,
        expected: expectation(question, report, judgement, &damage, &shown),
        damage,
        steps_max: report.steps_max,
        replay: least.as_ref().map(|schedule| question.replay_command(schedule)),
        schedule: least,
        stopped: report.stopped.map(stop),
        seed: options.seed,
        budget: options.budget.executions,
        machine: None,
    }
}

/// Runs one kept schedule again.
fn show(question: &Question<'_>, story: &dyn Storied, kept: &Counterexample) -> Shown {
    let run = replay(story, &kept.schedule).expect("a schedule that was found can be run again");
    let label = |task: usize| run.labels[task].as_str();
    let schedule = Schedule::compress(kept.schedule.iter().map(|task| label(*task))).to_string();
    let place = |moment| match moment {
        Moment::Step(n) => {
            let done = &run.steps[n].done;
            format!("{} {}", label(done.task), done.step.name)
        }
        Moment::End => "end".to_owned(),
        Moment::After(n) => format!("after: {}", question.scenario.after[n]),
    };
    let happened = story.story().happened;
    Shown { schedule, happened: happened.into_iter().map(|h| (h, place(h.moment))).collect() }
}

fn found(checker: Checker, traces: u64, shown: &Shown) -> Found {
    let first = shown.happened.iter().find(|(h, _)| h.broken.checker == checker);
    Found {
        checker: checker.name().to_owned(),
        traces,
        first_broken: first.map(|(_, place)| place.clone()),
        kernel_visible: checker.is_kernel_visible(),
        found: first.map(|(h, _)| h.broken.words()),
    }
}

fn expectation(
    question: &Question<'_>,
    report: &Report,
    verdict: Judgement,
    damage: &[Found],
    shown: &[Shown],
) -> Option<expected::Expected> {
    let expect = question.scenario.expected(&question.config.names())?;
    let name = |found: &Found| Checker::from_name(&found.checker).map(Checker::name);
    let checkers: Vec<_> = damage.iter().filter_map(name).collect();
    let firsts = shown.iter().filter_map(|shown| shown.happened.first());
    let first: Vec<_> = firsts.map(|(h, _)| h.broken.checker.name()).collect();
    let complete = report.complete;
    Some(expected::hold(expect, &Seen { verdict, complete, checkers: &checkers, first: &first }))
}

fn missing(report: &Report, budget: &Budget) -> Option<String> {
    report.certificate_missing.map(|missing| match missing {
        Missing::Engine => format!("{} gives none", report.engine.name()),
        Missing::Cycle => "a state comes back to itself".to_owned(),
        Missing::Downsets => format!("a trace has more than {} downsets", budget.downsets),
    })
}

fn stop(stop: Stop) -> &'static str {
    match stop {
        Stop::Executions => "budget of executions",
        Stop::States => "budget of states",
        Stop::Preemptions => "bound of preemptions",
        Stop::Steps => "an execution was too long",
        Stop::Asked => "interrupted",
        Stop::FirstBug => "first bug found",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell_where_they_need_it() {
        assert_eq!(quoted("mine/a-b.toml"), "mine/a-b.toml");
        assert_eq!(quoted("it's mine.toml"), "'it'\\''s mine.toml'");
        assert_eq!(quoted(""), "''");
    }
}
