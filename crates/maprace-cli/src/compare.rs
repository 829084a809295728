//! `compare`: scenarios under protocols and orders, the first screen.

use crate::answer::{Answer, Context, DAMAGE, INCOMPLETE};
use crate::device_world;
use crate::failure::Failure;
use crate::measure::{self, Measure};
use crate::output::{Found, Measurements};
use crate::plan::Compare;
use crate::search::{Bar, Explored, search};
use maprace_scenario::device_world::DeviceVerdict;
use maprace_scenario::{Judgement, OnMachine, Row, Verdict, Verdicts, table};
use std::cmp::Reverse;

/// Explores every row and measures what is asked for; answers with the tables and the shortest
/// counterexample, or with JSON.
pub(crate) fn run(context: &Context<'_>, plan: &Compare) -> Result<Answer, Failure> {
    let bar = Bar::new(context);
    let mut found = Vec::new();
    for (name, subject) in plan.subjects.iter().filter(|_| plan.measure.explores) {
        for config in &plan.configs {
            let explored = search(context, &bar, subject, config, &plan.search)?;
            found.push((name, subject, explored));
        }
    }
    let timed = match plan.measure.is_virtual {
        true => measure::run(context, &bar, plan)?,
        false => measure::Found::default(),
    };
    let (threads, threads_cut) = match plan.measure.threads {
        true => measure::on_threads(context, &bar, plan)?,
        false => (Vec::new(), false),
    };
    let (devices, skipped) = match plan.measure.device {
        true => on_devices(context, &bar, plan)?,
        false => (Vec::new(), None),
    };
    drop(bar);
    let verdicts = || found.iter().map(|(.., explored)| &explored.verdict);
    let code = match code_of(verdicts()).max(device_world::code_of(&devices)) {
        0 if timed.cut || threads_cut || skipped.is_some() => INCOMPLETE,
        code => code,
    };
    let errors = skipped.map_or_else(String::new, |why| why.line(&context.terminal.program));
    let written: Vec<Found<'_>> =
        found.iter().map(|(name, subject, explored)| Found { name, subject, explored }).collect();
    let measurements =
        Measurements { measured: &timed.measured, threads: &threads, sweeps: &timed.sweeps };
    plan.files.write(context, &title(plan), &written, measurements)?;
    if plan.search.json {
        let mut rows = Verdicts::of(verdicts());
        (rows.measured, rows.sweeps) = (&timed.measured, &timed.sweeps);
        rows.on_machine = OnMachine { threads: &threads, device: &devices };
        let text = serde_json::to_string_pretty(&rows)? + "\n";
        return Ok(Answer { text, errors, code });
    }
    let rows: Vec<Row<'_>> =
        found.iter().map(|(name, _, e)| Row { name, verdict: &e.verdict }).collect();
    let mut parts = Vec::new();
    if !rows.is_empty() {
        parts.push(table(plan.heading, &rows, context.paint));
    }
    let shortest = shortest(found.iter().map(|(.., explored)| explored));
    parts.extend(shortest.filter(|_| plan.draw).and_then(|found| found.drawing(context.paint)));
    parts.push(measure::table(&timed.measured, context.paint));
    parts.push(measure::sweeps(&timed.sweeps));
    parts.push(measure::threads(&threads));
    parts.push(device_world::table(&devices, context.paint));
    parts.retain(|part| !part.is_empty());
    Ok(Answer { text: parts.join("\n"), errors, code })
}

/// What devices show. Where there can be none, the other worlds that were asked for count.
fn on_devices(
    context: &Context<'_>,
    bar: &Bar,
    plan: &Compare,
) -> Result<(Vec<DeviceVerdict>, Option<Failure>), Failure> {
    let Measure { explores, is_virtual, threads, .. } = plan.measure;
    match measure::on_devices(context, bar, plan) {
        Ok(devices) => Ok((devices, None)),
        Err(Failure::Device(why)) if explores || is_virtual || threads => {
            Ok((Vec::new(), Some(Failure::Device(format!("skipped: {why}")))))
        }
        Err(failure) => Err(failure),
    }
}

/// What stands over a report.
fn title(plan: &Compare) -> String {
    match plan.subjects.as_slice() {
        [(_, subject)] => subject.scenario.title.clone(),
        [] => format!("{} configurations under a crowd", plan.configs.len()),
        all => format!("{} scenarios under {} configurations", all.len(), plan.configs.len()),
    }
}

/// The one with the least contrived damage: fewest preemptions, then switches, then steps; of equals
/// the newest protocol that a kernel had, of the first scenario.
fn shortest<'a>(found: impl Iterator<Item = &'a Explored>) -> Option<&'a Explored> {
    let mut scenarios: Vec<&str> = Vec::new();
    let mut place = |explored: &'a Explored| {
        let name = explored.verdict.scenario.as_str();
        scenarios.iter().position(|known| *known == name).unwrap_or_else(|| {
            scenarios.push(name);
            scenarios.len() - 1
        })
    };
    let mut best = None;
    for (i, explored) in found.enumerate() {
        let Some(least) = explored.counterexample() else { continue };
        let cost = (least.preemptions, least.switches, least.schedule.len());
        let Verdict { order, counterfactual, .. } = &explored.verdict;
        let key = (cost, place(explored), *order, *counterfactual, Reverse(i));
        if best.as_ref().is_none_or(|(known, _)| key < *known) {
            best = Some((key, explored));
        }
    }
    best.map(|(_, explored)| explored)
}

/// 1 when a row is not as its scenario expects, else 3 when one cannot tell.
fn code_of<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> u8 {
    let mut code = 0;
    for verdict in verdicts {
        let as_expected = verdict.expected.as_ref().map(|expected| expected.as_expected);
        let open = verdict.verdict == Judgement::Incomplete || as_expected == Some(None);
        match as_expected {
            Some(Some(false)) => return DAMAGE,
            _ if open => code = INCOMPLETE,
            _ => {}
        }
    }
    code
}
