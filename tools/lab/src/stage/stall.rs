//! What a user sees of a device that stands still for a tenth of a second, and what a closed loop makes of it.
//!
//! The bounds are arithmetic. A run of T seconds at the share `u` of what the device can do, which stands
//! still for S seconds: whoever comes t seconds into the stall waits for its end and for those before him,
//! `S - t + u t`, so all are late who come within `S / (1 - u)`, and of all requests the share
//!
//! ```text
//! (S - x) / (T (1 - u))
//! ```
//!
//! is answered later than x. With S = 0.1 s, u = 0.8 and T = 10 s that is 5 % for x = 0, fifty times what
//! p99.9 leaves out. In the first 0.001 T of the stall come 0.1 % of all, and they wait for `S - 0.001 T` at
//! least, however fast the device is afterwards: p99.9 is not below. A closed loop of depth 4 asks for
//! nothing while the device stands still: 4 of its 20,000 requests are late, and 0.1 % is 20.

use std::time::Duration;

use serde_json::Value;

use super::device::{counted, number};
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// Seconds of a run, and at which share of the device's rate the open loop asks.
const T: f64 = 10.0;
const SHARE: f64 = 0.8;
/// Seconds that the device stands still at least: what the script sleeps.
const STALL: f64 = 0.1;
/// Seconds that a request takes when nothing is wrong, with room for the guest's own time.
const QUIET: f64 = 0.005;
/// A share of late requests is right within this factor: when exactly the stall began and ended, only the
/// device knows, and it answers what has begun at once, without its own pace.
const ROOM: f64 = 1.25;
/// How many times the closed loop's p99.9 that of the open loop is, at least.
const TIMES: f64 = 10.0;
/// Requests that a closed loop has in flight.
const DEPTH: f64 = 4.0;

/// One guest, in virtual time: times are what they are supposed to be.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "stall/bookworm-backports",
        about: "a device stands still for 0.1 s: an open loop shows what arithmetic says, a closed one hides it",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 1024,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/stall.sh")
            ),
            modules: &["ublk_drv"],
            programs: &[],
            built: &[Built::Device],
            limit: Duration::from_secs(160),
            judge,
        }),
    }]
}

fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let load = |name: &str| seen.json(&format!("{name}.json")).unwrap_or_default();
    let (capacity, open, closed) = (load("capacity"), load("open"), load("closed"));
    let rate = open["job"]["pace"]["rate_iops"].as_f64();
    let can = capacity["iops"].as_f64();
    let share = rate.zip(can).map(|(rate, can)| rate / can);
    let paces = [&capacity, &open, &closed].map(|load| load["pace"].as_str().unwrap_or("none"));
    let mut checks = vec![
        check("pace", paces == ["closed", "open", "closed"], format!("{paces:?}")),
        check(
            "rate",
            share.is_some_and(|share| (share - SHARE).abs() < 0.01),
            format!("{} of {} requests a second, {SHARE} of it", told(rate), told(can)),
        ),
    ];
    checks.push(judge_open(&open, longest(seen, "open.stalled")));
    checks.push(judge_late(&open, longest(seen, "open.stalled")));
    checks.push(judge_closed(&open, &closed));
    checks.push(counted(seen, "paced", &["read"]));
    checks
}

/// Seconds that the device cannot have stood still longer than: to the end of `release`, and a tick.
fn longest(seen: &Seen<'_>, name: &str) -> Option<f64> {
    Sample::new(seen.transcript.values(name)).map(|sample| sample.most() + 0.01)
}

/// The open loop's p99.9 from arrival lies between what the shortest and the longest stall make of it.
fn judge_open(open: &Value, longest: Option<f64>) -> Check {
    let p999 = percentile(open, "latency");
    let least = STALL - 0.001 * T;
    let most = longest.map(|longest| longest + QUIET);
    let is_right = p999.zip(most).is_some_and(|(p999, most)| p999 >= least && p999 <= most);
    let short = |seconds: Option<f64>| told(seconds.map(|seconds| format!("{seconds:.3}")));
    let text = format!("{} s from arrival, {least:.3} to {} s", short(p999), short(most));
    check("open.p999", is_right, text)
}

