//! What is finished survives: a line a measurement, written as it ends, read by `--resume`.
//!
//! The first line says which question it is; a file of another one is refused. A line that was cut
//! short by a kill is measured again.

use super::Measure;
use crate::failure::Failure;
use crate::files::{Existing, write_whole};
use crate::plan::Compare;
use maprace_scenario::Measured;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The name and version of the format.
const SCHEMA: &str = "maprace.state/1";

#[derive(Serialize, Deserialize, PartialEq)]
struct Head {
    schema: String,
    question: String,
}

/// A line as it is read.
struct Line {
    key: String,
    measured: Measured,
}

impl Line {
    /// What a line says; `None` for one that was cut short.
    fn read(text: &str) -> Option<Line> {
        let mut line: serde_json::Value = serde_json::from_str(text).ok()?;
        let key = line.get("key")?.as_str()?.to_owned();
        let measured = serde_json::from_value(line.get_mut("measured")?.take()).ok()?;
        Some(Line { key, measured })
    }
}

/// What is finished.
pub(super) struct State {
    file: Option<(PathBuf, File)>,
    known: BTreeMap<String, Measured>,
}

fn failed(path: &Path) -> impl Fn(Error) -> Failure {
    let path = path.to_owned();
    move |error| Failure::File { path: path.clone(), error }
}

/// Everything that figures depend on and keys do not say.
fn question(measure: &Measure, plan: &Compare) -> String {
    let scenarios: Vec<_> = plan.subjects.iter().map(|(_, s)| &s.scenario).collect();
    let knobs: Vec<_> = plan.configs.iter().map(|c| (&c.layer, c.moved())).collect();
    let digest = maprace_runtime::Digest::of(&format!(
        "{scenarios:?} {knobs:?} {:?} {:?} {:?} {:?} {}",
        measure.media,
        measure.table,
        measure.cpus,
        measure.sweep,
        env!("CARGO_PKG_VERSION"),
    ));
    format!("{digest:032x} seed {} rounds {}", measure.seed, measure.rounds)
}

impl State {
    /// The file of `--state`, new or with what is finished in it; or none.
    pub(super) fn open(measure: &Measure, plan: &Compare) -> Result<State, Failure> {
        let Some(path) = &measure.state else {
            return Ok(State { file: None, known: BTreeMap::new() });
        };
        let head = Head { schema: SCHEMA.to_owned(), question: question(measure, plan) };
        let mut known = BTreeMap::new();
        if measure.resume && path.exists() {
            let text = std::fs::read_to_string(path).map_err(failed(path))?;
            let first = text.lines().next().unwrap_or_default();
            if serde_json::from_str::<Head>(first).ok().as_ref() != Some(&head) {
                let what = "it is not of this question: name another file, or leave --resume out";
                return Err(failed(path)(Error::new(ErrorKind::InvalidData, what)));
            }
            let lines = text.lines().skip(1).filter_map(Line::read);
            known.extend(lines.map(|Line { key, measured }| (key, measured)));
        }
        let mut text = serde_json::to_string(&head)? + "\n";
        for (key, measured) in &known {
            text += &line(key, measured)?;
        }
        // Whole or as it was: a kill here must not lose what is finished.
        write_whole(path, &text, Existing::Replace)?;
        let file = OpenOptions::new().append(true).open(path).map_err(failed(path))?;
        Ok(State { file: Some((path.clone(), file)), known })
    }

    /// What is finished under that key.
    pub(super) fn known(&self, key: &str) -> Option<Measured> {
        self.known.get(key).cloned()
    }

    /// This is finished.
    pub(super) fn keep(&mut self, key: &str, measured: &Measured) -> Result<(), Failure> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let line = line(key, measured)?;
        file.write_all(line.as_bytes()).and_then(|()| file.sync_data()).map_err(failed(path))
    }
}

fn line(key: &str, measured: &Measured) -> Result<String, Failure> {
    #[derive(Serialize)]
    struct Lent<'a> {
        key: &'a str,
        measured: &'a Measured,
    }
    Ok(serde_json::to_string(&Lent { key, measured })? + "\n")
}
