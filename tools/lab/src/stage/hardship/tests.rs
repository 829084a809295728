//! Each check passes with what was asked for, and fails without.

use super::*;
use crate::stage::testing::{Guest, verdicts};

const STATS: &str = r#"{"operations": {"read": {"requests": 1, "errors": 0},
    "write": {"requests": 1, "errors": 0}, "flush": {"requests": 1, "errors": 0},
    "discard": {"requests": 1, "errors": 0}, "write_zeroes": {"requests": 1, "errors": 0}}}"#;

fn failures(checks: &[Check]) -> Vec<String> {
    let failed = verdicts(checks).into_iter().filter(|line| line.ends_with(" fail"));
    failed.map(|line| line.replace(" fail", "")).collect()
}

fn verified(ios: u64, checked: u64, wrong: u64, ended: &str) -> Vec<String> {
    let mut guest = Guest::new("").with("raw.stats.json", STATS);
    for name in VERIFIED {
        let load = format!(
            r#"{{"ios": {ios}, "lost": 0, "ended": "{ended}", "errors": [],
                "ops": [{{"op": "read", "ios": {}}}],
                "verify": {{"checked": {checked}, "wrong": {wrong}}}}}"#,
            ios / 2
        );
        guest = guest.with(&format!("{name}.json"), &load);
    }
    failures(&guest.judge(judge_verified))
}

#[test]
fn a_million_requests_are_counted_and_each_load_was_compared() {
    assert!(verified(250_000, 62_500, 0, "done").is_empty());
    assert_eq!(verified(249_999, 100_000, 0, "done"), ["requests"]);
    for bad in [
        verified(250_000, 62_499, 0, "done"),
        verified(250_000, 100_000, 1, "done"),
        verified(250_000, 100_000, 0, "failed"),
    ] {
        assert_eq!(
            bad,
            ["small.right", "blocks.right", "flushed.right", "storm.right", "requests"]
        );
    }
    assert_eq!(failures(&Guest::new("").judge(judge_verified)).len(), 6);
}

/// A guest that went through all of it; `change` may spoil a file or the script before it is judged.
fn hardship(change: impl Fn(&str, String) -> String) -> Vec<String> {
    let mut script = "FIGURE killed.status 137 status\nFIGURE lost.verify 1 status\n\
        FIGURE hung.status 1 status\nFIGURE hung.seconds 30.5 s\n"
        .to_owned();
    let mut files = vec![
        (
            "hung.json".to_owned(),
            r#"{"ended": "stopped", "ios": 9, "lost": 8,
                "lost_longest": "read of 4096 at 1048576, for 32.0 s"}"#
                .to_owned(),
        ),
        (
            "hung.err".to_owned(),
            "8 were never answered (the longest: read of 4096 at 1048576, for 32.0 s)\n".to_owned(),
        ),
        (
            "lost.verify.json".to_owned(),
            r#"{"durable": 2048, "wrong": 1, "mismatches": [{"block": 77}]}"#.to_owned(),
        ),
    ];
    for go_on in ["none", "all"] {
        for (name, why) in [
            ("vanished", "Input/output error: the device has been deleted"),
            ("deleted", "cut short: the device has been deleted"),
        ] {
            script += &format!("FIGURE {name}-{go_on}.status 1 status\n");
            script += &format!("FIGURE {name}-{go_on}.seconds 0.1 s\n");
            let load = r#"{"ended": "failed", "ios": 9, "lost": 0, "errors": [{"count": 8}]}"#;
            files.push((format!("{name}-{go_on}.json"), load.to_owned()));
            files.push((format!("{name}-{go_on}.err"), format!("{why}\n")));
        }
    }
    for crash in 1..=CRASHES {
        script += &format!("FIGURE crash-{crash}.status 3 status\n");
        script += &format!("FIGURE crash-{crash}.verify 0 status\n");
        let load = r#"{"ended": "stopped", "lost": 0, "errors": [],
            "ops": [{"op": "write", "ios": 32}, {"op": "flush", "ios": 1}]}"#;
        files.push((format!("crash-{crash}.json"), load.to_owned()));
        let found = r#"{"durable": 2048, "wrong": 0}"#;
        files.push((format!("crash-{crash}.verify.json"), found.to_owned()));
    }
    let mut guest = Guest::new(&change("script", script));
    for name in ["killed", "hung", "crash"] {
        guest = guest.with(&format!("{name}.stats.json"), STATS);
    }
    for (name, text) in files {
        guest = guest.with(&name, &change(&name, text));
    }
    failures(&guest.judge(judge_hardship))
}

