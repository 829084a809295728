//! `replay`: one schedule, run again and shown.

use crate::answer::{Answer, Context, DAMAGE};
use crate::failure::Failure;
use crate::plan::{Replay, Show};
use crate::search::uncontradicted;
use maprace_explore::{Replay as Played, replay_with};
use maprace_fs::Checker;
use maprace_runtime::Object;
use maprace_runtime::sim::{Exec, Guard, Hold};
use maprace_scenario::{
    Driver, Mismatch, Moment, Paint, Plan, Scene, Schedule, Storied, TaskView, diagram, ending,
};
use std::fmt::Write;

/// Runs the schedule and shows the run.
pub(crate) fn run(context: &Context<'_>, plan: &Replay) -> Result<Answer, Failure> {
    let Replay { subject, config, origin, schedule, show } = plan;
    let planned = Plan::new(&subject.scenario, config)?;
    let program = context.layers.get(&config.layer)?.program(&planned);
    let played = uncontradicted(context, &subject.scenario.name, || play(&*program, schedule))?;
    let played = played.map_err(|mismatch| Failure::Mismatch {
        origin: origin.clone(),
        mismatch: mismatch.to_string(),
    })?;
    let story = program.story();
    let scene = Scene { plan: &planned, config, replay: &played, story: &story };
    let text = match show {
        Show::Diagram => diagram(&scene, context.paint) + "\n" + &sentence(&scene, context.paint),
        Show::Steps => steps(&scene, context.paint) + &sentence(&scene, context.paint),
        Show::Exact => exact(plan, &played),
    };
    let code = if is_bad(&played) { DAMAGE } else { 0 };
    Ok(Answer { text, code, ..Answer::default() })
}

/// Lets the driver pick, and when it has no more to say the first task that can run, the one at hand
/// before others.
fn play(program: &dyn Storied, schedule: &Schedule) -> Result<Played, Mismatch> {
    let mut driver = Driver::new(schedule);
    let mut owners = Owners::default();
    let mut wrong = None;
    let played = replay_with(program, &mut |exec| {
        owners.update(exec);
        let names: Vec<String> = (0..exec.len()).map(|id| program.label(exec.name(id))).collect();
        let views: Vec<TaskView<'_>> = names
            .iter()
            .enumerate()
            .map(|(id, name)| view(exec, id, name, &names, &owners))
            .collect();
        let next = match driver.next(&views) {
            Ok(Some(task)) => Some(task),
            Ok(None) => rest(exec, owners.last),
            Err(mismatch) => {
                wrong = Some(mismatch);
                None
            }
        };
        owners.last = next.or(owners.last);
        next
    });
    match wrong {
        Some(mismatch) => Err(mismatch),
        None => Ok(played.expect("the driver picks only tasks that can run")),
    }
}

/// Who goes on when the schedule has no more to say.
fn rest(exec: &Exec, last: Option<usize>) -> Option<usize> {
    let first = (0..exec.len()).find(|id| exec.is_enabled(*id));
    last.filter(|id| exec.is_enabled(*id)).or(first)
}

fn view<'a>(
    exec: &Exec,
    id: usize,
    name: &'a str,
    names: &[String],
    owners: &Owners,
) -> TaskView<'a> {
    let announced = exec.announced(id);
    let waits_for = announced.filter(|_| !exec.is_enabled(id)).and_then(|announced| {
        let owner = owners.of(object_of(announced.guard)?)?;
        names.get(owner).cloned()
    });
    TaskView {
        name,
        announced: announced.map(|announced| announced.step.name),
        enabled: exec.is_enabled(id),
        waits_for,
    }
}

fn object_of(guard: Guard) -> Option<Object> {
    match guard {
        Guard::None => None,
        Guard::Shared(object) | Guard::Exclusive(object) | Guard::Clear(object) => Some(object),
    }
}

/// Who holds what, found out by comparing what is held before and after each step.
#[derive(Default)]
struct Owners {
    last: Option<usize>,
    held: Vec<(Hold, usize)>,
}

