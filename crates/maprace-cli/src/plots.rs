//! Measurements as pictures, SVG files for a paper or a mail: how long windows are open, sweeps, and
//! what protection costs against what it buys.
//!
//! The page draws the same for itself and can be clicked; these stand alone. One picture is one file,
//! white, of one size. Nothing is measured here.

use crate::failure::Failure;
use crate::files::{Existing, check_dir, write_whole};
use crate::report::{config, shares};
use maprace_scenario::{Measured, Sweep, WindowSeen};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

/// Width and height in pixels.
const SIZE: (u32, u32) = (760, 480);

/// Of a paper for readers who do not tell all colours apart.
const COLOURS: [RGBColor; 8] = [
    RGBColor(11, 87, 164),
    RGBColor(179, 64, 27),
    RGBColor(28, 122, 76),
    RGBColor(123, 63, 160),
    RGBColor(138, 109, 0),
    RGBColor(15, 127, 139),
    RGBColor(176, 42, 107),
    RGBColor(75, 85, 99),
];

type Failed = Box<dyn std::error::Error>;

/// A picture, and the name of its file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Plot {
    pub(crate) file: String,
    pub(crate) svg: String,
}

/// A line, or points with their names.
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
}

/// What is drawn.
struct Picture {
    title: String,
    x: &'static str,
    y: String,
    /// Whether the upward axis is logarithmic; the other one always is.
    log_y: bool,
    /// Points are named and not joined.
    dots: bool,
    series: Vec<Series>,
}

/// Draws everything that was measured.
pub(crate) fn plots(measured: &[Measured], sweeps: &[Sweep]) -> Result<Vec<Plot>, Failure> {
    let mut all = Vec::new();
    for subject in subjects(measured) {
        let own: Vec<&Measured> = measured.iter().filter(|one| one.subject == subject).collect();
        for window in windows(&own) {
            all.push((format!("window-{window}-{subject}"), lengths(subject, window, &own)));
        }
        all.push((format!("cost-{subject}"), costs(subject, &own)));
    }
    for sweep in sweeps {
        let every: Vec<&Measured> = sweep.points.iter().flat_map(|p| &p.measured).collect();
        for subject in subjects(every.iter().copied()) {
            for window in windows(&every) {
                for figure in FIGURES {
                    let name = format!("sweep-{}-{window}-{}-{subject}", sweep.key, figure.0);
                    all.push((name, swept(sweep, subject, window, figure)));
                }
            }
        }
    }
    let drawn = |(name, picture): (String, Picture)| {
        let svg = draw(&picture).map_err(|error| Failure::Plot(error.to_string()))?;
        Ok(Plot { file: format!("{}.svg", in_a_file_name(&name)), svg })
    };
    all.into_iter()
        .filter(|(_, p)| p.series.iter().any(|s| !s.points.is_empty()))
        .map(drawn)
        .collect()
}

/// Writes the pictures into a directory, which is made; each whole or not at all.
pub(crate) fn write(dir: &Path, plots: &[Plot], existing: Existing) -> Result<(), Failure> {
    check_dir(dir, existing)?;
    plots.iter().try_for_each(|plot| write_whole(&dir.join(&plot.file), &plot.svg, existing))
}

fn subjects<'a>(measured: impl IntoIterator<Item = &'a Measured>) -> Vec<&'a str> {
    let mut all: Vec<&str> = Vec::new();
    for one in measured {
        if !all.contains(&one.subject.as_str()) {
            all.push(&one.subject);
        }
    }
    all
}

fn windows(measured: &[&Measured]) -> Vec<&'static str> {
    let mut all: Vec<&'static str> =
        measured.iter().flat_map(|one| &one.windows).map(|window| window.name).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn in_a_file_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    name.chars().map(kept).collect()
}

fn label(one: &Measured) -> String {
    format!("{}, {}", config(&one.protocol, &one.knobs.0), one.order)
}

#[expect(clippy::cast_precision_loss, reason = "a picture has a thousand pixels")]
fn float(value: u64) -> f64 {
    value as f64
}

fn lengths(subject: &str, window: &str, measured: &[&Measured]) -> Picture {
    let line = |one: &&Measured| {
        let points = shares(&one.window(window)?.length);
        let points = points.into_iter().map(|(ns, share)| (float(ns), share)).collect();
        Some(Series { name: label(one), points })
    };
    Picture {
        title: format!("{window} in {subject}"),
        x: "length of the window, ns",
        y: "cumulative share".to_owned(),
        log_y: false,
        dots: false,
        series: measured.iter().filter_map(line).collect(),
    }
}

fn costs(subject: &str, measured: &[&Measured]) -> Picture {
    let worst =
        |one: &Measured| one.windows.iter().map(|w| w.hits_per_million.value).fold(0.0, f64::max);
    let point = |one: &&Measured| Series {
        name: label(one),
        points: vec![(one.cost.operation.mean, worst(one))],
    };
    Picture {
        title: format!("{subject}: left is cheaper, down is safer"),
        x: "mean time of an operation, ns",
        y: "hits per million operations (none: on the axis)".to_owned(),
        log_y: true,
        dots: true,
        series: measured.iter().filter(|one| one.cost.operations > 0).map(point).collect(),
    }
}

