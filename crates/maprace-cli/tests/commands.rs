//! The built program from outside: what it prints, what it answers to bad input, how it ends.

use std::ffi::OsStr;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const COMMANDS: [&str; 16] = [
    "compare",
    "explore",
    "ablate",
    "explain",
    "hunt",
    "replay",
    "scenarios",
    "media",
    "costs",
    "calibrate",
    "device",
    "load",
    "layers",
    "protocols",
    "completions",
    "man",
];

fn maprace(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maprace"));
    command.args(words).env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
    command
}

fn run(words: &[&str]) -> Output {
    maprace(words).output().expect("the program was built")
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

fn path_of(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// A scenario of a few blocks, with an expectation of its own.
fn scenario_file(dir: &Path, verdict: &str) -> String {
    let file = dir.join("mine.toml");
    let text = format!(
        "format = 1\nname = \"mine\"\n[file]\nblocks = 1\nprefault = [\"0..1\"]\n\
         [[task]]\nname = \"a\"\nops = [\"write 0..1\"]\n\
         [[task]]\nname = \"b\"\nops = [\"mmap_write 0..1\"]\n\
         [after]\nops = [\"fsync\", \"evict\"]\n[[expect]]\nverdict = \"{verdict}\"\n"
    );
    std::fs::write(&file, text).expect("the directory is ours");
    path_of(&file).to_owned()
}

#[test]
fn the_first_screen_is_the_table_and_the_shortest_counterexample() {
    let screen = printed(&[], 0);
    let lines: Vec<&str> = screen.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["pair", "order", "v5.10", "v6.8", "v6.11", "v6.12", "exclusive"]);
    assert!(lines[1].starts_with("mkwrite x fallocate   both         BAD "), "{screen}");
    assert!(lines[2].starts_with("write x mkwrite       buffer_head  safe "), "{screen}");
    assert!(lines[3].starts_with("                      iomap        BAD "), "{screen}");
    assert!(lines[4].starts_with("write x fallocate     both         safe "), "{screen}");
    let legend = "BAD b/n: b of n distinct orders end in damage; safe: all were tried \
                  (certificate 1.000000)";
    assert_eq!(lines[5], legend);
    assert_eq!(lines[6], "exclusive: counterfactual, no kernel had it");
    assert_eq!((lines[7], words(lines[8])), ("", vec!["page_mkwrite".into(), "fallocate".into()]));
    assert!(screen.contains("\n  i_reserved_data_blocks (1) not cleared!\n\nmaprace replay "));
    assert!(screen.is_ascii() && !screen.contains('\x1b'));
    let explored = printed(&["compare", "--world=explore", "--cookie=on"], 0);
    assert_eq!(explored, screen, "no command explores as `compare` does, and the same bytes");
}

#[test]
fn the_printed_command_replays_the_damage() {
    let screen = printed(&["explore", "mkwrite-fallocate", "--protocol", "v6.8"], 1);
    let command = screen.lines().last().expect("the command is the last line");
    let (words, schedule) = command.split_once(" --schedule ").expect("it names a schedule");
    let mut words: Vec<&str> = words.split(' ').skip(1).collect();
    words.extend(["--schedule", schedule.trim_matches('"')]);
    let steps = printed(&words, 1);
    assert!(steps.contains("   << delayed over allocated\n"), "{steps}");
    assert!(steps.contains("\ndamaged: "), "{steps}");
    words.push("--diagram");
    let drawn = printed(&words, 1);
    let (_, diagram) = screen.split_once("\n\n").expect("the diagram is a paragraph");
    let (diagram, _) = diagram.split_once("\n\n").expect("the command is the next");
    assert!(drawn.starts_with(diagram), "{drawn}\n{diagram}");
}

#[test]
fn a_run_is_written_down_and_a_run_that_differs_is_told() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let schedule = ["--schedule", "fault ..ext4_es_lookup_extent, fallocate *"];
    let words = ["replay", "mkwrite-fallocate", "--protocol", "v6.8", "--exact"];
    let exact = printed(&[&words[..], &schedule].concat(), 1);
    assert!(exact.contains("protocol = v6.8\n"), "{exact}");
    let file = dir.path().join("found.txt");
    std::fs::write(&file, &exact).expect("the directory is ours");
    let again = ["replay", "mkwrite-fallocate", path_of(&file)];
    assert!(printed(&again, 1).contains("\ndamaged: "));
    let other = run(&[&again[..], &["--protocol", "v6.12"]].concat());
    let error = text(&other.stderr);
    assert_eq!(other.status.code(), Some(2));
    assert!(error.contains("expected fallocate to run "), "{error}");
    assert!(error.contains(", found ext4_"), "{error}");
    let elsewhere = run(&["replay", "write-mkwrite", path_of(&file)]);
    let error = text(&elsewhere.stderr);
    assert!(error.contains("is for scenario mkwrite-fallocate, not for write-mkwrite"), "{error}");
}

