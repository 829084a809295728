//! What `load` answers, as text for people.

use crate::device::values::exact;
use comfy_table::{Cell, CellAlignment, Table, presets};
use maprace_load::{
    AckHeader, Arrival, Comparison, LatencyRecord, Metric, Mismatch, Op, OpRecord, Pace, Progress,
    Recheck, Record, Said, time,
};
use maprace_scenario::Paint;
use serde::Serialize;

/// What stands over the figures.
const HEAD: [&str; 11] = [
    "operation",
    "IOPS",
    "MiB/s",
    "mean",
    "p50",
    "p99",
    "p99.9",
    "p99.99",
    "p99.999",
    "max",
    "requests",
];

/// The percentiles of a row.
const SHOWN: [f64; 5] = [50.0, 99.0, 99.9, 99.99, 99.999];

/// Mismatches that are shown.
const MISMATCHES: usize = 10;

/// A number as a float; it is shown to three digits.
#[expect(clippy::cast_precision_loss, reason = "shown to three digits")]
fn float(n: u64) -> f64 {
    n as f64
}

/// A float time as nanoseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time that is not negative; `as` saturates"
)]
fn ns(value: f64) -> u64 {
    value.round() as u64
}

/// A rate, to three digits.
fn rate(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.1}k", v / 1e3),
        v if v >= 100.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

fn mib(bytes: f64) -> String {
    rate(bytes / 1_048_576.0)
}

/// How far a run is, against where it was so many nanoseconds before.
pub(super) fn progress(now: Progress, before: (u64, u64), within_ns: u64) -> String {
    let per = |n: u64| float(n) * 1e9 / float(within_ns.max(1));
    let ios = rate(per(now.ios.saturating_sub(before.0)));
    let bytes = mib(per(now.bytes.saturating_sub(before.1)));
    let failed = if now.errors == 0 { String::new() } else { format!(", {} failed", now.errors) };
    format!("{} requests, {ios} IOPS, {bytes} MiB/s{failed}", now.ios)
}

/// `load run`.
pub(super) fn run(record: &Record, paint: Paint) -> String {
    let mut text = heading(record);
    text += &lines(table(record, paint));
    text += &totals(record);
    for error in &record.errors {
        let op = error.op.name();
        text += &format!("failed: {} {op} ({}, errno {})\n", error.count, error.says, error.errno);
    }
    if let Some(verify) = &record.verify {
        let unit = exact(u64::from(verify.unit));
        text += &format!("verified: {} blocks of {unit}, {} wrong\n", verify.checked, verify.wrong);
        text += &mismatches(&verify.mismatches, verify.wrong);
    }
    for doubt in &record.doubts {
        text += &format!("doubt: {}: {}\n", doubt.says, doubt.advice);
    }
    text
}

/// What was asked, of what, through what.
fn heading(record: &Record) -> String {
    let job = &record.job;
    let pace = match job.pace {
        Pace::Closed => "closed loop".to_owned(),
        Pace::Open { rate_iops, arrivals } => {
            let how = match arrivals {
                Arrival::Fixed => "even",
                Arrival::Poisson => "Poisson",
            };
            format!("open loop, {rate_iops} requests a second of each job, {how} arrivals")
        }
    };
    let jobs = if job.numjobs == 1 { "1 job".to_owned() } else { format!("{} jobs", job.numjobs) };
    let name = &record.engine.name;
    let notes = record.engine.notes.join(", ");
    format!(
        "{} of {} on {}: depth {}, {jobs}, {pace}\n{name}: {notes}\n",
        job.pattern.name(),
        exact(u64::from(job.bs)),
        record.target,
        job.iodepth,
    )
}

fn table(record: &Record, paint: Paint) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).force_no_tty().set_header(HEAD);
    if paint.is_on() {
        table.enforce_styling();
    }
    let is_open = record.pace == "open";
    for op in &record.ops {
        let name =
            if is_open { format!("{} from arrival", op.op.name()) } else { op.op.name().into() };
        table.add_row(row(name, Some(op), &op.latency));
        if let Some(service) = &op.service {
            table.add_row(row(format!("{} from begin", op.op.name()), None, service));
        }
    }
    for column in 1..HEAD.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(name: String, rates: Option<&OpRecord>, latency: &LatencyRecord) -> Vec<Cell> {
    let none = || "-".to_owned();
    let shown = |value: u64| if latency.count == 0 { none() } else { time(value) };
    let mut cells = vec![
        name,
        rates.map_or_else(String::new, |op| rate(op.iops)),
        rates.map_or_else(String::new, |op| match op.op {
            Op::Flush => none(),
            _ => mib(op.bytes_per_second),
        }),
        shown(ns(latency.mean_ns)),
    ];
    for p in SHOWN {
        let mark = if p > latency.trusted_to { "~" } else { "" };
        cells.push(latency.at(p).map_or_else(none, |value| format!("{mark}{}", time(value))));
    }
    cells.push(shown(latency.max_ns));
    cells.push(latency.count.to_string());
    cells.into_iter().map(Cell::new).collect()
}

