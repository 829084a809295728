//! What the report draws as lines: distributions of windows, and sweeps. Thinned to what a picture of
//! a few hundred pixels can show; the figures of the table are not made from this.

use super::rows::{Brief, config};
use maprace_scenario::{Estimate, Measured, Spread, Sweep};
use serde::Serialize;
use std::collections::BTreeMap;

/// The most points of one line.
const POINTS_MAX: usize = 160;

/// A distribution as a line.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Line {
    config: String,
    order: String,
    cookie: Option<&'static str>,
    counterfactual: bool,
    world: &'static str,
    media: String,
    cpus: u32,
    seed: u64,
    count: u64,
    length: Brief,
    /// A length in nanoseconds, and the share of windows that were no longer.
    points: Vec<(u64, f64)>,
}

/// One kind of window of one scenario.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Distribution {
    scenario: String,
    window: &'static str,
    what: &'static str,
    lines: Vec<Line>,
}

/// Every kind of window of every scenario, in the order in which they come.
pub(crate) fn distributions(
    measured: &[Measured],
    threads: &[Measured],
    named: &dyn Fn(&str) -> String,
) -> Vec<Distribution> {
    let mut all: Vec<Distribution> = Vec::new();
    for one in measured.iter().chain(threads) {
        let scenario = named(&one.subject);
        for window in one.windows.iter().filter(|window| window.length.count > 0) {
            let known = all
                .iter()
                .position(|known| (&known.scenario, known.window) == (&scenario, window.name));
            let at = known.unwrap_or_else(|| {
                let (scenario, lines) = (scenario.clone(), Vec::new());
                let (window, what) = (window.name, window.what);
                all.push(Distribution { scenario, window, what, lines });
                all.len() - 1
            });
            all[at].lines.push(Line {
                config: config(&one.protocol, &one.knobs.0),
                order: one.order.to_owned(),
                cookie: one.cookie,
                counterfactual: one.counterfactual,
                world: one.world,
                media: one.media.clone(),
                cpus: one.cpus,
                seed: one.seed,
                count: window.length.count,
                length: Brief::of(&window.length),
                points: shares(&window.length),
            });
        }
    }
    all
}

/// Lengths, and the share of values up to each.
#[expect(clippy::cast_precision_loss, reason = "a picture has a few hundred pixels")]
pub(crate) fn shares(spread: &Spread) -> Vec<(u64, f64)> {
    let total: u64 = spread.buckets.iter().map(|(_, count)| count).sum();
    let (mut below, mut shown) = (0u64, 0.0);
    let mut points = Vec::new();
    for (i, (value, count)) in spread.buckets.iter().enumerate() {
        below += count;
        let share = below as f64 / total as f64;
        // Half of the points for the shares, half for the tail, where shares hardly move.
        let (moved, last) = (share - shown, i + 1 == spread.buckets.len());
        if i == 0 || last || moved >= (1.0 - shown).min(0.5) * 4.0 / POINTS_MAX as f64 {
            shown = share;
            points.push((*value, share));
        }
    }
    points
}

/// What was measured at one value of a sweep.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct At {
    x: f64,
    typed: String,
    /// By window.
    lengths: BTreeMap<&'static str, Brief>,
    per_million: BTreeMap<&'static str, Estimate>,
    ns: f64,
    damage: Estimate,
}

/// One configuration over a sweep.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct SweptLine {
    scenario: String,
    config: String,
    order: String,
    world: &'static str,
    points: Vec<At>,
}

/// A sweep as lines.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Swept {
    key: String,
    unit: &'static str,
    cut: bool,
    lines: Vec<SweptLine>,
}

/// A line for each configuration.
pub(crate) fn swept(sweep: &Sweep, named: &dyn Fn(&str) -> String) -> Swept {
    let mut lines: Vec<SweptLine> = Vec::new();
    for point in &sweep.points {
        for one in &point.measured {
            let scenario = named(&one.subject);
            let config = config(&one.protocol, &one.knobs.0);
            let same = |line: &SweptLine| {
                line.scenario == scenario && line.config == config && line.order == one.order
            };
            let at = lines.iter().position(same).unwrap_or_else(|| {
                let (scenario, config) = (scenario.clone(), config.clone());
                let (order, world, points) = (one.order.to_owned(), one.world, Vec::new());
                lines.push(SweptLine { scenario, config, order, world, points });
                lines.len() - 1
            });
            let windows = one.windows.iter();
            lines[at].points.push(At {
                x: point.x,
                typed: point.typed.clone(),
                lengths: windows.clone().map(|w| (w.name, Brief::of(&w.length))).collect(),
                per_million: windows.map(|w| (w.name, w.hits_per_million)).collect(),
                ns: one.cost.operation.mean,
                damage: one.damage,
            });
        }
    }
    Swept { key: sweep.key.clone(), unit: sweep.unit, cut: sweep.cut, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_keeps_its_ends_and_grows_to_one() {
        let buckets: Vec<(u64, u64)> = (1..5_000).map(|value| (value, 5_000 / value)).collect();
        let points = shares(&Spread { buckets, ..Spread::default() });
        assert!(points.len() <= 400, "{}", points.len());
        assert_eq!(points.first().map(|p| p.0), Some(1));
        assert_eq!(points.last().map(|p| p.0), Some(4_999));
        assert!(points.windows(2).all(|two| two[0] < two[1] && two[0].1 < two[1].1));
        assert!((points.last().unwrap().1 - 1.0).abs() < 1e-12);
        assert_eq!(shares(&Spread::default()), []);
    }
}
