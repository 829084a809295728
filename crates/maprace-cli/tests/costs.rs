//! `maprace costs` and `maprace calibrate` from outside: what they print, and that a wrong table is told.

use std::path::Path;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_maprace"))
        .args(words)
        .env_remove("NO_COLOR")
        .output()
        .expect("the program was built")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("output is text")
}

/// What a command prints, after a look at its exit code.
fn printed(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", text(&output.stderr));
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

fn json(words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&printed(words)).expect("it is JSON")
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

#[test]
fn the_list_names_what_show_and_check_take() {
    let list = printed(&["costs"]);
    assert_eq!(printed(&["costs", "list"]), list);
    let names: Vec<&str> = list.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["linux-x86", "lab-tcg"]);
    assert!(list.contains("TCG, ratios only"), "{list}");
    for name in &names {
        assert!(
            printed(&["costs", "show", name]).contains(&format!("name = \"{name}\"")),
            "{name}"
        );
    }
    let json = json(&["costs", "list", "--json"]);
    assert_eq!(json["schema"], "maprace.costs.list/1");
    assert_eq!(json["tables"][0]["default"], true);
    assert_eq!(json["tables"][1]["good_for"], "TCG, ratios only");
}

#[test]
fn a_table_that_is_shown_can_be_a_file_of_ones_own() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("mine.toml");
    let own = "\n[[step]]\nname = \"ILOCK\"\nns = 5\nown = true\nsource = \"a guess\"\n";
    std::fs::write(&file, printed(&["costs", "show", "linux-x86"]) + own).expect("ours");
    let checked = printed(&["costs", "check", path_of(&file)]);
    assert!(
        checked.contains("\n  steps: 69 of 70 by name\n  calls: 32 of 32 by name\n"),
        "{checked}"
    );
    assert!(checked.contains("\n  steps by default: ext4_std_error\n"), "{checked}");
    assert!(checked.contains("\n  of layers of their own: ILOCK\n"), "{checked}");
    assert!(checked.contains("\n  fallocate one extent "), "{checked}");
    let json = json(&["costs", "show", path_of(&file), "--json"]);
    assert_eq!(
        (&json["schema"], &json["machine"]["wake_ns"]),
        (&"maprace.costs.table/1".into(), &3000.into())
    );
    assert_eq!(json["default"]["step_ns"], 50);
}

#[test]
fn check_is_the_same_for_programs() {
    let all = json(&["costs", "check", "--all", "--json"]);
    assert_eq!(all["schema"], "maprace.costs.check/1");
    assert_eq!(all["tables"][0]["steps_by_default"][0], "ext4_std_error");
    assert_eq!(all["tables"][1]["name"], "lab-tcg");
    assert!(all["tables"][1]["typical"][0]["ns"].as_u64() > Some(10_000), "{all}");
}

#[test]
fn a_wrong_table_is_one_line_with_its_place() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("bad.toml");
    let text = printed(&["costs", "show", "linux-x86"]).replace("wake_ns = 3000", "wake_ns = -1");
    std::fs::write(&file, text).expect("ours");
    let error = refused(&["costs", "check", path_of(&file)]);
    assert!(error.contains("`wake_ns` must be a number from 0 to 1000000000, found -1"), "{error}");
    let error = refused(&["costs", "show", "linux-x68"]);
    assert!(error.contains("known are linux-x86, lab-tcg; did you mean `linux-x86`?"), "{error}");
    assert!(refused(&["costs", "check"]).contains("not provided: <TABLE>"));
}

#[test]
fn a_calibrated_table_is_one_that_can_be_used() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("here.toml");
    let words = ["calibrate", "--rounds", "1", "--output", path_of(&file)];
    assert_eq!(printed(&words), format!("{}\n", path_of(&file)));
    let checked = printed(&["costs", "check", path_of(&file)]);
    assert!(checked.starts_with("calibrated: costs of the model\n  steps: "), "{checked}");
    let json = json(&["costs", "show", path_of(&file), "--json"]);
    let source = json["source"].as_str().expect("it says where it is from");
    assert!(
        source.starts_with("maprace calibrate, 2") && source.contains("clock costs"),
        "{source}"
    );
    assert!(json["steps"].as_array().is_some_and(|steps| steps.len() > 50), "{json}");
    assert!(refused(&words).contains("it exists: name another, or use --force"));
    assert_eq!(std::fs::read_dir(dir.path()).expect("ours").count(), 1);
    assert!(refused(&["calibrate", "--rounds", "0"]).contains("1..=1000"));
}
