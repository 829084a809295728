//! A profile as a picture: how latencies are spread, and how rates grow with requests in flight.

use maprace_media::check::load::{Load, quantile_ns, run};
use maprace_media::params::Pattern;
use maprace_media::{Measure, Profile, Work};
use plotters::coord::Shift;
use plotters::prelude::*;

/// Width and height in pixels.
const SIZE: (u32, u32) = (1_080, 460);

/// Requests for the percentiles: enough for p99.999.
const LATENCIES: u64 = 1_000_000;

/// Requests for each rate.
const RATES: u64 = 40_000;

/// Requests in flight at which rates are drawn.
const DEPTHS: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// Percentiles on the axis, as nines: 10^-x of all requests are slower.
const NINES: f64 = 5.0;

type Failed = Box<dyn std::error::Error>;

/// What is drawn in one colour.
#[derive(Clone, Copy)]
struct Side {
    work: Work,
    colour: RGBColor,
}

const SIDES: [Side; 2] = [
    Side { work: Work::Read, colour: RGBColor(0, 90, 181) },
    Side { work: Work::Write, colour: RGBColor(220, 50, 32) },
];

/// The picture.
pub(super) fn svg(profile: &Profile) -> Result<String, Failed> {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let head = format!("{} (random 4 KiB, seed {})", profile.name, profile.params.seed);
        let below = root.titled(&head, ("sans-serif", 20))?;
        let (left, right) = below.split_horizontally(SIZE.0 / 2);
        latencies(profile, &left)?;
        rates(profile, &right)?;
        root.present()?;
    }
    Ok(text)
}

fn load(profile: &Profile, work: Work, depth: u64, requests: u64) -> Load {
    let seed = profile.params.seed;
    Load { work, pattern: Pattern::Random, bytes: 4096, depth, pause_ns: 0, requests, seed }
}

/// The whole decades that hold what is drawn, for a logarithmic axis.
fn decades(values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
    let lo = values.clone().fold(f64::INFINITY, f64::min).clamp(1e-3, 1e9);
    let hi = values.fold(lo, f64::max);
    let (mut from, mut to) = (1e-3, 1e-2);
    while from * 10.0 <= lo {
        from *= 10.0;
    }
    while to < hi || to <= from {
        to *= 10.0;
    }
    from..to
}

/// A number on an axis.
fn tick(value: f64) -> String {
    if value >= 1.0 { format!("{value:.0}") } else { format!("{value}") }
}

#[expect(clippy::cast_precision_loss, reason = "a picture has a thousand pixels")]
fn float(value: u64) -> f64 {
    value as f64
}

/// Latency by percentile, one request in flight.
fn latencies(profile: &Profile, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed> {
    let curve = |side: &Side| -> Vec<(f64, f64)> {
        let measured = run(&profile.params, &load(profile, side.work, 1, LATENCIES));
        let point = |i: u32| {
            let nines = f64::from(i) / 20.0;
            let ns = quantile_ns(&measured.latency_ns, 1.0 - 10_f64.powf(-nines));
            (nines, (float(ns) / 1_000.0).max(1e-3))
        };
        (0..=100).map(point).collect()
    };
    let curves: Vec<Vec<(f64, f64)>> = SIDES.iter().map(curve).collect();
    let range = decades(curves.iter().flatten().map(|(_, us)| *us));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .caption("latency, one request in flight", ("sans-serif", 15))
        .build_cartesian_2d(0.0..NINES, range.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("us")
        .y_label_formatter(&|us| tick(*us))
        .x_labels(6)
        .x_label_formatter(&|nines| percentile(*nines))
        .draw()?;
    for (side, points) in SIDES.iter().zip(curves) {
        let colour = side.colour;
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(side.work.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(())
}

/// `0`, `90`, `99`, `99.9` and so on.
fn percentile(nines: f64) -> String {
    match nines {
        n if n < 0.5 => "0".to_owned(),
        n if n < 1.5 => "90".to_owned(),
        n if n < 2.5 => "99".to_owned(),
        n if n < 3.5 => "99.9".to_owned(),
        n if n < 4.5 => "99.99".to_owned(),
        _ => "99.999".to_owned(),
    }
}

/// Rate by requests in flight: the model as a line, published figures as dots.
fn rates(profile: &Profile, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Failed> {
    let curve = |side: &Side| -> Vec<(f64, f64)> {
        let point = |depth: u64| {
            let rate = run(&profile.params, &load(profile, side.work, depth, RATES)).rate_hz;
            (float(depth), if rate.is_finite() { rate / 1_000.0 } else { 1e9 })
        };
        DEPTHS.into_iter().map(point).collect()
    };
    let curves: Vec<Vec<(f64, f64)>> = SIDES.iter().map(curve).collect();
    let dots: Vec<Vec<(f64, f64)>> =
        SIDES.iter().map(|side| published(profile, side.work)).collect();
    let range = decades(curves.iter().chain(&dots).flatten().map(|(_, kiops)| *kiops));
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(64)
        .caption("rate; dots are published figures", ("sans-serif", 15))
        .build_cartesian_2d((0.9..150.0).log_scale().base(2.0), range.log_scale())?;
    chart
        .configure_mesh()
        .x_desc("requests in flight")
        .y_desc("1000 requests a second")
        .y_label_formatter(&|kiops| tick(*kiops))
        .x_label_formatter(&|depth| format!("{depth:.0}"))
        .draw()?;
    for ((side, points), dots) in SIDES.iter().zip(curves).zip(dots) {
        let colour = side.colour;
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(side.work.name())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        chart.draw_series(dots.into_iter().map(|dot| Circle::new(dot, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    Ok(())
}

/// The profile's figures for random 4 KiB requests, as depth and thousands a second.
fn published(profile: &Profile, work: Work) -> Vec<(f64, f64)> {
    let mut dots = Vec::new();
    let fits = |expect: &&maprace_media::Expect| {
        expect.work == work && expect.pattern == Pattern::Random && !expect.measure.is_latency()
    };
    for expect in profile.expect.iter().filter(fits) {
        for (_, depth, target) in expect.rows().filter(|(bytes, ..)| *bytes == 4096) {
            let kiops = match expect.measure {
                Measure::MibS => target.lo * 256.0 / 1_000.0,
                Measure::MbS => target.lo * 1_000.0 / 4_096.0,
                _ => target.lo,
            };
            dots.push((float(depth), kiops));
        }
    }
    dots
}
