//! The table of the report: what was explored and what was measured of one configuration, side by side.
//!
//! A verdict and a measurement belong together when scenario, layer, order and every knob agree. What
//! has no partner has a row of its own; nothing is estimated to fill a gap.

use maprace_fs::protocol::preset;
use maprace_scenario::{Estimate, Judgement, Measured, MedianRange, Row, Spread, Verdict};
use serde::Serialize;

/// What the explorer said.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Explored {
    /// `safe`, `damaged` or `incomplete`.
    pub(crate) verdict: &'static str,
    /// As the table of `compare` has it.
    pub(crate) text: String,
    /// Traces that end in damage.
    pub(crate) bad: Option<u64>,
    /// All traces.
    pub(crate) traces: Option<u64>,
    /// The chance of damage when the next task is drawn uniformly.
    pub(crate) p_random: Option<f64>,
    /// The fewest preemptions that do damage.
    pub(crate) preemptions: Option<u32>,
    /// The chances of all traces together.
    pub(crate) certificate: Option<f64>,
    /// The checkers that failed.
    pub(crate) checkers: Vec<String>,
    /// Whether it is what the scenario expects.
    pub(crate) as_expected: Option<bool>,
}

/// Of a distribution, what a table shows.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Brief {
    p50: u64,
    p99: u64,
    max: u64,
}

impl Brief {
    /// The figures that are shown.
    pub(crate) fn of(spread: &Spread) -> Brief {
        Brief { p50: spread.p50, p99: spread.p99, max: spread.max }
    }

    /// The median.
    pub(crate) fn p50(self) -> u64 {
        self.p50
    }

    /// The 99th percentile.
    pub(crate) fn p99(self) -> u64 {
        self.p99
    }
}

/// One kind of window in a measurement.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Seen {
    /// `W1` to `W6`.
    pub(crate) name: &'static str,
    what: &'static str,
    /// In nanoseconds.
    pub(crate) length: Brief,
    /// In blocks.
    footprint: Brief,
    /// How many were open.
    count: u64,
    /// How many were hit.
    pub(crate) hits: u64,
    /// How many of those were noticed.
    catches: u64,
    /// Hits per million operations.
    pub(crate) per_million: Estimate,
    exposed: f64,
}

/// What was measured.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Figures {
    /// Every kind of window that was open, the most hit first.
    pub(crate) windows: Vec<Seen>,
    /// The share of rounds with damage.
    pub(crate) damage: Estimate,
    /// Rounds with damage.
    pub(crate) damaged: u64,
    /// All rounds.
    pub(crate) rounds: u64,
    stuck: u64,
    /// Operations that ended.
    pub(crate) operations: u64,
    /// Operations a second.
    pub(crate) rate: f64,
    /// The mean time of an operation, in nanoseconds.
    pub(crate) ns: f64,
    operation: Brief,
    lock_wait: Brief,
    exclusive_share: f64,
    lookups: f64,
    seed: u64,
    costs: Option<String>,
    /// On threads: the ratio of the greatest to the least median of an operation over repeats.
    noise: Option<f64>,
    /// The two.
    #[serde(skip)]
    medians: Option<MedianRange>,
    /// On threads: whether no median of an operation is among those of the fastest of its scenario,
    /// order and cookie.
    pub(crate) differs: Option<bool>,
}

/// One configuration of one scenario.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct RowData {
    /// The name in the table.
    pub(crate) scenario: String,
    layer: String,
    /// The order of buffered writes.
    pub(crate) order: String,
    /// The preset's name, with the knobs that are not the preset's.
    pub(crate) config: String,
    /// The preset's name.
    pub(crate) protocol: String,
    /// What tells an iomap write that its map is out of date; other orders have none.
    pub(crate) cookie: Option<String>,
    /// Whether no kernel had it.
    pub(crate) counterfactual: bool,
    /// The medium's profile.
    pub(crate) media: Option<String>,
    /// Processors.
    pub(crate) cpus: Option<u32>,
    /// What the explorer said.
    pub(crate) explored: Option<Explored>,
    /// What was measured in virtual time.
    #[serde(rename = "virtual")]
    pub(crate) measured: Option<Figures>,
    /// What was measured on threads.
    pub(crate) threads: Option<Figures>,
    /// The number of its timeline.
    pub(crate) timeline: Option<usize>,
}

/// What tells configurations apart.
#[derive(Clone, PartialEq)]
struct Key {
    subject: String,
    layer: String,
    order: String,
    knobs: Vec<(&'static str, &'static str)>,
}

