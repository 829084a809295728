//! Measurements as tables for people: a line for each kind of window of each configuration.

use comfy_table::{Cell, CellAlignment, Color, Table, presets};
use maprace_fs::window::WindowKind;
use maprace_scenario::{Measured, Paint, Spread, Sweep, SweepPoint, WindowSeen};

/// The columns before the figures.
const WHO: usize = 4;

/// What stands over the figures.
const HEAD: [&str; 12] = [
    "order", "cookie", "protocol", "window", "p50", "p99", "max", "blocks", "hits/M", "caught",
    "exposed", "damaged",
];

/// What stands over the costs.
const COSTS: [&str; 12] = [
    "order",
    "cookie",
    "protocol",
    "ops/s",
    "op p50",
    "op p99",
    "look-ups/op",
    "/MiB",
    "hit",
    "lock/MiB",
    "wait p99",
    "held alone",
];

/// Nanoseconds, to three digits.
pub(crate) fn time(ns: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
    let value = ns as f64;
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (value / 1e3, "us"),
        1_000_000..1_000_000_000 => (value / 1e6, "ms"),
        _ => (value / 1e9, "s"),
    };
    match value {
        v if v < 10.0 => format!("{v:.2} {unit}"),
        v if v < 100.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// A rate or a count, to three digits.
fn count(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.2}G", v / 1e9),
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

fn blocks(footprint: &Spread) -> String {
    match (footprint.min, footprint.max) {
        (min, max) if min == max => max.to_string(),
        (min, max) => format!("{min}..{max}"),
    }
}

/// Measurements of one subject on one medium.
pub(crate) fn table(all: &[Measured], paint: Paint) -> String {
    let mut text = String::new();
    let mut rest = all;
    while let Some(first) = rest.first() {
        let same = |m: &Measured| m.subject == first.subject && m.media == first.media;
        let (group, others) = rest.split_at(rest.iter().take_while(|m| same(m)).count());
        text += &heading(first);
        text += &body(group, paint);
        text.push('\n');
        text += &costs(group);
        text.push('\n');
        rest = others;
    }
    if !text.is_empty() {
        text += LEGEND;
    }
    text
}

const LEGEND: &str = "\
window: length in virtual time; blocks: at risk in one; hits/M: hits per million operations, with the\n\
95 % interval; caught: hits that a second look or a cookie noticed; exposed: share of the time in which\n\
one is open; damaged: share of rounds in which a checker failed; hit: share of look-ups that found\n\
something; lock: acquisitions of the layer's lock, its wait, and for how long and for what share of the\n\
time it was held alone\n";

fn heading(m: &Measured) -> String {
    let costs = m.costs.as_deref().unwrap_or("measured");
    let rounds = match m.starts_within_ns {
        Some(ns) => format!("{} rounds, starts within {}", m.rounds, time(ns)),
        None => format!("{} rounds", m.rounds),
    };
    format!(
        "{} on {}, {} cpus, seed {}, {rounds}, costs {costs}\n",
        m.subject, m.media, m.cpus, m.seed
    )
}

/// The same without what is swept.
fn swept_heading(m: &Measured, key: &str) -> String {
    let mut one = m.clone();
    match key {
        "latency" => "a medium of each latency".clone_into(&mut one.media),
        "folios" | "folio-size" => one.starts_within_ns = None,
        _ => {}
    }
    heading(&one)
}

fn body(group: &[Measured], paint: Paint) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty().set_header(HEAD);
    if paint.is_on() {
        table.enforce_styling();
    }
    let mut last = None;
    for m in group {
        let who = (m.order, m.cookie.unwrap_or("-"), m.protocol.as_str());
        for row in rows(m, paint, last.map(|(order, cookie)| (order, cookie) == (who.0, who.1))) {
            table.add_row(row);
        }
        last = Some((who.0, who.1));
    }
    for column in WHO..HEAD.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn rows(m: &Measured, paint: Paint, is_same: Option<bool>) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let none = [None];
    let windows = m.windows.iter().map(Some);
    let windows: Vec<Option<&WindowSeen>> =
        if m.windows.is_empty() { none.to_vec() } else { windows.collect() };
    for (i, window) in windows.into_iter().enumerate() {
        let is_first = i == 0;
        let shown = |text: &str, when: bool| Cell::new(if when { text } else { "" });
        let new_order = is_first && is_same != Some(true);
        let mut row = vec![
            shown(m.order, new_order),
            shown(m.cookie.unwrap_or("-"), new_order),
            shown(&m.protocol, is_first),
        ];
        row.extend(window_cells(window));
        row.push(if is_first { damage_cell(m, paint) } else { Cell::new("") });
        rows.push(row);
    }
    rows
}

