//! Profiles and checks as tables for people.

use super::alone_ns;
use maprace_media::Profile;
use maprace_media::check::{Outcome, Report, Row, RowKind, ks};
use maprace_media::params::{Cache, Direction};
use maprace_scenario::Paint;

/// Pads the cells of each column to one width; the last column is not padded.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(line).collect()
}

/// A time in microseconds, as short as three digits allow.
fn micros(ns: Option<u64>) -> String {
    // A time of this program is below 2^53.
    ns.map_or_else(|| "-".to_owned(), |ns| digits(ns_as_f64(ns) / 1_000.0))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
fn ns_as_f64(ns: u64) -> f64 {
    ns as f64
}

/// A number with about four digits.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 100.0 => format!("{value:.1}"),
        size if size >= 10.0 => format!("{value:.2}"),
        size if size > 0.0 => format!("{value:.3}"),
        _ => "0".to_owned(),
    }
}

/// `list`.
pub(super) fn list(profiles: &[Profile]) -> String {
    let heading = ["profile", "read us", "write us", "flush us", "cache", "what it is"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(profiles.iter().map(|profile| {
        let cache = match profile.params.flush.cache {
            Cache::Protected => "protected",
            Cache::Volatile => "volatile",
        };
        vec![
            profile.name.clone(),
            micros(alone_ns(profile, Direction::Read)),
            micros(alone_ns(profile, Direction::Write)),
            micros(Some(profile.params.flush.ns)),
            cache.to_owned(),
            profile.title.clone(),
        ]
    }));
    table(&rows)
}

/// `check`.
pub(super) fn checks(reports: &[(Profile, Report)], paint: Paint) -> String {
    let mut text = String::new();
    for (profile, report) in reports {
        text += &format!("{}: {}\n", report.profile, profile.title);
        text += &figures(report, paint);
        text += &own(report, RowKind::ClosedForm, "closed form", "idle 4 KiB requests");
        text += &bodies(report);
        text.push('\n');
    }
    text + &total(reports) + "\n"
}

/// The rows of figures, and any other row that is off.
fn figures(report: &Report, paint: Paint) -> String {
    let shown = |row: &&Row| row.kind == RowKind::Figure || row.outcome == Outcome::Off;
    let rows: Vec<&Row> = report.rows.iter().filter(shown).collect();
    if rows.is_empty() {
        return "  no figures: the profile expects nothing\n".to_owned();
    }
    let heading =
        ["  load", "measure", "target", "model", "error", "tol", "known", "verdict", "source"];
    let mut cells = vec![heading.map(str::to_owned).to_vec()];
    cells.extend(rows.iter().map(|row| {
        vec![
            format!("  {}", row.what),
            row.measure.clone(),
            target(row),
            digits(row.model),
            percent(row.error),
            format!("{}%", row.tol * 100.0),
            row.known.name().to_owned(),
            word(row.outcome).to_owned(),
            row.source.clone(),
        ]
    }));
    let plain = table(&cells);
    let paint_line = |line: &str| match line.contains("  OFF      ") {
        true => line.replacen("  OFF      ", &format!("  {}      ", paint.bad("OFF")), 1) + "\n",
        false => line.to_owned() + "\n",
    };
    plain.lines().map(paint_line).collect()
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Off => "OFF",
        Outcome::Shown => "shown",
    }
}

fn target(row: &Row) -> String {
    match row.target.lo == row.target.hi {
        true => digits(row.target.lo),
        false => format!("{}..{}", digits(row.target.lo), digits(row.target.hi)),
    }
}

fn percent(error: f64) -> String {
    match error.is_finite() {
        true => format!("{:+.1}%", error * 100.0).replace("-0.0%", "+0.0%"),
        false => "above 0".to_owned(),
    }
}

/// One line for all rows of a kind that compare with a computation.
fn own(report: &Report, kind: RowKind, name: &str, of: &str) -> String {
    let errors: Vec<f64> =
        report.rows.iter().filter(|row| row.kind == kind).map(|row| row.error.abs()).collect();
    let largest = errors.iter().copied().fold(0.0, f64::max);
    match errors.len() {
        0 => String::new(),
        n => format!("  {name}: {n} quantiles of {of}, largest error {:.3}%\n", largest * 100.0),
    }
}

/// One line for the drawn bodies.
fn bodies(report: &Report) -> String {
    let rows = report.rows.iter().filter(|row| row.kind == RowKind::Body);
    let cell = |row: &Row| format!("{:.2}", row.model);
    let values: Vec<String> = rows.map(cell).collect();
    match values.is_empty() {
        true => String::new(),
        false => format!("  log-normal: KS {} (limit {})\n", values.join(" and "), ks::LIMIT),
    }
}

fn total(reports: &[(Profile, Report)]) -> String {
    let count = |wanted: Outcome| {
        let rows = reports.iter().flat_map(|(_, report)| &report.rows);
        rows.filter(|row| row.outcome == wanted).count()
    };
    let of = match reports.len() {
        1 => "1 profile".to_owned(),
        n => format!("{n} profiles"),
    };
    let (ok, off, shown) = (count(Outcome::Ok), count(Outcome::Off), count(Outcome::Shown));
    format!("{of}: {ok} rows within tolerance, {off} off, {shown} shown only")
}
