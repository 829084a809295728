//! Does a profile's model do what the profile says of itself?
//!
//! Three kinds of rows. A *figure* is an `[[expect]]` of the profile: a closed loop is run and compared.
//! A *closed form* row compares the median and the 99th percentile of an idle medium with the same
//! computed without the model. A *body* row tests the drawn spread against the log-normal distribution.
//! Everything is virtual time and integer draws: the same profile gives the same report everywhere.

pub mod ks;
pub mod load;

pub use load::{Load, Measured};

use crate::Request;
use crate::draw::{Draws, normal_below, normal_quantile};
use crate::model::{Alone, Model};
use crate::params::{Direction, Params, Pattern};
use crate::profile::{Expect, Known, Measure, Profile, Target};
use crate::units::float;
use std::sync::Arc;

/// Requests of a figure's run.
const REQUESTS: u64 = 60_000;

/// Requests of a closed-form row: sampling moves the median of a body of sigma 0.1 by less than
/// 0.02 %.
const ALONE: u64 = 1_000_000;

/// Error allowed between model and closed form: that of the histogram, three digits.
const ALONE_TOL: f64 = 0.001;

/// Standard errors that a sample may be off; 1 in 1000 is further off by chance.
const ALONE_ERRORS: f64 = 3.3;

/// Factors drawn for a body row.
const BODY: u64 = 10_000;

/// What kind a row is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowKind {
    /// A published figure.
    Figure,
    /// The model against its closed form.
    ClosedForm,
    /// The drawn body against the log-normal distribution.
    Body,
}

/// What a row comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Within tolerance.
    Ok,
    /// Not.
    Off,
    /// Not asserted: the figure is not confirmed.
    Shown,
}

/// One comparison.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Row {
    /// What kind.
    pub kind: RowKind,
    /// What was done, for example `read 4096 B random, depth 16`.
    pub what: String,
    /// What is measured, with its unit, for example `p50_us`.
    pub measure: String,
    /// What is expected, in that unit.
    pub target: Target,
    /// What the model has.
    pub model: f64,
    /// How far that is from the target, as a share of it; 0 inside; absent where it is without bound.
    pub error: f64,
    /// The error allowed.
    pub tol: f64,
    /// How well the target is known.
    pub known: Known,
    /// Where the target is from.
    pub source: String,
    /// What it comes to.
    pub outcome: Outcome,
}

/// A profile, checked.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct Report {
    /// The profile's name.
    pub profile: String,
    /// The seed of all draws.
    pub seed: u64,
    /// The rows: figures in the order of the file, then closed forms, then bodies.
    pub rows: Vec<Row>,
}

impl Report {
    /// Whether every asserted row is within tolerance.
    pub fn is_ok(&self) -> bool {
        self.rows.iter().all(|row| row.outcome != Outcome::Off)
    }
}

/// Checks a profile with its own seed.
pub fn check(profile: &Profile) -> Report {
    let seed = profile.params.seed;
    let mut rows = Vec::new();
    for expect in &profile.expect {
        for (bytes, depth, target) in expect.rows() {
            rows.push(figure(&profile.params, seed, expect, bytes, depth, target));
        }
    }
    for direction in [Direction::Read, Direction::Write] {
        for pattern in [Pattern::Random, Pattern::Sequential] {
            rows.extend(alone(&profile.params, seed, direction, pattern));
        }
    }
    rows.extend(bodies(profile, seed));
    Report { profile: profile.name.clone(), seed, rows }
}

fn outcome(known: Known, error: f64, tol: f64) -> Outcome {
    match known.is_asserted() {
        false => Outcome::Shown,
        true if error.abs() <= tol => Outcome::Ok,
        true => Outcome::Off,
    }
}

fn pattern_name(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Random => "random",
        Pattern::Sequential => "sequential",
    }
}

/// A published figure against a closed loop.
fn figure(
    params: &Arc<Params>,
    seed: u64,
    expect: &Expect,
    bytes: u64,
    depth: u64,
    target: Target,
) -> Row {
    let Expect { work, pattern, pause_ns, .. } = *expect;
    let load = Load { work, pattern, bytes, depth, pause_ns, requests: REQUESTS, seed };
    let measured = load::run(params, &load);
    let quantile = |q| float(load::quantile_ns(&measured.latency_ns, q)) / 1_000.0;
    let model = match expect.measure {
        Measure::P50Us => quantile(0.5),
        Measure::P99Us => quantile(0.99),
        Measure::Kiops => measured.rate_hz / 1e3,
        Measure::MibS => measured.rate_hz * float(bytes) / 1_048_576.0,
        Measure::MbS => measured.rate_hz * float(bytes) / 1e6,
    };
    let error = target.error(model);
    let pause = match pause_ns {
        0 => String::new(),
        ns => format!(", {} us apart", float(ns) / 1_000.0),
    };
    Row {
        kind: RowKind::Figure,
        what: format!("{} {bytes} B {}, depth {depth}{pause}", work.name(), pattern_name(pattern)),
        measure: expect.measure.name().to_owned(),
        target,
        model,
        error,
        tol: expect.tol,
        known: expect.known,
        source: expect.source.clone(),
        outcome: outcome(expect.known, error, expect.tol),
    }
}

