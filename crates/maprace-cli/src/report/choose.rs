//! "What to choose, and why": sentences put together from the figures of the report, order by order.
//!
//! A sentence is there because a figure is. Where figures are missing a sentence says that they are;
//! nothing is weighed that was not explored or measured here.

use super::rows::{Figures, RowData};
use maprace_fs::protocol::PRESETS;
use serde::Serialize;

/// How many races are told one by one, at most, for each order.
const RACES_MAX: usize = 4;

/// What is said of one order, or of all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Choice {
    /// What it is about.
    pub(crate) heading: String,
    /// The answer, in a few words; empty where there is none.
    pub(crate) answer: String,
    /// Why.
    pub(crate) why: Vec<String>,
}

/// A configuration in one order, over all scenarios.
struct Standing<'a> {
    config: &'a str,
    rows: Vec<&'a RowData>,
}

impl<'a> Standing<'a> {
    fn explored(&self, verdict: &str) -> usize {
        let of = |row: &&&RowData| row.explored.as_ref().is_some_and(|e| e.verdict == verdict);
        self.rows.iter().filter(of).count()
    }

    fn figures(&self) -> impl Iterator<Item = (&'a RowData, &'a Figures)> {
        self.rows.iter().filter_map(|row| Some((*row, row.measured.as_ref()?)))
    }

    fn was_damaged(&self) -> bool {
        let threads = self.rows.iter().filter_map(|row| row.threads.as_ref());
        self.figures().map(|(_, figures)| figures).chain(threads).any(|f| f.damaged > 0)
    }

    /// Every schedule of every scenario was tried, none did damage, and no measurement saw any.
    fn is_safe(&self) -> bool {
        self.explored("safe") > 0
            && self.explored("damaged") + self.explored("incomplete") == 0
            && !self.was_damaged()
    }

    fn is_counterfactual(&self) -> bool {
        self.rows.iter().any(|row| row.counterfactual)
    }

    /// No knob of it was turned.
    fn is_preset(&self) -> bool {
        self.rows.iter().all(|row| row.config == row.protocol)
    }

    fn name(&self) -> String {
        match self.is_counterfactual() {
            true => format!("{} (counterfactual)", self.config),
            false => self.config.to_owned(),
        }
    }

    /// The mean time of an operation, over those places; `None` unless it was measured in all.
    fn ns(&self, places: &[Place<'a>]) -> Option<f64> {
        let at = |place: &Place<'a>| {
            self.figures().find(|(row, _)| Place::of(row) == *place).map(|(_, figures)| figures.ns)
        };
        let all: Option<Vec<f64>> = places.iter().map(at).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.iter().sum::<f64>() / count(all.len()))
    }

    /// How new it is: presets stand in the order of releases.
    fn age(&self) -> Option<usize> {
        let protocol = &self.rows.first()?.protocol;
        PRESETS.iter().position(|preset| preset.name == protocol)
    }
}

/// Where a cost was measured.
#[derive(Clone, Copy, PartialEq)]
struct Place<'a> {
    scenario: &'a str,
    media: Option<&'a str>,
    cpus: Option<u32>,
}