impl Owners {
    fn update(&mut self, exec: &Exec) {
        let now = exec.held();
        let mut known = std::mem::take(&mut self.held);
        for hold in now {
            let before = known.iter().position(|(old, _)| *old == hold);
            let owner = before.map(|at| known.remove(at).1).or(self.last);
            self.held.extend(owner.map(|owner| (hold, owner)));
        }
    }

    fn of(&self, object: Object) -> Option<usize> {
        let holds = |hold: Hold| matches!(hold, Hold::Take(o) | Hold::Share(o) if o == object);
        self.held.iter().find(|(hold, _)| holds(*hold)).map(|(_, owner)| *owner)
    }
}

fn is_bad(played: &Played) -> bool {
    played.end.as_ref().is_some_and(|(end, outcome)| outcome.failed != 0 || end.is_deadlock())
}

/// One line for each step, then what happens afterwards.
fn steps(scene: &Scene<'_>, paint: Paint) -> String {
    let labels = &scene.replay.labels;
    let width = labels.iter().map(String::len).max().unwrap_or(0).max("after".len());
    let mut text = String::new();
    let mut number = 0;
    let mut line = |who: &str, what: String| {
        number += 1;
        let _ = writeln!(text, "{number:>4}  {who:width$}  {what}");
    };
    for (i, step) in scene.replay.steps.iter().enumerate() {
        let what = told(step.done.step.name, &step.note.saw);
        line(&labels[step.done.task], what + &mark(scene, Moment::Step(i), paint));
    }
    for (op, steps) in scene.plan.after_text.iter().zip(&scene.story.after) {
        for (i, (done, note)) in steps.iter().enumerate() {
            let op = if i == 0 { format!("{op}: ") } else { String::new() };
            line("after", op + &told(done.step.name, &note.saw));
        }
    }
    text + &ending(scene, paint)
}

fn told(step: &str, saw: &[String]) -> String {
    if saw.is_empty() { step.to_owned() } else { format!("{step}: {}", saw.join("; ")) }
}

fn mark(scene: &Scene<'_>, moment: Moment, paint: Paint) -> String {
    let here = scene.story.happened.iter().filter(|happened| happened.moment == moment);
    let all: Vec<String> = here.map(|happened| happened.broken.words()).collect();
    if all.is_empty() {
        return String::new();
    }
    format!("   {}", paint.bad(&format!("<< {}", all.join(", "))))
}

/// The verdict of the one run.
fn sentence(scene: &Scene<'_>, paint: Paint) -> String {
    let played = scene.replay;
    let runs = format!("preemptions {}, switches {}", played.preemptions, played.switches);
    let Some((end, outcome)) = &played.end else { return String::new() };
    let failed = Checker::ALL.iter().filter(|c| outcome.failed >> (**c as u64) & 1 == 1);
    let mut failed: Vec<&str> = failed.map(|checker| checker.name()).collect();
    if end.is_deadlock() {
        failed.insert(0, "deadlock");
    }
    match failed.is_empty() {
        true => format!("{} in this run ({runs})\n", paint.good("no damage")),
        false => format!("{}: {} ({runs})\n", paint.bad("damaged"), failed.join(", ")),
    }
}

/// The run as a schedule file.
fn exact(plan: &Replay, played: &Played) -> String {
    let Replay { subject, config, .. } = plan;
    let steps = played.steps.iter();
    let named = steps.map(|s| (played.labels[s.done.task].as_str(), s.done.step.name));
    let mut schedule = Schedule::long(named)
        .with("scenario", &subject.scenario.name)
        .with("layer", &config.layer)
        .with("protocol", config.protocol.name)
        .with("order", config.order.name());
    let moved: Vec<String> =
        config.moved().iter().map(|(knob, value)| format!("{knob}={value}")).collect();
    if !moved.is_empty() {
        schedule = schedule.with("set", &moved.join(", "));
    }
    schedule.to_string()
}
