//! Rows into columns of a width that mail can carry.
//!
//! Names are shortened only as far as the width asks for it, and then all alike: first the status tree's
//! functions lose `ext4_`, then all do, then what a step found goes to a line of its own, then nesting
//! stops at two. The first of these is also paid for marks that stand behind their lines.

use super::rows::{Row, Rows};
use crate::verdict::Paint;

/// Columns of text for up to two tasks.
const WIDTH_OF_TWO: usize = 72;
/// Columns of text for more.
const WIDTH_OF_MORE: usize = 100;
/// Spaces between the heads of two columns.
const GAP: usize = 2;

/// How much is left out to save width.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Brevity {
    AsAnnounced,
    EsWithoutPrefix,
    WithoutPrefix,
    FoundBelow,
    Shallow,
}

const LEVELS: [Brevity; 5] = [
    Brevity::AsAnnounced,
    Brevity::EsWithoutPrefix,
    Brevity::WithoutPrefix,
    Brevity::FoundBelow,
    Brevity::Shallow,
];

/// A line of one column: text, and what breaks there.
struct Line {
    column: usize,
    text: String,
    mark: Option<String>,
}

/// How wide a diagram of so many columns may be.
pub(super) fn width_of(columns: usize) -> usize {
    if columns <= 2 { WIDTH_OF_TWO } else { WIDTH_OF_MORE }
}

/// The head line and the rows.
pub(super) fn lay_out(rows: &Rows, paint: Paint) -> String {
    let tasks: Vec<usize> = rows.heads.keys().copied().collect();
    let heads: Vec<&str> = rows.heads.values().map(String::as_str).collect();
    let width = width_of(heads.len());
    let fit = |brevity: &Brevity, marks: bool| {
        let lines = lines(rows, &tasks, *brevity);
        offsets(&heads, &lines, width, marks).map(|offsets| (lines, offsets))
    };
    let with_marks = || LEVELS[..2].iter().find_map(|brevity| fit(brevity, true));
    let fitting = with_marks().or_else(|| LEVELS.iter().find_map(|brevity| fit(brevity, false)));
    let (lines, offsets) = fitting.unwrap_or_else(|| {
        let lines = lines(rows, &tasks, Brevity::Shallow);
        let offsets = (0..heads.len()).map(|i| i * width / heads.len().max(1)).collect();
        (lines, offsets)
    });
    let mut text = String::new();
    for (head, offset) in heads.iter().zip(&offsets) {
        let filled = text.len();
        text += &" ".repeat(offset.saturating_sub(filled));
        text += head;
    }
    text.push('\n');
    for line in &lines {
        text += &print(line, offsets[line.column], width, paint);
    }
    text
}

/// One line, its mark behind it where there is room, else below.
fn print(line: &Line, offset: usize, width: usize, paint: Paint) -> String {
    let start = format!("{}{}", " ".repeat(offset), line.text);
    let Some(mark) = &line.mark else { return start + "\n" };
    let mark = format!("<< {mark}");
    let room = width.saturating_sub(start.len() + mark.len());
    if room > 0 {
        return format!("{start}{}{}\n", " ".repeat(room.min(3)), paint.bad(&mark));
    }
    let indent = line.text.len() - line.text.trim_start().len();
    let indent = (offset + indent).min(width.saturating_sub(mark.len()));
    format!("{start}\n{}{}\n", " ".repeat(indent), paint.bad(&mark))
}

fn lines(rows: &Rows, tasks: &[usize], brevity: Brevity) -> Vec<Line> {
    let mut lines = Vec::new();
    for Row { task, depth, name, found, mark } in &rows.rows {
        let column = tasks.iter().position(|t| t == task).expect("every task has a head");
        let indent = " ".repeat(if brevity >= Brevity::Shallow { (*depth).min(2) } else { *depth });
        let name = shortened(name, brevity);
        let (mut text, mut below) = (format!("{indent}{name}"), None);
        if brevity >= Brevity::FoundBelow && !found.is_empty() {
            below = Some(format!("{indent} : {found}"));
        } else if !found.is_empty() {
            text += &format!(": {found}");
        }
        let mark_above = if below.is_none() { mark.clone() } else { None };
        lines.push(Line { column, text, mark: mark_above });
        lines.extend(below.map(|text| Line { column, text, mark: mark.clone() }));
    }
    lines
}

fn shortened(name: &str, brevity: Brevity) -> &str {
    let without = name.strip_prefix("ext4_").unwrap_or(name);
    let drop = match brevity {
        Brevity::AsAnnounced => false,
        Brevity::EsWithoutPrefix => without.starts_with("es_"),
        Brevity::WithoutPrefix | Brevity::FoundBelow | Brevity::Shallow => true,
    };
    if drop { without } else { name }
}

/// Where each column begins: evenly, but so that every line ends within `width`, with its mark if
/// `marks` says so, and no head runs into the next.
fn offsets(heads: &[&str], lines: &[Line], width: usize, marks: bool) -> Option<Vec<usize>> {
    let columns = heads.len();
    let length = |line: &Line| {
        let mark = line.mark.as_ref().filter(|_| marks);
        line.text.len() + mark.map_or(0, |mark| mark.len() + " << ".len())
    };
    let mut most = vec![width; columns];
    let mut next = None;
    for column in (0..columns).rev() {
        let own = lines.iter().filter(|line| line.column == column);
        let longest = own.map(length).chain([heads[column].len()]).max()?;
        most[column] = width.checked_sub(longest)?;
        if let Some(next) = next {
            most[column] = most[column].min(usize::checked_sub(next, heads[column].len() + GAP)?);
        }
        next = Some(most[column]);
    }
    let mut least = 0;
    let mut offsets = Vec::new();
    for column in 0..columns {
        let even = column * (width - 4) / columns;
        // For the sake of a mark, columns move together only so far.
        let least_even = if marks { even * 2 / 3 } else { 0 };
        let offset = even.max(least).min(most[column]);
        if offset < least.max(least_even) {
            return None;
        }
        offsets.push(offset);
        least = offset + heads[column].len() + GAP;
    }
    Some(offsets)
}
