//! What a hunt found, as a page and as JSON.

use super::{Finding, Shown};
use maprace_scenario::hunt::{Catch, Depth, Group, InOrder, Tally};
use maprace_scenario::{Config, KnobSetting, Machine, Paint, Verdict};
use serde::Serialize;
use std::collections::BTreeMap;

/// The name and version of the format of a hunt as JSON.
const SCHEMA: &str = "maprace.hunt/1";

/// A hunt as JSON; the fields stand in the order in which they are printed.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    schema: &'static str,
    layer: &'a str,
    protocol: &'a str,
    orders: Vec<&'a str>,
    cookies: Vec<&'a str>,
    ops: Vec<String>,
    blocks: u64,
    thorough: bool,
    seed: u64,
    budget: u64,
    complete: bool,
    interrupted: bool,
    pairs: usize,
    scenarios: u64,
    damaged: u64,
    open: u64,
    left: u64,
    executions: u64,
    skipped: &'a BTreeMap<String, u64>,
    contradictions: &'a [String],
    findings: Vec<JsonFinding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<&'a Machine>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    cure: Option<Cure>,
    cures: Vec<Cure>,
    order: &'static str,
    orders: Vec<&'static str>,
    first_broken: &'static str,
    documented: bool,
    citation: Option<&'static str>,
    pairs: Vec<&'a str>,
    scenarios: u64,
    file: &'a str,
    toml: String,
    verdict: &'a Verdict,
    verdicts: &'a [Verdict],
}

#[derive(Serialize)]
struct Cure {
    knob: &'static str,
    value: &'static str,
}

fn cure(setting: &KnobSetting) -> Cure {
    Cure { knob: setting.knob, value: setting.value }
}

/// The hunt as JSON.
pub(crate) fn json<'a>(shown: &'a Shown<'a>) -> Json<'a> {
    let Shown { planned, catch, findings, machine } = shown;
    let hunt = &planned.hunt;
    let Tally { pairs, scenarios, damaged, open, executions, skipped, contradictions, left } =
        &catch.tally;
    let (layer, protocol) = named(&hunt.configs);
    Json {
        schema: SCHEMA,
        layer,
        protocol,
        orders: orders(&hunt.configs),
        cookies: cookies(&hunt.configs),
        ops: hunt.space.sides.iter().map(|side| side.name()).collect(),
        blocks: hunt.space.blocks,
        thorough: hunt.space.depth == Depth::Thorough,
        seed: hunt.space.seed,
        budget: hunt.budget,
        complete: catch.is_complete(),
        interrupted: catch.interrupted,
        pairs: pairs.len(),
        scenarios: *scenarios,
        damaged: *damaged,
        open: *open,
        left: *left,
        executions: *executions,
        skipped,
        contradictions,
        findings: findings.iter().map(json_finding).collect(),
        machine: machine.as_ref(),
    }
}

fn json_finding<'a>(finding: &'a Finding<'a>) -> JsonFinding<'a> {
    let Finding { group, scenario, path, verdicts } = finding;
    JsonFinding {
        cure: group.cures.first().map(cure),
        cures: group.cures.iter().map(cure).collect(),
        order: group.orders[0].order.name(),
        orders: group.orders.iter().map(|own| own.order.name()).collect(),
        first_broken: group.first.name(),
        documented: group.citation.is_some(),
        citation: group.citation,
        pairs: group.pairs(),
        scenarios: group.scenarios(),
        file: path,
        toml: scenario.to_toml(),
        verdict: &verdicts[0],
        verdicts,
    }
}

fn named(configs: &[Config]) -> (&str, &str) {
    configs.first().map_or(("", ""), |config| (&config.layer, config.protocol.name))
}

fn once<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

fn orders(configs: &[Config]) -> Vec<&str> {
    once(configs.iter().map(|config| config.order.name()))
}

/// The cookies that were tried in iomap order.
fn cookies(configs: &[Config]) -> Vec<&str> {
    let iomap = configs.iter().filter(|config| config.order.name() == "iomap");
    once(iomap.map(|config| config.protocol.knobs.cookie.name()))
}

/// The hunt for people.
pub(crate) fn page(shown: &Shown<'_>, paint: Paint) -> String {
    let mut text = head(shown);
    for (number, finding) in (1..).zip(&shown.findings) {
        text += "\n";
        text += &one(number, finding, shown.planned.save.is_some(), paint);
    }
    text += "\n";
    text + &tail(shown, paint)
}

fn head(shown: &Shown<'_>) -> String {
    let hunt = &shown.planned.hunt;
    let (layer, protocol) = named(&hunt.configs);
    let mut text = format!("hunt: {layer}, {protocol}");
    let moved = hunt.configs.first().map(Config::moved).unwrap_or_default();
    for (knob, value) in moved {
        text += &format!(", {knob}={value}");
    }
    text += &format!("; {} order", orders(&hunt.configs).join(" and "));
    let cookies = cookies(&hunt.configs);
    if cookies.len() > 1 {
        text += &format!(" (cookie {})", cookies.join(", "));
    }
    let blocks = hunt.space.blocks;
    let s = if blocks == 1 { "" } else { "s" };
    text + &format!("; files of up to {blocks} block{s}\n")
}

