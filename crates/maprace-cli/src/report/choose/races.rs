//! What goes wrong: a sentence for each scenario and each kind of window that is hit there.

use super::words::{in_a_million, range, time};
use super::{RowData, Standing, is_damaged, names};
use crate::report::rows::{Brief, Figures};

/// How many races are told one by one, at most, for each order.
const RACES_MAX: usize = 4;

/// The rows of one scenario that go wrong through the same kind of window.
struct Race<'s, 'a> {
    scenario: &'a str,
    window: Option<&'static str>,
    standings: Vec<&'s Standing<'a>>,
    rows: Vec<&'a RowData>,
}

/// What races do, the likeliest first.
pub(super) fn races(standings: &[Standing<'_>]) -> Vec<String> {
    let mut all: Vec<Race<'_, '_>> = Vec::new();
    for standing in standings {
        for row in standing.rows.iter().copied().filter(|row| goes_wrong(row)) {
            let (scenario, window) = (row.scenario.as_str(), hit(row));
            let same =
                |race: &&mut Race<'_, '_>| (race.scenario, race.window) == (scenario, window);
            match all.iter_mut().find(same) {
                Some(race) => {
                    race.standings.push(standing);
                    race.rows.push(row);
                }
                None => {
                    let (standings, rows) = (vec![standing], vec![row]);
                    all.push(Race { scenario, window, standings, rows });
                }
            }
        }
    }
    all.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let more = all.len().saturating_sub(RACES_MAX);
    let line = |race: &Race<'_, '_>| {
        let names = names(standings, &race.standings);
        format!("{} goes wrong under {names}: {}.", race.scenario, told(race))
    };
    let mut lines: Vec<String> = all.iter().take(RACES_MAX).map(line).collect();
    if more > 0 {
        lines.push(format!("{more} more {} in the table.", if more == 1 { "is" } else { "are" }));
    }
    lines
}

fn goes_wrong(row: &RowData) -> bool {
    is_damaged(row) || row.measured.as_ref().is_some_and(|figures| figures.damaged > 0)
}

/// The window that is hit most.
fn hit(row: &RowData) -> Option<&'static str> {
    Some(row.measured.as_ref()?.windows.first()?.name)
}

/// How likely it is when the next task is drawn.
fn weight(race: &Race<'_, '_>) -> f64 {
    chances(race).into_iter().fold(0.0, f64::max)
}

fn chances(race: &Race<'_, '_>) -> Vec<f64> {
    let explored = race.rows.iter().filter(|row| is_damaged(row));
    explored.filter_map(|row| row.explored.as_ref()?.p_random).collect()
}

/// What was found of all rows, the figures that differ as a range.
fn told(race: &Race<'_, '_>) -> String {
    let mut parts = Vec::new();
    let mut orders: Vec<String> = Vec::new();
    for row in race.rows.iter().filter(|row| is_damaged(row)) {
        let counts = row.explored.as_ref().and_then(|e| Some((e.bad?, e.traces?)));
        let words =
            counts.map_or_else(|| "some".to_owned(), |(bad, all)| format!("{bad} of {all}"));
        if !orders.contains(&words) {
            orders.push(words);
        }
    }
    if !orders.is_empty() {
        parts.push(format!("{} distinct orders end in damage", orders.join(" or ")));
    }
    let chances = chances(race);
    if !chances.is_empty() {
        let chance = range(&chances, |p| format!("{p:.3}"));
        parts.push(format!("with chance {chance} when drawn at random"));
    }
    parts.extend(in_virtual_time(race));
    parts.join("; ")
}

fn in_virtual_time(race: &Race<'_, '_>) -> Option<String> {
    let name = race.window?;
    let figures: Vec<&Figures> = race.rows.iter().filter_map(|row| row.measured.as_ref()).collect();
    let first = || figures.iter().filter_map(|figures| figures.windows.first());
    let of = |pick: &dyn Fn(&Figures) -> u64| -> Vec<f64> {
        figures.iter().map(|figures| number(pick(figures))).collect()
    };
    let length = |pick: &dyn Fn(Brief) -> u64| -> Vec<f64> {
        first().map(|seen| number(pick(seen.length))).collect()
    };
    let rates: Vec<f64> = first().map(|seen| seen.per_million.value).collect();
    let bounds: Vec<f64> =
        first().flat_map(|seen| [seen.per_million.low, seen.per_million.high]).collect();
    let whole = |value: f64| format!("{value:.0}");
    Some(format!(
        "in virtual time {name} is open {} (p99 {}), is hit {}, and {} of {} rounds end in damage",
        range(&length(&|brief| brief.p50()), time),
        range(&length(&|brief| brief.p99()), time),
        in_a_million(&rates, &bounds),
        range(&of(&|figures| figures.damaged), whole),
        range(&of(&|figures| figures.rounds), whole),
    ))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
fn number(value: u64) -> f64 {
    value as f64
}
