//! `maprace media` from outside: what it prints, how it ends, and that a wrong profile is told.

use std::path::Path;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maprace"))
        .arg("media")
        .args(words)
        .env_remove("NO_COLOR")
        .output()
        .expect("the program was built")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

/// What a command prints, after a look at its exit code.
fn printed(words: &[&str], code: i32) -> String {
    let output = run(words);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "{words:?}");
    text(&output.stdout).to_owned()
}

/// The one line that says what is wrong.
fn refused(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!(output.status.code(), Some(2), "{words:?}");
    assert_eq!(text(&output.stdout), "", "{words:?}");
    let error = text(&output.stderr).to_owned();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn file(dir: &Path, name: &str, text: &str) -> String {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("the directory is ours");
    path.to_str().expect("temporary paths are text").to_owned()
}

#[test]
fn the_list_names_what_show_and_check_take() {
    let list = printed(&[], 0);
    assert_eq!(printed(&["list"], 0), list);
    let names: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert!(names[0].starts_with("pmem") && names.len() >= 13, "{list}");
    for name in &names {
        assert!(printed(&["show", name], 0).contains(&format!("\"{name}\"")), "{name}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&printed(&["list", "--json"], 0)).expect("it is JSON");
    assert_eq!(json["schema"], "maprace.media.list/1");
    assert_eq!(json["profiles"].as_array().map(Vec::len), Some(names.len()));
    assert_eq!(json["profiles"][0]["read_4k_p50_ns"], 1_459);
}

#[test]
fn every_built_in_profile_is_within_tolerance() {
    let page = printed(&["check", "--all"], 0);
    assert!(page.contains("write 4096 B random, depth 1"), "{page}");
    assert!(page.ends_with(" shown only\n") && page.contains(", 0 off, "), "{page}");
    assert!(page.contains("memory   shown  "), "what is only remembered is shown: {page}");
}

#[test]
fn a_planted_wrong_profile_ends_with_1_and_a_bad_one_with_2() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let shown = printed(&["show", "optane-ssd-p4800x"], 0);
    let honest = file(dir.path(), "honest.toml", &shown);
    printed(&["check", &honest], 0);
    let slow = shown.replacen("rand = 5500", "rand = 7300", 1);
    let slow = file(dir.path(), "slow.toml", &slow);
    let page = printed(&["check", &slow], 1);
    let line = page.lines().find(|line| line.contains("OFF")).expect("a row is off");
    assert!(line.contains("p50_us") && line.contains("+18.9%"), "{line}");
    assert!(page.ends_with(", 3 off, 0 shown only\n"), "{page}");
    let json: serde_json::Value =
        serde_json::from_str(&printed(&["check", &slow, "--json"], 1)).expect("it is JSON");
    assert_eq!(
        (&json["ok"], &json["profiles"][0]["rows"][0]["outcome"]),
        (&false.into(), &"off".into())
    );
    let bad = file(dir.path(), "bad.toml", "name = \"bad\"\n[read]\nsigma = 7\n");
    let error = refused(&["check", &bad]);
    assert!(
        error.ends_with("bad.toml:3:9: `read.sigma` must be a number from 0 to 1, found 7\n"),
        "{error}"
    );
}

#[test]
fn settings_are_those_in_force() {
    let json: serde_json::Value =
        serde_json::from_str(&printed(&["show", "pmem-btt", "--json"], 0)).expect("it is JSON");
    assert_eq!(json["schema"], "maprace.media.profile/1");
    assert_eq!(json["settings"]["write.lat_ns.rand"], "780");
    assert_eq!(json["settings"]["write.buffer.bytes"], "16384", "inherited");
}

#[test]
fn a_picture_is_svg_here_or_in_a_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let svg = printed(&["plot", "optane-ssd-p4800x"], 0);
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(svg.matches("<polyline").count() >= 4, "two curves in each half");
    let out = dir.path().join("out.svg");
    let out = out.to_str().expect("temporary paths are text");
    assert_eq!(printed(&["plot", "optane-ssd-p4800x", "--out", out], 0), format!("{out}\n"));
    assert_eq!(std::fs::read_to_string(out).expect("it was written"), svg, "the same bytes");
    let nowhere = dir.path().join("no/such.svg");
    refused(&["plot", "null", "--out", nowhere.to_str().expect("temporary paths are text")]);
}

#[test]
fn bad_input_is_one_line() {
    assert!(
        refused(&["show", "pmem"])
            .contains("no built-in profile `pmem`: known are pmem-dcpmm100-6x")
    );
    assert!(refused(&["check"]).contains("see `maprace media check --help`"));
    assert!(refused(&["check", "--all", "dram"]).contains("cannot be used with"));
    assert!(refused(&["check", "./nowhere.toml"]).contains("./nowhere.toml: cannot read it: "));
    assert!(refused(&["plot"]).contains("--help"));
}

/// The page that explains the format names every key, with the range that errors name.
#[test]
fn the_documentation_has_every_key() {
    let usage = include_str!("../../../docs/USAGE.md");
    for key in maprace_media::KEYS {
        assert!(usage.contains(&format!("`{}`", key.name)), "docs/USAGE.md lacks `{}`", key.name);
        if let maprace_media::KeyKind::Tables(_, inner) = key.kind {
            for inner in inner {
                assert!(
                    usage.contains(&format!("`{}`", inner.name)),
                    "{}: `{}`",
                    key.name,
                    inner.name
                );
            }
        }
    }
}
