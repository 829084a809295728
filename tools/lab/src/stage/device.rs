//! The device in short: a real file system on it on both kernels that have ublk; refused on the one without.

use std::time::Duration;

use serde_json::Value;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::transcript::Check;

/// The script, with what the device's scripts share before it.
const SCRIPT: &str =
    concat!(include_str!("../../guest/device.sh"), include_str!("../../guest/smoke.sh"));

/// Programs of this machine that the script calls.
const PROGRAMS: &[&str] = &["mkfs.ext4", "e2fsck", "fstrim", "fio"];

/// One stage for each kernel.
pub(super) fn stages() -> Vec<Stage> {
    let works = |name, kernel, settings| Stage {
        name,
        about: "ext4 on the device: verified writes, trim, umount, e2fsck",
        suite: Suite::Smoke,
        kernel,
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 2,
            memory_mib: 1536,
            settings,
            script: SCRIPT,
            modules: &["ublk_drv", "ext4"],
            programs: PROGRAMS,
            built: &[Built::Device],
            limit: Duration::from_secs(240),
            judge,
        }),
    };
    let refused = Stage {
        name: "refused/bookworm",
        about: "without ublk the device is refused by one line that names the module",
        suite: Suite::Smoke,
        kernel: "bookworm",
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 1,
            memory_mib: 512,
            settings: "",
            script: include_str!("../../guest/refused.sh"),
            modules: &[],
            programs: &[],
            built: &[Built::Device],
            limit: Duration::from_secs(90),
            judge: judge_refusal,
        }),
    };
    vec![
        works("device/bookworm-backports", "bookworm-backports", "variants='raw fs'"),
        works("device/trixie-backports", "trixie-backports", "variants=raw"),
        refused,
    ]
}

/// Every device that was added counted what a file system asks for, without an error.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for name in ["raw", "fs"] {
        if seen.files.join(format!("{name}.add.json")).is_file() {
            checks.push(counted(seen, name, &["read", "write", "discard"]));
        }
    }
    if checks.is_empty() {
        checks.push(check("devices", false, "no device was added"));
    }
    checks.push(rounds(seen));
    checks
}

/// The device world: all rounds were run, nothing of the fix is damaged, no request went astray.
fn rounds(seen: &Seen<'_>) -> Check {
    let found = || {
        let verdict = seen.json("rounds.json").ok()?;
        let measured = verdict.get("measured")?;
        Some((
            number(measured, "rounds")?,
            number(measured, "damaged")?,
            number(&verdict, "strays")?,
        ))
    };
    let text = "rounds, damaged, strays";
    check("rounds", found() == Some((200, 0, 0)), format!("{text}: {:?}; 200, 0, 0", found()))
}

/// One line, not a page.
fn judge_refusal(seen: &Seen<'_>) -> Vec<Check> {
    let said = seen.file("refused").unwrap_or_default();
    let lines = said.lines().count();
    vec![check("short", lines == 1, format!("the refusal has {lines} lines"))]
}

/// Whether a device answered requests of these kinds, and none of any kind with an error.
pub(super) fn counted(seen: &Seen<'_>, name: &str, kinds: &[&str]) -> Check {
    let about = format!("{name}.counted");
    let stats = match seen.json(&format!("{name}.stats.json")) {
        Ok(stats) => stats,
        Err(error) => return check(&about, false, format!("{error:#}")),
    };
    let missing: Vec<&&str> =
        kinds.iter().filter(|kind| requests(&stats, kind).is_none_or(|n| n == 0)).collect();
    let errors: u64 = operations(&stats).map(|(_, of)| number(of, "errors").unwrap_or(1)).sum();
    let seen: Vec<String> = operations(&stats)
        .map(|(kind, of)| format!("{kind} {}", number(of, "requests").unwrap_or(0)))
        .collect();
    let text = format!("{}; {errors} errors; none of {missing:?}", seen.join(", "));
    let is_right = missing.is_empty() && errors == 0;
    check(
        &about,
        is_right,
        if missing.is_empty() { text.replace("; none of []", "") } else { text },
    )
}

/// Requests of one kind.
pub(super) fn requests(stats: &Value, kind: &str) -> Option<u64> {
    number(stats.get("operations")?.get(kind)?, "requests")
}

/// A number of an object.
pub(super) fn number(of: &Value, name: &str) -> Option<u64> {
    of.get(name)?.as_u64()
}

/// What a device counted, by kind.
fn operations(stats: &Value) -> impl Iterator<Item = (&String, &Value)> {
    stats.get("operations").and_then(Value::as_object).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    const STATS: &str = r#"{"operations": {"read": {"requests": 3, "errors": 0},
        "write": {"requests": 5, "errors": 0}, "discard": {"requests": 1, "errors": 0}}}"#;

    #[test]
    fn a_device_that_counted_all_kinds_without_errors_passes() {
        let rounds = |strays: u64| {
            let guest = Guest::new("").with("raw.add.json", "{}").with("raw.stats.json", STATS);
            let text =
                format!(r#"{{"measured": {{"rounds": 200, "damaged": 0}}, "strays": {strays}}}"#);
            verdicts(&guest.with("rounds.json", &text).judge(judge))
        };
        assert_eq!(rounds(0), ["raw.counted ok", "rounds ok"]);
        assert_eq!(rounds(1), ["raw.counted ok", "rounds fail"]);
    }

    #[test]
    fn an_error_or_a_kind_that_never_came_fails() {
        let error = STATS.replacen("\"errors\": 0", "\"errors\": 1", 1);
        let no_discard = STATS.replace("\"requests\": 1", "\"requests\": 0");
        for stats in [error.as_str(), &no_discard, "{}", "nonsense"] {
            let guest = Guest::new("").with("fs.add.json", "{}").with("fs.stats.json", stats);
            assert_eq!(
                verdicts(&guest.judge(judge)),
                ["fs.counted fail", "rounds fail"],
                "{stats}"
            );
        }
        assert_eq!(verdicts(&Guest::new("").judge(judge)), ["devices fail", "rounds fail"]);
    }

    #[test]
    fn a_refusal_is_one_line() {
        let said =
            |text: &str| verdicts(&Guest::new("").with("refused", text).judge(judge_refusal));
        assert_eq!(said("maprace: no ublk_drv\n"), ["short ok"]);
        assert_eq!(said("a\nb\n"), ["short fail"]);
    }
}
