//! One exploration that many are made of: is the scenario damaged here, and how?
//!
//! What is kept of a search is only what shrinking and hunting compare; whoever shows a scenario to a
//! person explores it again and [judges](crate::judge) it.

use crate::any_layer::AnyLayer;
use crate::config::Config;
use crate::explore_world::Storied;
use crate::format::Scenario;
use crate::plan::{NotModelled, Plan};
use maprace_explore::{Engine, Options, Report, explore, replay};
use maprace_fs::Checker;

/// What breaks first in the shortest counterexample.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum First {
    /// An invariant.
    Broken(Checker),
    /// Nothing, and the tasks that are left wait for ever.
    Deadlock,
}

impl First {
    /// Its name: the checker's, or `deadlock`.
    pub fn name(self) -> &'static str {
        match self {
            First::Broken(checker) => checker.name(),
            First::Deadlock => "deadlock",
        }
    }

    /// The checker, if it is one.
    pub fn checker(self) -> Option<Checker> {
        match self {
            First::Broken(checker) => Some(checker),
            First::Deadlock => None,
        }
    }
}

/// Whether a user of the kernel can see any of the damage; a deadlock can be seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Visibility {
    /// Nothing of it.
    Hidden,
    /// Some of it.
    Visible,
}

/// What damage is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symptom {
    /// What breaks first.
    pub first: First,
    /// Whether it can be seen.
    pub visibility: Visibility,
    /// Steps of the shortest counterexample.
    pub steps: usize,
}

impl Symptom {
    /// Whether `other` is the same damage: what breaks first is the same, and what could be seen still
    /// can.
    pub fn is_kept_by(&self, other: &Symptom) -> bool {
        let seen = self.visibility == Visibility::Hidden || other.visibility == Visibility::Visible;
        self.first == other.first && seen
    }
}

/// What a search came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probed {
    /// The damage; `None` if none was found.
    pub symptom: Option<Symptom>,
    /// Whether nothing was left out.
    pub complete: bool,
    /// Executions.
    pub executions: u64,
}

impl Probed {
    /// Whether everything was tried and nothing breaks.
    pub fn is_safe(&self) -> bool {
        self.complete && self.symptom.is_none()
    }
}

/// Explores `scenario` under `config` on `layer`.
///
/// # Errors
/// When the scenario asks for something that the model lacks.
pub fn probe(
    layer: &dyn AnyLayer,
    scenario: &Scenario,
    config: &Config,
    options: &Options<'_>,
) -> Result<Probed, NotModelled> {
    let plan = Plan::new(scenario, config)?;
    let program = layer.program(&plan);
    let mut report = explore(&*program, options);
    let mut executions = report.executions;
    let asked = options.stop.is_some_and(|stop| stop.load(std::sync::atomic::Ordering::Relaxed));
    let open = !report.complete && report.counterexample.is_none() && report.deadlocks == 0;
    if options.engine == Engine::Dpor && open && !asked {
        report = explore(&*program, &Options { engine: Engine::States, ..*options });
        executions += report.executions;
    }
    let symptom = symptom(&*program, &report);
    Ok(Probed { symptom, complete: report.complete, executions })
}

/// What the damage of a report on `program` is like; `None` if it found none.
pub fn symptom(program: &dyn Storied, report: &Report) -> Option<Symptom> {
    let least = report.counterexample.as_ref()?;
    let run = replay(program, &least.schedule).expect("a schedule that was found can be run again");
    let broken = program.story().happened.first().map(|happened| happened.broken.checker);
    let is_visible = |checker: u32| {
        Checker::ALL.get(checker as usize).is_some_and(|checker| checker.is_kernel_visible())
    };
    let seen = report.deadlocks > 0 || report.damage.iter().any(|d| is_visible(d.checker));
    Some(Symptom {
        first: broken.map_or(First::Deadlock, First::Broken),
        visibility: if seen { Visibility::Visible } else { Visibility::Hidden },
        steps: run.steps.len(),
    })
}
