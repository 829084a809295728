//! A run as commit messages draw it: a column for each task, time going down, calls nested, what each
//! look-up found, and where an invariant breaks.
//!
//! Mail-ready: ASCII, 72 columns for two tasks and 100 for more. Steps before anything matters and
//! after everything is lost are left out, never one in between.

mod layout;
mod pick;
mod rows;
#[cfg(test)]
mod tests;
mod words;

pub use words::operation;

use crate::config::Config;
use crate::explore_world::{Moment, Story};
use crate::plan::Plan;
use crate::verdict::Paint;
use maprace_explore::{End, Replay};
use maprace_fs::Broken;

/// A run and what it was a run of.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// The configuration.
    pub config: &'a Config,
    /// The run.
    pub replay: &'a Replay,
    /// What happened in it.
    pub story: &'a Story,
}

/// Draws a run.
pub fn diagram(scene: &Scene<'_>, paint: Paint) -> String {
    let end = scene.replay.end.as_ref().map(|(end, _)| end);
    let deadlock = end.is_some_and(End::is_deadlock);
    let picked = pick::pick(&scene.replay.steps, scene.story, deadlock);
    let rows = rows::rows(scene, &picked);
    layout::lay_out(&rows, paint) + &ending(scene, paint)
}

/// The last lines: who waits for ever, what is wrong when all have ended, and what happens afterwards
/// shows.
pub fn ending(scene: &Scene<'_>, paint: Paint) -> String {
    let end = scene.replay.end.as_ref().map(|(end, _)| end);
    if let Some(End::Deadlock(waiting)) = end {
        return deadlock(scene, waiting, paint);
    }
    let mut text = String::new();
    let at_end = told(scene, |moment| moment == Moment::End);
    if !at_end.is_empty() {
        text += "when all have ended:\n";
        at_end.iter().for_each(|words| text += &format!("  {}\n", paint.bad(words)));
    }
    if !scene.plan.after_text.is_empty() {
        text += &after(&scene.plan.after_text);
    }
    let later = told(scene, |moment| matches!(moment, Moment::After(_)));
    later.iter().for_each(|words| text += &format!("  {}\n", paint.bad(words)));
    let happened = &scene.story.happened;
    if !happened.is_empty() && !happened.iter().any(|h| h.broken.checker.is_kernel_visible()) {
        text += "  nothing is kernel-visible\n";
    }
    text
}

/// What happens afterwards, in lines that a mail holds.
fn after(ops: &[String]) -> String {
    let (mut text, mut line) = (String::new(), "after:".to_owned());
    for (i, op) in ops.iter().enumerate() {
        let comma = if i + 1 < ops.len() { "," } else { "" };
        if line.len() + op.len() + comma.len() >= MAIL_WIDTH {
            text += &format!("{line}\n");
            line = " ".repeat("after:".len());
        }
        line += &format!(" {op}{comma}");
    }
    text + &line + "\n"
}

/// The most characters of a line of two tasks.
const MAIL_WIDTH: usize = 72;

/// What is said of broken invariants at such a moment: those a user of the kernel can see; the others
/// only if there is nothing else to say of the run.
fn told(scene: &Scene<'_>, when: impl Fn(Moment) -> bool) -> Vec<String> {
    let happened = &scene.story.happened;
    let shown = |broken: &Broken| broken.checker.is_kernel_visible();
    let else_nothing =
        !happened.iter().any(|h| matches!(h.moment, Moment::Step(_)) || shown(&h.broken));
    let here = happened.iter().filter(|h| when(h.moment));
    here.filter(|h| else_nothing || shown(&h.broken)).map(|h| h.broken.words()).collect()
}

fn deadlock(scene: &Scene<'_>, waiting: &[(usize, &'static str)], paint: Paint) -> String {
    let label = |task: usize| scene.replay.labels.get(task).map_or("", String::as_str);
    let mut text = format!("{}\n", paint.bad("deadlock: all that are left wait"));
    for (task, step) in waiting {
        text += &format!("  {} in {step}\n", label(*task));
    }
    text
}