/// As many requests are late as arithmetic says.
fn judge_late(open: &Value, longest: Option<f64>) -> Check {
    let late = 2.0 * QUIET;
    let bins = latency(open, "latency")["bins"].as_array().into_iter().flatten();
    let (mut all, mut beyond) = (0.0, 0.0);
    for bin in bins {
        let (ns, n) = (bin[0].as_f64().unwrap_or(0.0), bin[1].as_f64().unwrap_or(0.0));
        all += n;
        beyond += if ns / 1e9 > late { n } else { 0.0 };
    }
    let share = (all > 0.0).then(|| beyond / all);
    let of = |stall: f64| (stall - late) / (T * (1.0 - SHARE));
    let (least, most) = (of(STALL) / ROOM, longest.map(|longest| of(longest) * ROOM));
    let is_right = share.zip(most).is_some_and(|(share, most)| share >= least && share <= most);
    let text = format!(
        "{} of all are later than {late} s, {least:.4} to {}",
        told(share.map(|share| format!("{share:.4}"))),
        told(most.map(|most| format!("{most:.4}")))
    );
    check("open.late", is_right, text)
}

/// The closed loop was held up as well, and its p99.9 shows nothing of it.
fn judge_closed(open: &Value, closed: &Value) -> Check {
    let most = latency(closed, "latency")["max_ns"].as_f64().map(|ns| ns / 1e9);
    let (p999, other) = (percentile(closed, "latency"), percentile(open, "latency"));
    let requests = number(closed, "ios").unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand")]
    let is_hidden = DEPTH < 0.001 * requests as f64;
    let is_right = is_hidden
        && most.is_some_and(|most| most >= STALL)
        && p999.zip(other).is_some_and(|(p999, other)| p999 * TIMES <= other);
    let text = format!(
        "p99.9 of {requests} requests {} s, the longest {} s; in the open loop p99.9 was {} s",
        told(p999),
        told(most),
        told(other)
    );
    check("closed.hides", is_right, text)
}

/// Reads' latency: from arrival, or as `service` from begin.
fn latency<'a>(load: &'a Value, which: &str) -> &'a Value {
    &load["ops"][0][which]
}

/// Its p99.9 in seconds.
fn percentile(load: &Value, which: &str) -> Option<f64> {
    let all = latency(load, which)["percentiles"].as_array()?;
    let is_it = |one: &&Value| one["p"].as_f64().is_some_and(|p| (p - 99.9).abs() < 1e-9);
    Some(all.iter().find(is_it)?["ns"].as_f64()? / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    /// Two loops: the open one's p99.9 and share of late requests, the closed one's p99.9 and longest.
    fn judged(rate: f64, open: (u64, f64), closed: (u64, u64)) -> Vec<String> {
        let load = |pace: &str, p999: u64, longest: u64, late: f64| {
            let quiet = 1.0 - late;
            format!(
                r#"{{"pace": "{pace}", "iops": 4000, "ios": 40000, "job": {{"pace": {{"rate_iops": {rate}}}}},
                    "ops": [{{"latency": {{"max_ns": {longest}, "bins": [[600000, {quiet}], [50000000, {late}]],
                    "percentiles": [{{"p": 50.0, "ns": 1}}, {{"p": 99.9, "ns": {p999}}}]}}}}]}}"#
            )
        };
        let stats = r#"{"operations": {"read": {"requests": 1, "errors": 0}}}"#;
        let guest = Guest::new("FIGURE open.stalled 0.15 s\n")
            .with("capacity.json", &load("closed", 1, 1, 0.0))
            .with("open.json", &load("open", open.0, open.0, open.1))
            .with("closed.json", &load("closed", closed.0, closed.1, 0.0))
            .with("paced.stats.json", stats);
        verdicts(&guest.judge(judge)).into_iter().filter(|line| line.ends_with(" fail")).collect()
    }

    #[test]
    fn arithmetic_passes_and_nothing_else() {
        let (open, closed) = ((98_000_000, 0.05), (6_000_000, 120_000_000));
        assert!(judged(3200.0, open, closed).is_empty());
        assert_eq!(judged(3000.0, open, closed), ["rate fail"]);
        assert_eq!(judged(3200.0, (89_000_000, 0.05), closed), ["open.p999 fail"]);
        assert_eq!(judged(3200.0, (166_000_000, 0.05), closed), ["open.p999 fail"]);
        assert_eq!(judged(3200.0, (98_000_000, 0.03), closed), ["open.late fail"]);
        assert_eq!(judged(3200.0, (98_000_000, 0.1), closed), ["open.late fail"]);
        // A device that did not stand still, and a loop that was asked late.
        assert_eq!(judged(3200.0, open, (6_000_000, 6_000_000)), ["closed.hides fail"]);
        assert_eq!(judged(3200.0, open, (50_000_000, 120_000_000)), ["closed.hides fail"]);
    }

    #[test]
    fn what_was_not_measured_fails() {
        let verdicts = verdicts(&Guest::new("").judge(judge));
        assert!(verdicts.len() == 6 && verdicts.iter().all(|line| line.ends_with(" fail")));
    }
}