#[test]
fn exit_codes_say_what_was_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let w1 = ["write-mkwrite", "--order", "iomap", "--protocol"];
    printed(&[&["explore"], &w1[..], &["v6.12"]].concat(), 0);
    printed(&[&["explore"], &w1[..], &["v6.8"]].concat(), 1);
    printed(&[&["explore"], &w1[..], &["v6.12", "--engine", "pct", "--budget", "9"]].concat(), 3);
    let explores = ["compare", "--world=explore"];
    printed(&[&explores, &w1[..], &["v6.8"]].concat(), 0);
    printed(&[&explores, &w1[..], &["v6.12", "--engine", "icb", "--budget", "1"]].concat(), 3);
    printed(&["replay", "write-mkwrite", "--schedule", "write *"], 0);
    printed(&["ablate", "mkwrite-fallocate", "--protocol", "v6.8"], 1);
    let wrong = scenario_file(dir.path(), "damaged");
    let table = printed(&["compare", "--world=explore", &wrong, "--order", "buffer_head"], 1);
    assert!(table.contains("safe !"), "{table}");
    let right = scenario_file(dir.path(), "safe");
    printed(&["compare", "--world=explore", &right, "--order", "buffer_head"], 0);
}

/// A scenario whose file outgrows what the model has.
fn huge() -> String {
    let ops = ["\"insert_range 0..65536\""; 64].join(", ");
    let task = |n: u32| format!("[[task]]\nname = \"t{n}\"\nops = [{ops}]\n");
    let tasks: String = (0..5).map(task).collect();
    format!("format = 1\nname = \"huge\"\n[file]\nblocks = 1\n{tasks}")
}

#[test]
fn bad_input_of_every_kind_gets_one_line() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str, bytes: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, bytes).expect("the directory is ours");
        path_of(&file).to_owned()
    };
    let broken = at("broken.toml", b"format = 1\nname = [\n");
    let binary = at("binary.toml", b"\xff\xfe\x00");
    let grows = huge();
    let huge = at("huge.toml", grows.as_bytes());
    let long = "x".repeat(5000);
    let cases: &[(&[&str], &str)] = &[
        (&["explor"], "similar subcommands exist: 'explain', 'explore'; see `maprace --help`"),
        (&["explore"], "not provided: <SCENARIO>; see `maprace explore --help`"),
        (&["explore", "mkwrite-falocate"], "did you mean `mkwrite-fallocate`?"),
        (&["explore", "./nowhere.toml"], "./nowhere.toml: cannot read it"),
        (&["explore", &broken], "broken.toml:"),
        (&["explore", &binary], "binary.toml:1:1: not UTF-8 text"),
        (&["explore", &huge], "a file that may grow to 21037056 blocks is not modelled"),
        (&["explore", &long], "..."),
        (&["explore", "a\nb"], "`a\\nb`"),
        (&["explore", "stale-map", "--protocol", "v6.9"], "did you mean `v6.8`?"),
        (&["explore", "stale-map", "--order", "iomapp"], "did you mean `iomap`?"),
        (
            &["explore", "stale-map", "--layer", "ext5"],
            "unknown layer `ext5`: known is ext4; did you mean `ext4`?",
        ),
        (&["explore", "stale-map", "--engine", "dpr"], "did you mean `dpor`?"),
        (&["explore", "stale-map", "--set", "coockie=on"], "did you mean `cookie`?"),
        (
            &["explore", "stale-map", "--set", "cookie=lat"],
            "known are off, late, on; did you mean `late`?",
        ),
        (&["explore", "stale-map", "--seed", "-1"], "'--seed"),
        (&["explore", "stale-map", "--budget", "many"], "'many' for '--budget <EXECUTIONS>'"),
        (&["explore", "stale-map", "--protcol", "v6.8"], "a similar argument exists: '--protocol'"),
        (&["compare", "stale-map", "nope"], "no built-in scenario `nope`"),
        (&["replay", "stale-map"], "<FILE>"),
        (&["replay", "stale-map", "f", "--schedule", "write *"], "cannot be used with"),
        (&["replay", "stale-map", "--schedule", "wirte *"], "no task `wirte`"),
        (&["replay", "stale-map", "--schedule", "write"], "--schedule:1:"),
        (
            &["replay", "stale-map", "--schedule", "write: folio_lock"],
            "expected write to run folio_lock, found ",
        ),
        (&["replay", "stale-map", "nowhere.txt"], "nowhere.txt: No such file"),
        (&["scenarios", "show", "stale"], "no built-in scenario `stale`"),
        (&["completions", "tcsh"], "'tcsh'"),
        (&["man", "--dir", "/nowhere/at/all"], "/nowhere/at/all/maprace.1"),
        (&["--color", "blue"], "'blue'"),
    ];
    for (words, want) in cases {
        let output = run(words);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
        assert_eq!(text(&output.stdout), "", "{words:?}");
        assert!(error.starts_with("maprace: ") && error.contains(want), "{words:?}: {error}");
        assert!(error.ends_with('\n') && error.lines().count() == 1, "{words:?}: {error}");
        assert!(error.len() < 700, "{words:?}: {} bytes", error.len());
    }
}

