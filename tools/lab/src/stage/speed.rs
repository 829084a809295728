//! Ours beside the usual ublk server, the kernel's loop device and each other, in one boot.
//!
//! The bars are asserted in virtual time and only shown in real time. That of raw against loop is 1: twice as
//! fast nothing can be there, since a device of the kernel's that answers at once (`null_blk`, which is shown)
//! is 1.46 times as fast as loop. What a request costs its sender and the block layer is most of it.

use std::time::Duration;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::figures::Sample;
use crate::transcript::{Check, Verdict};

/// A bar: what of what, and on which side of which value it has to be.
#[derive(Clone, Copy, Debug)]
struct Bar {
    /// Its name.
    name: &'static str,
    /// The figure of ours.
    ours: &'static str,
    /// What it is divided by.
    other: &'static str,
    /// Where the ratio has to be.
    is_at: At,
}

/// Where a ratio has to be.
#[derive(Clone, Copy, Debug)]
enum At {
    /// Not above.
    Most(f64),
    /// Not below.
    Least(f64),
}

/// The bars.
const BARS: [Bar; 6] = [
    Bar {
        name: "null.latency",
        ours: "null.randread.qd1.mean",
        other: "peer.randread.qd1.mean",
        is_at: At::Most(0.8),
    },
    Bar {
        name: "null.iops",
        ours: "null.randread.qd32.iops",
        other: "peer.randread.qd32.iops",
        is_at: At::Least(1.2),
    },
    Bar {
        name: "raw.read-to-loop",
        ours: "raw.randread.qd32.iops",
        other: "loop.randread.qd32.iops",
        is_at: At::Least(1.0),
    },
    Bar {
        name: "raw.write-to-loop",
        ours: "raw.randwrite.qd32.iops",
        other: "loop.randwrite.qd32.iops",
        is_at: At::Least(1.0),
    },
    Bar {
        name: "fs.read-to-raw",
        ours: "fs.randread.qd32.iops",
        other: "raw.randread.qd32.iops",
        is_at: At::Least(0.5),
    },
    Bar {
        name: "fs.write-to-raw",
        ours: "fs.randwrite.qd32.iops",
        other: "raw.randwrite.qd32.iops",
        is_at: At::Least(0.5),
    },
];

/// The same twice: in virtual and in real time.
pub(super) fn stages() -> Vec<Stage> {
    let stage = |name, about, clock, limit, judge| Stage {
        name,
        about,
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock,
            processors: 2,
            memory_mib: 1536,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/speed.sh")
            ),
            modules: &["ublk_drv", "loop", "null_blk"],
            programs: &["fio"],
            built: &[Built::Device, Built::Peer],
            limit: Duration::from_secs(limit),
            judge,
        }),
    };
    vec![
        stage(
            "speed/virtual-time",
            "null, raw and fs devices beside rublk and loop, in virtual time",
            Clock::Virtual,
            1200,
            judge_virtual,
        ),
        stage("speed/real-time", "the same in real time", Clock::Real, 900, judge_real),
    ]
}

fn judge_virtual(seen: &Seen<'_>) -> Vec<Check> {
    judge(seen, Clock::Virtual)
}

fn judge_real(seen: &Seen<'_>) -> Vec<Check> {
    judge(seen, Clock::Real)
}

/// In real time bars are shown, not asserted; what was not measured at all fails.
fn judge(seen: &Seen<'_>, clock: Clock) -> Vec<Check> {
    let shown = |bar: &Bar| {
        let mut check = judged(seen, bar);
        if clock == Clock::Real && check.verdict == Verdict::Fail && ratio(seen, bar).is_some() {
            check.verdict = Verdict::Ok;
            check.text += "; missed here, where it is not asserted";
        }
        check
    };
    BARS.iter().map(shown).collect()
}

/// One bar.
fn judged(seen: &Seen<'_>, bar: &Bar) -> Check {
    let Some(ratio) = ratio(seen, bar) else { return check(bar.name, false, "not measured") };
    let (is_right, bound) = match bar.is_at {
        At::Most(most) => (ratio.median() <= most, format!("at most {most}")),
        At::Least(least) => (ratio.median() >= least, format!("at least {least}")),
    };
    let text = format!("{} by {}: {}, {bound}", bar.ours, bar.other, ratio.text());
    check(bar.name, is_right, text)
}

/// The ratio of each round.
fn ratio(seen: &Seen<'_>, bar: &Bar) -> Option<Sample> {
    let of = |name| Sample::new(seen.transcript.values(name));
    of(bar.ours)?.ratio_to(&of(bar.other)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn figures(latency: f64) -> String {
        let mut text = String::new();
        for bar in BARS {
            let ours = match bar.name {
                "null.latency" => latency,
                _ => 20.0,
            };
            text += &format!("FIGURE {} {ours} x\n", bar.ours);
        }
        // Names that are only ever divided by.
        text += "FIGURE peer.randread.qd1.mean 10 us\nFIGURE peer.randread.qd32.iops 10 1/s\n";
        text + "FIGURE loop.randread.qd32.iops 10 1/s\nFIGURE loop.randwrite.qd32.iops 10 1/s\n"
    }

    /// The figures without a second round that the table's own repetition makes.
    fn once(text: &str) -> String {
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        lines.join("\n")
    }

    #[test]
    fn each_bar_is_asserted_in_virtual_time() {
        let fast = Guest::new(&once(&figures(8.0)));
        assert!(verdicts(&fast.judge(judge_virtual)).iter().all(|line| line.ends_with(" ok")));
        let slow = figures(9.0).replace("loop.randread.qd32.iops 10", "loop.randread.qd32.iops 21");
        let slow = Guest::new(&once(&slow));
        let asserted = verdicts(&slow.judge(judge_virtual));
        assert_eq!(asserted[0], "null.latency fail");
        assert_eq!(asserted[2], "raw.read-to-loop fail");
        assert!(verdicts(&slow.judge(judge_real)).iter().all(|line| line.ends_with(" ok")));
    }

    #[test]
    fn what_was_not_measured_fails_in_both() {
        for judge in [judge_virtual, judge_real] {
            let verdicts = verdicts(&Guest::new("").judge(judge));
            assert!(verdicts.len() == 6 && verdicts.iter().all(|line| line.ends_with(" fail")));
        }
    }
}
