//! Real file systems on raw and modelled devices; what the kernel says it sent beside what was counted.

use std::time::Duration;

use super::device::{counted, number, requests};
use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::figures::Sample;
use crate::transcript::Check;

/// The devices that the script makes: file system, then backend.
const DEVICES: [&str; 6] =
    ["ext4.raw", "ext4.iomap", "ext4.buffer_head", "xfs.raw", "xfs.iomap", "xfs.buffer_head"];

/// One stage for each kernel with ublk.
pub(super) fn stages() -> Vec<Stage> {
    let stage = |name, kernel| Stage {
        name,
        about: "ext4 and XFS on raw and modelled devices, checked; flushes and FUA as the kernel counts",
        suite: Suite::Full,
        kernel,
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 2,
            memory_mib: 2560,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/filesystems.sh")
            ),
            modules: &["ublk_drv", "ext4", "xfs"],
            programs: &["mkfs.ext4", "e2fsck", "mkfs.xfs", "xfs_repair", "fstrim", "fio"],
            built: &[Built::Device],
            limit: Duration::from_secs(900),
            judge,
        }),
    };
    vec![
        stage("filesystems/bookworm-backports", "bookworm-backports"),
        stage("filesystems/trixie-backports", "trixie-backports"),
    ]
}

/// All devices counted without errors, and as many flushes and writes through as were sent.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for name in DEVICES {
        checks.push(counted(seen, name, &["read", "write", "flush", "discard"]));
        checks.extend(sent(seen, name));
    }
    checks
}

/// What the kernel sent to one device beside what its server counted.
fn sent(seen: &Seen<'_>, name: &str) -> Vec<Check> {
    let grown = |get: fn(&serde_json::Value) -> Option<u64>| {
        let of = |file: &str| get(&seen.json(&format!("{name}.{file}.json")).ok()?);
        of("stats")?.checked_sub(of("before")?)
    };
    let pairs = [
        ("flushes", "kernel_flushes", grown(|stats| requests(stats, "flush"))),
        ("fua", "kernel_fua", grown(|stats| number(stats, "fua_writes"))),
    ];
    let lost = Sample::new(seen.transcript.values(&format!("{name}.trace_lost")));
    let mut checks: Vec<Check> = Vec::new();
    for (what, figure, server) in pairs {
        let kernel = Sample::new(seen.transcript.values(&format!("{name}.{figure}")));
        let about = format!("{name}.{what}");
        checks.push(match (kernel, server) {
            (Some(kernel), Some(server)) => {
                let kernel = kernel.median();
                let is_same = format!("{kernel}") == format!("{server}") && server > 0;
                check(&about, is_same, format!("the kernel sent {kernel}, the server saw {server}"))
            }
            _ => check(&about, false, "not counted on both sides"),
        });
    }
    if lost.is_none_or(|lost| lost.most() > 0.0) {
        checks.push(check(
            &format!("{name}.trace"),
            false,
            "the trace lost events, or is not there",
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    fn stats(flushes: u64, fua: u64) -> String {
        format!(r#"{{"operations": {{"flush": {{"requests": {flushes}}}}}, "fua_writes": {fua}}}"#)
    }

    fn judged(kernel: &str) -> Vec<String> {
        let guest = Guest::new(kernel)
            .with("d.before.json", &stats(2, 1))
            .with("d.stats.json", &stats(12, 5));
        verdicts(&guest.judge(|seen| sent(seen, "d")))
    }

    #[test]
    fn both_sides_count_the_same() {
        let text = "FIGURE d.kernel_flushes 10 requests\nFIGURE d.kernel_fua 4 requests\n\
                    FIGURE d.trace_lost 0 requests\n";
        assert_eq!(judged(text), ["d.flushes ok", "d.fua ok"]);
        assert_eq!(judged(&text.replace(" 10 ", " 11 ")), ["d.flushes fail", "d.fua ok"]);
        assert_eq!(judged(&text.replace(" 4 ", " 3 ")), ["d.flushes ok", "d.fua fail"]);
    }

    #[test]
    fn a_trace_that_lost_events_counts_nothing() {
        let text = "FIGURE d.kernel_flushes 10 requests\nFIGURE d.kernel_fua 4 requests\n";
        assert_eq!(judged(text), ["d.flushes ok", "d.fua ok", "d.trace fail"]);
        assert_eq!(judged(""), ["d.flushes fail", "d.fua fail", "d.trace fail"]);
    }
}