fn window_cells(window: Option<&WindowSeen>) -> Vec<Cell> {
    let Some(w) = window else {
        let mut cells = vec![Cell::new("none")];
        cells.extend((0..7).map(|_| Cell::new("-")));
        return cells;
    };
    let hits = w.hits_per_million;
    let hits = match w.hits {
        0 => format!("0 (<{})", count(hits.high)),
        _ => format!("{} ({}..{})", count(hits.value), count(hits.low), count(hits.high)),
    };
    vec![
        Cell::new(w.name),
        Cell::new(time(w.length.p50)),
        Cell::new(time(w.length.p99)),
        Cell::new(time(w.length.max)),
        Cell::new(blocks(&w.footprint)),
        Cell::new(hits),
        Cell::new(w.catches),
        Cell::new(format!("{:.2} %", w.exposed * 100.0)),
    ]
}

fn damage_cell(m: &Measured, paint: Paint) -> Cell {
    match m.damaged {
        0 => Cell::new("0"),
        _ => {
            let cell = Cell::new(format!("{:.2} %", m.damage.value * 100.0));
            if paint.is_on() { cell.fg(Color::Red) } else { cell }
        }
    }
}

/// What operations pay: a line for each configuration.
fn costs(group: &[Measured]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(COSTS);
    let mut last = None;
    for m in group {
        let who = (m.order, m.cookie.unwrap_or("-"));
        let shown = |text: &str| if last == Some(who) { String::new() } else { text.to_owned() };
        let paid = &m.cost;
        let hold = &paid.exclusive_hold;
        table.add_row([
            shown(who.0),
            shown(who.1),
            m.protocol.clone(),
            count(paid.operations_per_second),
            time(paid.operation.p50),
            time(paid.operation.p99),
            format!("{:.2}", paid.lookups_per_operation),
            count(paid.lookups_per_mib),
            format!("{:.1} %", paid.lookups_hit * 100.0),
            count(paid.lock_acquisitions),
            time(paid.lock_wait.p99),
            format!("{}, {:.2} %", time(hold.p50), paid.exclusive_share * 100.0),
        ]);
        last = Some(who);
    }
    for column in 3..COSTS.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Sweeps: a block for each configuration and window, a line for each value.
pub(crate) fn sweeps(all: &[Sweep]) -> String {
    let mut text = String::new();
    for sweep in all {
        let Some(first) = sweep.points.first().and_then(|point| point.measured.first()) else {
            continue;
        };
        text += &swept_heading(first, &sweep.key);
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header([
            sweep.key.as_str(),
            "order",
            "cookie",
            "protocol",
            "window",
            "p50",
            "p99",
            "max",
            "blocks",
            "hits/M",
            "damaged",
            "ops/s",
            "look-ups",
        ]);
        for point in &sweep.points {
            for m in &point.measured {
                for row in swept_rows(&point.typed, m) {
                    table.add_row(row);
                }
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        text += &(lines.collect::<Vec<_>>().join("\n") + "\n");
        if sweep.key == "offset" {
            text += &hit_offsets(sweep);
        }
        if sweep.cut {
            text += "ended early: what is finished is shown\n";
        }
        text.push('\n');
    }
    text
}

/// From which to which offset each window was hit: the exact length of what a start may fall into, to
/// one step of the sweep.
fn hit_offsets(sweep: &Sweep) -> String {
    let mut text = String::new();
    let Some(first) = sweep.points.first() else { return text };
    for (at, m) in first.measured.iter().enumerate() {
        for kind in WindowKind::ALL {
            let is_hit = |point: &&SweepPoint| {
                let one = point.measured.get(at);
                one.and_then(|m| m.window(kind.name())).is_some_and(|window| window.hits > 0)
            };
            let hit: Vec<&SweepPoint> = sweep.points.iter().filter(is_hit).collect();
            if let (Some(from), Some(to)) = (hit.first(), hit.last()) {
                let cookie = m.cookie.map_or(String::new(), |cookie| format!(", cookie {cookie}"));
                text += &format!(
                    "{} {}{cookie}: {} is hit at {} of {} offsets, from {} to {} ns\n",
                    m.protocol,
                    m.order,
                    kind.name(),
                    hit.len(),
                    sweep.points.len(),
                    from.typed,
                    to.typed
                );
            }
        }
    }
    text
}

fn swept_rows(typed: &str, m: &Measured) -> Vec<Vec<String>> {
    let who = || {
        let cookie = m.cookie.unwrap_or("-").to_owned();
        vec![typed.to_owned(), m.order.to_owned(), cookie, m.protocol.clone()]
    };
    let cost = || {
        let damaged = format!("{:.2} %", m.damage.value * 100.0);
        let lookups = format!("{:.2}", m.cost.lookups_per_operation);
        vec![damaged, count(m.cost.operations_per_second), lookups]
    };
    let of = |w: &WindowSeen| {
        let length = [w.length.p50, w.length.p99, w.length.max].map(time);
        let hits = count(w.hits_per_million.value);
        let seen = [blocks(&w.footprint), hits];
        [who(), vec![w.name.to_owned()], length.to_vec(), seen.to_vec(), cost()].concat()
    };
    if m.windows.is_empty() {
        let none = ["none", "-", "-", "-", "-", "-"].map(str::to_owned).to_vec();
        return vec![[who(), none, cost()].concat()];
    }
    m.windows.iter().map(of).collect()
}

/// What was measured on threads: a block for each subject and medium.
pub(crate) fn threads(all: &[Measured]) -> String {
    let Some(first) = all.first() else { return String::new() };
    let mut text = String::new();
    let mut rest = all;
    while let Some(first) = rest.first() {
        let same = |m: &Measured| m.subject == first.subject && m.media == first.media;
        let (group, others) = rest.split_at(rest.iter().take_while(|m| same(m)).count());
        text += &format!(
            "{} on {}, threads of this machine, {} rounds\n",
            first.subject, first.media, first.rounds
        );
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header([
            "order", "cookie", "protocol", "window", "p50", "p99", "hits", "op p50", "against",
        ]);
        for m in group {
            for row in thread_rows(m, fastest(m, group)) {
                table.add_row(row);
            }
        }
        let lines = table.lines().map(|line| line.trim_end().to_owned());
        text += &(lines.collect::<Vec<_>>().join("\n") + "\n\n");
        rest = others;
    }
    let (clock, event) = (first.clock_ns.unwrap_or(0.0), first.event_ns.unwrap_or(0.0));
    text += &format!(
        "threads: measured, with the clock: {clock:.0} ns a reading, {event:.0} ns a recorded event; \
         low..high: medians of\nrepeats; hits: a bare count, no rate; against: the protocol with the \
         least op p50 of the same order and\ncookie, where no median of the one is among those of the \
         other\n"
    );
    text
}

/// The one with the least median operation among those that differ from `m` in the protocol alone.
fn fastest<'a>(m: &Measured, group: &'a [Measured]) -> &'a Measured {
    let same = |o: &&Measured| (o.order, o.cookie) == (m.order, m.cookie);
    let least = group.iter().filter(same).min_by_key(|o| o.cost.operation.p50);
    least.expect("it is among them itself")
}

fn thread_rows(m: &Measured, best: &Measured) -> Vec<Vec<String>> {
    let medians = |figure: &str| {
        let range = m.medians.get(figure).copied().unwrap_or_default();
        format!("{}..{}", time(range.low), time(range.high))
    };
    let operation = |m: &Measured| m.medians.get("operation").copied().unwrap_or_default();
    let against = match operation(m).is_apart_from(&operation(best)) {
        _ if m.protocol == best.protocol => "least".to_owned(),
        false => format!("{}: no difference shown", best.protocol),
        true => {
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one operation")]
            let ratio = m.cost.operation.p50 as f64 / best.cost.operation.p50.max(1) as f64;
            format!("{}: {ratio:.2} times", best.protocol)
        }
    };
    let cookie = m.cookie.unwrap_or("-").to_owned();
    let who = vec![m.order.to_owned(), cookie, m.protocol.clone()];
    let cost = vec![medians("operation"), against];
    let empty = vec![String::new(); 3];
    let mut rows = Vec::new();
    for (i, w) in m.windows.iter().enumerate() {
        let seen = vec![w.name.to_owned(), medians(w.name), time(w.length.p99), w.hits.to_string()];
        match i {
            0 => rows.push([who.clone(), seen, cost.clone()].concat()),
            _ => rows.push([empty.clone(), seen, vec![String::new(); 2]].concat()),
        }
    }
    if rows.is_empty() {
        let none = ["none", "-", "-", "-"].map(str::to_owned).to_vec();
        rows.push([who, none, cost].concat());
    }
    rows
}
