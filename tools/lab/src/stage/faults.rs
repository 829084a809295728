//! What a person does to a device that serves: faults, stuck requests, another medium under load; and a
//! device in the foreground.

use std::time::Duration;

use super::device::{counted, number};
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// The chance that the script gives a read to fail.
const RATE: f64 = 0.05;
/// Standard deviations on either side that hold 99.9 % of a normal distribution.
const DEVIATIONS: f64 = 3.291;
/// Reads that say something about a chance.
const READS_LEAST: f64 = 4000.0;
/// Seconds of the guest that `set` may take, its own process included.
const SET_MOST: f64 = 0.1;
/// The media before and after, in microseconds, and between which shares of them a request counts as
/// one of theirs: how exact they are is another stage's question.
const BEFORE_US: f64 = 1000.0;
const AFTER_US: f64 = 5000.0;
const SHARES: (f64, f64) = (0.9, 1.5);

/// The one stage; in virtual time, where a tenth of a second does not depend on the machine.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "faults/bookworm-backports",
        about: "bad ranges, error rates, stuck requests, another medium under load, the foreground",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 1024,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/faults.sh")
            ),
            modules: &["ublk_drv"],
            programs: &["fio"],
            built: &[Built::Device],
            limit: Duration::from_secs(600),
            judge,
        }),
    }]
}

/// What was counted is what was asked for.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let figure = |name: &str| Sample::new(seen.transcript.values(name));
    let within = |name: &str, least: f64, most: f64| {
        let found = figure(name);
        let is_right = found.as_ref().is_some_and(|f| f.least() >= least && f.most() <= most);
        let text = found.map_or("not measured".to_owned(), |found| found.text());
        check(name, is_right, format!("{text}, from {least} to {most}"))
    };
    vec![
        rate(seen),
        stuck(seen),
        counted(seen, "raw", &["read", "write"]),
        within("set.seconds", 0.0, SET_MOST),
        within("set.before", BEFORE_US * SHARES.0, BEFORE_US * SHARES.1),
        within("set.after", AFTER_US * SHARES.0, AFTER_US * SHARES.1),
    ]
}

/// As many errors as the chance gives, and fio has seen all of them.
fn rate(seen: &Seen<'_>) -> Check {
    let grown = |name: &str| {
        let of = |file: &str| {
            let stats = seen.json(&format!("rate.{file}.json")).ok()?;
            number(stats.get("operations")?.get("read")?, name)
        };
        // Before the first read there is nothing to tell.
        let before = of("before").unwrap_or(0);
        u32::try_from(of("after")?.checked_sub(before)?).ok().map(f64::from)
    };
    let fio = || {
        let told = seen.json("rate.fio.json").ok()?;
        let errors = number(told.get("jobs")?.get(0)?, "total_err")?;
        u32::try_from(errors).ok().map(f64::from)
    };
    let found = (grown("requests"), grown("errors"), fio());
    let (Some(reads), Some(errors), Some(told)) = found else {
        return check("rate", false, format!("not counted: {found:?}"));
    };
    let (least, most) = interval(reads, RATE);
    let is_right = reads >= READS_LEAST && errors >= least && errors <= most && errors == told;
    let text = format!(
        "{errors} of {reads} reads failed, fio saw {told}; of a chance of {RATE} {least} to {most}"
    );
    check("rate", is_right, text)
}

/// How often something of this chance happens in so many tries, in 99.9 % of all cases.
fn interval(tries: f64, chance: f64) -> (f64, f64) {
    let (mean, deviation) = (tries * chance, (tries * chance * (1.0 - chance)).sqrt());
    ((mean - DEVIATIONS * deviation).floor(), (mean + DEVIATIONS * deviation).ceil())
}

/// One request was held back, and released.
fn stuck(seen: &Seen<'_>) -> Check {
    let of = |file: &str, name: &str| number(&seen.json(file).ok()?, name);
    let (held, released) = (of("stuck.stats.json", "stuck"), of("release.json", "released"));
    let is_right = (held, released) == (Some(1), Some(1));
    let text = format!("held back: {}, released: {}; 1 of each", told(held), told(released));
    check("stuck", is_right, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn judged(errors: u64, told: u64, released: u64, set: f64, after: f64) -> Vec<String> {
        let text = format!(
            "FIGURE set.seconds 0.03 s\nFIGURE set.seconds {set} s\n\
             FIGURE set.before 1010 us\nFIGURE set.after {after} us\n"
        );
        let stats = |requests: u64, errors: u64| {
            format!(
                r#"{{"operations": {{"read": {{"requests": {requests}, "errors": {errors}}}}}}}"#
            )
        };
        let both = r#"{"operations": {"read": {"requests": 1, "errors": 0},
            "write": {"requests": 1, "errors": 0}}}"#;
        let guest = Guest::new(&text)
            .with("rate.before.json", &stats(100, 16))
            .with("rate.after.json", &stats(4196, 16 + errors))
            .with("rate.fio.json", &format!(r#"{{"jobs": [{{"total_err": {told}}}]}}"#))
            .with("stuck.stats.json", r#"{"stuck": 1}"#)
            .with("release.json", &format!(r#"{{"released": {released}}}"#))
            .with("raw.stats.json", both);
        verdicts(&guest.judge(judge)).into_iter().filter(|line| line.ends_with(" fail")).collect()
    }

    #[test]
    fn what_was_asked_for_passes_and_nothing_else() {
        assert!(judged(205, 205, 1, 0.05, 5020.0).is_empty());
        assert_eq!(judged(100, 100, 1, 0.05, 5020.0), ["rate fail"]);
        assert_eq!(judged(260, 260, 1, 0.05, 5020.0), ["rate fail"]);
        assert_eq!(judged(205, 204, 1, 0.05, 5020.0), ["rate fail"]);
        assert_eq!(judged(205, 205, 0, 0.05, 5020.0), ["stuck fail"]);
        assert_eq!(judged(205, 205, 1, 0.11, 5020.0), ["set.seconds fail"]);
        assert_eq!(judged(205, 205, 1, 0.05, 1020.0), ["set.after fail"]);
        let nothing = verdicts(&Guest::new("").judge(judge));
        assert!(nothing.len() == 6 && nothing.iter().all(|line| line.ends_with(" fail")));
    }

    #[test]
    fn the_interval_is_that_of_a_binomial() {
        // Summed up exactly, 0.05 % of all cases lie below 160, and as many above 252.
        let (least, most) = interval(4096.0, 0.05);
        assert!((158.0..=161.0).contains(&least) && (250.0..=253.0).contains(&most));
    }
}
