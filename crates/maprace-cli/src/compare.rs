//! `compare`: scenarios under protocols and orders, the first screen.

use crate::answer::{Answer, BAD_INPUT, Context, DAMAGE, INCOMPLETE};
use crate::device_world;
use crate::failure::Failure;
use crate::measure::{self, Measure, OnDevices};
use crate::output::{Found, Measurements};
use crate::plan::Compare;
use crate::search::{Bar, Explored, search};
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
    let devices = match plan.measure.device {
        true => measure::on_devices(context, &bar, plan),
        false => OnDevices::default(),
    };
    drop(bar);
    let verdicts = || found.iter().map(|(.., explored)| &explored.verdict);
    let Measure { explores, is_virtual, threads: on_threads, .. } = plan.measure;
    let has_others = explores || is_virtual || on_threads;
    let code = match code_with(code_of(verdicts()), &devices, has_others) {
        0 if timed.cut || threads_cut => INCOMPLETE,
        code => code,
    };
    let label = if devices.are_skipped(has_others) { "skipped: " } else { "" };
    let OnDevices { verdicts: on_devices, failure, .. } = devices;
    let errors = match failure {
        None => String::new(),
        Some(why) if !has_others && on_devices.is_empty() => return Err(why),
        Some(why) => Failure::Device(format!("{label}{why}")).line(&context.terminal.program),
    };
    let written: Vec<Found<'_>> =
        found.iter().map(|(name, subject, explored)| Found { name, subject, explored }).collect();
    let measurements =
        Measurements { measured: &timed.measured, threads: &threads, sweeps: &timed.sweeps };
    plan.files.write(context, &title(plan), &written, measurements)?;
    if plan.search.json {
        let mut rows = Verdicts::of(verdicts());
        (rows.measured, rows.sweeps) = (&timed.measured, &timed.sweeps);
        rows.on_machine = OnMachine { threads: &threads, device: &on_devices };
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
    parts.push(device_world::table(&on_devices, context.paint));
    parts.retain(|part| !part.is_empty());
    Ok(Answer { text: parts.join("\n"), errors, code })
}

/// The exit code of what was explored and of what was run on devices.
fn code_with(explored: u8, devices: &OnDevices, has_others: bool) -> u8 {
    let are_skipped = devices.are_skipped(has_others);
    if devices.failure.is_some() && !are_skipped {
        return BAD_INPUT;
    }
    match (explored, device_world::code_of(&devices.verdicts)) {
        (DAMAGE, _) | (_, DAMAGE) => DAMAGE,
        (0, 0) if devices.cut || are_skipped => INCOMPLETE,
        (explored, devices) => explored.max(devices),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_counts_for_more_than_what_is_missing_and_a_fault_for_more_than_both() {
        let cut = || OnDevices { cut: true, ..OnDevices::default() };
        let failed = |failure| OnDevices { failure: Some(failure), ..OnDevices::default() };
        let (none, fault) = (Failure::NoDevice(String::new()), Failure::Device(String::new()));
        assert_eq!(code_with(0, &OnDevices::default(), false), 0);
        assert_eq!(code_with(0, &cut(), false), INCOMPLETE);
        assert_eq!(code_with(DAMAGE, &cut(), false), DAMAGE);
        assert_eq!(code_with(INCOMPLETE, &OnDevices::default(), true), INCOMPLETE);
        let none = failed(none);
        assert_eq!(code_with(0, &none, true), INCOMPLETE);
        assert_eq!(code_with(DAMAGE, &none, true), DAMAGE);
        assert_eq!(code_with(0, &none, false), BAD_INPUT);
        assert_eq!(code_with(DAMAGE, &failed(fault), true), BAD_INPUT);
    }
}