/// The rows: verdicts first, in their order, each with what was measured of it.
pub(crate) fn rows(
    verdicts: &[Row<'_>],
    measured: &[Measured],
    threads: &[Measured],
) -> Vec<RowData> {
    let mut all: Vec<(Key, RowData)> = Vec::new();
    for row in verdicts {
        all.push((key_of_verdict(row.verdict), of_verdict(row)));
    }
    for one in measured {
        place(&mut all, one, |row| &mut row.measured);
    }
    for one in threads {
        place(&mut all, one, |row| &mut row.threads);
    }
    let mut rows: Vec<RowData> = all.into_iter().map(|(_, row)| row).collect();
    say_what_differs(&mut rows);
    rows
}

/// Puts a measurement into its row, or into a new one behind it.
fn place(
    all: &mut Vec<(Key, RowData)>,
    one: &Measured,
    cell: impl Fn(&mut RowData) -> &mut Option<Figures>,
) {
    let key = key_of(one);
    let fits = |row: &RowData| {
        let media = row.media.as_ref().is_none_or(|media| *media == one.media);
        media && (one.world == "threads" || row.cpus.is_none_or(|cpus| cpus == one.cpus))
    };
    let same = |(known, _): &&mut (Key, RowData)| *known == key;
    let mut own = all.iter_mut().filter(same).filter(|(_, row)| fits(row));
    let found = own.find_map(|(_, row)| cell(row).is_none().then_some(row));
    if let Some(row) = found {
        fill(row, one);
        *cell(row) = Some(figures(one));
        return;
    }
    let last = all.iter().rposition(|(known, _)| *known == key);
    let mut row = of_measured(one);
    if let Some(at) = last {
        row.scenario.clone_from(&all[at].1.scenario);
        row.explored.clone_from(&all[at].1.explored);
    }
    *cell(&mut row) = Some(figures(one));
    all.insert(last.map_or(all.len(), |at| at + 1), (key, row));
}

fn fill(row: &mut RowData, one: &Measured) {
    row.media.get_or_insert_with(|| one.media.clone());
    row.cpus.get_or_insert(one.cpus);
}

fn key_of_verdict(verdict: &Verdict) -> Key {
    Key {
        subject: verdict.scenario.clone(),
        layer: verdict.layer.clone(),
        order: verdict.order.to_owned(),
        knobs: verdict.knobs.0.clone(),
    }
}

fn key_of(one: &Measured) -> Key {
    Key {
        subject: one.subject.clone(),
        layer: one.layer.clone(),
        order: one.order.to_owned(),
        knobs: one.knobs.0.clone(),
    }
}

/// The preset's name and the knobs that are not the preset's.
pub(crate) fn config(protocol: &str, knobs: &[(&'static str, &'static str)]) -> String {
    let preset = preset(protocol).map_or_else(Vec::new, |preset| preset.knobs.values());
    let moved = knobs.iter().filter(|setting| !preset.is_empty() && !preset.contains(setting));
    let moved: Vec<String> = moved.map(|(knob, value)| format!("{knob}={value}")).collect();
    [vec![protocol.to_owned()], moved].concat().join(" ")
}

fn of_verdict(row: &Row<'_>) -> RowData {
    let verdict = row.verdict;
    let cookie = verdict.knobs.0.iter().find(|(knob, _)| *knob == "cookie");
    RowData {
        scenario: row.name.to_owned(),
        layer: verdict.layer.clone(),
        order: verdict.order.to_owned(),
        config: config(&verdict.protocol, &verdict.knobs.0),
        protocol: verdict.protocol.clone(),
        cookie: cookie.filter(|_| verdict.order == "iomap").map(|(_, value)| (*value).to_owned()),
        counterfactual: verdict.counterfactual,
        media: None,
        cpus: None,
        explored: Some(explored(verdict)),
        measured: None,
        threads: None,
        timeline: None,
    }
}

fn explored(verdict: &Verdict) -> Explored {
    let text = match (verdict.verdict, verdict.bad_traces, verdict.traces) {
        (Judgement::Safe, ..) => "safe".to_owned(),
        (Judgement::Incomplete, ..) => format!("open {}", verdict.executions),
        (Judgement::Damaged, Some(bad), Some(all)) => {
            format!("BAD {bad}/{all}{}", if verdict.complete { "" } else { "+" })
        }
        (Judgement::Damaged, ..) => "BAD".to_owned(),
    };
    Explored {
        verdict: verdict.verdict.name(),
        text,
        bad: verdict.bad_traces,
        traces: verdict.traces,
        p_random: verdict.p_random,
        preemptions: verdict.min_preemptions,
        certificate: verdict.certificate,
        checkers: verdict.damage.iter().map(|found| found.checker.clone()).collect(),
        as_expected: verdict.expected.as_ref().and_then(|expected| expected.as_expected),
    }
}

fn of_measured(one: &Measured) -> RowData {
    RowData {
        scenario: one.subject.clone(),
        layer: one.layer.clone(),
        order: one.order.to_owned(),
        config: config(&one.protocol, &one.knobs.0),
        protocol: one.protocol.clone(),
        cookie: one.cookie.map(str::to_owned),
        counterfactual: one.counterfactual,
        media: Some(one.media.clone()),
        cpus: Some(one.cpus),
        explored: None,
        measured: None,
        threads: None,
        timeline: None,
    }
}

fn figures(one: &Measured) -> Figures {
    let mut windows: Vec<Seen> = one
        .windows
        .iter()
        .map(|window| Seen {
            name: window.name,
            what: window.what,
            length: Brief::of(&window.length),
            footprint: Brief::of(&window.footprint),
            count: window.length.count,
            hits: window.hits,
            catches: window.catches,
            per_million: window.hits_per_million,
            exposed: window.exposed,
        })
        .collect();
    windows.sort_by_key(|window| std::cmp::Reverse((window.hits, window.length.p99)));
    let medians = one.medians.get("operation").copied();
    #[expect(clippy::cast_precision_loss, reason = "nanoseconds of one operation")]
    let widest = |range: MedianRange| range.high as f64 / range.low.max(1) as f64;
    Figures {
        windows,
        damage: one.damage,
        damaged: one.damaged,
        rounds: one.rounds,
        stuck: one.stuck,
        operations: one.cost.operations,
        rate: one.cost.operations_per_second,
        ns: one.cost.operation.mean,
        operation: Brief::of(&one.cost.operation),
        lock_wait: Brief::of(&one.cost.lock_wait),
        exclusive_share: one.cost.exclusive_share,
        lookups: one.cost.lookups_per_operation,
        seed: one.seed,
        costs: one.costs.clone(),
        noise: medians.map(widest),
        medians,
        differs: None,
    }
}

/// On threads a difference counts only past what repeats of one configuration differ by.
fn say_what_differs(rows: &mut [RowData]) {
    for at in 0..rows.len() {
        let own = &rows[at];
        let who = |row: &RowData| {
            let RowData { scenario, order, cookie, media, .. } = row;
            (scenario.clone(), order.clone(), cookie.clone(), media.clone())
        };
        let alike = rows.iter().filter(|row| who(row) == who(own));
        let known = alike.filter_map(|row| row.threads.as_ref()?.medians);
        let Some(best) = known.min_by_key(|medians| medians.low) else { continue };
        let Some(medians) = own.threads.as_ref().and_then(|threads| threads.medians) else {
            continue;
        };
        let differs = medians.is_apart_from(&best);
        if let Some(threads) = &mut rows[at].threads {
            threads.differs = Some(differs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::measured;
    use super::*;

    #[test]
    fn a_measurement_goes_to_the_verdict_of_its_knobs_and_a_second_medium_below_it() {
        let one = measured("a", "iomap", "v6.8", 1_000);
        let other = Measured { media: "dram".to_owned(), ..one.clone() };
        let far = measured("b", "iomap", "v6.8", 1_000);
        let threads = Measured { world: "threads", cpus: 7, ..one.clone() };
        let rows = rows(&[], &[one, far, other], &[threads]);
        let shown: Vec<(&str, Option<&str>, bool)> = rows
            .iter()
            .map(|row| (row.scenario.as_str(), row.media.as_deref(), row.threads.is_some()))
            .collect();
        assert_eq!(
            shown,
            [
                ("a", Some("instant"), true),
                ("a", Some("dram"), false),
                ("b", Some("instant"), false)
            ]
        );
    }

    #[test]
    fn on_threads_a_difference_within_noise_is_none() {
        let with = |protocol: &str, low: u64, high: u64| {
            let mut one = measured("a", "iomap", protocol, 1_000);
            one.world = "threads";
            one.medians.insert("operation".to_owned(), MedianRange { low, high });
            one
        };
        let threads = [with("v6.8", 100, 105), with("v6.11", 104, 110), with("v6.12", 106, 120)];
        let differs: Vec<Option<bool>> =
            rows(&[], &[], &threads).into_iter().map(|row| row.threads.unwrap().differs).collect();
        assert_eq!(differs, [Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn a_configuration_is_its_preset_and_what_was_moved() {
        let knobs = preset("v6.12").unwrap().knobs.values();
        assert_eq!(config("v6.12", &knobs), "v6.12");
        let moved: Vec<_> = knobs
            .into_iter()
            .map(|(knob, value)| if knob == "cookie" { (knob, "off") } else { (knob, value) })
            .collect();
        assert_eq!(config("v6.12", &moved), "v6.12 cookie=off");
    }
}
