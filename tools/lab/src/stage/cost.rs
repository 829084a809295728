//! What each order and protocol costs a user of the device, in ratios to the newest release of its order.
//!
//! A figure of a round is the median of its requests; their mean is kept beside it. Nothing here passes or
//! fails but that all was measured. A difference is one where the 95 % interval of the ratio, on a scale of
//! logarithms, leaves 1 out.

use std::time::Duration;

use maprace_load::ratio_interval;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::figures::Sample;
use crate::transcript::Check;

/// Configurations as the script names them; the newest release is what the others are compared with.
const ORDERS: [&str; 2] = ["buffer_head", "iomap"];
const NEWEST: &str = "v6.12";
const PROTOCOLS: [&str; 5] = ["v5.10", "v6.8", "v6.11", NEWEST, "exclusive"];
/// Beside them, a device without a file system.
const RAW: &str = "raw";
/// What is measured.
const JOBS: [&str; 2] = ["4k", "1m"];
/// Rounds that an interval needs.
const ROUNDS: usize = 5;

/// One guest, in virtual time: what the processor does is all that is measured.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "cost/bookworm-backports",
        about: "writes of 4 KiB and of 1 MiB to an fs device under each order and protocol, in turns",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 3072,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/cost.sh")
            ),
            modules: &["ublk_drv"],
            programs: &[],
            built: &[Built::Device],
            limit: Duration::from_secs(640),
            judge,
        }),
    }]
}

fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for job in JOBS {
        for order in ORDERS {
            let newest = format!("{order}.{NEWEST}.{job}");
            for protocol in PROTOCOLS {
                checks.push(judged(seen, &format!("{order}.{protocol}.{job}"), &newest));
            }
        }
        // And what the other order, and no file system at all, cost beside the first.
        let [first, second] = ORDERS.map(|order| format!("{order}.{NEWEST}.{job}"));
        checks.push(judged(seen, &format!("{RAW}.{job}"), &first));
        let mut between = judged(seen, &second, &first);
        between.name = format!("orders.{job}");
        checks.push(between);
    }
    checks
}

/// One configuration beside another.
fn judged(seen: &Seen<'_>, name: &str, other: &str) -> Check {
    let of = |name: &str| Sample::new(seen.transcript.values(name));
    let Some(own) = of(name).filter(|own| own.values().len() >= ROUNDS) else {
        return check(name, false, format!("not measured in {ROUNDS} rounds"));
    };
    let figure = match interval(own.values()) {
        Some((mean, low, high)) => format!("{mean:.1} us ({low:.1} to {high:.1})"),
        None => return check(name, false, "not a time"),
    };
    if name == other {
        return check(name, true, figure);
    }
    let ratio = of(other).and_then(|other| own.ratio_to(&other));
    match ratio.and_then(|ratio| interval(ratio.values())) {
        Some((mean, low, high)) => {
            let shown = if low <= 1.0 && high >= 1.0 { "; no difference shown" } else { "" };
            let text = format!("{figure}, {mean:.3} ({low:.3} to {high:.3}) times {other}{shown}");
            check(name, true, text)
        }
        None => check(name, false, format!("{figure}, and nothing to compare it with: {other}")),
    }
}

/// The geometric mean of a sample with its 95 % interval.
fn interval(values: &[f64]) -> Option<(f64, f64, f64)> {
    let (low, high) = ratio_interval(values)?;
    let mean = (low * high).sqrt();
    (mean > 0.0 && mean.is_finite()).then_some((mean, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn names() -> Vec<String> {
        let all = ORDERS.iter().flat_map(|order| PROTOCOLS.map(|one| format!("{order}.{one}")));
        let all: Vec<String> = all.chain([RAW.to_owned()]).collect();
        all.iter().flat_map(|name| JOBS.map(|job| format!("{name}.{job}"))).collect()
    }

    fn figures(rounds: usize, slower: &str, times: f64) -> Guest {
        let mut text = String::new();
        for name in names() {
            for round in 0..rounds {
                // What all suffer in a round falls out of a ratio; what one suffers alone does not.
                let shared = if round.is_multiple_of(2) { 1.5 } else { 1.0 };
                let own = if (round + name.len()).is_multiple_of(3) { 1.01 } else { 1.0 };
                let times = if name == slower { times } else { 1.0 };
                text += &format!("FIGURE {name} {} us\n", 100.0 * shared * own * times);
            }
        }
        Guest::new(&text)
    }

    fn text(guest: &Guest, name: &str) -> String {
        let checks = guest.judge(judge);
        checks.iter().find(|check| check.name == name).unwrap().text.clone()
    }

    #[test]
    fn a_difference_is_shown_where_the_interval_leaves_one_out() {
        let name = "iomap.exclusive.4k";
        let guest = figures(7, name, 1.2);
        assert!(verdicts(&guest.judge(judge)).iter().all(|line| line.ends_with(" ok")));
        let shown = text(&guest, name);
        assert!(
            shown.contains("times iomap.v6.12.4k") && !shown.contains("no difference"),
            "{shown}"
        );
        let same = text(&figures(7, name, 1.0), name);
        assert!(same.ends_with("no difference shown"), "{same}");
    }

    #[test]
    fn what_was_not_measured_often_enough_fails() {
        let verdicts = |guest: &Guest| verdicts(&guest.judge(judge));
        let few = verdicts(&figures(4, "", 1.0));
        assert!(few.len() == 24 && few.iter().all(|line| line.ends_with(" fail")), "{few:?}");
        assert!(verdicts(&Guest::new("")).iter().all(|line| line.ends_with(" fail")));
        // A round that one of them missed cannot be paired.
        let text: String = names()
            .iter()
            .flat_map(|name| (0..if name == "raw.1m" { 6 } else { 7 }).map(move |n| (name, n)))
            .map(|(name, n)| format!("FIGURE {name} {} us\n", 100 + n))
            .collect();
        let failed = verdicts(&Guest::new(&text));
        let failed: Vec<&String> = failed.iter().filter(|line| line.ends_with(" fail")).collect();
        assert_eq!(failed, ["raw.1m fail"]);
    }
}