/// A figure of a window's length.
type Figure = (&'static str, fn(&WindowSeen) -> u64);

/// Those that are drawn over a sweep.
const FIGURES: [Figure; 3] =
    [("p50", |w| w.length.p50), ("p99", |w| w.length.p99), ("max", |w| w.length.max)];

/// A figure of a window against the swept value, for each configuration.
fn swept(sweep: &Sweep, subject: &str, window: &str, (which, figure): Figure) -> Picture {
    let mut series: Vec<Series> = Vec::new();
    for point in &sweep.points {
        for one in point.measured.iter().filter(|one| one.subject == subject) {
            let Some(seen) = one.window(window) else { continue };
            let (name, at) = (label(one), (point.x, float(figure(seen))));
            match series.iter_mut().find(|known| known.name == name) {
                Some(known) => known.points.push(at),
                None => series.push(Series { name, points: vec![at] }),
            }
        }
    }
    Picture {
        title: format!("{window} in {subject}, by {} ({})", sweep.key, sweep.unit),
        x: "swept value",
        y: format!("{which} of the window's length, ns"),
        log_y: true,
        dots: false,
        series,
    }
}

/// The whole decades that hold the values, for a logarithmic axis; zero stands at the lower end.
fn ends(values: impl Iterator<Item = f64>) -> Range<f64> {
    let known: Vec<f64> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
    let lo = known.iter().copied().fold(f64::INFINITY, f64::min);
    let hi = known.iter().copied().fold(0.0, f64::max);
    if known.is_empty() {
        return 0.1..10.0;
    }
    10_f64.powf(lo.log10().floor())..10_f64.powf((hi.log10() + 1e-9).ceil()).max(lo * 1.1)
}

fn draw(picture: &Picture) -> Result<String, Failed> {
    let all = || picture.series.iter().flat_map(|series| series.points.iter().copied());
    let (x, y) = (ends(all().map(|p| p.0)), ends(all().map(|p| p.1)));
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut builder = ChartBuilder::on(&root);
        builder
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(74)
            .caption(&picture.title, ("sans-serif", 18));
        if picture.log_y {
            let floor = y.start;
            let mut chart = builder.build_cartesian_2d(x.log_scale(), y.log_scale())?;
            lines(&mut chart, picture, |value| value.max(floor))?;
        } else {
            let mut chart = builder.build_cartesian_2d(x.log_scale(), 0.0..1.0)?;
            lines(&mut chart, picture, |value| value)?;
        }
        root.present()?;
    }
    Ok(text)
}

/// A number on an axis.
fn tick(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else {
        format!("{}", (value * 100.0).round() / 100.0)
    }
}

fn lines<'a, X, Y>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>,
    picture: &Picture,
    shown: impl Fn(f64) -> f64,
) -> Result<(), Failed>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(picture.x)
        .y_desc(&picture.y)
        .max_light_lines(0)
        .x_label_formatter(&|value| tick(*value))
        .y_label_formatter(&|value| tick(*value))
        .draw()?;
    for (i, series) in picture.series.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let points: Vec<(f64, f64)> = series.points.iter().map(|(x, y)| (*x, shown(*y))).collect();
        if picture.dots {
            let named = points.iter().map(|at| {
                EmptyElement::at(*at)
                    + Circle::new((0, 0), 4, colour.filled())
                    + Text::new(series.name.clone(), (7, -12), ("sans-serif", 12))
            });
            chart.draw_series(named)?;
            continue;
        }
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(&series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    if !picture.dots {
        let mut labels = chart.configure_series_labels();
        labels.background_style(WHITE.mix(0.85)).border_style(BLACK);
        labels.position(SeriesLabelPosition::UpperLeft).label_font(("sans-serif", 11)).draw()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::{measured, sweep};

    #[test]
    fn every_measurement_is_drawn_and_the_files_have_plain_names() {
        let all =
            [measured("a b/c", "iomap", "v6.8", 900), measured("a b/c", "iomap", "v6.12", 1_000)];
        let plots = plots(&all, &[sweep("x")]).unwrap();
        let files: Vec<&str> = plots.iter().map(|plot| plot.file.as_str()).collect();
        assert_eq!(
            files,
            [
                "window-W1-a-b-c.svg",
                "cost-a-b-c.svg",
                "sweep-cpus-W1-p50-x.svg",
                "sweep-cpus-W1-p99-x.svg",
                "sweep-cpus-W1-max-x.svg"
            ]
        );
        for plot in &plots {
            assert!(plot.svg.starts_with("<svg") && plot.svg.trim_end().ends_with("</svg>"));
            assert!(plot.svg.contains("v6.12, iomap"), "{}", plot.file);
        }
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("new"), &plots, Existing::Keep).unwrap();
        assert!(write(&dir.path().join("new"), &plots, Existing::Keep).is_err());
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 5);
    }

    #[test]
    fn nothing_measured_is_no_picture() {
        assert_eq!(plots(&[], &[]).unwrap(), []);
        let mut bare = measured("a", "iomap", "v6.8", 900);
        bare.windows.clear();
        bare.cost.operations = 0;
        assert_eq!(plots(&[bare], &[]).unwrap(), []);
    }
}
