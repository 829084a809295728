//! From the text of a schedule to a [`Schedule`].

use super::{HEADER_KEYS, Item, Run, Schedule, is_task_label};
use crate::error::{Error, ErrorKind, Position};
use crate::format::limits;
use std::borrow::Cow;

/// One line of the text, without its comment.
struct Line<'t> {
    origin: &'t str,
    number: usize,
    text: &'t str,
}

impl Line<'_> {
    /// The place of that byte of the line.
    fn at(&self, byte: usize) -> Position {
        Position { line: self.number, ..Position::of(self.text, byte) }
    }

    /// An error at that byte of the line.
    fn error(&self, byte: usize, kind: ErrorKind) -> Error {
        Error::new(self.origin, Some(self.at(byte)), kind)
    }
}

/// A piece of a line without the spaces around it, and the byte it starts at.
#[derive(Clone, Copy)]
struct Piece<'t> {
    at: usize,
    text: &'t str,
}

impl<'t> Piece<'t> {
    fn of(at: usize, text: &'t str) -> Piece<'t> {
        let start = text.trim_start();
        Piece { at: at + (text.len() - start.len()), text: start.trim_end() }
    }

    /// The two pieces before and after a byte of this one.
    fn split_at(&self, byte: usize) -> (Piece<'t>, Piece<'t>) {
        let (before, after) = self.text.split_at(byte);
        (Piece::of(self.at, before), Piece::of(self.at + byte, after))
    }
}

/// Parses the whole text.
pub(super) fn schedule(origin: &str, text: &str) -> Result<Schedule, Error> {
    if text.len() > limits::TEXT {
        return Err(Error::new(origin, None, ErrorKind::TooLong { limit: limits::TEXT }));
    }
    let mut schedule = Schedule::default();
    for (index, text) in text.split('\n').enumerate() {
        let line = Line { origin, number: index + 1, text: without_comment(text) };
        match header_of(&line) {
            Some((key, value)) => header(&mut schedule, &line, key, value)?,
            None => items(&mut schedule.items, &line)?,
        }
    }
    Ok(schedule)
}

/// The line up to a `#` that stands at its start or after a space.
fn without_comment(line: &str) -> &str {
    let mut after_space = true;
    for (at, c) in line.char_indices() {
        if c == '#' && after_space {
            return &line[..at];
        }
        after_space = c.is_whitespace();
    }
    line
}

/// Key and value of a line `key = value`: one word, then the sign.
fn header_of<'t>(line: &Line<'t>) -> Option<(Piece<'t>, Piece<'t>)> {
    let sign = line.text.find('=')?;
    let (key, value) = (Piece::of(0, &line.text[..sign]), &line.text[sign + 1..]);
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    (!key.text.is_empty() && key.text.chars().all(word)).then(|| (key, Piece::of(sign + 1, value)))
}

fn header(
    schedule: &mut Schedule,
    line: &Line<'_>,
    key: Piece<'_>,
    value: Piece<'_>,
) -> Result<(), Error> {
    let error = |kind| Err(line.error(key.at, kind));
    let typed = key.text.to_owned();
    if !HEADER_KEYS.contains(&key.text) {
        let known = HEADER_KEYS.iter().map(ToString::to_string).collect();
        return error(ErrorKind::Unknown { what: Cow::Borrowed("header"), typed, known });
    }
    if !schedule.items.is_empty() {
        return error(ErrorKind::LateHeader { key: typed });
    }
    if schedule.header.contains_key(key.text) {
        return error(ErrorKind::SameHeader { key: typed });
    }
    let must = match key.text {
        "set" => "KNOB=VALUE, more after commas",
        _ => "one line of text",
    };
    let whole = !value.text.is_empty() && !value.text.chars().any(char::is_control);
    if !whole || (key.text == "set" && !value.text.split(',').all(|s| setting(s).is_some())) {
        let found = value.text.to_owned();
        let kind = ErrorKind::HeaderValue { key: typed, must, found };
        return Err(line.error(value.at, kind));
    }
    schedule.header.insert(typed, value.text.to_owned());
    Ok(())
}

/// Knob and value of one setting.
pub(super) fn setting(text: &str) -> Option<(&str, &str)> {
    let (knob, value) = text.split_once('=')?;
    let (knob, value) = (knob.trim(), value.trim());
    let plain = |word: &str| !word.is_empty() && !word.contains(['=', ' ']);
    (plain(knob) && plain(value)).then_some((knob, value))
}

/// The items of a line, between commas outside parentheses; nothing between two commas is no item.
fn items(items: &mut Vec<Item>, line: &Line<'_>) -> Result<(), Error> {
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in line.text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' => return Err(parentheses(line, start)),
            ',' if depth == 0 => {
                items.extend(item(line, Piece::of(start, &line.text[start..at]))?);
                start = at + 1;
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(parentheses(line, start));
    }
    items.extend(item(line, Piece::of(start, &line.text[start..]))?);
    Ok(())
}

fn parentheses(line: &Line<'_>, start: usize) -> Error {
    let piece = Piece::of(start, &line.text[start..]);
    line.error(piece.at, ErrorKind::Parentheses { typed: piece.text.to_owned() })
}

/// `TASK HOW_FAR` or `TASK: HOW_FAR`.
fn item(line: &Line<'_>, piece: Piece<'_>) -> Result<Option<Item>, Error> {
    if piece.text.is_empty() {
        return Ok(None);
    }
    let end = piece.text.find(char::is_whitespace).unwrap_or(piece.text.len());
    let (task, far) = piece.split_at(end);
    let name = task.text.strip_suffix(':').unwrap_or(task.text).to_owned();
    if !is_task_label(&name) {
        return Err(line.error(task.at, ErrorKind::TaskName { typed: task.text.to_owned() }));
    }
    match run(far.text) {
        Some(run) => Ok(Some(Item { task: name, run, at: line.at(task.at) })),
        None => {
            let kind = ErrorKind::HowFar { task: name, typed: far.text.to_owned() };
            Err(line.error(far.at, kind))
        }
    }
}

fn run(far: &str) -> Option<Run> {
    if far == "*" {
        return Some(Run::ToEnd);
    }
    if far.starts_with(|c: char| c.is_ascii_digit()) {
        return far.parse().ok().filter(|steps| *steps > 0).map(Run::Steps);
    }
    match far.strip_prefix("..") {
        Some(step) => is_step_name(step).then(|| Run::Through(step.to_owned())),
        None => is_step_name(far).then(|| Run::Exactly(far.to_owned())),
    }
}

/// Whether a text can name a step, parentheses and commas seen to before.
fn is_step_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && !name.chars().any(char::is_control)
}
