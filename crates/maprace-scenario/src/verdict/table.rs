//! Several verdicts as a table: a line for each scenario and order, a column for each protocol.

use super::{Judgement, Paint, Verdict};

/// A verdict, and what its scenario is called in the table.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// The name in the first column.
    pub name: &'a str,
    /// What was found.
    pub verdict: &'a Verdict,
}

/// The table, with its legend. `heading` stands over the first column.
pub fn table(heading: &str, rows: &[Row<'_>], paint: Paint) -> String {
    let mut protocols: Vec<&str> = Vec::new();
    for row in rows {
        if !protocols.contains(&row.verdict.protocol.as_str()) {
            protocols.push(&row.verdict.protocol);
        }
    }
    let mut lines = vec![Line { name: heading, order: "order", cookie: None, cells: Vec::new() }];
    lines[0].cells = protocols.iter().map(|p| ((*p).to_owned(), None)).collect();
    lines.extend(folded(with_cookies(body(rows, &protocols))));
    print(&lines, paint) + &legend(rows, paint)
}

/// One line: its cells, each with the judgement that colours it.
#[derive(Clone, PartialEq, Debug)]
struct Line<'a> {
    name: &'a str,
    order: &'a str,
    /// The cookie, in iomap order.
    cookie: Option<&'static str>,
    cells: Vec<(String, Option<Judgement>)>,
}

/// A line for each scenario, order and cookie, in the order in which they come.
fn body<'a>(rows: &[Row<'a>], protocols: &[&str]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for row in rows {
        let (name, order) = (row.name, row.verdict.order);
        let cookie = cookie(row.verdict);
        let who = (name, order, cookie);
        let known = lines.iter().position(|line| (line.name, line.order, line.cookie) == who);
        let line = known.unwrap_or_else(|| {
            let cells = vec![(String::new(), None); protocols.len()];
            lines.push(Line { name, order, cookie, cells });
            lines.len() - 1
        });
        if let Some(column) = protocols.iter().position(|p| *p == row.verdict.protocol) {
            lines[line].cells[column] = (cell(row.verdict), Some(row.verdict.verdict));
        }
    }
    lines
}

/// The cookie of a verdict in iomap order.
fn cookie(verdict: &Verdict) -> Option<&'static str> {
    let knob = verdict.knobs.0.iter().find(|(knob, _)| *knob == "cookie");
    knob.filter(|_| verdict.order == "iomap").map(|(_, value)| *value)
}

/// Lines of one scenario that differ in the cookie alone become one; where they stay several, each says
/// which cookie is its.
fn with_cookies(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let mut out: Vec<Line<'_>> = Vec::new();
    for line in &lines {
        let alike = |other: &&Line<'_>| (other.name, other.order) == (line.name, line.order);
        let same = lines.iter().filter(alike).all(|other| other.cells == line.cells);
        let is_known = out.iter().any(|known| alike(&known));
        match same {
            true if is_known => {}
            true => out.push(Line { cookie: None, ..line.clone() }),
            false => out.push(Line { order: of_cookie(line.cookie), ..line.clone() }),
        }
    }
    out
}

