//! What a large raw device costs in memory, and that discard gives it back.

use std::time::Duration;

use super::device::counted;
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check, told};
use crate::figures::Sample;
use crate::transcript::Check;

/// KiB that the script writes.
const WRITTEN: f64 = 256.0 * 1024.0;
/// How much of what was written may be resident, and KiB beside it.
const SHARE: f64 = 1.1;
const BESIDE: f64 = 16.0 * 1024.0;
/// What may be kept of it after a discard.
const KEPT: f64 = 0.05;

/// The one stage.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "memory/bookworm-backports",
        about: "a raw device of 1 TiB is as large as what was written; discard gives it back",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 2,
            memory_mib: 2048,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/memory.sh")
            ),
            modules: &["ublk_drv"],
            programs: &["fio", "blkdiscard"],
            built: &[Built::Device],
            limit: Duration::from_secs(300),
            judge,
        }),
    }]
}

/// Resident memory with all written, and what is kept after the discard.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let figure = |name: &str| Sample::new(seen.transcript.values(name)).map(|s| s.median());
    let bound = WRITTEN * SHARE + BESIDE;
    let full = figure("full");
    let (kept, left) = (figure("kept_full"), figure("kept_discarded"));
    let gives_back = matches!((kept, left), (Some(kept), Some(left)) if left <= kept * KEPT);
    vec![
        counted(seen, "raw", &["write"]),
        check(
            "resident",
            full.is_some_and(|full| full >= WRITTEN && full <= bound),
            format!("{} KiB for {WRITTEN} KiB written, at most {bound}", told(full)),
        ),
        check(
            "discard.gives-back",
            gives_back,
            format!("{} KiB kept of {}", told(left), told(kept)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn judged(full: f64, left: f64) -> Vec<String> {
        let text = format!(
            "FIGURE full {full} KiB\nFIGURE kept_full 262144 KiB\nFIGURE kept_discarded {left} KiB\n"
        );
        let stats = r#"{"operations": {"write": {"requests": 1, "errors": 0}}}"#;
        verdicts(&Guest::new(&text).with("raw.stats.json", stats).judge(judge))
    }

    #[test]
    fn a_device_costs_what_was_written_and_gives_it_back() {
        let all_ok = ["raw.counted ok", "resident ok", "discard.gives-back ok"];
        assert_eq!(judged(270_000.0, 12.0), all_ok);
        assert_eq!(judged(310_000.0, 12.0)[1], "resident fail");
        assert_eq!(judged(270_000.0, 14_000.0)[2], "discard.gives-back fail");
        // Less than was written means that it was not measured.
        assert_eq!(judged(1000.0, 12.0)[1], "resident fail");
    }
}