/// Whoever has no libclang is told what is missing, and that it is no more than that.
#[cfg(not(feature = "ublk"))]
#[test]
fn devices_need_a_feature_which_says_how_to_get_it() {
    for words in [&["device", "list"][..], &["device", "add", "--media", "ram"]] {
        let output = run(words);
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert_eq!(
            error,
            "maprace: device: this program was built without the feature `ublk`, which needs the \
             package libclang-dev: install it, then \
             `cargo run --release --features ublk -- device ...`\n"
        );
    }
    printed(&["device", "add", "--help"], 0);
}

#[test]
fn json_is_the_same_bytes_without_timing_and_has_its_machine_with_it() {
    let words = ["explore", "mkwrite-fallocate", "--protocol", "v5.10", "--json"];
    let plain = [&words[..], &["--no-timing"]].concat();
    let once = printed(&plain, 1);
    assert_eq!(once, printed(&plain, 1));
    let value: serde_json::Value = serde_json::from_str(&once).expect("it is JSON");
    assert_eq!(value["schema"], "maprace.explore/1");
    assert_eq!(value["verdict"], "damaged");
    assert_eq!(value["expected"]["as_expected"], true);
    assert_eq!(value["certificate_missing"], serde_json::Value::Null);
    assert!(value.get("machine").is_none());
    let timed: serde_json::Value = serde_json::from_str(&printed(&words, 1)).expect("it is JSON");
    assert!(timed["machine"]["seconds"].is_number());
    let words = ["compare", "write-mkwrite", "--order", "iomap", "--world=explore", "--json"];
    let words = [&words[..], &["--no-timing"]].concat();
    let rows: serde_json::Value = serde_json::from_str(&printed(&words, 0)).expect("it is JSON");
    assert_eq!(rows["schema"], "maprace.compare/2");
    assert_eq!(rows["rows"].as_array().map(Vec::len), Some(15), "five protocols, three cookies");
    assert!(rows.get("virtual").is_none() && rows.get("sweeps").is_none());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for engine in ["auto", "dpor", "states", "icb", "random", "pct"] {
        let words = ["explore", "stale-map", "--order", "iomap", "--set", "cookie=late"];
        let more = ["--engine", engine, "--seed", "3", "--budget", "300", "--no-timing"];
        let words = [&words[..], &more].concat();
        assert_eq!(run(&words).stdout, run(&words).stdout, "{engine}");
    }
}

#[test]
fn the_help_of_each_command_has_examples_and_exit_codes() {
    for command in COMMANDS {
        let help = printed(&[command, "--help"], 0);
        assert!(help.contains("\nExamples:\n  maprace "), "{command}: {help}");
        assert!(help.contains("\nExit codes: "), "{command}: {help}");
    }
    let help = printed(&["--help"], 0);
    assert!(COMMANDS.iter().all(|command| help.contains(&format!("\n  {command} "))), "{help}");
    assert!(help.contains("Examples:") && help.contains("Exit codes: "), "{help}");
}

