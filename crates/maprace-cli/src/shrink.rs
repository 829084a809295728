//! `explore --shrink`: makes a damaged scenario small, and explores what is left.

use crate::answer::{Answer, Context};
use crate::args::ExploreArgs;
use crate::explore::code_of;
use crate::failure::Failure;
use crate::files::{Existing, check_file, write_whole};
use crate::plan::{self, Explore, Subject};
use crate::search::{Bar, Explored, STOP, go_on, search, uncontradicted};
use maprace_explore::{Budget, Options};
use maprace_scenario::{Scenario, Shrunk, Symptom, Trial, Verdict, page, probe, shrink};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Executions that one attempt may cost; the other limits follow.
const OF_ONE: u64 = 20_000;
/// States that one attempt may keep.
const STATES_OF_ONE: u64 = 300_000;

/// What will be shrunk, and where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    explore: Explore,
    to: Option<PathBuf>,
    existing: Existing,
}

/// Puts together what was typed; a file that cannot be written is known before anything runs.
pub(crate) fn plan(context: &Context<'_>, args: ExploreArgs) -> Result<Planned, Failure> {
    let existing = Existing::of(args.files.force);
    let to = args.shrink.shrink_to.clone();
    to.as_deref().map_or(Ok(()), |path| check_file(path, existing))?;
    Ok(Planned { explore: plan::explore(context, args)?, to, existing })
}

/// The answer as JSON: the verdict of what is left, and how it came about.
#[derive(Serialize)]
struct Json<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// `None` where there is no damage.
    shrunk: Option<JsonShrunk<'a>>,
}

#[derive(Serialize)]
struct JsonShrunk<'a> {
    toml: String,
    dropped: &'a [String],
    tried: u64,
    minimal: bool,
    file: Option<String>,
}

/// Explores, shrinks if there is damage, and answers with the scenario that is left and its page.
pub(crate) fn run(context: &Context<'_>, planned: &Planned) -> Result<Answer, Failure> {
    let Planned { explore, to, existing } = planned;
    let Explore { subject, config, search: how, .. } = explore;
    let bar = Bar::new(context);
    let found = search(context, &bar, subject, config, how)?;
    let Some(symptom) = found.symptom() else {
        drop(bar);
        return answer(context, planned, subject, &found, None);
    };
    let shrunk = make_small(context, &bar, explore, &symptom)?;
    go_on();
    let small = small_subject(planned, &shrunk);
    let found = match shrunk.dropped.is_empty() {
        true => found,
        false => search(context, &bar, &small, config, how)?,
    };
    drop(bar);
    if let Some(path) = to {
        write_whole(path, &shrunk.scenario.to_toml(), *existing)?;
    }
    answer(context, planned, &small, &found, Some(&shrunk))
}

/// Drops what the damage does not need.
fn make_small(
    context: &Context<'_>,
    bar: &Bar,
    explore: &Explore,
    symptom: &Symptom,
) -> Result<Shrunk, Failure> {
    let Explore { subject, config, search: how, .. } = explore;
    let layer = context.layers.get(&config.layer)?;
    let budget = Budget {
        executions: how.budget.executions.min(OF_ONE),
        states: how.budget.states.min(STATES_OF_ONE),
        ..how.budget
    };
    let options = Options {
        engine: how.engine,
        seed: how.seed,
        budget,
        stop: Some(&STOP),
        ..Options::default()
    };
    let mut tried = 0u64;
    Ok(shrink(&subject.scenario, &mut |small: &Scenario| {
        tried += 1;
        let size = (small.tasks.len(), small.file.blocks(small.fs.block));
        bar.say(|| format!("shrinking: {} tasks, {} blocks, attempt {tried}", size.0, size.1));
        let probed = uncontradicted(context, &small.name, || probe(layer, small, config, &options));
        if STOP.load(Ordering::SeqCst) {
            return Trial::Stop;
        }
        match probed {
            Ok(Ok(probed)) if probed.symptom.is_some_and(|s| symptom.is_kept_by(&s)) => Trial::Same,
            _ => Trial::Different,
        }
    }))
}

/// The scenario that is left, and how a command names it: the file it is written to, or should be.
fn small_subject(planned: &Planned, shrunk: &Shrunk) -> Subject {
    let scenario = shrunk.scenario.clone();
    let typed = match &planned.to {
        Some(path) => {
            let path = path.display().to_string();
            let is_path = path.contains('/') || path.contains(".toml");
            if is_path { path } else { format!("./{path}") }
        }
        None if shrunk.dropped.is_empty() => planned.explore.subject.typed.clone(),
        None => format!("./{}.toml", scenario.name),
    };
    Subject { typed, scenario }
}

fn answer(
    context: &Context<'_>,
    planned: &Planned,
    subject: &Subject,
    found: &Explored,
    shrunk: Option<&Shrunk>,
) -> Result<Answer, Failure> {
    let code = code_of(&found.verdict);
    let file = planned.to.as_ref().map(|path| path.display().to_string());
    if planned.explore.search.json {
        let shrunk = shrunk.map(|shrunk| JsonShrunk {
            toml: shrunk.scenario.to_toml(),
            dropped: &shrunk.dropped,
            tried: shrunk.tried,
            minimal: shrunk.is_minimal,
            file: file.clone(),
        });
        let json = Json { verdict: &found.verdict, shrunk };
        let text = serde_json::to_string_pretty(&json)? + "\n";
        return Ok(Answer { text, code, ..Answer::default() });
    }
    let mut text = match shrunk {
        Some(shrunk) => told(shrunk, subject, file.as_deref()),
        None => "# not shrunk: there is no damage to keep\n\n".to_owned(),
    };
    text += &page(&subject.scenario.title, &found.verdict, context.paint);
    if planned.explore.draw
        && let Some(drawing) = found.drawing(context.paint)
    {
        text += "\n";
        text += &drawing;
    }
    Ok(Answer { text, code, ..Answer::default() })
}

/// The scenario as text, and below it, as a comment of that text, what was dropped.
fn told(shrunk: &Shrunk, subject: &Subject, file: Option<&str>) -> String {
    let mut text = shrunk.scenario.to_toml() + "\n";
    text += &match (shrunk.dropped.is_empty(), shrunk.is_minimal) {
        (true, true) => "# already minimal: the damage needs all of it".to_owned(),
        (true, false) => "# interrupted before anything was dropped".to_owned(),
        (false, true) => format!("# dropped: {}", shrunk.dropped.join("; ")),
        (false, false) => format!("# dropped so far: {}", shrunk.dropped.join("; ")),
    };
    text += &format!(" ({} attempts)\n", shrunk.tried);
    match file {
        Some(file) => text += &format!("# written to {file}\n"),
        None if shrunk.dropped.is_empty() => {}
        None => text += &format!("# save it as {} to replay it\n", subject.typed),
    }
    text + "\n"
}
