//! `--report` and `--trace` from outside: what they leave on the disk, and what they do not.

use std::path::Path;
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maprace"));
    command.args(words).env_remove("NO_COLOR").output().expect("the program was built")
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory is ours");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn both_are_written_beside_the_answer_and_replaced_only_by_force() {
    let dir = tempfile::tempdir().expect("there is room");
    let path = |name: &str| dir.path().join(name).to_str().expect("it is text").to_owned();
    let (page, trace) = (path("r.html"), path("t.json"));
    let explore = ["explore", "mkwrite-fallocate", "--protocol", "v6.8", "--no-timing"];
    let wanted = [&explore[..], &["--report", &page, "--trace", &trace]].concat();
    let written = run(&wanted);
    assert_eq!(written.status.code(), Some(1));
    assert_eq!(written.stdout, run(&explore).stdout);
    assert_eq!(names(dir.path()), ["r.html", "t.json"]);
    let text = std::fs::read_to_string(&page).expect("it was written");
    assert!(text.starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&trace).expect("it was written")).expect("JSON");
    assert!(json["traceEvents"].as_array().is_some_and(|events| events.len() > 40));

    std::fs::write(&trace, "mine").expect("the directory is ours");
    let again = run(&wanted);
    assert_eq!(again.status.code(), Some(2));
    let error = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(error.trim_end().ends_with("it exists: name another, or use --force"), "{error}");
    assert_eq!(std::fs::read_to_string(&trace).expect("it is there"), "mine");

    assert_eq!(run(&[&wanted[..], &["--force"]].concat()).status.code(), Some(1));
    // But for the command, which says `--force` now, it is the same.
    let again = std::fs::read_to_string(&page).expect("it is there").replace(" --force", "");
    assert!(again == text, "the same question gives the same bytes");
    assert_ne!(std::fs::read_to_string(&trace).expect("it is there"), "mine");
    assert_eq!(names(dir.path()), ["r.html", "t.json"]);
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().expect("there is room");
    let page = dir.path().join("no/such/r.html");
    let failed = run(&["compare", "write-fallocate", "--report", page.to_str().expect("text")]);
    assert_eq!(failed.status.code(), Some(2));
    assert_eq!(names(dir.path()), [""; 0]);
    let both = run(&["explore", "write-fallocate", "--shrink", "--report", "x.html"]);
    assert_eq!(both.status.code(), Some(2));
    assert_eq!(run(&["compare", "--force"]).status.code(), Some(2));
}