#[test]
fn lists_name_what_commands_take() {
    let scenarios = printed(&["scenarios"], 0);
    for line in scenarios.lines() {
        let name = line.split(' ').next().expect("a line begins with a name");
        assert!(printed(&["scenarios", "show", name], 0).contains("format = 1"), "{name}");
    }
    assert_eq!(printed(&["scenarios", "list"], 0), scenarios);
    assert_eq!(printed(&["layers"], 0), "ext4\n");
    let protocols = printed(&["protocols"], 0);
    assert!(protocols.contains("insert=exclusive recheck=on accounting=v6.12"), "{protocols}");
    assert!(protocols.contains("cookie                           off, late, on"), "{protocols}");
}

#[test]
fn ablate_says_which_protections_are_needed() {
    let table = printed(&["ablate", "stale-map", "--order", "iomap"], 0);
    let line = |start: &str| table.lines().find(|line| line.starts_with(start)).unwrap_or("");
    let words = |start: &str| line(start).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words("(as it is)"), "(as it is) safe", "{table}");
    assert_eq!(words("cookie"), "cookie late damaged yes data", "{table}");
    assert_eq!(words("recheck"), "recheck off safe* no", "{table}");
}

#[test]
fn shells_and_pagers_get_what_they_read() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(printed(&["completions", shell], 0).contains("explore"), "{shell}");
    }
    assert!(printed(&["man"], 0).contains(".TH MAPRACE 1"));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let written = printed(&["man", "--dir", path_of(dir.path())], 0);
    assert_eq!(written.lines().count(), COMMANDS.len() + 1);
    for command in COMMANDS {
        let page = dir.path().join(format!("maprace-{command}.1"));
        let page = std::fs::read_to_string(page).expect("one page a command");
        assert!(page.contains("Exit codes: "), "{command}");
    }
}

#[test]
fn colour_is_for_who_asks() {
    let words = ["compare", "write-mkwrite", "--order", "iomap", "--rounds=10", "--color"];
    assert!(printed(&[&words[..], &["always"]].concat(), 0).contains("\x1b[1;31mBAD "));
    assert!(!printed(&[&words[..], &["auto"]].concat(), 0).contains('\x1b'));
    let quiet = ["-q", "compare", "write-mkwrite", "--rounds=10"];
    assert!(!printed(&quiet, 0).contains("maprace replay"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = maprace(&["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    drop(child.stdout.take());
    let mut errors = String::new();
    let mut stderr = child.stderr.take().expect("it is piped");
    stderr.read_to_string(&mut errors).expect("it is text");
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{errors}");
    assert_eq!(errors, "");
}

/// Runs a small tool of the system.
fn system(tool: &str, words: impl IntoIterator<Item = impl AsRef<OsStr>>) {
    let status = Command::new(tool).args(words).status().expect("every Unix has it");
    assert!(status.success(), "{tool}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_with_what_was_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("large.toml");
    let text = "format = 1\nname = \"large\"\n[file]\nblocks = 4\nprefault = [\"0..4\"]\n\
                [[task]]\nname = \"a\"\nops = [\"write 0..4\", \"fallocate 0..4\"]\n\
                [[task]]\nname = \"b\"\nops = [\"mmap_write 0..4\", \"writeback\"]\n\
                [[task]]\nname = \"c\"\nops = [\"punch_hole 0..2\", \"read\"]\n";
    std::fs::write(&file, text).expect("the directory is ours");
    let more = ["--engine", "dpor", "--budget", "1000000000", "--json"];
    let mut child = maprace(&[&["explore", path_of(&file)], &more[..]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    system("sleep", ["1"]);
    system("kill", ["-INT", &child.id().to_string()]);
    let mut answer = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut answer).expect("it is text");
    let code = child.wait().expect("it ends").code();
    let value: serde_json::Value = serde_json::from_str(&answer).expect("it is JSON");
    assert_eq!(value["stopped"], "interrupted");
    assert_eq!(value["complete"], false);
    assert_eq!(code, Some(if value["verdict"] == "damaged" { 1 } else { 3 }));
}
