//! Killed processes: a raw device goes on, and nothing is left of those that come, go or die early.

use std::time::Duration;

use super::device::counted;
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// How often a device is killed under load.
const KILLS: usize = 20;
/// How often a start is killed, at least.
const STARTS: f64 = 50.0;
/// Seconds until a device is live again, the median and the worst.
const LIVE_MEDIAN: f64 = 2.0;
const LIVE_MOST: f64 = 15.0;
/// Seconds after which an `add` whose process died must have said so.
const ADD_MOST: f64 = 45.0;
/// KiB of memory that 200 devices may seem to have lost, since caches of the kernel move too.
const MEMORY_MOST: f64 = 8192.0;
/// KiB of shared memory that may be left: four devices of the 200 have written more.
const SHARED_MOST: f64 = 1024.0;
/// The same for open files of the whole guest.
const FILES_MOST: f64 = 64.0;

/// Recovery, and what is left behind; in virtual time, where seconds do not depend on the machine.
pub(super) fn stages() -> Vec<Stage> {
    let work = |script, limit, judge| {
        Work::Guest(GuestWork {
            clock: Clock::Virtual,
            processors: 2,
            memory_mib: 1536,
            settings: "",
            script,
            modules: &["ublk_drv"],
            programs: &["fio"],
            built: &[Built::Device],
            limit: Duration::from_secs(limit),
            judge,
        })
    };
    let recovery =
        concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/recovery.sh"));
    let cycles =
        concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/cycles.sh"));
    let starts =
        concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/starts.sh"));
    vec![
        Stage {
            name: "recovery/bookworm-backports",
            about: "20 kills under verified load: no error, no byte lost, live again within seconds",
            suite: Suite::Full,
            kernel: "bookworm-backports",
            work: work(recovery, 1200, judge_recovery),
        },
        Stage {
            name: "cycles/bookworm-backports",
            about: "200 devices come and go: nothing is left",
            suite: Suite::Full,
            kernel: "bookworm-backports",
            work: work(cycles, 1200, judge_cycles),
        },
        Stage {
            name: "starts/bookworm-backports",
            about: "50 starts are killed at every step and in between: gc leaves nothing, nobody hangs",
            suite: Suite::Full,
            kernel: "bookworm-backports",
            work: work(starts, 900, judge_starts),
        },
    ]
}

/// All kills were recovered from, in time.
fn judge_recovery(seen: &Seen<'_>) -> Vec<Check> {
    let verified = seen.transcript.values("recover.verified").len();
    let mut checks = vec![
        check(
            "verified",
            verified == KILLS,
            format!("{verified} of {KILLS} loads went on and verified"),
        ),
        counted(seen, "raw", &["read", "write"]),
    ];
    checks.push(match Sample::new(seen.transcript.values("recover.seconds")) {
        None => check("live-again", false, "never"),
        Some(live) => check(
            "live-again",
            live.median() < LIVE_MEDIAN && live.most() <= LIVE_MOST,
            format!(
                "{} s; the median below {LIVE_MEDIAN} s, none above {LIVE_MOST} s",
                live.text()
            ),
        ),
    });
    checks
}

/// Nothing grew.
fn judge_cycles(seen: &Seen<'_>) -> Vec<Check> {
    vec![
        at_most(seen, "cycles.memory_lost", MEMORY_MOST),
        at_most(seen, "cycles.shared_left", SHARED_MOST),
        at_most(seen, "cycles.open_files", FILES_MOST),
    ]
}

/// Enough starts were killed, and whoever waited for one was told.
fn judge_starts(seen: &Seen<'_>) -> Vec<Check> {
    let tries = Sample::new(seen.transcript.values("killed.tries")).map_or(0.0, |n| n.most());
    vec![
        check("killed.tries", tries >= STARTS, format!("{tries} starts were killed")),
        at_most(seen, "killed.add", ADD_MOST),
    ]
}

/// A figure with a bound above; one that was not taken fails.
fn at_most(seen: &Seen<'_>, name: &str, most: f64) -> Check {
    let found = Sample::new(seen.transcript.values(name)).map(|sample| sample.most());
    let is_right = found.is_some_and(|found| found <= most);
    check(name, is_right, format!("{}, at most {most}", told(found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn recovered(seconds: f64, verified: usize) -> Vec<String> {
        let text = "FIGURE recover.seconds 1 s\n".repeat(19)
            + &format!("FIGURE recover.seconds {seconds} s\n")
            + &"FIGURE recover.verified 1 kills\n".repeat(verified);
        let stats = r#"{"operations": {"read": {"requests": 1, "errors": 0},
            "write": {"requests": 1, "errors": 0}}}"#;
        verdicts(&Guest::new(&text).with("raw.stats.json", stats).judge(judge_recovery))
    }

    #[test]
    fn every_kill_is_recovered_from_in_time() {
        assert_eq!(recovered(14.0, 20), ["verified ok", "raw.counted ok", "live-again ok"]);
        assert_eq!(recovered(16.0, 20), ["verified ok", "raw.counted ok", "live-again fail"]);
        assert_eq!(recovered(1.0, 19), ["verified fail", "raw.counted ok", "live-again ok"]);
    }

    #[test]
    fn nothing_may_grow() {
        let text = "FIGURE cycles.memory_lost -20 KiB\nFIGURE cycles.open_files 0 files\n\
                    FIGURE cycles.shared_left 4 KiB\n";
        let judged = |text: &str| verdicts(&Guest::new(text).judge(judge_cycles));
        assert!(judged(text).iter().all(|line| line.ends_with(" ok")), "{:?}", judged(text));
        assert_eq!(judged(&text.replace("-20", "9000"))[0], "cycles.memory_lost fail");
        assert_eq!(judged(&text.replace("left 4", "left 1025"))[1], "cycles.shared_left fail");
        assert_eq!(judged(&text.replace("files 0", "files 65"))[2], "cycles.open_files fail");
        assert!(judged("").iter().all(|line| line.ends_with(" fail")));
    }

    #[test]
    fn fifty_starts_are_killed_and_nobody_hangs() {
        let text =
            "FIGURE killed.tries 50 starts\nFIGURE killed.add 0.4 s\nFIGURE killed.add 3 s\n";
        let judged = |text: &str| verdicts(&Guest::new(text).judge(judge_starts));
        assert_eq!(judged(text), ["killed.tries ok", "killed.add ok"]);
        assert_eq!(judged(&text.replace("50", "49"))[0], "killed.tries fail");
        assert_eq!(judged(&text.replace(" 3 s", " 46 s"))[1], "killed.add fail");
        assert!(judged("").iter().all(|line| line.ends_with(" fail")));
    }
}
