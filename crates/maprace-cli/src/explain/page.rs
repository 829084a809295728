//! What is explained, as a page and as JSON.

use super::{Planned, Shown, Turn};
use maprace_fs::places::END;
use maprace_scenario::explain::{
    Explained, HeldLock, LockedStep, OpenPlace, PairLocks, Quiet, TaskSteps,
};
use maprace_scenario::{Judgement, Paint, Verdict};
use serde::Serialize;

/// The name and version of the format as JSON.
const SCHEMA: &str = "maprace.explain/1";

/// Longest line.
const LINE_MAX: usize = 100;

/// Where the values of the lower lines begin.
const FIELD: usize = 11;

/// Longest line of a step, beside which what is held is shown; a longer one pushes it out.
const STEP_MAX: usize = 56;

/// An explanation as JSON; the fields stand in the order in which they are printed.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    schema: &'static str,
    title: &'a str,
    source: &'a str,
    #[serde(flatten)]
    explained: &'a Explained,
    verdict: &'a Verdict,
    protections: Vec<JsonTurn>,
    cures: Vec<JsonTurn>,
}

#[derive(Serialize)]
struct JsonTurn {
    knob: &'static str,
    value: &'static str,
    verdict: Judgement,
    counterfactual: bool,
    checkers: Vec<String>,
    source: Option<&'static str>,
}

fn json_turn(turn: &Turn) -> JsonTurn {
    JsonTurn {
        knob: turn.knob,
        value: turn.value,
        verdict: turn.verdict.verdict,
        counterfactual: turn.verdict.counterfactual,
        checkers: turn.verdict.damage.iter().map(|found| found.checker.clone()).collect(),
        source: turn.source,
    }
}

/// The explanation as JSON.
pub(crate) fn json<'a>(shown: &'a Shown<'a>) -> Json<'a> {
    let Shown { planned, explained, verdict, removed, cures } = shown;
    Json {
        schema: SCHEMA,
        title: &planned.subject.scenario.title,
        source: &planned.subject.scenario.source,
        explained,
        verdict,
        protections: removed.iter().map(json_turn).collect(),
        cures: cures.iter().map(json_turn).collect(),
    }
}

/// The explanation for people.
pub(crate) fn page(shown: &Shown<'_>, paint: Paint) -> String {
    let Shown { planned, explained, verdict, .. } = shown;
    let scenario = &planned.subject.scenario;
    let whole = maprace_scenario::page(&scenario.title, verdict, paint);
    let (head, rest) = split_head(&whole);
    let mut text = head.to_owned();
    if !scenario.source.is_empty() {
        text += &field("source", &scenario.source);
    }
    for task in &explained.tasks {
        text += "\n";
        text += &table(task);
    }
    for pair in &explained.pairs {
        text += "\n";
        text += &between(pair, paint);
    }
    text += "\n";
    text += rest;
    text += &protection(shown, paint);
    text + &expected(planned)
}

/// Name, title and configuration, and what comes below.
fn split_head(page: &str) -> (&str, &str) {
    let second = page.match_indices('\n').nth(1).map_or(page.len(), |(at, _)| at + 1);
    page.split_at(second)
}

fn field(name: &str, value: &str) -> String {
    wrapped(&format!("{name:<10} "), value.split(' '), FIELD)
}

/// `head` and the words, in lines that are not too long; the second and others stand `indent` in. A
/// word that is too long stays whole.
fn wrapped<'a>(head: &str, words: impl Iterator<Item = &'a str>, indent: usize) -> String {
    let (mut all, mut line, mut width) = (String::new(), head.to_owned(), visible(head));
    let mut is_empty = true;
    for word in words {
        let more = visible(word) + usize::from(!is_empty);
        if !is_empty && width + more > LINE_MAX {
            all += line.trim_end();
            all += "\n";
            (line, width, is_empty) = (" ".repeat(indent), indent, true);
        }
        if !is_empty {
            line += " ";
        }
        line += word;
        width += visible(word) + usize::from(!is_empty);
        is_empty = false;
    }
    all + line.trim_end() + "\n"
}

/// The items of a list, each whole.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split_inclusive(", ").map(str::trim_end)
}

/// How wide a word is on a terminal; colours take no room.
fn visible(word: &str) -> usize {
    let mut rest = word;
    let mut width = 0;
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        width += before.len();
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    width + rest.len()
}