/// The idle medium against its closed form: median and 99th percentile.
fn alone(params: &Arc<Params>, seed: u64, direction: Direction, pattern: Pattern) -> Vec<Row> {
    let len = 4096;
    let alone = Alone { direction, pattern, len };
    let wanted = [("p50_ns", 0.5), ("p99_ns", 0.99)];
    let wanted = wanted.map(|(name, q)| (name, q, alone.quantile_ns(params, q)));
    if wanted.iter().all(|(.., target)| target.is_none()) {
        return Vec::new();
    }
    let latency = idle(params, seed, alone);
    let row = |(measure, q, target): (&str, f64, Option<u64>)| {
        let target = target.map(|ns| Target { lo: float(ns), hi: float(ns) })?;
        let model = float(load::quantile_ns(&latency, q));
        // A nanosecond is the resolution of both sides, and more than 0.1 % of the shortest latencies.
        let off = (model - target.lo).abs() <= 1.0;
        let error = if off { 0.0 } else { target.error(model) };
        let tol = ALONE_TOL.max(ALONE_ERRORS * standard_error(sigma_of(params, direction), q));
        let way = if direction == Direction::Read { "read" } else { "write" };
        Some(Row {
            kind: RowKind::ClosedForm,
            what: format!("{way} {len} B {}, alone", pattern_name(pattern)),
            measure: measure.to_owned(),
            target,
            model,
            error,
            tol,
            known: Known::Derived,
            source: "closed form of the model".to_owned(),
            outcome: outcome(Known::Derived, error, tol),
        })
    };
    wanted.into_iter().filter_map(row).collect()
}

/// The standard error of a sampled quantile of a log-normal body, as a share of it.
fn standard_error(sigma: f64, q: f64) -> f64 {
    let z = normal_quantile(q);
    let density = libm::exp(-z * z / 2.0) / libm::sqrt(2.0 * std::f64::consts::PI);
    sigma * libm::sqrt(q * (1.0 - q) / float(ALONE)) / density
}

/// The spread of a body, from its own table.
fn sigma_of(params: &Params, direction: Direction) -> f64 {
    let one_sigma = params.costs(direction).body.quantile(normal_below(1.0));
    libm::log(float(one_sigma.q16()) / 65_536.0)
}

/// Latencies of requests so far apart that none meets another.
fn idle(params: &Arc<Params>, seed: u64, alone: Alone) -> hdrhistogram::Histogram<u64> {
    let mut model = Model::new(Arc::clone(params));
    let mut latency = load::histogram();
    let draws = Draws::of([seed, 0x6964_6c65, 0, 0]);
    let (mut now_ns, mut pos) = (0_u64, 0_u64);
    // Long enough for every queue to drain, and short enough for a million of them.
    let gap_ns = load::LATENCY_NS_MAX / 100;
    for i in 0..ALONE {
        pos = match alone.pattern {
            Pattern::Sequential => pos + alone.len,
            Pattern::Random => draws.between(i, 1, 1 << 40) * 8192,
        };
        let request = match alone.direction {
            Direction::Read => Request::Read { pos, len: alone.len },
            Direction::Write => Request::Write { pos, len: alone.len },
        };
        let done_ns = model.serve(request, now_ns).done_ns;
        // The first of a sequential stream is not sequential.
        if i > 0 {
            latency.saturating_record(done_ns - now_ns);
        }
        now_ns = done_ns + gap_ns;
    }
    latency
}

/// The drawn spread of each direction against the distribution it stands for.
fn bodies(profile: &Profile, seed: u64) -> Vec<Row> {
    let sigma = |key: &str| {
        let (_, text) = profile.settings.iter().find(|(name, _)| name == key)?;
        text.parse::<f64>().ok().filter(|sigma| *sigma > 0.0)
    };
    let row = |way: &str, body: &crate::Body, salt: u64| {
        let sigma = sigma(&format!("{way}.sigma"))?;
        let model = ks::of_body(body, sigma, 1.0, seed ^ salt, BODY);
        let target = Target { lo: 0.0, hi: ks::LIMIT };
        let error = target.error(model);
        Some(Row {
            kind: RowKind::Body,
            what: format!("{way} body, sigma {sigma}, {BODY} draws"),
            measure: "ks".to_owned(),
            target,
            model,
            error,
            tol: 0.0,
            known: Known::Derived,
            source: "log-normal distribution, limit for 1 in 1000".to_owned(),
            outcome: outcome(Known::Derived, error, 0.0),
        })
    };
    let bodies = [
        row("read", &profile.params.read.body, 0),
        row("write", &profile.params.write.body, 1 << 63),
    ];
    bodies.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests;