/// What fails if in one file, or in the script, `from` is `to`.
fn spoiled(name: &str, from: &str, to: &str) -> Vec<String> {
    hardship(|file, text| {
        if file != name {
            return text;
        }
        assert!(text.contains(from), "{text}");
        text.replace(from, to)
    })
}

#[test]
fn what_was_asked_for_passes_and_nothing_at_all_does_not() {
    assert!(hardship(|_, text| text).is_empty());
    assert_eq!(failures(&Guest::new("").judge(judge_hardship)).len(), 13);
    assert_eq!(spoiled("script", "137", "0"), ["killed.status"]);
}

#[test]
fn a_hung_load_says_in_time_what_it_waits_for() {
    for (name, from, to) in [
        ("script", "hung.status 1", "hung.status 3"),
        ("script", "30.5 s", "28 s"),
        ("script", "30.5 s", "36 s"),
        ("hung.json", "stopped", "done"),
        ("hung.json", r#""ios": 9"#, r#""ios": 0"#),
        ("hung.json", r#""lost": 8"#, r#""lost": 7"#),
        ("hung.json", "at 1048576", "at 2097152"),
        ("hung.err", "never answered", "done"),
        ("hung.err", "at 1048576", "at 1052672"),
        ("hung.err", "\n", "\nand more\n"),
    ] {
        assert_eq!(spoiled(name, from, to), ["hung.says"], "{name}: {from}");
    }
}

#[test]
fn a_load_without_a_device_ends_by_itself_and_says_why() {
    for (name, from, to) in [
        ("script", "vanished-all.status 1", "vanished-all.status 0"),
        ("script", "vanished-all.seconds 0.1", "vanished-all.seconds 8"),
        ("vanished-all.json", "failed", "done"),
        ("vanished-all.json", r#""ios": 9"#, r#""ios": 0"#),
        ("vanished-all.json", r#""lost": 0"#, r#""lost": 1"#),
        ("vanished-all.json", r#"{"count": 8}"#, ""),
        // Reads of a deleted device end at once: this is what a load comes to that goes on.
        ("vanished-all.json", r#""count": 8"#, r#""count": 1370494"#),
        ("vanished-all.err", "Input/output error", "well"),
        ("vanished-all.err", ": the device has been deleted", ""),
        ("vanished-all.err", "\n", "\nand more\n"),
    ] {
        assert_eq!(spoiled(name, from, to), ["vanished-all.says"], "{name}: {from}");
    }
    // What ends at its first failure may end before the device is gone.
    assert!(spoiled("deleted-none.err", ": the device has been deleted", "").is_empty());
    assert_eq!(spoiled("deleted-none.err", "cut short", ""), ["deleted-none.says"]);
}

#[test]
fn what_was_durable_is_there_after_a_crash() {
    for (name, from, to) in [
        ("script", "crash-2.status 3", "crash-2.status 1"),
        ("script", "crash-2.verify 0", "crash-2.verify 1"),
        ("crash-2.json", "stopped", "failed"),
        ("crash-2.json", r#""errors": []"#, r#""errors": [{"count": 1}]"#),
        ("crash-2.json", r#""ios": 1}"#, r#""ios": 0}"#),
        ("crash-2.verify.json", "2048", "0"),
        ("crash-2.verify.json", r#""wrong": 0"#, r#""wrong": 1"#),
    ] {
        assert_eq!(spoiled(name, from, to), ["crash-2.kept"], "{name}: {from}");
    }
}

#[test]
fn the_lost_block_is_named_and_no_other() {
    for (name, from, to) in [
        ("script", "lost.verify 1", "lost.verify 0"),
        ("lost.verify.json", "77", "78"),
        ("lost.verify.json", r#"{"block": 77}"#, r#"{"block": 77}, {"block": 78}"#),
        ("lost.verify.json", "2048", "2047"),
        ("lost.verify.json", r#""wrong": 1"#, r#""wrong": 0"#),
    ] {
        assert_eq!(spoiled(name, from, to), ["lost.named"], "{name}: {from}");
    }
}
