//! Which of two is better, and may one say so? Runs are paired in their order, so that what drifts drifts
//! in both; a ratio is a mean of logarithms with its 95 % interval. A winner is named only if the interval
//! leaves one out and the ratio is larger than what two runs of the same thing differ by.

use crate::doubts::Doubt;
use crate::error::Error;
use crate::record::{DoubtRecord, OpRecord, Record, SCHEMA, float};
use crate::request::Op;
use serde::Serialize;
use std::path::Path;

/// A figure that is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Requests a second.
    Iops,
    /// The median latency of the operation that was asked most.
    P50,
    /// Its 99th percentile.
    P99,
    /// Its 99.9th percentile.
    P999,
    /// User and system time for each request.
    Cpu,
}

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 5] =
        [Metric::Iops, Metric::P50, Metric::P99, Metric::P999, Metric::Cpu];

    /// As tables name it.
    pub fn name(self) -> &'static str {
        match self {
            Metric::Iops => "IOPS",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Cpu => "CPU/IO",
        }
    }

    fn more_is_better(self) -> bool {
        self == Metric::Iops
    }

    /// Its value in a run; none if it has none above 0.
    fn of(self, record: &Record) -> Option<f64> {
        let main = main_op(record)?;
        let at = |p| main.latency.at(p).map(float);
        let value = match self {
            Metric::Iops => Some(record.iops),
            Metric::P50 => at(50.0),
            Metric::P99 => at(99.0),
            Metric::P999 => at(99.9),
            Metric::Cpu => record.machine.as_ref().map(|machine| machine.cpu_ns_per_io),
        };
        value.filter(|value| *value > 0.0)
    }
}

/// The operation that was asked most.
fn main_op(record: &Record) -> Option<&OpRecord> {
    record.ops.iter().filter(|op| op.op != Op::Flush).max_by_key(|op| op.ios)
}

/// What may be said of a figure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// The first is better.
    ABetter,
    /// The second is better.
    BBetter,
    /// No difference is shown.
    NoDifference,
    /// A difference, and no A/A run that says what noise is.
    NoAa,
    /// Too few runs for an interval.
    TooFewRuns,
}

impl Said {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Said::ABetter => "A is better",
            Said::BBetter => "B is better",
            Said::NoDifference => "no difference shown",
            Said::NoAa => "no A/A run, so no winner",
            Said::TooFewRuns => "too few runs",
        }
    }
}

/// One figure of two.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Compared {
    /// Which.
    pub metric: Metric,
    /// The mean of the first.
    pub a: f64,
    /// The mean of the second.
    pub b: f64,
    /// The second divided by the first.
    pub ratio: f64,
    /// The lower end of its 95 % interval; none with too few runs.
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// By what factor two runs of the first may differ; none without an A/A run.
    pub noise: Option<f64>,
    /// What may be said.
    pub said: Said,
}

/// Two compared.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Comparison {
    /// What this is.
    pub schema: &'static str,
    /// Pairs of runs.
    pub runs: usize,
    /// Pairs of the A/A run.
    pub aa_runs: Option<usize>,
    /// What an interval rests on: pairs of runs, or the slices of one.
    pub interval_of: &'static str,
    /// The figures that both have.
    pub rows: Vec<Compared>,
    /// What may be wrong with it.
    pub doubts: Vec<DoubtRecord>,
}

/// The runs of a file: one record after another, as repeated `--json` appends them.
///
/// # Errors
///
/// It holds something else, or nothing.
pub fn records(path: &Path, text: &str) -> Result<Vec<Record>, Error> {
    let wrong = |what: String| Error::format(path, what);
    let mut all = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>() {
        let value = value.map_err(|error| wrong(format!("this is no JSON: {error}")))?;
        let schema = value.get("schema").and_then(serde_json::Value::as_str).unwrap_or("nothing");
        if schema != SCHEMA {
            return Err(wrong(format!("it holds {schema}, not the {SCHEMA} of `load run --json`")));
        }
        let record = serde_json::from_value(value);
        all.push(record.map_err(|error| wrong(format!("a record is damaged: {error}")))?);
    }
    if all.is_empty() { Err(wrong("it holds no run".to_owned())) } else { Ok(all) }
}

/// Compares runs of one job.
///
/// # Errors
///
/// The jobs differ, or there is no figure that both have.
pub fn compare(a: &[Record], b: &[Record], aa: Option<&[Record]>) -> Result<Comparison, Error> {
    let all = a.iter().chain(b).chain(aa.unwrap_or_default());
    let first = a.first().ok_or_else(|| Error::job("there is no run to compare"))?;
    for record in all {
        same_job(first, record)?;
    }
    let rows: Vec<Compared> =
        Metric::ALL.into_iter().filter_map(|metric| compared(metric, a, b, aa)).collect();
    if rows.is_empty() {
        return Err(Error::job("there is no figure that both have: the runs answered nothing"));
    }
    let noisy = |row: &&Compared| row.metric == Metric::Iops && row.said == Said::NoDifference;
    let doubts = rows.iter().filter(noisy).map(|row| {
        let difference = (row.ratio - 1.0).abs();
        // Whichever of the two kept a winner from being named.
        let spread = row.high.zip(row.low).map_or(0.0, |(high, low)| (high - low) / 2.0);
        let noise = row.noise.map_or(spread, |noise| (noise - 1.0).max(spread));
        DoubtRecord::from(Doubt::NoiseAboveDifference { difference, noise })
    });
    Ok(Comparison {
        schema: "maprace.load.compare/1",
        runs: a.len().min(b.len()),
        aa_runs: aa.map(|aa| aa.len().min(a.len())),
        interval_of: if a.len().min(b.len()) > 1 { "pairs of runs" } else { "slices of one run" },
        doubts: doubts.collect(),
        rows,
    })
}

