//! What devices showed, for people: one page, or a table of several.

use crate::measure::time;
use comfy_table::{CellAlignment, Table, presets};
use maprace_scenario::device_world::{Apart, DamagedRound, DeviceVerdict};
use maprace_scenario::{Judgement, Measured, Paint, WindowSeen};

/// What stands over the figures.
const HEAD: [&str; 11] = [
    "order", "cookie", "protocol", "window", "p50", "p99", "max", "hits", "caught", "op p50",
    "damaged",
];

/// The columns before the figures.
const WHO: usize = 4;

/// One verdict; `title` says what the scenario is.
pub(crate) fn page(title: &str, verdict: &DeviceVerdict, paint: Paint) -> String {
    let measured = &verdict.measured;
    let mut text = format!("{}: {title}\n{}\n", verdict.scenario, configuration(measured));
    let mut field = |name: &str, value: String| text += &format!("{name:<10} {value}\n");
    field("verdict", judgement(verdict, paint));
    for (number, (task, op, request)) in verdict.mapping().enumerate() {
        field(if number == 0 { "mapping" } else { "" }, format!("{task}: {op} as {request}"));
    }
    field("rounds", rounds(verdict));
    for (number, apart) in verdict.apart.iter().enumerate() {
        field(if number == 0 { "apart" } else { "" }, apart_words(number + 2, apart));
    }
    for (number, (checker, rounds)) in measured.checkers.iter().enumerate() {
        field(
            if number == 0 { "damage" } else { "" },
            format!("{checker} in {rounds} of {}", measured.rounds),
        );
    }
    if let Some(first) = verdict.damaged_rounds.first() {
        field("first", first_damage(first));
    }
    for (number, line) in verdict.log.iter().enumerate() {
        field(if number == 0 { "log" } else { "" }, line.clone());
    }
    text + "\n" + &body(&[verdict]) + LEGEND
}

const LEGEND: &str = "\
rounds on a block device: measured, nothing of it is repeatable; window: its length; hits, caught: bare\n\
counts; op: an operation at the server; damaged: rounds in which a checker failed\n";

fn configuration(m: &Measured) -> String {
    let cookie = m.cookie.map_or_else(String::new, |cookie| format!(", cookie {cookie}"));
    let odd = if m.counterfactual { " (counterfactual: no kernel had it)" } else { "" };
    format!(
        "{}, {}, {} order{cookie}{odd}; a block device over {}",
        m.layer, m.protocol, m.order, m.media
    )
}

fn judgement(verdict: &DeviceVerdict, paint: Paint) -> String {
    let name = verdict.verdict.name();
    let shown = match verdict.verdict {
        Judgement::Damaged => paint.bad(name),
        Judgement::Safe => paint.good(name),
        Judgement::Incomplete => format!("{}: no damage in these rounds", paint.open(name)),
    };
    match &verdict.expected {
        None => shown,
        Some(expected) if expected.as_expected == Some(false) => {
            let other = paint.bad("not as expected");
            format!("{shown}, {other}: the scenario expects {}", expected.verdict)
        }
        Some(expected) => format!("{shown}; the scenario expects {}", expected.verdict),
    }
}

fn rounds(verdict: &DeviceVerdict) -> String {
    let m = &verdict.measured;
    let mut text = format!("{}, {} damaged", m.rounds, m.damaged);
    if m.damaged > 0 {
        let share = |part: f64| format!("{:.2}", part * 100.0);
        let of = m.damage;
        text += &format!(" ({} %, {}..{})", share(of.value), share(of.low), share(of.high));
    }
    if verdict.cut {
        text += "; ended early";
    }
    if verdict.strays > 0 {
        text += &format!("; {} requests of others came between", verdict.strays);
    }
    text
}

/// How far apart tasks began.
fn apart_words(task: usize, apart: &Apart) -> String {
    let signed = |ns: i64| format!("{}{}", if ns < 0 { "-" } else { "" }, time(ns.unsigned_abs()));
    let [p10, p50, p90] = [apart.p10, apart.p50, apart.p90].map(signed);
    format!("task {task} began {p50} after task 1; {p10} to {p90} in eight of ten rounds")
}

/// Where and how it went wrong first.
fn first_damage(first: &DamagedRound) -> String {
    let began = first.began_ns.iter().map(|ns| time(*ns)).collect::<Vec<_>>().join(", ");
    let found = first.broken.iter().find(|finding| finding.kernel_visible);
    let found = found.or(first.broken.first()).map_or("", |finding| finding.found.as_str());
    format!("round {}, tasks began at {began}: {found}", first.round)
}

/// Several verdicts: a block for each scenario and medium.
pub(crate) fn table(all: &[DeviceVerdict], paint: Paint) -> String {
    let mut text = String::new();
    let mut rest = all;
    while let Some(first) = rest.first() {
        let same = |v: &&DeviceVerdict| {
            (&v.scenario, &v.measured.media) == (&first.scenario, &first.measured.media)
        };
        let (group, others) = rest.split_at(rest.iter().take_while(same).count());
        let m = &first.measured;
        text += &format!("{} on {}, a block device\n", m.subject, m.media);
        for (task, op, request) in first.mapping() {
            text += &format!("  {task}: {op} as {request}\n");
        }
        text += &body(&group.iter().collect::<Vec<_>>());
        for verdict in group {
            text += &remark(verdict, paint);
        }
        text.push('\n');
        rest = others;
    }
    if text.is_empty() { text } else { text + LEGEND }
}

/// What a row does not say: that it is not as expected, ended early, or was not alone.
fn remark(verdict: &DeviceVerdict, paint: Paint) -> String {
    let mut what = Vec::new();
    if verdict.expected.as_ref().is_some_and(|expected| expected.as_expected == Some(false)) {
        what.push(judgement(verdict, paint));
    }
    if verdict.cut || verdict.strays > 0 {
        what.push(rounds(verdict));
    }
    match what.is_empty() {
        true => String::new(),
        false => format!("{}: {}\n", configuration(&verdict.measured), what.join("; ")),
    }
}

fn body(group: &[&DeviceVerdict]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty().set_header(HEAD);
    for verdict in group {
        for row in rows(&verdict.measured) {
            table.add_row(row);
        }
    }
    for column in WHO..HEAD.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn rows(m: &Measured) -> Vec<Vec<String>> {
    let who = [m.order, m.cookie.unwrap_or("-"), &m.protocol].map(str::to_owned).to_vec();
    let paid = vec![time(m.cost.operation.p50), format!("{} of {}", m.damaged, m.rounds)];
    let of = |window: &WindowSeen| {
        let length = [window.length.p50, window.length.p99, window.length.max].map(time);
        let counts = [window.hits, window.catches].map(|count| count.to_string());
        [vec![window.name.to_owned()], length.to_vec(), counts.to_vec()].concat()
    };
    let none = || ["none", "-", "-", "-", "-", "-"].map(str::to_owned).to_vec();
    let mut windows: Vec<Vec<String>> = m.windows.iter().map(of).collect();
    if windows.is_empty() {
        windows.push(none());
    }
    let row = |(number, window): (usize, Vec<String>)| match number {
        0 => [who.clone(), window, paid.clone()].concat(),
        _ => [vec![String::new(); WHO - 1], window, vec![String::new(); 2]].concat(),
    };
    windows.into_iter().enumerate().map(row).collect()
}

#[cfg(test)]
mod tests;
