//! A schedule as text that a person reads and edits: which task runs, and how far.
//!
//! One line, as `--schedule` takes it:
//!
//! ```text
//! fault 4, fallocate 9, fault *
//! ```
//!
//! Each item is a task and how far it runs:
//!
//! | item | the task runs |
//! |---|---|
//! | `fault 4` | 4 steps |
//! | `fault *` | until it ends or must wait, which may be at once |
//! | `fault ..ext4_es_lookup_extent` | up to and with its next step of that name |
//! | `fault: folio_lock` | one step, which must have that name |
//!
//! Items are separated by commas or newlines; a `#` at the start of a line or after a space begins a
//! comment; the colon after a task's name may be there or not. A file may begin with headers, one a
//! line, that say what the schedule belongs to; its long form names every step, and each name is
//! checked on replay:
//!
//! ```text
//! scenario = mkwrite-fallocate
//! protocol = v6.8
//! set = recheck=off, cookie=late
//!
//! fault: ext4_es_lookup_extent
//! fallocate: down_write(i_data_sem)
//! ```
//!
//! When the items are used up the schedule has no more to say: whoever replays lets the tasks that
//! are left run to their ends.

mod drive;
mod parse;
#[cfg(test)]
mod tests;

pub use drive::{Driver, Mismatch, MismatchKind, TaskView};

use crate::error::{Error, Position};
use std::collections::BTreeMap;
use std::fmt;

/// The keys a header may have.
pub const HEADER_KEYS: [&str; 5] = ["scenario", "protocol", "order", "layer", "set"];

/// How far a task runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Run {
    /// That many steps, at least one.
    Steps(u32),
    /// Until it ends or must wait.
    ToEnd,
    /// Up to and with its next step of that name.
    Through(String),
    /// One step, of that name.
    Exactly(String),
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Run::Steps(steps) => write!(f, "{steps}"),
            Run::ToEnd => f.write_str("*"),
            Run::Through(step) => write!(f, "..{step}"),
            Run::Exactly(step) => f.write_str(step),
        }
    }
}

/// One item: a task runs so far.
#[derive(Clone, Debug)]
pub struct Item {
    /// The name of the task.
    pub task: String,
    /// How far it runs.
    pub run: Run,
    /// Where it stands in the text, its first character if no text was read; not part of what it is,
    /// so two items that differ in nothing else are equal.
    pub at: Position,
}

impl Item {
    /// An item that stands in no text.
    fn new(task: &str, run: Run) -> Item {
        Item { task: task.to_owned(), run, at: Position { line: 1, column: 1 } }
    }
}

impl PartialEq for Item {
    fn eq(&self, other: &Item) -> bool {
        (&self.task, &self.run) == (&other.task, &other.run)
    }
}

impl Eq for Item {}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if matches!(self.run, Run::Exactly(_)) { ":" } else { "" };
        write!(f, "{}{colon} {}", self.task, self.run)
    }
}

/// A schedule.
///
/// `{}` writes it as a file, an item a line, if it has a header or checks the name of a step; else on
/// one line. Either reads back as the same schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// What it belongs to; keys are among [`HEADER_KEYS`], others are not written; values
    /// are one line and not empty.
    pub header: BTreeMap<String, String>,
    /// Who runs, and how far, one after the other.
    pub items: Vec<Item>,
}

impl Schedule {
    /// Parses a schedule; `origin` is what errors call it, for example `--schedule` or a file name.
    ///
    /// # Errors
    ///
    /// One line, with the place, for whatever is neither a header, an item nor a comment.
    pub fn parse(origin: &str, text: &str) -> Result<Schedule, Error> {
        parse::schedule(origin, text)
    }

    /// Parses the bytes of a schedule file; `origin` is what errors call it.
    ///
    /// # Errors
    ///
    /// As [`Schedule::parse`], and when the bytes are not UTF-8.
    pub fn parse_bytes(origin: &str, bytes: &[u8]) -> Result<Schedule, Error> {
        Schedule::parse(origin, crate::error::text_of(origin, bytes)?)
    }

    /// The shortest schedule of run lengths for a run that was recorded step by step, given the task
    /// of each step: one item for each switch, the last one to its end.
    ///
    /// The last item runs its task until it ends or must wait, so a run that was stopped before that
    /// is not repeated exactly.
    pub fn compress<S: AsRef<str>>(tasks: impl IntoIterator<Item = S>) -> Schedule {
        let mut items: Vec<Item> = Vec::new();
        for task in tasks {
            let task = task.as_ref();
            match items.last_mut() {
                Some(Item { task: last, run: Run::Steps(steps), .. })
                    if last == task && *steps < u32::MAX =>
                {
                    *steps += 1;
                }
                _ => items.push(Item::new(task, Run::Steps(1))),
            }
        }
        if let Some(last) = items.last_mut() {
            last.run = Run::ToEnd;
        }
        Schedule { header: BTreeMap::new(), items }
    }

    /// The long form of a recorded run, given task and step name of each step.
    ///
    /// A name that no item can hold, for example one with a comma outside parentheses, is written all
    /// the same and does not read back.
    pub fn long<T: AsRef<str>, N: AsRef<str>>(steps: impl IntoIterator<Item = (T, N)>) -> Schedule {
        let exactly = |name: N| Run::Exactly(name.as_ref().to_owned());
        let items = steps.into_iter().map(|(task, name)| Item::new(task.as_ref(), exactly(name)));
        Schedule { header: BTreeMap::new(), items: items.collect() }
    }

    /// The same with one more header, or with another value of it.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Schedule {
        self.header.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The knobs and values of the header `set`, in the order of the text.
    pub fn settings(&self) -> Vec<(&str, &str)> {
        let set = self.header.get("set").map_or("", String::as_str);
        set.split(',').filter_map(parse::setting).collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names_steps = self.items.iter().any(|item| matches!(item.run, Run::Exactly(_)));
        if self.header.is_empty() && !names_steps {
            for (index, item) in self.items.iter().enumerate() {
                write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
            }
            return Ok(());
        }
        for key in HEADER_KEYS {
            if let Some(value) = self.header.get(key) {
                writeln!(f, "{key} = {value}")?;
            }
        }
        if !(self.header.is_empty() || self.items.is_empty()) {
            writeln!(f)?;
        }
        self.items.iter().try_for_each(|item| writeln!(f, "{item}"))
    }
}

/// Whether a word can name a task of a run: as in a scenario, or one that a task started, for example
/// `io_end:flush.2`; a colon at the end is not part of it.
fn is_task_label(word: &str) -> bool {
    let plain = |c: char| if c == '.' || c == ':' { '-' } else { c };
    !word.ends_with(':') && is_task_name(&word.chars().map(plain).collect::<String>())
}

/// Whether a word can name a task of a scenario: a small letter, then small letters, digits, `-` and
/// `_`.
pub(crate) fn is_task_name(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}
