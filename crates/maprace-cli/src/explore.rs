//! `explore`: one scenario in one configuration.

use crate::answer::{Answer, Context, DAMAGE, INCOMPLETE};
use crate::failure::Failure;
use crate::output::{Found, Measurements};
use crate::plan::Explore;
use crate::search::{Bar, search};
use maprace_scenario::{Judgement, Verdict, page};

/// Explores, and answers with the page and the diagram, or with JSON.
pub(crate) fn run(context: &Context<'_>, plan: &Explore) -> Result<Answer, Failure> {
    let Explore { subject, config, search: how, draw, files } = plan;
    let found = search(context, &Bar::new(context), subject, config, how)?;
    let code = code_of(&found.verdict);
    let name = &subject.scenario.name;
    let explored = [Found { name, subject, explored: &found }];
    files.write(context, &subject.scenario.title, &explored, Measurements::default())?;
    if how.json {
        let text = serde_json::to_string_pretty(&found.verdict)? + "\n";
        return Ok(Answer { text, code, ..Answer::default() });
    }
    let mut text = page(&subject.scenario.title, &found.verdict, context.paint);
    if *draw && let Some(drawing) = found.drawing(context.paint) {
        text += "\n";
        text += &drawing;
    }
    Ok(Answer { text, code, ..Answer::default() })
}

/// The exit code that a verdict has.
pub(crate) fn code_of(verdict: &Verdict) -> u8 {
    match verdict.verdict {
        Judgement::Safe => 0,
        Judgement::Damaged => DAMAGE,
        Judgement::Incomplete => INCOMPLETE,
    }
}