/// Whether a finding is known, and what cures it, in a line.
fn heading(number: usize, finding: &Finding<'_>, paint: Paint) -> String {
    let group = finding.group;
    let cures: Vec<String> = group.cures.iter().map(ToString::to_string).collect();
    let cure = match cures.is_empty() {
        true => "no knob cures it".to_owned(),
        false => format!("{} cures it", cures.join(" or ")),
    };
    let orders = match &group.orders[..] {
        [one] => format!("{} order", one.order),
        _ => "both orders".to_owned(),
    };
    let what = format!("{} breaks first, {orders}, {cure}", group.first.name());
    let mark = if group.citation.is_some() { "" } else { " (undocumented)" };
    paint.bad(&format!("{number}. {what}{mark}"))
}

fn one(number: usize, finding: &Finding<'_>, saved: bool, paint: Paint) -> String {
    let Finding { group, scenario, path, verdicts } = finding;
    let pairs = group.pairs();
    let mut text = heading(number, finding, paint) + "\n";
    let mut field = |name: &str, value: String| text += &format!("{name:<10} {value}\n");
    field("pair", pairs[0].to_owned());
    let rest: Vec<String> = pairs[1..].iter().map(|pair| with_order(group, pair)).collect();
    if !rest.is_empty() {
        field("also", rest.join("; "));
    }
    let s = if pairs.len() == 1 { "" } else { "s" };
    let (pairs, scenarios) = (pairs.len(), group.scenarios());
    field("stands for", format!("{pairs} pair{s}, {scenarios} damaged scenarios"));
    match &verdicts[..] {
        [one] => field("damaged", damaged(one)),
        all => {
            for (name, verdict) in ["damaged", ""].into_iter().zip(all) {
                field(name, format!("{}: {}", verdict.order, damaged(verdict)));
            }
        }
    }
    field("source", group.citation.unwrap_or("undocumented").to_owned());
    if saved {
        field("scenario", path.clone());
    } else {
        field("scenario", format!("save it as {path}"));
        for line in scenario.to_toml().lines() {
            let line = format!("    {line}");
            text += line.trim_end();
            text += "\n";
        }
    }
    for verdict in verdicts {
        text += verdict.replay.as_deref().unwrap_or_default();
        text += "\n";
    }
    text
}

/// A pair, and the order it is damaged in where that is one of several.
fn with_order(group: &Group, pair: &str) -> String {
    let has = |own: &&InOrder| own.pairs.iter().any(|known| known == pair);
    let mut orders = group.orders.iter().filter(has);
    match (orders.next(), orders.next()) {
        (Some(one), None) if group.orders.len() > 1 => format!("{pair} ({} order)", one.order),
        _ => pair.to_owned(),
    }
}

fn damaged(verdict: &Verdict) -> String {
    let traces = verdict.bad_traces.zip(verdict.traces);
    let traces = traces.map(|(bad, all)| format!("{bad} of {all} distinct orders"));
    let fewest = verdict.min_preemptions.map(|n| format!("fewest preemptions {n}"));
    let random = verdict.p_random.map(|p| format!("{p:.6} when tasks are drawn at random"));
    traces.into_iter().chain(fewest).chain(random).collect::<Vec<_>>().join(", ")
}

fn tail(shown: &Shown<'_>, paint: Paint) -> String {
    let Shown { catch, machine, .. } = shown;
    let Tally { pairs, scenarios, damaged, open, executions, skipped, contradictions, left } =
        &catch.tally;
    let mut text = String::new();
    let mut field = |name: &str, value: String| text += &format!("{name:<10} {value}\n");
    let found =
        match (damaged, shown.findings.iter().filter(|f| f.group.citation.is_none()).count()) {
            (0, _) if catch.is_complete() => paint.good("nothing is damaged"),
            (0, _) => paint.open("nothing damaged was found"),
            (damaged, 0) => format!("{damaged} scenarios damaged, all of it documented"),
            (damaged, new) => {
                paint.bad(&format!("{damaged} scenarios damaged, {new} undocumented"))
            }
        };
    field("found", found);
    let count = pairs.len();
    field("tried", format!("{count} pairs in {scenarios} scenarios, {executions} executions"));
    field("complete", complete(catch, *open, *left, paint));
    if !skipped.is_empty() {
        let all: Vec<String> = skipped.iter().map(|(what, n)| format!("{what} ({n})")).collect();
        field("skipped", format!("not modelled, with scenarios left out: {}", all.join(", ")));
    }
    if let Some(first) = contradictions.first() {
        field("failed", format!("{} scenarios; the first: {first}", contradictions.len()));
    }
    if let Some(machine) = machine {
        let rate = machine.executions_per_second;
        field(
            "took",
            format!("{:.2} s, {rate:.0} executions/s, {}", machine.seconds, machine.host),
        );
    }
    text
}

fn complete(catch: &Catch, open: u64, left: u64, paint: Paint) -> String {
    if catch.is_complete() {
        return "every scenario of this size, every order of each".to_owned();
    }
    let mut why = Vec::new();
    if catch.interrupted {
        why.push("interrupted".to_owned());
    }
    if left > 0 {
        why.push(format!("{left} scenarios left when it ended"));
    }
    if open > 0 {
        why.push(format!("{open} scenarios too large for their share"));
    }
    if !catch.tally.contradictions.is_empty() {
        why.push("some failed".to_owned());
    }
    paint.open(&format!("no: {}", why.join(", ")))
}
