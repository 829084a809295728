//! Rows into columns of a width that mail can carry.
//!
//! Names are shortened only as far as the width asks for it, and then all alike: first the status tree's
//! functions lose `ext4_`, then all do, then the heads stand on lines of their own, then what a step
//! found does, then nesting stops at two. The first of these is also paid for marks that stand behind
//! their lines.

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
    marks: Vec<String>,
}

impl Line {
    /// What breaks there, as it stands behind the line.
    fn mark(&self) -> String {
        if self.marks.is_empty() { String::new() } else { format!("<< {}", self.marks.join(", ")) }
    }
}

/// What a layout has to keep to.
#[derive(Clone, Copy)]
struct Demand {
    width: usize,
    /// Marks stand behind their lines.
    marks: bool,
    /// All heads stand on one line.
    one_head: bool,
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
    let fit = |brevity: Brevity, marks: bool, one_head: bool| {
        let lines = lines(rows, &tasks, brevity);
        let demand = Demand { width, marks, one_head };
        offsets(&heads, &lines, demand).map(|offsets| (lines, offsets, one_head))
    };
    let fitting = [(true, true), (false, true), (false, false)].into_iter().find_map(|kind| {
        let levels = match kind {
            (true, _) => &LEVELS[..2],
            (false, true) => &LEVELS[..3],
            (false, false) => &LEVELS[..],
        };
        levels.iter().find_map(|brevity| fit(*brevity, kind.0, kind.1))
    });
    let (lines, offsets, one_head) = fitting.unwrap_or_else(|| {
        let offsets = (0..heads.len()).map(|i| i * width / heads.len().max(1)).collect();
        (lines(rows, &tasks, Brevity::Shallow), offsets, false)
    });
    let mut text = String::new();
    for (i, (head, offset)) in heads.iter().zip(&offsets).enumerate() {
        let filled = text.len() - text.rfind('\n').map_or(0, |newline| newline + 1);
        text += &" ".repeat(offset.saturating_sub(filled));
        text += head;
        if i + 1 == heads.len() || !one_head {
            text.push('\n');
        }
    }
    for line in &lines {
        text += &print(line, offsets[line.column], width, paint);
    }
    text
}

/// One line, its mark behind it where there is room, else below.
fn print(line: &Line, offset: usize, width: usize, paint: Paint) -> String {
    let start = format!("{}{}", " ".repeat(offset), line.text);
    let mark = line.mark();
    if mark.is_empty() {
        return start + "\n";
    }
    let room = width.saturating_sub(start.len() + mark.len());
    if room > 0 {
        return format!("{start}{}{}\n", " ".repeat(room.min(3)), paint.bad(&mark));
    }
    let mut text = start + "\n";
    let indent = offset + line.text.len() - line.text.trim_start().len();
    for mark in &line.marks {
        let mark = format!("<< {mark}");
        let indent = indent.min(width.saturating_sub(mark.len()));
        text += &format!("{}{}\n", " ".repeat(indent), paint.bad(&mark));
    }
    text
}

fn lines(rows: &Rows, tasks: &[usize], brevity: Brevity) -> Vec<Line> {
    let mut lines = Vec::new();
    for Row { task, depth, name, found, marks } in &rows.rows {
        let column = tasks.iter().position(|t| t == task).expect("every task has a head");
        let indent = " ".repeat(if brevity >= Brevity::Shallow { (*depth).min(2) } else { *depth });
        let name = shortened(name, brevity);
        let (mut text, mut below) = (format!("{indent}{name}"), None);
        if brevity >= Brevity::FoundBelow && !found.is_empty() {
            below = Some(format!("{indent} : {found}"));
        } else if !found.is_empty() {
            text += &format!(": {found}");
        }
        let (above, behind) = match below {
            None => (marks.clone(), Vec::new()),
            Some(_) => (Vec::new(), marks.clone()),
        };
        lines.push(Line { column, text, marks: above });
        lines.extend(below.map(|text| Line { column, text, marks: behind }));
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

/// Where each column begins: evenly, but so that every line ends within the width, with its mark if
/// that is demanded, and no head runs into the next.
fn offsets(heads: &[&str], lines: &[Line], demand: Demand) -> Option<Vec<usize>> {
    let Demand { width, marks, one_head } = demand;
    let columns = heads.len();
    let length = |line: &Line| {
        let mark = if marks { line.mark().len() } else { 0 };
        line.text.len() + if mark > 0 { mark + 1 } else { 0 }
    };
    let apart = |column: usize| GAP + if one_head { heads[column].len() } else { 0 };
    let mut most = vec![width; columns];
    for column in (0..columns).rev() {
        let own = lines.iter().filter(|line| line.column == column);
        let longest = own.map(length).chain([heads[column].len()]).max()?;
        most[column] = width.checked_sub(longest)?;
        if let Some(next) = most.get(column + 1) {
            most[column] = most[column].min(next.checked_sub(apart(column))?);
        }
    }
    let mut least = 0;
    let mut offsets = Vec::new();
    for (column, most) in most.into_iter().enumerate() {
        let even = column * (width - 4) / columns;
        // For the sake of a mark, columns move together only so far.
        let least_even = if marks { even * 2 / 3 } else { 0 };
        let offset = even.max(least).min(most);
        if offset < least.max(least_even) {
            return None;
        }
        offsets.push(offset);
        least = offset + apart(column);
    }
    Some(offsets)
}