fn of_cookie(cookie: Option<&'static str>) -> &'static str {
    match cookie {
        Some("off") => "iomap, cookie off",
        Some("late") => "iomap, cookie late",
        Some("on") => "iomap, cookie on",
        _ => "iomap",
    }
}

/// Lines of one scenario that say the same become one, of `both` orders; a name is not repeated.
fn folded(lines: Vec<Line<'_>>) -> Vec<Line<'_>> {
    let mut out: Vec<Line<'_>> = Vec::new();
    let mut name = None;
    for line in lines {
        if let Some(last) = out.last_mut()
            && name == Some(line.name)
            && line.cookie.is_none()
            && last.cells == line.cells
        {
            last.order = "both";
            continue;
        }
        let shown = if name == Some(line.name) { "" } else { line.name };
        name = Some(line.name);
        out.push(Line { name: shown, ..line });
    }
    out
}

/// What a cell says.
fn cell(verdict: &Verdict) -> String {
    let as_expected = verdict.expected.as_ref().and_then(|expected| expected.as_expected);
    let doubt = if as_expected == Some(false) { " !" } else { "" };
    let text = match (verdict.verdict, verdict.bad_traces, verdict.traces) {
        (Judgement::Safe, ..) => "safe".to_owned(),
        (Judgement::Incomplete, ..) => format!("open {}", verdict.executions),
        (Judgement::Damaged, Some(bad), Some(all)) if verdict.complete => {
            format!("BAD {bad}/{all}")
        }
        (Judgement::Damaged, Some(bad), Some(all)) => format!("BAD {bad}/{all}+"),
        (Judgement::Damaged, ..) => "BAD".to_owned(),
    };
    text + doubt
}

fn print(lines: &[Line<'_>], paint: Paint) -> String {
    let columns = lines.iter().map(|line| line.cells.len()).max().unwrap_or(0);
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.cells.get(column)).map(|c| c.0.len()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let name = lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
    let order = lines.iter().map(|line| line.order.len()).max().unwrap_or(0);
    let mut text = String::new();
    for line in lines {
        text += &format!("{:name$}   {:order$}", line.name, line.order);
        let mut gap = 2;
        for (width, (cell, judgement)) in widths.iter().zip(&line.cells) {
            text += &" ".repeat(gap);
            text += &match judgement {
                Some(Judgement::Damaged) => paint.bad(cell),
                Some(Judgement::Safe) => paint.good(cell),
                Some(Judgement::Incomplete) => paint.open(cell),
                None => cell.clone(),
            };
            gap = 2 + width - cell.len();
        }
        text.push('\n');
    }
    text
}

/// What the words of the cells mean, as far as they occur.
fn legend(rows: &[Row<'_>], paint: Paint) -> String {
    let verdicts = || rows.iter().map(|row| row.verdict);
    let mut text = format!(
        "BAD b/n: b of n distinct orders end in damage; safe: all were tried{}\n",
        certificate(rows)
    );
    let mut line = |holds: bool, what: &str| {
        if holds {
            text += what;
            text.push('\n');
        }
    };
    let damaged = |v: &Verdict| v.verdict == Judgement::Damaged;
    line(
        verdicts().any(|v| damaged(v) && v.traces.is_some() && !v.complete),
        "b/n+: not all orders were tried",
    );
    line(
        verdicts().any(|v| damaged(v) && v.traces.is_none()),
        "BAD alone: damage was found, and distinct orders were not counted",
    );
    line(
        verdicts().any(|v| v.verdict == Judgement::Incomplete),
        "open n: no damage in n executions, and not all orders were tried",
    );
    let unexpected =
        |v: &Verdict| v.expected.as_ref().is_some_and(|e| e.as_expected == Some(false));
    line(verdicts().any(unexpected), &paint.bad("!: not as the scenario expects"));
    if let Some(setting) = setting(rows) {
        text += &format!("all of it with {setting}\n");
    }
    for name in counterfactual(rows) {
        text += &format!("{name}: counterfactual, no kernel had it\n");
    }
    text
}

/// The layer and the turned knobs, where they are not what is meant without a word.
fn setting(rows: &[Row<'_>]) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    let cookies: Vec<_> = rows.iter().filter_map(|row| cookie(row.verdict)).collect();
    let many_cookies = cookies.iter().any(|cookie| *cookie != cookies[0]);
    for verdict in rows.iter().map(|row| row.verdict) {
        let layer = (verdict.layer != "ext4").then(|| format!("layer {}", verdict.layer));
        let moved = verdict.moved().into_iter();
        let moved = moved.filter(|(knob, _)| !(many_cookies && *knob == "cookie"));
        let knobs = moved.map(|(knob, value)| format!("{knob}={value}"));
        for part in layer.into_iter().chain(knobs) {
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// `(certificate 1.000000)`: the one farthest from 1, over what was tried to the end.
fn certificate(rows: &[Row<'_>]) -> String {
    let complete = rows.iter().filter(|row| row.verdict.complete);
    let all: Vec<Option<f64>> = complete.map(|row| row.verdict.certificate).collect();
    let known = all.iter().flatten().copied();
    let Some(worst) = known.max_by(|a, b| (a - 1.0).abs().total_cmp(&(b - 1.0).abs())) else {
        return String::new();
    };
    let without = all.iter().filter(|certificate| certificate.is_none()).count();
    match without {
        0 => format!(" (certificate {worst:.6})"),
        _ => format!(" (certificate {worst:.6}, in {} of {})", all.len() - without, all.len()),
    }
}

/// The protocols that no kernel had.
fn counterfactual<'a>(rows: &[Row<'a>]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for row in rows.iter().filter(|row| row.verdict.counterfactual) {
        if !names.contains(&row.verdict.protocol.as_str()) {
            names.push(row.verdict.protocol.as_str());
        }
    }
    names
}
