//! "What to choose, and why": sentences put together from the figures of the report, order by order.
//!
//! A sentence is there because a figure is. Where figures are missing a sentence says that they are;
//! nothing is weighed that was not explored or measured here.

mod races;
mod words;

use super::rows::{Figures, RowData};
use maprace_fs::protocol::PRESETS;
use races::races;
use serde::Serialize;
use words::{Named, grouped, listed, percents, time, times};

/// What is said of one order, or of all.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Choice {
    /// What it is about.
    pub(crate) heading: String,
    /// The answer, in a few words; empty where there is none.
    pub(crate) answer: String,
    /// Why it is that, in a sentence; empty where there is no answer.
    pub(crate) reason: String,
    /// What it rests on.
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

    fn named(&self) -> Named<'a> {
        let cookie = self.rows.first().and_then(|row| row.cookie.as_deref());
        Named { config: self.config, cookie, counterfactual: self.is_counterfactual() }
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
    why.extend(chosen.and_then(|chosen| cookies(standings, &safe, chosen)));
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
    let reason = chosen.map_or_else(String::new, |chosen| reason(standings, &safe, chosen));
    Choice { heading, answer, reason, why }
}

/// The scenarios that were explored, in words: nothing is said of any other.
fn explored_scenarios(standings: &[Standing<'_>]) -> String {
    let mut scenarios: Vec<&str> = Vec::new();
    for row in standings.iter().flat_map(|s| &s.rows) {
        if row.explored.is_some() && !scenarios.contains(&row.scenario.as_str()) {
            scenarios.push(&row.scenario);
        }
    }
    match scenarios.as_slice() {
        [one] => (*one).to_owned(),
        all => format!("these {} scenarios", all.len()),
    }
}

/// The answer's ground in one sentence.
fn reason(standings: &[Standing<'_>], safe: &[&Standing<'_>], chosen: &Standing<'_>) -> String {
    let scenarios = explored_scenarios(standings);
    let rivals = rivals(safe);
    if rivals.len() < 2 {
        return format!("No other protocol that a kernel had is safe in {scenarios}.");
    }
    let start =
        format!("Of the released protocols that are safe in {scenarios}, {}", chosen.config);
    let near = near(&rivals);
    if near.is_empty() {
        format!("{start} is the newest.")
    } else if near.len() == 1 {
        format!("{start} takes the least time for an operation.")
    } else {
        format!("{start} is the newest, and none is more than 2 % cheaper.")
    }
}

/// What is to be said of the cookie where the explored scenarios do not tell settings of it apart.
fn cookies(
    standings: &[Standing<'_>],
    safe: &[&Standing<'_>],
    chosen: &Standing<'_>,
) -> Option<String> {
    let base = chosen.named().base();
    let of_base = |s: &&Standing<'_>| s.named().base() == base;
    let own: Vec<&Standing<'_>> = standings.iter().filter(of_base).collect();
    let safe = safe.iter().filter(|s| of_base(s)).count();
    (own.len() > 1 && safe == own.len()).then(|| {
        let scenarios = explored_scenarios(standings);
        format!(
            "What the cookie is set to is not decided by {scenarios}: {base} is safe with each \
             setting. Released file systems that use iomap have cookie=on; the scenario stale-map \
             shows what it is for."
        )
    })
}

fn who_is_safe(standings: &[Standing<'_>], safe: &[&Standing<'_>]) -> String {
    let of = format!("of {}", explored_scenarios(standings));
    let measured = standings.iter().any(|s| s.figures().next().is_some());
    let also = if measured { ", and no measurement saw any" } else { "" };
    match safe {
        [] => format!("Under none of them does every schedule {of} end without damage."),
        _ => {
            let names = names(standings, safe);
            format!("Every schedule {of} was tried and ends without damage under {names}{also}.")
        }
    }
}

/// The names of some of the standings, those that differ in the cookie alone together.
fn names(standings: &[Standing<'_>], some: &[&Standing<'_>]) -> String {
    let all: Vec<Named<'_>> = standings.iter().map(Standing::named).collect();
    let some: Vec<Named<'_>> = some.iter().map(|s| s.named()).collect();
    grouped(&some, &all)
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
    if least == 0 || least == most {
        return String::new();
    }
    let still: Vec<String> =
        best[0].rows.iter().filter(|row| is_damaged(row)).map(|row| row.scenario.clone()).collect();
    format!(
        " Least damage: {}, in {least} of {} scenarios ({}).",
        names(standings, &best),
        of(best[0]),
        listed(&still)
    )
}

fn is_damaged(row: &RowData) -> bool {
    row.explored.as_ref().is_some_and(|explored| explored.verdict == "damaged")
}

/// Of what is safe and was in a kernel the cheapest, where costs can be compared; else the newest.
fn chosen<'s, 'a>(safe: &[&'s Standing<'a>]) -> Option<&'s Standing<'a>> {
    let rivals = rivals(safe);
    let near = near(&rivals);
    let pool = if near.is_empty() { rivals } else { near };
    pool.into_iter().max_by_key(|s| s.age())
}

/// What can be chosen: what a kernel had. A preset as it is comes before one with a knob turned, which
/// other scenarios may need.
fn rivals<'s, 'a>(safe: &[&'s Standing<'a>]) -> Vec<&'s Standing<'a>> {
    let had: Vec<&Standing<'_>> = safe.iter().copied().filter(|s| !s.is_counterfactual()).collect();
    let presets: Vec<&Standing<'_>> = had.iter().copied().filter(|s| s.is_preset()).collect();
    if presets.is_empty() { had } else { presets }
}

/// The cheapest of them and those that cost the same; none where costs cannot be compared.
fn near<'s, 'a>(rivals: &[&'s Standing<'a>]) -> Vec<&'s Standing<'a>> {
    let places = places(rivals);
    let costs: Vec<(f64, &Standing<'_>)> =
        rivals.iter().filter_map(|s| Some((s.ns(&places)?, *s))).collect();
    let least = costs.iter().map(|(ns, _)| *ns).min_by(f64::total_cmp);
    let is_near = |ns: f64| least.is_none_or(|least| ns <= least * SAME);
    costs.iter().filter(|(ns, _)| is_near(*ns)).map(|(_, s)| *s).collect()
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
    if let Some(own) = chosen.ns(&places(&[chosen])) {
        let told = against(standings, chosen, &others);
        let rest = if told.is_empty() { String::new() } else { format!("; {}", listed(&told)) };
        why.push(format!(
            "In virtual time an operation takes {} on average under {}{rest}.",
            time(own),
            chosen.config
        ));
    }
    let racy = |s: &&Standing<'_>| s.explored("damaged") > 0 || s.was_damaged();
    let racy: Vec<&Standing<'_>> = standings.iter().filter(racy).collect();
    let told = against(standings, chosen, &racy);
    if !told.is_empty() {
        why.push(format!("Those that race would take: {}.", listed(&told)));
    }
    why
}

/// What the others cost against the chosen one, a part for each protocol: its cookies stand together.
fn against(
    standings: &[Standing<'_>],
    chosen: &Standing<'_>,
    others: &[&Standing<'_>],
) -> Vec<String> {
    let mut all: Vec<(String, Vec<&Standing<'_>>)> = Vec::new();
    for other in others {
        let base = other.named().base();
        match all.iter_mut().find(|(known, _)| *known == base) {
            Some((_, own)) => own.push(other),
            None => all.push((base, vec![other])),
        }
    }
    let part = |(base, own): &(String, Vec<&Standing<'_>>)| {
        let costs = own.iter().filter_map(|other| {
            let places = places(&[chosen, other]);
            Some((other.ns(&places)?, chosen.ns(&places)?))
        });
        let costs: Vec<(f64, f64)> = costs.collect();
        let name = match *base == chosen.named().base() {
            true => format!("{base} with another cookie"),
            false => names(standings, own).replace(", whatever the cookie", ""),
        };
        (!costs.is_empty()).then(|| format!("{name} {} ({})", times(&costs), percents(&costs)))
    };
    all.iter().filter_map(part).collect()
}

fn open(standings: &[Standing<'_>]) -> Option<String> {
    let left: Vec<&Standing<'_>> =
        standings.iter().filter(|s| s.explored("incomplete") > 0).collect();
    let names = names(standings, &left);
    (!left.is_empty())
        .then(|| format!("Not all orders were tried under {names}: that is not safe."))
}

/// Under how many protocols an order is safe; one with all its cookies counts once.
fn safe_protocols(order: &str, standings: &[Standing<'_>]) -> String {
    let mut bases: Vec<(String, usize, usize)> = Vec::new();
    let explored = |s: &&Standing<'_>| s.rows.iter().any(|row| row.explored.is_some());
    for one in standings.iter().filter(explored) {
        let (base, safe) = (one.named().base(), usize::from(one.is_safe()));
        match bases.iter_mut().find(|(known, ..)| *known == base) {
            Some((_, own, all)) => (*own, *all) = (*own + safe, *all + 1),
            None => bases.push((base, safe, 1)),
        }
    }
    let whole = bases.iter().filter(|(_, safe, all)| safe == all).count();
    let part = bases.iter().filter(|(_, safe, all)| *safe > 0 && safe < all).count();
    let some =
        if part > 0 { format!(", and under {part} with some cookies") } else { String::new() };
    let any = if bases.iter().any(|(.., all)| *all > 1) { ", whatever the cookie" } else { "" };
    let scenarios = explored_scenarios(standings);
    format!(
        "{order} order is safe in {scenarios} under {whole} of {} protocols{any}{some}.",
        bases.len()
    )
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
        why.push(safe_protocols(order, all));
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
                percents(&[(*other, *least)])
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
    Choice { heading: "Which order".to_owned(), answer, reason: String::new(), why }
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

    /// The row with the cookie set to something that is not its preset's.
    fn with_cookie(mut row: RowData, cookie: &str) -> RowData {
        row.config = format!("{} cookie={cookie}", row.protocol);
        row.cookie = Some(cookie.to_owned());
        row
    }

    #[test]
    fn cookies_of_one_protocol_stand_together_and_the_choice_is_told_in_a_sentence() {
        let rows: Vec<RowData> = [("v6.8", 4, 900), ("v6.11", 0, 1_000), ("v6.12", 0, 1_010)]
            .into_iter()
            .flat_map(|(protocol, bad, ns)| {
                let off = with_cookie(row("iomap", protocol, bad * 2, Some(ns - 10)), "off");
                [row("iomap", protocol, bad, Some(ns)), off]
            })
            .collect();
        let choice = choose(&rows).remove(0);
        assert_eq!(choice.answer, "Choose v6.12.");
        assert_eq!(
            choice.reason,
            "Of the released protocols that are safe in a, v6.12 is the newest, and none is more \
             than 2 % cheaper."
        );
        let text = choice.why.join("\n");
        for told in [
            "ends without damage under v6.11 and v6.12, whatever the cookie, and no measurement",
            "What the cookie is set to is not decided by a: v6.12 is safe with each setting.",
            "v6.11 990 ns to 1.00 us (-2.0 to -1.0 %) and v6.12 with another cookie 1.00 us (-1.0 %)",
            "a goes wrong under v6.8, whatever the cookie: 4 of 9 or 8 of 9 distinct orders end",
        ] {
            assert!(text.contains(told), "{told}: {text}");
        }
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
}
