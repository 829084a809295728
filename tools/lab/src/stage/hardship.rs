//! `maprace load` on a real device: a million verified requests; and what becomes of a load that is killed,
//! or whose device hangs, vanishes or crashes.
//!
//! What a load must say then is the same everywhere: what it had so far, one line that says why, the status
//! that is documented, and all of it within its bounds.

use std::time::Duration;

use serde_json::Value;

use super::device::{counted, number};
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// Verified requests, at least.
const VERIFIED_LEAST: u64 = 1_000_000;
/// The verified loads.
const VERIFIED: [&str; 4] = ["small", "blocks", "flushed", "storm"];
/// Requests that a load of depth 8 has in flight.
const DEPTH: u64 = 8;
/// Requests that may fail of a load that would go on, until the kernel says that the device is gone; a load
/// that did not ask saw 1.3 million fail.
const FAILED_MOST: u64 = 10_000;
/// Where the device hangs.
const HANGS: std::ops::Range<u64> = 1 << 20..2 << 20;
/// Seconds that a load waits for what is in flight, and what it may take beside.
const PATIENCE: f64 = 30.0;
const BESIDE: f64 = 5.0;
/// Crashes.
const CRASHES: u32 = 3;
/// Blocks of the device that crashes, and the one that is overwritten at the end.
const BLOCKS: u64 = 2048;
const LOST_BLOCK: u64 = 77;

/// Two guests: one in real time, where a million requests take least; one in virtual time, where seconds do
/// not depend on the machine and waiting costs none.
pub(super) fn stages() -> Vec<Stage> {
    let stage = |name, about, clock, script, limit, judge| Stage {
        name,
        about,
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock,
            processors: 2,
            memory_mib: 1024,
            settings: "",
            script,
            modules: &["ublk_drv"],
            programs: &[],
            built: &[Built::Device],
            limit: Duration::from_secs(limit),
            judge,
        }),
    };
    vec![
        stage(
            "verified/bookworm-backports",
            "a million verified requests of load on a raw device: no mismatch",
            Clock::Real,
            concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/verified.sh")),
            160,
            judge_verified,
        ),
        stage(
            "hardship/bookworm-backports",
            "load is killed, its device hangs, vanishes, crashes: all is told in time, nothing durable is lost",
            Clock::Virtual,
            concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/hardship.sh")),
            280,
            judge_hardship,
        ),
    ]
}

/// Each load was verified whole, and together they are enough.
fn judge_verified(seen: &Seen<'_>) -> Vec<Check> {
    let mut requests = 0;
    let mut checks = Vec::new();
    for name in VERIFIED {
        let load = seen.json(&format!("{name}.json")).unwrap_or_default();
        let of = |key: &str| load.get("verify").and_then(|verify| number(verify, key));
        let (ios, checked, wrong) = (number(&load, "ios"), of("checked"), of("wrong"));
        let reads = answered(&load, "read");
        // A load compares all that it reads, and all that it wrote once more at its end; what nobody has
        // written yet cannot be compared, so a half will do.
        let is_checked = reads > 0 && checked.is_some_and(|checked| checked >= reads / 2);
        let is_right = is_checked && wrong == Some(0) && has_gone_well(&load, "done");
        requests += ios.filter(|_| is_right).unwrap_or(0);
        let text = format!(
            "{} requests, {reads} of them reads; {} blocks compared, {} wrong",
            told(ios),
            told(checked),
            told(wrong)
        );
        checks.push(check(&format!("{name}.right"), is_right, text));
    }
    let enough = requests >= VERIFIED_LEAST;
    checks.push(check("requests", enough, format!("{requests}, at least {VERIFIED_LEAST}")));
    checks.push(counted(seen, "raw", &["read", "write", "discard", "write_zeroes"]));
    checks
}

/// Killed, hung, vanished, crashed.
fn judge_hardship(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = vec![
        status(seen, "killed.status", 137.0),
        counted(seen, "killed", &["read", "write"]),
        judge_hung(seen),
        counted(seen, "hung", &["read", "write"]),
    ];
    for go_on in ["none", "all"] {
        checks.push(judge_gone(seen, &format!("vanished-{go_on}")));
        checks.push(judge_gone(seen, &format!("deleted-{go_on}")));
    }
    checks.extend((1..=CRASHES).map(|crash| judge_crash(seen, &format!("crash-{crash}"))));
    checks.push(judge_lost(seen));
    checks.push(counted(seen, "crash", &["read", "write", "flush"]));
    checks
}

/// An interrupted load whose device hangs waits for as long as is documented, and says for what.
fn judge_hung(seen: &Seen<'_>) -> Check {
    let load = seen.json("hung.json").unwrap_or_default();
    let line = line(seen, "hung");
    let took = figure(seen, "hung.seconds");
    let longest = load.get("lost_longest").and_then(Value::as_str).unwrap_or_default();
    let at = longest.strip_prefix("read of 4096 at ").and_then(|rest| rest.split_once(','));
    let at: Option<u64> = at.and_then(|(at, _)| at.parse().ok());
    let is_right = load["ended"] == "stopped"
        && number(&load, "ios").is_some_and(|ios| ios > 0)
        && number(&load, "lost") == Some(DEPTH)
        && at.is_some_and(|at| HANGS.contains(&at))
        && line.contains("never answered")
        && line.contains(longest)
        && took.is_some_and(|took| (PATIENCE - 1.0..=PATIENCE + BESIDE).contains(&took))
        && figure(seen, "hung.status") == Some(1.0);
    let text = format!("status 1 {} s after SIGINT, about {PATIENCE} s: {line}", told(took));
    check("hung.says", is_right, text)
}

