//! One search: a scenario in a configuration, explored and judged.

use crate::answer::Context;
use crate::failure::Failure;
use crate::machine::{machine, timed};
use crate::plan::{Search, Subject};
use crate::report::timeline::{Of, Timeline, of_replay};
use crate::values::one_line;
use indicatif::{ProgressBar, ProgressStyle};
use maprace_explore::{Counterexample, Options, Progress, Report, explore, replay};
use maprace_scenario::{
    Config, Paint, Plan, Question, Scenario, Scene, Storied, Symptom, Verdict, diagram, judge,
    symptom,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set by Ctrl-C: searches end with what they have found.
pub(crate) static STOP: AtomicBool = AtomicBool::new(false);

/// Set by the first Ctrl-C, for the second.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Lets what was found be looked at after the search for it was asked to end; true if it was.
pub(crate) fn go_on() -> bool {
    STOP.swap(false, Ordering::SeqCst)
}

/// The exit code of a program that a second Ctrl-C ends at once.
const INTERRUPTED: i32 = 130;

/// Asks for a clean end at Ctrl-C; the second one ends the program.
pub(crate) fn watch_for_interrupt() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let asked = || {
            if ASKED.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
            STOP.store(true, Ordering::SeqCst);
        };
        // Without a handler Ctrl-C ends the program, which is no reason not to search.
        let _ = ctrlc::set_handler(asked);
    });
}

/// What a search found, with what it takes to draw it.
pub(crate) struct Explored {
    pub(crate) verdict: Verdict,
    report: Report,
    plan: Plan,
    config: Config,
    program: Box<dyn Storied>,
}

/// Shows how far a command is.
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// A line on standard error, or nothing.
    pub(crate) fn new(context: &Context<'_>) -> Bar {
        Bar(context.progress.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        }))
    }

    /// Shows `what`.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if let Some(bar) = &self.0 {
            bar.set_message(what());
        }
    }

    fn searching(&self, what: &str, progress: Progress) {
        let Progress { engine, executions, bad, states } = progress;
        self.say(|| match states {
            0 => format!("{what}: {}, {executions} executions, {bad} bad", engine.name()),
            _ => format!("{what}: {}, {states} states, {bad} bad", engine.name()),
        });
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Explores and judges.
pub(crate) fn search(
    context: &Context<'_>,
    bar: &Bar,
    subject: &Subject,
    config: &Config,
    how: &Search,
) -> Result<Explored, Failure> {
    watch_for_interrupt();
    let plan = Plan::new(&subject.scenario, config)?;
    let program = context.layers.get(&config.layer)?.program(&plan);
    let what = format!("{} {} {}", subject.scenario.name, config.protocol.name, config.order);
    bar.say(|| what.clone());
    let tell = |progress| bar.searching(&what, progress);
    let options = Options {
        engine: how.engine,
        seed: how.seed,
        budget: how.budget,
        stop: Some(&STOP),
        progress: Some(&tell),
        ..Options::default()
    };
    let question = Question {
        program: &context.terminal.program,
        typed: &subject.typed,
        scenario: &subject.scenario,
        config,
    };
    let searched = || {
        let (report, seconds) = timed(|| explore(&*program, &options));
        let mut verdict = judge(&question, &*program, &options, &report);
        verdict.machine = how.timing.then(|| machine(report.executions, seconds));
        (verdict, report)
    };
    let (verdict, report) = uncontradicted(context, &subject.scenario.name, searched)?;
    Ok(Explored { verdict, report, plan, config: config.clone(), program })
}

/// Runs `work`; a panic in it, be it a limit of the explorer or a contradiction in maprace or in a layer,
/// becomes an error. Its backtrace is printed only where it is wanted.
pub(crate) fn uncontradicted<T>(
    context: &Context<'_>,
    scenario: &str,
    work: impl FnOnce() -> T,
) -> Result<T, Failure> {
    let hook = (!context.terminal.wants_backtrace).then(std::panic::take_hook);
    if hook.is_some() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let done = catch_unwind(AssertUnwindSafe(work));
    if let Some(hook) = hook {
        std::panic::set_hook(hook);
    }
    done.map_err(|cause| {
        let text = cause.downcast_ref::<String>().cloned();
        let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = one_line(&text.unwrap_or_else(|| "no message".to_owned()));
        Failure::Panic { scenario: scenario.to_owned(), what }
    })
}

impl Explored {
    /// The least schedule that does damage.
    pub(crate) fn counterexample(&self) -> Option<&Counterexample> {
        self.report.counterexample.as_ref()
    }

    /// What its damage is like.
    pub(crate) fn symptom(&self) -> Option<Symptom> {
        symptom(&*self.program, &self.report)
    }

    /// Its diagram and the command that runs it again.
    pub(crate) fn drawing(&self, paint: Paint) -> Option<String> {
        let schedule = &self.counterexample()?.schedule;
        let replay =
            replay(&*self.program, schedule).expect("a schedule that was found runs again");
        let story = self.program.story();
        let scene =
            Scene { plan: &self.plan, config: &self.config, replay: &replay, story: &story };
        let command = self.verdict.replay.as_deref().unwrap_or_default();
        Some(format!("{}\n{command}\n", diagram(&scene, paint)))
    }

    /// The same as lanes; `name` is what the scenario is called in the table.
    pub(crate) fn timeline(&self, name: &str, scenario: &Scenario) -> Option<Timeline> {
        let schedule = &self.counterexample()?.schedule;
        let replay =
            replay(&*self.program, schedule).expect("a schedule that was found runs again");
        let command = self.verdict.replay.as_deref().unwrap_or_default();
        let of = Of { name, scenario, plan: &self.plan, config: &self.config, command };
        Some(of_replay(&of, &replay, &self.program.story()))
    }
}