/// A task: its operations, its steps under the calls around them, and beside each what is held.
fn table(task: &TaskSteps) -> String {
    let mut text = task.task.clone();
    let alone = if task.after.is_empty() { "alone" } else { "after " };
    text += &format!(", {alone}{}\n", task.after.join(", "));
    let rows = rows(task);
    let widths = rows.iter().map(|(left, _)| left.len()).filter(|width| *width <= STEP_MAX);
    let width = widths.max().unwrap_or(0);
    for (left, held) in rows {
        let head = format!("{left:width$}  ");
        text += &wrapped(&head, listed(&held), width + 2);
    }
    text
}

/// Each line of a table: operation, call or step, and what is held in it.
fn rows(task: &TaskSteps) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut op = None;
    for (at, step) in task.steps.iter().enumerate() {
        if op != Some(step.op)
            && let Some(named) = task.ops.get(step.op)
        {
            rows.push((format!(" {} ({})", named.op, named.function), String::new()));
            path.clear();
        }
        op = Some(step.op);
        open_calls(&mut rows, &mut path, &step.calls);
        rows.push((indented(path.len(), &told(step)), held(&step.held)));
        let next_step = task.steps.get(at + 1).filter(|next| next.op == step.op);
        for (n, quiet) in step.then.iter().enumerate() {
            let next = step.then.get(n + 1).map(|next| &next.calls);
            let next = next.or(next_step.map(|next| &next.calls)).map_or(&[][..], Vec::as_slice);
            let calls = shown_calls(quiet, &path, next);
            open_calls(&mut rows, &mut path, calls);
            rows.push((indented(path.len(), &quiet.what), String::new()));
        }
    }
    rows
}

/// Goes from the calls `path` into `calls`, with a line for each that is new.
fn open_calls<'a>(rows: &mut Vec<(String, String)>, path: &mut Vec<&'a str>, calls: &[&'a str]) {
    let new = calls.iter().enumerate().skip(common(path, calls));
    rows.extend(new.map(|(depth, call)| (indented(depth, call), String::new())));
    calls.clone_into(path);
}

/// The calls that are shown around something that is no step, after `path` and before `next`: nothing
/// of a call in which nothing happens but that a lock is given back.
fn shown_calls<'a>(quiet: &'a Quiet, path: &[&str], next: &[&str]) -> &'a [&'static str] {
    let calls = &quiet.calls;
    match quiet.takes {
        true => calls,
        false => &calls[..common(calls, path).max(common(calls, next))],
    }
}