fn lines(table: Table) -> String {
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// The sums, what they cost, and what did not come to anything.
fn totals(record: &Record) -> String {
    let mut text = format!(
        "in {} ({} clock): {} requests, {} IOPS, {} MiB/s",
        time(record.elapsed_ns),
        record.clock,
        record.ios,
        rate(record.iops),
        mib(record.bytes_per_second)
    );
    if let Some(machine) = &record.machine {
        let (user, system) = (float(machine.user_ns), float(machine.system_ns));
        let all = user + system;
        let percent = if all > 0.0 { system * 100.0 / all } else { 0.0 };
        let cost = time(ns(machine.cpu_ns_per_io));
        text += &format!("; CPU {cost} a request, {percent:.0} % of it in the kernel");
    }
    text += "\n";
    if record.unserved > 0 {
        text += &format!("not begun when time was up: {} requests\n", record.unserved);
    }
    if record.lost > 0 {
        text += &format!("never answered: {} requests\n", record.lost);
    }
    if record.ops.iter().any(|op| op.latency.trusted_to < 99.999) {
        text += "~: fewer than ten requests took longer\n";
    }
    text
}

fn mismatches(all: &[Mismatch], wrong: u64) -> String {
    let mut text = String::new();
    for one in all.iter().take(MISMATCHES) {
        let Mismatch { kind, block, pos, expected, found } = one;
        let kind = kind.name();
        text += &format!("  block {block} at {pos}: {kind}: expected {expected}, found {found}\n");
    }
    let more = wrong.saturating_sub(all.len().min(MISMATCHES) as u64);
    if more > 0 {
        text += &format!("  and {more} more\n");
    }
    text
}

/// `load verify --json`.
#[derive(Debug, Serialize)]
pub(super) struct Rechecked<'a> {
    schema: &'static str,
    target: &'a str,
    log: &'a AckHeader,
    #[serde(flatten)]
    report: &'a Recheck,
}

impl<'a> Rechecked<'a> {
    pub(super) fn of(target: &'a str, log: &'a AckHeader, report: &'a Recheck) -> Rechecked<'a> {
        Rechecked { schema: "maprace.load.verify/1", target, log, report }
    }
}

/// `load verify`.
pub(super) fn rechecked(target: &str, header: &AckHeader, report: &Recheck) -> String {
    let Recheck { blocks, durable, newest, unacknowledged, .. } = report;
    let mut text = format!(
        "{target}: {blocks} blocks of {} were acknowledged, {durable} of them durably\n",
        exact(u64::from(header.unit))
    );
    let rows = [
        (*newest, "hold the newest that was acknowledged"),
        (*unacknowledged, "hold something newer that never was"),
        (report.missing_unflushed, "miss what was acknowledged and not flushed: no fault"),
        (report.torn_in_flight, "were half written by a request in flight: no fault"),
        (report.wrong, "lost what must be there"),
    ];
    for (n, what) in rows {
        text += &format!("  {n:>10} {what}\n");
    }
    text + &mismatches(&report.mismatches, report.wrong)
}

/// A figure of a comparison.
fn figure(metric: Metric, value: f64) -> String {
    if metric == Metric::Iops { rate(value) } else { time(ns(value)) }
}

/// `load compare`.
pub(super) fn comparison(comparison: &Comparison) -> String {
    let mut table = Table::new();
    let head = ["", "A", "B", "B / A", "95 % interval", "A/A within", "so"];
    table.load_preset(presets::NOTHING).force_no_tty().set_header(head);
    for row in &comparison.rows {
        let interval = match (row.low, row.high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => "-".to_owned(),
        };
        let noise = row.noise.map_or_else(|| "-".to_owned(), |noise| format!("{noise:.3}"));
        table.add_row([
            row.metric.name().to_owned(),
            figure(row.metric, row.a),
            figure(row.metric, row.b),
            format!("{:.3}", row.ratio),
            interval,
            noise,
            row.said.name().to_owned(),
        ]);
    }
    let runs = match comparison.runs {
        1 => "1 pair of runs".to_owned(),
        n => format!("{n} pairs of runs"),
    };
    let aa = match comparison.aa_runs {
        Some(n) => format!("A/A over {n}"),
        None => "no A/A run".to_owned(),
    };
    let mut text = format!("{runs}, {aa}; intervals over {}\n", comparison.interval_of);
    text += &lines(table);
    for doubt in &comparison.doubts {
        text += &format!("doubt: {}: {}\n", doubt.says, doubt.advice);
    }
    if comparison.rows.iter().any(|row| row.said == Said::NoAa) {
        text +=
            "a winner needs an A/A run: measure A once more in between, and name it with --aa\n";
    }
    text
}