/// Whether two runs were asked the same.
fn same_job(a: &Record, b: &Record) -> Result<(), Error> {
    let (x, y) = (&a.job, &b.job);
    let rows = [
        ("rw", x.pattern.name().to_owned(), y.pattern.name().to_owned()),
        ("bs", x.bs.to_string(), y.bs.to_string()),
        ("iodepth", x.iodepth.to_string(), y.iodepth.to_string()),
        ("numjobs", x.numjobs.to_string(), y.numjobs.to_string()),
        ("rwmixread", x.rwmixread.to_string(), y.rwmixread.to_string()),
        ("fsync", x.fsync.to_string(), y.fsync.to_string()),
        ("fua", x.fua.to_string(), y.fua.to_string()),
        ("pace", format!("{:?}", x.pace), format!("{:?}", y.pace)),
    ];
    match rows.into_iter().find(|(_, a, b)| a != b) {
        Some((what, a, b)) => {
            Err(Error::job(format!("the runs are of different jobs: {what} {a} and {b}")))
        }
        None => Ok(()),
    }
}

/// A mean of logarithms and the half of its 95 % interval.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: f64,
    half: Option<f64>,
}

fn compared(metric: Metric, a: &[Record], b: &[Record], aa: Option<&[Record]>) -> Option<Compared> {
    let ab = estimate(metric, a, b)?;
    let noise = aa.and_then(|aa| {
        let same = estimate(metric, a, aa)?;
        Some(same.mean.abs() + same.half.unwrap_or(0.0))
    });
    let shows = ab.half.map(|half| ab.mean.abs() > half);
    let said = match (shows, noise) {
        (None, _) => Said::TooFewRuns,
        (Some(false), _) => Said::NoDifference,
        (Some(true), None) => Said::NoAa,
        (Some(true), Some(noise)) if ab.mean.abs() <= noise => Said::NoDifference,
        (Some(true), Some(_)) if (ab.mean > 0.0) == metric.more_is_better() => Said::BBetter,
        (Some(true), Some(_)) => Said::ABetter,
    };
    Some(Compared {
        metric,
        a: mean_of(metric, a)?,
        b: mean_of(metric, b)?,
        ratio: ab.mean.exp(),
        low: ab.half.map(|half| (ab.mean - half).exp()),
        high: ab.half.map(|half| (ab.mean + half).exp()),
        noise: noise.map(f64::exp),
        said,
    })
}

fn mean_of(metric: Metric, runs: &[Record]) -> Option<f64> {
    let values: Vec<f64> = runs.iter().filter_map(|run| metric.of(run)).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / length(&values))
}

/// The logarithm of b by a, over pairs of runs; of one pair, over its slices where it has them.
fn estimate(metric: Metric, a: &[Record], b: &[Record]) -> Option<Estimate> {
    let pairs = a.iter().zip(b);
    let logs: Vec<f64> =
        pairs.filter_map(|(a, b)| Some((metric.of(b)? / metric.of(a)?).ln())).collect();
    match (logs.as_slice(), a, b) {
        ([], _, _) => None,
        (&[mean], [a, ..], [b, ..]) => {
            let slices = (metric == Metric::Iops).then(|| of_slices(&a.slices, &b.slices));
            Some(Estimate { mean, half: slices.flatten() })
        }
        (logs, _, _) => {
            let (mean, half) = interval(logs);
            Some(Estimate { mean, half: Some(half) })
        }
    }
}

/// The 95 % interval of the mean of ratios, which is that of their logarithms; none of fewer than two.
pub fn ratio_interval(ratios: &[f64]) -> Option<(f64, f64)> {
    let logs: Vec<f64> = ratios.iter().map(|ratio| ratio.ln()).collect();
    let (mean, half) = (logs.len() > 1).then(|| interval(&logs))?;
    Some(((mean - half).exp(), (mean + half).exp()))
}

/// The mean of a sample of two or more, and the half of its interval.
fn interval(sample: &[f64]) -> (f64, f64) {
    let (mean, variance) = moments(sample);
    (mean, quantile(sample.len() - 1) * (variance / length(sample)).sqrt())
}

/// The half of an interval from the slices of two runs, which are taken as independent.
fn of_slices(a: &[f64], b: &[f64]) -> Option<f64> {
    let logs = |slices: &[f64]| -> Vec<f64> {
        slices.iter().filter(|rate| **rate > 0.0).map(|rate| rate.ln()).collect()
    };
    let (a, b) = (logs(a), logs(b));
    if a.len() < 5 || b.len() < 5 {
        return None;
    }
    let (of_a, of_b) = (moments(&a).1 / length(&a), moments(&b).1 / length(&b));
    Some(quantile(a.len().min(b.len()) - 1) * (of_a + of_b).sqrt())
}

/// Mean and variance of a sample.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = length(values);
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (n - 1.0).max(1.0))
}

fn length(values: &[f64]) -> f64 {
    float(values.len() as u64)
}

/// Student's t, 97.5 %, by degrees of freedom.
fn quantile(freedom: usize) -> f64 {
    const T: [f64; 30] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
        2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
        2.052, 2.048, 2.045, 2.042,
    ];
    T.get(freedom.max(1) - 1).copied().unwrap_or(1.96)
}
