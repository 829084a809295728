//! One verdict for people: what was asked, what was found, how sure it is.

use super::{Judgement, Paint, Verdict};

/// The verdict as a page; `title` says what the scenario is.
pub fn page(title: &str, verdict: &Verdict, paint: Paint) -> String {
    let mut text = format!("{}: {title}\n{}\n", verdict.scenario, configuration(verdict));
    let mut field = |name: &str, value: String| {
        text += &format!("{name:<10} {value}\n");
    };
    field("verdict", judgement(verdict, paint));
    field("searched", searched(verdict));
    if verdict.verdict == Judgement::Damaged {
        field("damaged", damaged(verdict));
        field("chance", chance(verdict));
    }
    if verdict.deadlocks > 0 {
        field("deadlocks", verdict.deadlocks.to_string());
    }
    for found in damage_lines(verdict) {
        field("", found);
    }
    field("longest", format!("{} steps", verdict.steps_max));
    if let Some(machine) = &verdict.machine {
        let rate = machine.executions_per_second;
        field(
            "took",
            format!("{:.2} s, {rate:.0} executions/s, {}", machine.seconds, machine.host),
        );
    }
    text
}

fn configuration(verdict: &Verdict) -> String {
    let mut text = format!("{}, {}, {} order", verdict.layer, verdict.protocol, verdict.order);
    for (knob, value) in verdict.moved() {
        text += &format!(", {knob}={value}");
    }
    if verdict.counterfactual {
        text += " (counterfactual: no kernel had it)";
    }
    text
}

fn judgement(verdict: &Verdict, paint: Paint) -> String {
    let name = verdict.verdict.name();
    let shown = match verdict.verdict {
        Judgement::Safe => paint.good(name),
        Judgement::Damaged => paint.bad(name),
        Judgement::Incomplete => paint.open(name),
    };
    let Some(expected) = &verdict.expected else { return shown };
    let remark = match expected.as_expected {
        Some(true) => "as the scenario expects".to_owned(),
        Some(false) => paint.bad(&format!("not as expected: {}", differs(verdict))),
        None if expected.verdict == verdict.verdict.name() => {
            "as the scenario expects so far".to_owned()
        }
        None => format!("the scenario expects {}", expected.verdict),
    };
    format!("{shown}, {remark}")
}

fn differs(verdict: &Verdict) -> String {
    let expected = verdict.expected.as_ref().map_or("", |expected| expected.verdict.as_str());
    if expected == verdict.verdict.name() {
        return "other checkers fail than the scenario names".to_owned();
    }
    format!("the scenario expects {expected}")
}

fn searched(verdict: &Verdict) -> String {
    let executions = format!("{} executions, {}", verdict.executions, verdict.engine);
    let mut text = match (verdict.complete, verdict.traces) {
        (true, Some(traces)) => format!("all {traces} distinct orders in {executions}"),
        (true, None) => format!("everything in {executions}"),
        (false, _) => format!("in part: {executions}"),
    };
    if let Some(stopped) = verdict.stopped {
        text += &format!(" ({stopped})");
    }
    match (verdict.certificate, &verdict.certificate_missing) {
        (Some(part), _) if part > 0.0 && part < 1e-6 => text + &format!("; certificate {part:.1e}"),
        (Some(certificate), _) => text + &format!("; certificate {certificate:.6}"),
        (None, Some(why)) => text + &format!("; no certificate: {why}"),
        (None, None) => text,
    }
}

/// `b of n distinct orders, b of n outcomes`, as far as they were counted.
fn damaged(verdict: &Verdict) -> String {
    let of = |bad: Option<u64>, all: Option<u64>, what: &str| {
        bad.zip(all).map(|(bad, all)| format!("{bad} of {all} {what}"))
    };
    let traces = of(verdict.bad_traces, verdict.traces, "distinct orders");
    let outcomes = of(verdict.bad_outcomes, verdict.outcomes, "outcomes");
    traces.into_iter().chain(outcomes).collect::<Vec<_>>().join(", ")
}

fn chance(verdict: &Verdict) -> String {
    let fewest = verdict.min_preemptions.map(|n| format!("fewest preemptions {n}"));
    let random = verdict.p_random.map(|p| format!("{p:.6} when tasks are drawn at random"));
    let known: Vec<_> = fewest.into_iter().chain(random).collect();
    if known.is_empty() { "not known".to_owned() } else { known.join(", ") }
}

/// A line for each checker, in columns.
fn damage_lines(verdict: &Verdict) -> Vec<String> {
    let width = verdict.damage.iter().map(|found| found.checker.len()).max().unwrap_or(0);
    let line = |found: &super::Found| {
        let mut text = format!("{:width$}  {:>6}", found.checker, found.traces);
        if let Some(first) = &found.first_broken {
            text += &format!("  first {first}");
        }
        if found.kernel_visible {
            text += "  (kernel-visible)";
        }
        text
    };
    verdict.damage.iter().map(line).collect()
}
