//! The report: one HTML file that asks nobody for anything, with verdicts, measurements and a timeline
//! of each counterexample.
//!
//! Here the data is put together and embedded; what is drawn, and how, is in the scripts beside it,
//! which have no figure of their own. Nothing is explored or measured here. The same input gives the same bytes.

mod charts;
mod choose;
mod rows;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub(crate) mod timeline;

use crate::failure::Failure;
use charts::{Distribution, Swept, distributions, swept};
use choose::{Choice, choose};
use maprace_scenario::{Measured, Row, Sweep};
use rows::{RowData, rows};
use serde::Serialize;
use timeline::Timeline;

pub(crate) use charts::shares;
pub(crate) use rows::config;

/// The name and version of the format of the data in the page.
const SCHEMA: &str = "maprace.report/1";

/// The greatest size of the file, in bytes. Timelines are left out, from the last, to stay below it.
const SIZE_MAX: usize = 3 << 20;

const PAGE: &str = include_str!("report/report.html");
const STYLE: &str = include_str!("report/report.css");
const SCRIPT: &str = concat!(
    include_str!("report/report.js"),
    include_str!("report/charts.js"),
    include_str!("report/timelines.js")
);

/// What a report is made of; all but the title may be empty, and the page says what is missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportInput<'a> {
    /// What stands over it.
    pub(crate) title: String,
    /// The command that made it.
    pub(crate) command: String,
    /// The program and its version, and when, if that is to be told.
    pub(crate) made_with: String,
    /// What was explored, with the name of each scenario in the table.
    pub(crate) verdicts: Vec<Row<'a>>,
    /// What was measured in virtual time.
    pub(crate) measured: &'a [Measured],
    /// What was measured on threads.
    pub(crate) threads: &'a [Measured],
    /// Sweeps, in either world.
    pub(crate) sweeps: &'a [Sweep],
    /// A timeline of each counterexample.
    pub(crate) timelines: Vec<Timeline>,
}

/// What the script reads.
#[derive(Serialize)]
struct Data<'a> {
    schema: &'static str,
    title: &'a str,
    command: &'a str,
    made_with: &'a str,
    choices: Vec<Choice>,
    rows: Vec<RowData>,
    distributions: Vec<Distribution>,
    sweeps: Vec<Swept>,
    timelines: &'a [Timeline],
    /// Timelines that did not fit.
    left_out: usize,
}

/// The page.
pub(crate) fn html(input: &ReportInput<'_>) -> Result<String, Failure> {
    let timelines = merged(&input.timelines);
    let mut shown = timelines.len();
    loop {
        let page = page(input, &timelines, shown)?;
        if page.len() < SIZE_MAX || shown == 0 {
            return Ok(page);
        }
        shown = shown * 3 / 4;
    }
}

/// Timelines that differ in the preset alone become one.
fn merged(timelines: &[Timeline]) -> Vec<Timeline> {
    let mut all: Vec<Timeline> = Vec::new();
    for timeline in timelines {
        match all.iter_mut().find(|known| known.is_as(timeline)) {
            Some(known) => known.also.push(timeline.protocol.clone()),
            None => all.push(timeline.clone()),
        }
    }
    all
}

fn page(input: &ReportInput<'_>, timelines: &[Timeline], shown: usize) -> Result<String, Failure> {
    let mut rows = rows(&input.verdicts, input.measured, input.threads);
    let choices = choose(&rows);
    let timelines_shown = &timelines[..shown];
    for row in rows.iter_mut().filter(|row| row.explored.is_some()) {
        row.timeline = timelines_shown.iter().position(|timeline| is_of(timeline, row));
    }
    // In the table a scenario may have another name than its own.
    let named = |subject: &str| -> String {
        let row = input.verdicts.iter().find(|row| row.verdict.scenario == subject);
        row.map_or(subject, |row| row.name).to_owned()
    };
    let data = Data {
        schema: SCHEMA,
        title: &input.title,
        command: &input.command,
        made_with: &input.made_with,
        choices,
        rows,
        distributions: distributions(input.measured, input.threads, &named),
        sweeps: input.sweeps.iter().map(|sweep| swept(sweep, &named)).collect(),
        timelines: timelines_shown,
        left_out: timelines.len() - shown,
    };
    Ok(filled(&escaped(&input.title), &serde_json::to_string(&data)?))
}

/// Whether a timeline is of that row.
fn is_of(timeline: &Timeline, row: &RowData) -> bool {
    let settings = [vec![String::new()], timeline.moved.clone()].concat().join(" ");
    let config = |protocol: &String| row.config == format!("{protocol}{settings}");
    (&timeline.scenario, &timeline.order) == (&row.scenario, &row.order)
        && (config(&timeline.protocol) || timeline.also.iter().any(config))
}

/// The page with its parts in their places. The data comes last and is looked at by nobody.
fn filled(title: &str, json: &str) -> String {
    // In JSON a `<` can only stand in a string; nothing in one may end the element it stands in.
    let json = json.replace('<', "\\u003c");
    let mut page = String::new();
    for (i, part) in PAGE.split("{{").enumerate() {
        let (name, rest) =
            if i == 0 { ("", part) } else { part.split_once("}}").unwrap_or(("", part)) };
        page += match name {
            "title" => title,
            "style" => STYLE,
            "script" => SCRIPT,
            "data" => &json,
            _ => "",
        };
        page += rest;
    }
    page
}

/// Text that means nothing to a reader of HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