/// How many calls two paths begin with alike.
fn common(one: &[&str], other: &[&str]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

fn indented(depth: usize, what: &str) -> String {
    format!("{}{what}", " ".repeat(depth + 2))
}

fn told(step: &LockedStep) -> String {
    match step.saw.is_empty() {
        true => step.step.to_owned(),
        false => format!("{}: {}", step.step, step.saw.join("; ")),
    }
}

fn held(locks: &[HeldLock]) -> String {
    let all: Vec<String> = locks.iter().map(ToString::to_string).collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

/// What stands between two tasks, and where nothing does.
fn between(pair: &PairLocks, paint: Paint) -> String {
    let PairLocks { one, other, conflicts, common, open } = pair;
    let mut text = format!("{one} x {other}\n");
    if *conflicts == 0 {
        return text + " they touch no data in common\n";
    }
    let locks =
        common.iter().map(|lock| format!("{} ({} of {conflicts})", lock.lock, lock.conflicts));
    let locks: Vec<String> = locks.collect();
    let locks = if locks.is_empty() { "none".to_owned() } else { locks.join(", ") };
    text += &wrapped(" locks that both hold where their order can matter: ", listed(&locks), 2);
    if open.is_empty() {
        return text + &format!(" {}\n", paint.good("every such place is under a lock of both"));
    }
    for place in open {
        text += &format!(" no common lock: {}\n", paint.open(&place_name(place)));
        let pairs = &place.steps;
        let width = pairs.iter().map(|[one, _]| one.len()).max().unwrap_or(0);
        for [mine, theirs] in pairs {
            text += &format!("  {one} {mine:width$}  {other} {theirs}\n");
        }
    }
    text
}

fn place_name(place: &OpenPlace) -> String {
    match place.range {
        Some((lo, END)) => format!("{}, {} {lo}..", place.place, place.unit),
        Some((lo, hi)) => format!("{}, {} {lo}..{hi}", place.place, place.unit),
        None => place.place.clone(),
    }
}

/// What protects it, or would.
fn protection(shown: &Shown<'_>, paint: Paint) -> String {
    let mut text = String::new();
    match shown.verdict.verdict {
        Judgement::Safe => {
            let needed = |turn: &&Turn| turn.verdict.verdict == Judgement::Damaged;
            let needed: Vec<&Turn> = shown.removed.iter().filter(needed).collect();
            for (n, turn) in needed.iter().enumerate() {
                text += &field("needs", &format!("{}: {}", turn.knob, without(turn, paint)));
                // Of several values of one knob that are too weak the last is followed by the source.
                let source = turn
                    .source
                    .filter(|_| needed.get(n + 1).is_none_or(|next| next.source != turn.source));
                text += &source.map_or(String::new(), |source| field("", source));
            }
            if text.is_empty() {
                text += &field("needs", "no single protection: each can be taken away alone");
            }
        }
        Judgement::Damaged => {
            for turn in &shown.cures {
                text += &field("cured by", &paint.good(&setting(turn)));
                text += &turn.source.map_or(String::new(), |source| field("", source));
            }
            if text.is_empty() {
                text += &field("cured by", "no single knob");
            }
        }
        Judgement::Incomplete => {}
    }
    let all = shown.removed.iter().chain(&shown.cures);
    let shown_turn =
        |turn: &&Turn| turn.verdict.verdict == Judgement::Damaged || !shown.cures.is_empty();
    if all.filter(shown_turn).any(|turn| turn.verdict.counterfactual) {
        text += &field("", "*: counterfactual, no kernel had it");
    }
    text
}

fn setting(turn: &Turn) -> String {
    let mark = if turn.verdict.counterfactual { "*" } else { "" };
    format!("{}={}{mark}", turn.knob, turn.value)
}

/// What is damaged without a protection.
fn without(turn: &Turn, paint: Paint) -> String {
    let checkers: Vec<&str> =
        turn.verdict.damage.iter().map(|found| found.checker.as_str()).collect();
    format!("{} with {}: {}", paint.bad("damaged"), setting(turn), checkers.join(", "))
}

/// What the scenario says is to be expected here.
fn expected(planned: &Planned) -> String {
    let Some(expect) = planned.subject.scenario.expected(&planned.config.names()) else {
        return field("expects", "nothing of this configuration");
    };
    let verdict = match expect.verdict {
        maprace_scenario::ExpectedVerdict::Damaged => "damaged",
        maprace_scenario::ExpectedVerdict::Safe => "safe",
    };
    let checkers = expect.checkers.join(", ");
    let checkers = if checkers.is_empty() { checkers } else { format!(": {checkers}") };
    field("expects", &format!("{verdict}{checkers}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_broken_at_its_column_and_colours_take_no_room() {
        let words = ["word"; 30].join(" ");
        let text = field("source", &words);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert!(lines[0].starts_with("source     word word") && lines[0].len() <= LINE_MAX);
        assert!(lines[1].starts_with("           word"), "{text}");
        let long = "x".repeat(120);
        assert_eq!(field("source", &long), format!("source     {long}\n"));
        let painted = Paint::Ansi.bad("damaged");
        assert_eq!((visible(&painted), painted.len() > 7), (7, true));
        assert!(wrapped("", listed("a b, c d"), 2).contains("a b, c d\n"));
    }

    #[test]
    fn a_call_opens_for_what_happens_in_it_and_not_for_a_release_alone() {
        let step = |calls: &[&'static str], step, then| LockedStep {
            op: 0,
            calls: calls.to_vec(),
            step,
            saw: Vec::new(),
            held: Vec::new(),
            then,
        };
        let quiet = |takes, what: &str| Quiet { calls: vec!["f"], takes, what: what.to_owned() };
        let shown = |then, next: &[&'static str]| {
            let steps = vec![step(&[], "one", then), step(next, "two", Vec::new())];
            let (task, ops, after) = ("t".to_owned(), Vec::new(), Vec::new());
            let rows = rows(&TaskSteps { task, ops, after, steps });
            rows.into_iter().map(|(left, _)| left).collect::<Vec<_>>()
        };
        let release = || vec![quiet(false, "up")];
        assert_eq!(shown(release(), &[]), ["  one", "  up", "  two"]);
        assert_eq!(shown(release(), &["f"]), ["  one", "  f", "   up", "   two"]);
        assert_eq!(shown(vec![quiet(true, "down")], &[]), ["  one", "  f", "   down", "  two"]);
    }
}