/// A load whose device has gone ends by itself, with what it had, and says why.
///
/// Whoever ends at the first failure sees what was in flight fail, which may be before the device is gone.
/// Whoever goes on finds no device: its reads end at once, and for writes it is full.
fn judge_gone(seen: &Seen<'_>, name: &str) -> Check {
    let load = seen.json(&format!("{name}.json")).unwrap_or_default();
    let line = line(seen, name);
    let took = figure(seen, &format!("{name}.seconds"));
    let failed = load.get("errors").and_then(Value::as_array).into_iter().flatten();
    let failed: u64 = failed.filter_map(|one| number(one, "count")).sum();
    let says = ["Input/output error", "No space left on device", "cut short"]
        .iter()
        .any(|errno| line.contains(errno))
        && (name.ends_with("-none") || line.contains("has been deleted"));
    let is_right = load["ended"] == "failed"
        && number(&load, "ios").is_some_and(|ios| ios > 0)
        && number(&load, "lost") == Some(0)
        && (1..=FAILED_MOST).contains(&failed)
        && says
        && took.is_some_and(|took| took <= BESIDE)
        && figure(seen, &format!("{name}.status")) == Some(1.0);
    let text = format!("status 1 after {} s, {failed} requests failed: {line}", told(took));
    check(&format!("{name}.says"), is_right, text)
}

/// What was durable when the process was killed is there, and the load saw no error.
fn judge_crash(seen: &Seen<'_>, name: &str) -> Check {
    let load = seen.json(&format!("{name}.json")).unwrap_or_default();
    let found = seen.json(&format!("{name}.verify.json")).unwrap_or_default();
    let [durable, wrong] = ["durable", "wrong"].map(|key| number(&found, key));
    let (writes, flushes) = (answered(&load, "write"), answered(&load, "flush"));
    let is_right = has_gone_well(&load, "stopped")
        && (writes > 0 && flushes > 0)
        && durable.is_some_and(|durable| durable > 0)
        && wrong == Some(0)
        && figure(seen, &format!("{name}.status")) == Some(3.0)
        && figure(seen, &format!("{name}.verify")) == Some(0.0);
    let text = format!(
        "{writes} writes and {flushes} flushes were acknowledged; {} blocks durably, {} of them lost",
        told(durable),
        told(wrong)
    );
    check(&format!("{name}.kept"), is_right, text)
}

/// The one block that was overwritten is named, and no other.
fn judge_lost(seen: &Seen<'_>) -> Check {
    let found = seen.json("lost.verify.json").unwrap_or_default();
    let named = found.get("mismatches").and_then(Value::as_array).into_iter().flatten();
    let named: Vec<Option<u64>> = named.map(|one| number(one, "block")).collect();
    // All were durable, so the one was.
    let is_right = named == [Some(LOST_BLOCK)]
        && number(&found, "durable") == Some(BLOCKS)
        && number(&found, "wrong") == Some(1)
        && figure(seen, "lost.verify") == Some(1.0);
    let named: Vec<String> = named.into_iter().map(told).collect();
    let text = format!(
        "of {} durable blocks it names {}: it was {LOST_BLOCK}",
        told(number(&found, "durable")),
        named.join(", ")
    );
    check("lost.named", is_right, text)
}

/// Whether a load ended so, and neither failed nor lost a request.
fn has_gone_well(load: &Value, ended: &str) -> bool {
    load["ended"] == ended
        && number(load, "lost") == Some(0)
        && load.get("errors").and_then(Value::as_array).is_some_and(Vec::is_empty)
}

/// Requests of one operation that were answered.
fn answered(load: &Value, op: &str) -> u64 {
    let ops = load.get("ops").and_then(Value::as_array).into_iter().flatten();
    ops.filter(|one| one["op"] == op).filter_map(|one| number(one, "ios")).sum()
}

/// The one line of a load's errors; nothing if there are more, or none.
fn line(seen: &Seen<'_>, name: &str) -> String {
    let said = seen.file(&format!("{name}.err")).unwrap_or_default();
    let mut lines = said.lines();
    lines.next().filter(|_| lines.next().is_none()).unwrap_or_default().to_owned()
}

/// A figure that was taken once.
fn figure(seen: &Seen<'_>, name: &str) -> Option<f64> {
    Sample::new(seen.transcript.values(name)).map(|sample| sample.most())
}

/// A status that has to be this.
fn status(seen: &Seen<'_>, name: &str, expected: f64) -> Check {
    let found = figure(seen, name);
    check(name, found == Some(expected), format!("{}, as expected {expected}", told(found)))
}

#[cfg(test)]
mod tests;
