//! What `explore` and `compare` write beside their answer: the report, the trace, the plots.
//!
//! Whether a file can be written is asked before anything runs; each is written whole or not at all.

use crate::answer::Context;
use crate::args::FilesArgs;
use crate::failure::Failure;
use crate::files::{Existing, check_dir, check_file, write_whole};
use crate::plan::Subject;
use crate::report::timeline::Timeline;
use crate::report::{ReportInput, html};
use crate::search::Explored;
use crate::{plots, trace};
use maprace_scenario::{Measured, Row, Sweep};
use std::path::PathBuf;

/// The files that are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Files {
    report: Option<PathBuf>,
    trace: Option<PathBuf>,
    plots: Option<PathBuf>,
    existing: Option<Existing>,
}

/// What was explored.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    /// What the scenario is called in the table.
    pub(crate) name: &'a str,
    pub(crate) subject: &'a Subject,
    pub(crate) explored: &'a Explored,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measurements<'a> {
    pub(crate) measured: &'a [Measured],
    pub(crate) threads: &'a [Measured],
    pub(crate) sweeps: &'a [Sweep],
}

impl Files {
    /// Those that were typed, if they can be written.
    pub(crate) fn checked(args: FilesArgs, plots: Option<PathBuf>) -> Result<Files, Failure> {
        let FilesArgs { report, trace, force } = args;
        let existing = Existing::of(force);
        report.iter().chain(&trace).try_for_each(|path| check_file(path, existing))?;
        plots.iter().try_for_each(|dir| check_dir(dir, existing))?;
        Ok(Files { report, trace, plots, existing: Some(existing) })
    }

    /// Writes them.
    pub(crate) fn write(
        &self,
        context: &Context<'_>,
        title: &str,
        found: &[Found<'_>],
        figures: Measurements<'_>,
    ) -> Result<(), Failure> {
        let existing = self.existing.unwrap_or(Existing::Keep);
        if let Some(dir) = &self.plots {
            plots::write(dir, &plots::plots(figures.measured, figures.sweeps)?, existing)?;
        }
        if self.report.is_none() && self.trace.is_none() {
            return Ok(());
        }
        let timeline = |one: &Found<'_>| one.explored.timeline(one.name, &one.subject.scenario);
        let timelines: Vec<Timeline> = found.iter().filter_map(timeline).collect();
        if let Some(path) = &self.trace {
            write_whole(path, &trace::json(&timelines), existing)?;
        }
        let Some(path) = &self.report else { return Ok(()) };
        let input = ReportInput {
            title: title.to_owned(),
            command: context.terminal.typed.clone(),
            made_with: format!("maprace {}", env!("CARGO_PKG_VERSION")),
            verdicts: found
                .iter()
                .map(|one| Row { name: one.name, verdict: &one.explored.verdict })
                .collect(),
            measured: figures.measured,
            threads: figures.threads,
            sweeps: figures.sweeps,
            timelines,
        };
        write_whole(path, &html(&input)?, existing)
    }
}
