//! What a guest waits for beside what the profile says, in virtual time.

use std::time::Duration;

use serde_json::Value;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// A fixed time, and how far off the guest's median may be.
const FIXED: [(&str, f64, f64); 3] =
    [("fixed-200", 200.0, 0.10), ("fixed-1000", 1000.0, 0.03), ("fixed-5000", 5000.0, 0.03)];
/// The most that our error may be of the timer's.
const OF_TIMER: f64 = 0.2;
/// How far off a ratio of persistent memory's times may be.
const RATIO: f64 = 0.10;

/// The one stage.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "latency/bookworm-backports",
        about: "guests wait as long as the profile says; what is faster than the machine is refused or dilated",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 1024,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/latency.sh")
            ),
            modules: &["ublk_drv", "null_blk"],
            programs: &["fio"],
            built: &[Built::Device],
            limit: Duration::from_secs(900),
            judge,
        }),
    }]
}

/// Medians against targets, ours against the timer's, ratios against the profile's.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks: Vec<Check> = FIXED.iter().map(|row| fixed(seen, *row)).collect();
    checks.push(beside_timer(seen));
    checks.extend(ratios(seen));
    let infeasible = seen.json("limited.stats.json").ok();
    let infeasible = infeasible
        .as_ref()
        .and_then(|stats| stats.pointer("/operations/read/infeasible").and_then(Value::as_u64));
    checks.push(check(
        "limited.infeasible",
        infeasible.is_some_and(|count| count > 0),
        format!("reads reported as infeasible: {}", told(infeasible)),
    ));
    checks
}

/// One fixed time.
fn fixed(seen: &Seen<'_>, (name, target, tolerance): (&str, f64, f64)) -> Check {
    let Some(found) = p50(seen, name) else { return check(name, false, "not measured") };
    let error = found.median() / target - 1.0;
    let text = format!(
        "p50 {} us for {target} us: {:+.1} %, allowed {:.0} %",
        found.text(),
        error * 100.0,
        tolerance * 100.0
    );
    check(name, error.abs() <= tolerance, text)
}

/// Ours beside the timer of the kernel's own simulated device.
fn beside_timer(seen: &Seen<'_>) -> Check {
    let (name, target) = ("fixed-200.beside-timer", FIXED[0].1);
    let (Some(ours), Some(timer)) = (p50(seen, FIXED[0].0), p50(seen, "timer-200")) else {
        return check(name, false, "not measured");
    };
    let (ours, timer) = ((ours.median() - target).abs(), (timer.median() - target).abs());
    let text = format!("off by {ours:.2} us, null_blk's timer by {timer:.2} us");
    check(name, ours <= timer * OF_TIMER, text)
}

/// Dilated persistent memory: the ratios of its three times to each other.
fn ratios(seen: &Seen<'_>) -> Vec<Check> {
    let profile = seen.json("profile.json").ok();
    let model = |row: usize| {
        let path = format!("/profiles/0/rows/{row}/model");
        profile.as_ref()?.pointer(&path)?.as_f64()
    };
    let with_flush: Vec<f64> = (1..=3).filter_map(|round| write_and_flush(seen, round)).collect();
    let found = [
        ("read", p50(seen, "pmem.read")),
        ("write", p50(seen, "pmem.write")),
        ("write-flush", Sample::new(with_flush)),
    ];
    let mut checks = Vec::new();
    for (one, other) in [(1, 0), (2, 0), (2, 1)] {
        let name = format!("pmem.{}-to-{}", found[one].0, found[other].0);
        let (Some(a), Some(b), Some(model_a), Some(model_b)) =
            (&found[one].1, &found[other].1, model(one), model(other))
        else {
            checks.push(check(&name, false, "not measured, or not in the profile"));
            continue;
        };
        let (ratio, wanted) = (a.median() / b.median(), model_a / model_b);
        let text = format!("{ratio:.3}, the profile's {wanted:.3}, allowed {:.0} %", RATIO * 100.0);
        checks.push(check(&name, (ratio / wanted - 1.0).abs() <= RATIO, text));
    }
    checks
}

/// A write and the flush behind it, in us: the median of the one, and the median of the other.
fn write_and_flush(seen: &Seen<'_>, round: u32) -> Option<f64> {
    let fio = seen.json(&format!("pmem.flush.{round}.json")).ok()?;
    let job = fio.pointer("/jobs/0")?;
    let p50 = |path: &str| job.pointer(path)?.get("percentile")?.get("50.000000")?.as_f64();
    Some((p50("/write/clat_ns")? + p50("/sync/lat_ns").unwrap_or(0.0)) / 1000.0)
}

/// The medians of one device's rounds.
fn p50(seen: &Seen<'_>, name: &str) -> Option<Sample> {
    Sample::new(seen.transcript.values(&format!("{name}.p50")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    #[test]
    fn a_median_may_be_off_by_its_tolerance() {
        let judged = |us: f64| {
            let text = format!("FIGURE fixed-1000.p50 {us} us\n");
            verdicts(&Guest::new(&text).judge(|seen| vec![fixed(seen, FIXED[1])]))
        };
        assert_eq!(judged(1029.0), ["fixed-1000 ok"]);
        assert_eq!(judged(971.0), ["fixed-1000 ok"]);
        assert_eq!(judged(1031.0), ["fixed-1000 fail"]);
    }

    #[test]
    fn a_fifth_of_the_timers_error_is_allowed() {
        let judged = |ours: f64| {
            let text = format!("FIGURE fixed-200.p50 {ours} us\nFIGURE timer-200.p50 230 us\n");
            verdicts(&Guest::new(&text).judge(|seen| vec![beside_timer(seen)]))
        };
        assert_eq!(judged(205.9), ["fixed-200.beside-timer ok"]);
        assert_eq!(judged(206.1), ["fixed-200.beside-timer fail"]);
    }

    #[test]
    fn ratios_are_those_of_the_profile() {
        let profile =
            r#"{"profiles": [{"rows": [{"model": 1.0}, {"model": 2.0}, {"model": 3.0}]}]}"#;
        let flush = r#"{"jobs": [{"write": {"clat_ns": {"percentile": {"50.000000": 200000}}},
            "sync": {"lat_ns": {"percentile": {"50.000000": 100000}}}}]}"#;
        let judged = |write: f64| {
            let text = format!("FIGURE pmem.read.p50 100 us\nFIGURE pmem.write.p50 {write} us\n");
            let mut guest = Guest::new(&text).with("profile.json", profile);
            for round in 1..=3 {
                guest = guest.with(&format!("pmem.flush.{round}.json"), flush);
            }
            verdicts(&guest.judge(ratios))
        };
        assert_eq!(
            judged(205.0),
            [
                "pmem.write-to-read ok",
                "pmem.write-flush-to-read ok",
                "pmem.write-flush-to-write ok"
            ]
        );
        assert_eq!(judged(250.0)[0], "pmem.write-to-read fail");
        assert!(verdicts(&Guest::new("").judge(ratios)).iter().all(|line| line.ends_with("fail")));
    }
}