impl<'a> Place<'a> {
    fn of(row: &'a RowData) -> Place<'a> {
        Place { scenario: &row.scenario, media: row.media.as_deref(), cpus: row.cpus }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of scenarios")]
fn count(number: usize) -> f64 {
    number as f64
}

/// All that is said: each order, then the two against each other.
pub(crate) fn choose(rows: &[RowData]) -> Vec<Choice> {
    let mut orders: Vec<&str> = Vec::new();
    for row in rows {
        if !orders.contains(&row.order.as_str()) {
            orders.push(&row.order);
        }
    }
    let standings: Vec<(&str, Vec<Standing<'_>>)> =
        orders.iter().map(|order| (*order, standings(rows, order))).collect();
    let mut all: Vec<Choice> =
        standings.iter().map(|(order, standings)| of_order(order, standings)).collect();
    if standings.len() > 1 {
        all.push(between(&standings));
    }
    all
}

fn standings<'a>(rows: &'a [RowData], order: &str) -> Vec<Standing<'a>> {
    let mut all: Vec<Standing<'a>> = Vec::new();
    for row in rows.iter().filter(|row| row.order == order) {
        match all.iter_mut().find(|known| known.config == row.config) {
            Some(known) => known.rows.push(row),
            None => all.push(Standing { config: &row.config, rows: vec![row] }),
        }
    }
    all
}

fn of_order(order: &str, standings: &[Standing<'_>]) -> Choice {
    let heading = format!("{order} order");
    let explored = standings.iter().any(|s| s.rows.iter().any(|row| row.explored.is_some()));
    let mut why = Vec::new();
    if !explored {
        why.push("No schedule was explored here, so nothing is called safe.".to_owned());
    }
    let safe: Vec<&Standing<'_>> = standings.iter().filter(|s| s.is_safe()).collect();
    if explored {
        why.push(who_is_safe(standings, &safe));
    }
    let chosen = chosen(&safe);
    why.extend(cost(standings, &safe, chosen));
    why.extend(races(standings));
    why.extend(open(standings));
    let counterfactual = || safe.iter().all(|s| s.is_counterfactual());
    let answer = match chosen {
        Some(chosen) => format!("Choose {}.", chosen.config),
        None if !explored => String::new(),
        None if safe.is_empty() => {
            format!("None of those compared is safe.{}", fewest(standings))
        }
        None if counterfactual() => "Only a protocol that no kernel had is safe.".to_owned(),
        None => String::new(),
    };
    Choice { heading, answer, why }
}

fn who_is_safe(standings: &[Standing<'_>], safe: &[&Standing<'_>]) -> String {
    let mut scenarios: Vec<&str> = Vec::new();
    for row in standings.iter().flat_map(|s| &s.rows) {
        if row.explored.is_some() && !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
    }
    let of = match scenarios.as_slice() {
        [one] => format!("of {one}"),
        all => format!("of all {} scenarios", all.len()),
    };
    let measured = standings.iter().any(|s| s.figures().next().is_some());
    let also = if measured { ", and no measurement saw any" } else { "" };
    match safe {
        [] => format!("Under none of them does every schedule {of} end without damage."),
        _ => {
            let names: Vec<String> = safe.iter().map(|s| s.name()).collect();
            let names = listed(&names);
            format!("Every schedule {of} was tried and ends without damage under {names}{also}.")
        }
    }
}

/// Where nothing is safe: what races in the fewest scenarios, of what a kernel had.
fn fewest(standings: &[Standing<'_>]) -> String {
    let races = |s: &Standing<'_>| s.explored("damaged");
    let of = |s: &Standing<'_>| s.rows.iter().filter(|row| row.explored.is_some()).count();
    let had = || standings.iter().filter(|s| of(s) > 0 && !s.is_counterfactual());
    let (Some(least), Some(most)) = (had().map(races).min(), had().map(races).max()) else {
        return String::new();
    };
    let best: Vec<&Standing<'_>> = had().filter(|s| races(s) == least).collect();
    let names: Vec<String> = best.iter().map(|s| s.name()).collect();
    if least == 0 || least == most {
        return String::new();
    }
    let still: Vec<String> =
        best[0].rows.iter().filter(|row| is_damaged(row)).map(|row| row.scenario.clone()).collect();
    format!(
        " Least damage: {}, in {least} of {} scenarios ({}).",
        listed(&names),
        of(best[0]),
        listed(&still)
    )
}

fn is_damaged(row: &RowData) -> bool {
    row.explored.as_ref().is_some_and(|explored| explored.verdict == "damaged")
}

/// Of what is safe and was in a kernel the cheapest, where costs can be compared; else the newest. A
/// preset as it is comes before one with a knob turned, which other scenarios may need.
fn chosen<'s, 'a>(safe: &[&'s Standing<'a>]) -> Option<&'s Standing<'a>> {
    let had: Vec<&Standing<'_>> = safe.iter().copied().filter(|s| !s.is_counterfactual()).collect();
    let presets: Vec<&Standing<'_>> = had.iter().copied().filter(|s| s.is_preset()).collect();
    let had = if presets.is_empty() { had } else { presets };
    let places = places(&had);
    let costs: Vec<(f64, &Standing<'_>)> =
        had.iter().filter_map(|s| Some((s.ns(&places)?, *s))).collect();
    let least = costs.iter().map(|(ns, _)| *ns).min_by(f64::total_cmp);
    let is_near = |ns: f64| least.is_none_or(|least| ns <= least * SAME);
    let near: Vec<&Standing<'_>> =
        costs.iter().filter(|(ns, _)| is_near(*ns)).map(|(_, s)| *s).collect();
    let pool = if near.is_empty() { had } else { near };
    pool.into_iter().max_by_key(|s| s.age())
}

/// Costs within two parts in a hundred are taken for equal, and then the newest counts.
const SAME: f64 = 1.02;

/// The places at which all of them were measured.
fn places<'a>(standings: &[&Standing<'a>]) -> Vec<Place<'a>> {
    let of = |s: &Standing<'a>| -> Vec<Place<'a>> {
        let ended = s.figures().filter(|(_, figures)| figures.operations > 0);
        ended.map(|(row, _)| Place::of(row)).collect()
    };
    let mut all = standings.first().map_or_else(Vec::new, |first| of(first));
    all.retain(|place| standings.iter().all(|s| of(s).contains(place)));
    all
}

/// What the choice costs against the others that are safe, and against doing nothing.
fn cost(
    standings: &[Standing<'_>],
    safe: &[&Standing<'_>],
    chosen: Option<&Standing<'_>>,
) -> Vec<String> {
    let Some(chosen) = chosen else { return Vec::new() };
    let others: Vec<&Standing<'_>> =
        safe.iter().copied().filter(|s| s.config != chosen.config).collect();
    if chosen.figures().next().is_none() {
        let why = match others.iter().any(|s| !s.is_counterfactual()) {
            true => {
                format!("Costs were not measured, so the newest release counts: {}.", chosen.config)
            }
            false => "Costs were not measured.".to_owned(),
        };
        return vec![why];
    }
    let mut why = Vec::new();
    let against = |other: &&Standing<'_>| {
        let places = places(&[chosen, other]);
        let (own, its) = (chosen.ns(&places)?, other.ns(&places)?);
        Some(format!("{} {} ({})", other.name(), time(its), percent(its, own)))
    };
    let own_places = places(&[chosen]);
    if let Some(own) = chosen.ns(&own_places) {
        let told: Vec<String> = others.iter().filter_map(against).collect();
        let rest = if told.is_empty() { String::new() } else { format!("; {}", listed(&told)) };
        why.push(format!(
            "In virtual time an operation takes {} on average under {}{rest}.",
            time(own),
            chosen.config
        ));
    }
    let racy = |s: &&Standing<'_>| s.explored("damaged") > 0 || s.was_damaged();
    let racy: Vec<&Standing<'_>> = standings.iter().filter(racy).collect();
    let told: Vec<String> = racy.iter().filter_map(against).collect();
    if !told.is_empty() {
        why.push(format!("Those that race would take: {}.", listed(&told)));
    }
    why
}

/// What races do, the likeliest first; configurations of which the same is said stand together.
fn races(standings: &[Standing<'_>]) -> Vec<String> {
    let mut all: Vec<Race<'_>> = Vec::new();
    for row in standings.iter().flat_map(|s| &s.rows) {
        let Some((weight, what)) = race(row) else { continue };
        let same = |known: &&mut Race<'_>| known.scenario == row.scenario && known.what == what;
        match all.iter_mut().find(same) {
            Some(known) => known.configs.push(row.config.clone()),
            None => {
                let (scenario, configs) = (row.scenario.as_str(), vec![row.config.clone()]);
                all.push(Race { weight, scenario, configs, what });
            }
        }
    }
    all.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let more = all.len().saturating_sub(RACES_MAX);
    let line = |race: &Race<'_>| {
        format!("{} goes wrong under {}: {}.", race.scenario, listed(&race.configs), race.what)
    };
    let mut lines: Vec<String> = all.iter().take(RACES_MAX).map(line).collect();
    if more > 0 {
        lines.push(format!("{more} more {} in the table.", if more == 1 { "is" } else { "are" }));
    }
    lines
}

/// What is said of a race, and of whom.
struct Race<'a> {
    weight: f64,
    scenario: &'a str,
    configs: Vec<String>,
    what: String,
}

/// How likely it is when the next task is drawn, and what is said of it; `None` where nothing is wrong.
fn race(row: &RowData) -> Option<(f64, String)> {
    let damaged = row.explored.as_ref().filter(|explored| explored.verdict == "damaged");
    let figures = row.measured.as_ref();
    if damaged.is_none() && figures.is_none_or(|figures| figures.damaged == 0) {
        return None;
    }
    let mut parts = Vec::new();
    if let Some(explored) = damaged {
        parts.push(match (explored.bad, explored.traces) {
            (Some(bad), Some(all)) => format!("{bad} of {all} distinct orders end in damage"),
            _ => "some order ends in damage".to_owned(),
        });
        parts.extend(explored.p_random.map(|p| format!("with chance {p:.3} when drawn at random")));
    }
    parts.extend(figures.and_then(in_virtual_time));
    let weight = damaged.and_then(|explored| explored.p_random).unwrap_or_default();
    Some((weight, parts.join("; ")))
}

fn in_virtual_time(figures: &Figures) -> Option<String> {
    let hit = figures.windows.first()?;
    let rate = hit.per_million;
    Some(format!(
        "in virtual time {} is open {} (p99 {}), is hit {:.1} times in a million operations \
         ({:.1} to {:.1}), and {} of {} rounds end in damage",
        hit.name,
        time_of(hit.length),
        time(count_of(hit.length.p99())),
        rate.value,
        rate.low,
        rate.high,
        figures.damaged,
        figures.rounds
    ))
}

fn open(standings: &[Standing<'_>]) -> Option<String> {
    let left: Vec<String> = standings
        .iter()
        .filter(|s| s.explored("incomplete") > 0)
        .map(|s| s.config.to_owned())
        .collect();
    let names = listed(&left);
    (!left.is_empty())
        .then(|| format!("Not all orders were tried under {names}: that is not safe."))
}

/// The orders against each other.
fn between(standings: &[(&str, Vec<Standing<'_>>)]) -> Choice {
    let mut why = Vec::new();
    let mut costs: Vec<(f64, String)> = Vec::new();
    let picks: Vec<(&str, &Standing<'_>)> = standings
        .iter()
        .filter_map(|(order, all)| {
            let safe: Vec<&Standing<'_>> = all.iter().filter(|s| s.is_safe()).collect();
            Some((*order, chosen(&safe)?))
        })
        .collect();
    let was_explored =
        |all: &[Standing<'_>]| all.iter().any(|s| s.rows.iter().any(|row| row.explored.is_some()));
    let all_explored = standings.iter().all(|(_, all)| was_explored(all));
    for (order, all) in standings.iter().filter(|(_, all)| was_explored(all)) {
        let explored = all.iter().filter(|s| s.rows.iter().any(|row| row.explored.is_some()));
        let safe = all.iter().filter(|s| s.is_safe()).count();
        why.push(format!("{order} order is safe under {safe} of {} protocols.", explored.count()));
    }
    let both: Vec<&Standing<'_>> = picks.iter().map(|(_, pick)| *pick).collect();
    let places = places(&both);
    for (order, pick) in &picks {
        if let Some(ns) = pick.ns(&places) {
            costs.push((ns, format!("{order} order under {}", pick.config)));
        }
    }
    costs.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let answer = match costs.as_slice() {
        [(least, best), (other, rest), ..] => {
            why.push(format!(
                "Where both were measured an operation takes {} in {best} and {} in {rest} ({}).",
                time(*least),
                time(*other),
                percent(*other, *least)
            ));
            format!("Cheapest of what is safe: {best}.")
        }
        _ => {
            let missing =
                "What is safe was not measured in both orders, so neither is called cheaper.";
            why.push(missing.to_owned());
            if all_explored { by_safety(standings) } else { String::new() }
        }
    };
    Choice { heading: "Which order".to_owned(), answer, why }
}

/// What can be said of the orders where no costs are known.
fn by_safety(standings: &[(&str, Vec<Standing<'_>>)]) -> String {
    let safe = |all: &[Standing<'_>]| -> Vec<String> {
        all.iter().filter(|s| s.is_safe()).map(|s| s.config.to_owned()).collect()
    };
    let sets: Vec<Vec<String>> = standings.iter().map(|(_, all)| safe(all)).collect();
    if sets.iter().all(|set| *set == sets[0]) {
        let any = sets[0].is_empty();
        let alike = if any {
            "Neither is safe in everything compared here."
        } else {
            "Both are safe under the same protocols."
        };
        return alike.to_owned();
    }
    let most = standings.iter().zip(&sets).max_by_key(|(_, set)| set.len());
    most.map_or(String::new(), |((order, _), _)| {
        format!("More protocols are safe in {order} order.")
    })
}

fn time_of(length: super::rows::Brief) -> String {
    time(count_of(length.p50()))
}

#[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
fn count_of(ns: u64) -> f64 {
    ns as f64
}

/// A time in words, three digits.
fn time(ns: f64) -> String {
    let (value, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "us"),
        ns if ns < 1e9 => (ns / 1e6, "ms"),
        ns => (ns / 1e9, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

/// How much more or less than `base`.
fn percent(value: f64, base: f64) -> String {
    format!("{:+.1} %", (value / base - 1.0) * 100.0)
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Explored, rows};
    use super::super::testing::measured;
    use super::*;

    fn row(order: &str, protocol: &str, bad: u64, ns: Option<u64>) -> RowData {
        let one = measured("a", "iomap", protocol, ns.unwrap_or(1));
        let mut row = rows(&[], &[one], &[]).remove(0);
        row.order = order.to_owned();
        row.counterfactual = protocol == "exclusive";
        if ns.is_none() {
            row.measured = None;
        }
        row.explored = Some(Explored {
            verdict: if bad > 0 { "damaged" } else { "safe" },
            text: String::new(),
            bad: Some(bad),
            traces: Some(9),
            p_random: (bad > 0).then_some(0.25),
            preemptions: None,
            certificate: None,
            checkers: Vec::new(),
            as_expected: None,
        });
        row
    }

    #[test]
    fn the_cheapest_safe_protocol_that_a_kernel_had_is_chosen() {
        let rows = [
            row("iomap", "v6.8", 4, Some(900)),
            row("iomap", "v6.11", 0, Some(1_100)),
            row("iomap", "v6.12", 0, Some(1_000)),
            row("iomap", "exclusive", 0, Some(500)),
        ];
        let choice = choose(&rows).remove(0);
        assert_eq!(choice.answer, "Choose v6.12.");
        let text = choice.why.join("\n");
        assert!(text.contains("v6.11, v6.12 and exclusive (counterfactual)"), "{text}");
        assert!(text.contains("1.00 us on average under v6.12; v6.11 1.10 us (+10.0 %)"), "{text}");
        assert!(text.contains("Those that race would take: v6.8 900 ns (-10.0 %)."), "{text}");
        assert!(
            text.contains("a goes wrong under v6.8: 4 of 9 distinct orders end in damage"),
            "{text}"
        );
    }

    #[test]
    fn without_costs_the_newest_is_chosen_and_it_is_said_why() {
        let rows = [
            row("iomap", "v6.12", 0, None),
            row("iomap", "v6.11", 0, None),
            row("buffer_head", "v6.8", 1, None),
        ];
        let all = choose(&rows);
        assert_eq!(all[0].answer, "Choose v6.12.");
        assert!(
            all[0].why.join("\n").contains("Costs were not measured, so the newest release counts")
        );
        assert_eq!(all[1].answer, "None of those compared is safe.");
        assert_eq!(all[2].answer, "More protocols are safe in iomap order.");
        assert!(all[2].why.last().unwrap().contains("neither is called cheaper"));
    }

    #[test]
    fn where_nothing_is_safe_what_races_least_is_named() {
        let other = |mut row: RowData| {
            row.scenario = "b".to_owned();
            row
        };
        let rows = [
            row("iomap", "v6.8", 4, None),
            other(row("iomap", "v6.8", 1, None)),
            row("iomap", "v6.11", 0, None),
            other(row("iomap", "v6.11", 1, None)),
            row("iomap", "v6.12", 0, None),
            other(row("iomap", "v6.12", 1, None)),
        ];
        let answer = &choose(&rows)[0].answer;
        assert!(!answer.contains("v6.8"), "{answer}");
        assert!(
            answer.ends_with("Least damage: v6.11 and v6.12, in 1 of 2 scenarios (b)."),
            "{answer}"
        );
    }

    #[test]
    fn damage_in_a_measurement_is_not_safe_and_no_verdict_is_no_promise() {
        let mut bad = row("iomap", "v6.12", 0, Some(1_000));
        bad.measured.as_mut().unwrap().damaged = 1;
        assert_eq!(choose(&[bad.clone()])[0].answer, "None of those compared is safe.");
        bad.explored = None;
        let choice = choose(&[bad]).remove(0);
        assert_eq!(choice.answer, "");
        assert!(choice.why[0].starts_with("No schedule was explored"));
    }

    #[test]
    fn times_have_three_digits_and_their_unit() {
        let all: Vec<String> = [7.0, 812.4, 1_240.0, 45_600.0, 2e6, 3e9].map(time).into();
        assert_eq!(all, ["7.00 ns", "812 ns", "1.24 us", "45.6 us", "2.00 ms", "3.00 s"]);
    }
}
