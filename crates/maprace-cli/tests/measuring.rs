//! `compare` in virtual time from outside: bad values, samples, files that survive, the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maprace"));
    command.args(words).env_remove("NO_COLOR").env_remove("RUST_BACKTRACE");
    command.output().expect("the program was built")
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

/// The one line with which a command is refused.
fn refused(words: &[&str]) -> String {
    let output = run(words);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{words:?}");
    assert!(error.starts_with("maprace: ") && error.ends_with('\n'), "{words:?}: {error}");
    assert_eq!(error.lines().count(), 1, "{words:?}: {error}");
    error.to_owned()
}

fn json(words: &[&str], code: i32) -> serde_json::Value {
    let words = [words, &["--json"]].concat();
    serde_json::from_str(&printed(&words, code)).expect("it is JSON")
}

/// A small measurement: two protocols, a hundred rounds.
const SMALL: [&str; 11] = [
    "compare",
    "mkwrite-fallocate",
    "--world=virtual",
    "--order=buffer_head",
    "--protocol=v6.8",
    "--protocol=v6.12",
    "--media=instant",
    "--rounds=100",
    "--seed=3",
    "--no-timing",
    "--no-diagram",
];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL[..], more].concat()
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Dir {
        Dir(tempfile::tempdir().expect("a temporary directory"))
    }
    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).expect("it is there");
        let name = |entry: std::io::Result<fs::DirEntry>| {
            entry.expect("it can be read").file_name().to_string_lossy().into_owned()
        };
        let mut names: Vec<String> = entries.map(name).collect();
        names.sort();
        names
    }
}

#[test]
fn each_key_of_a_workload_is_refused_with_its_range() {
    for (workload, want) in [
        ("w=257", "workload key w is `257`, must be 0 to 256"),
        ("w=-1", "workload key w is `-1`, must be 0 to 256"),
        ("w=1,m=x", "workload key m is `x`, must be 0 to 256"),
        ("w=1,f=999", "workload key f is `999`, must be 0 to 256"),
        ("w=1,r=1.5", "workload key r is `1.5`, must be 0 to 256"),
        ("w=1,file=32k", "workload key file is `32k`, must be 64k to 4g"),
        ("w=1,file=8t", "workload key file is `8t`, must be 64k to 4g"),
        ("w=1,hit=1.1", "workload key hit is `1.1`, must be 0 to 1"),
        ("w=1,hit=nan", "workload key hit is `nan`, must be 0 to 1"),
        ("w=1,cached=-0.1", "workload key cached is `-0.1`, must be 0 to 1"),
        ("w=1,bs=5000", "workload key bs is `5000`, must be 4k to 4m, a power of two"),
        ("w=1,folio=8m", "workload key folio is `8m`, must be 4k to 4m, a power of two"),
        ("w=1,chunk=1k", "workload key chunk is `1k`, must be 4k to 4m, a power of two"),
        ("w=1,ops=0", "workload key ops is `0`, must be 1 to 1t"),
        ("w=1,ops", "workload key ops is ``, must be 1 to 1t"),
        ("r=4", "workload key w is `0`, must be 1 or more with m"),
        ("w=1,file=64k,bs=1m", "workload key file is `64k`, must be at least bs, folio and chunk"),
        ("w=1,hits=0.5", "unknown workload key `hits`"),
        ("", "unknown workload key ``"),
    ] {
        let error = refused(&["compare", "--workload", workload]);
        assert!(error.contains("--workload") && error.contains(want), "{workload}: {error}");
    }
}

#[test]
fn bad_values_are_refused_with_their_key_and_range() {
    let cases: &[(&[&str], &[&str])] = &[
        (&["--sweep", "folios=0"], &["--sweep", "folios is `0`", "1 to 4096"]),
        (&["--sweep", "cpus=1,2000"], &["--sweep", "cpus is `2000`", "1 to 1024"]),
        (&["--sweep", "latency=1h"], &["--sweep", "latency is `1h`", "0 to 10s"]),
        (&["--sweep", "offset=0..10"], &["--sweep", "offset is `0..10`", "LO..HI/STEP"]),
        (&["--sweep", "folio=1"], &["--sweep", "unknown sweep `folio`", "folios"]),
        (&["--media", "fixed:11s"], &["--media fixed:", "`11s`", "0 to 10s"]),
        (&["--media", "fixed:-1us"], &["--media fixed:", "`-1us`", "0 to 10s"]),
        (&["--media", "optan"], &["`optan`"]),
        (&["--costs", "typicl"], &["costs:", "`typicl`", "linux-x86"]),
        (&["--cpus", "0"], &["--cpus", "1..=1024"]),
        (&["--cpus", "1025"], &["--cpus", "1..=1024"]),
        (&["--cpus", "-1"], &["--cpus"]),
        (&["--rounds", "0"], &["--rounds", "1..=1000000000"]),
        (&["--rounds", "-5"], &["--rounds"]),
        (&["--world", "real"], &["--world", "explore"]),
        (&["--cookie", "lat"], &["--cookie", "late"]),
        (&["--resume"], &["--state"]),
        (&["--workload", "w=1", "mkwrite-fallocate"], &["--workload", "cannot be used with"]),
        (&["--workload", "w=1", "--sweep", "offset=1,2"], &["offset", "for a workload"]),
        (&["--workload", "w=1,file=64k", "--sweep", "folios=64"], &["--sweep folios=64"]),
        (&["--csv", "/nowhere/at/all.csv", "--media=instant", "--rounds=1"], &["/nowhere/at/all"]),
    ];
    for (words, wants) in cases {
        let error = refused(&[&["compare"], *words].concat());
        for want in *wants {
            assert!(error.contains(want), "{words:?}: {error}");
        }
    }
    let error = refused(&["compare", "fiemap-collapse", "--sweep", "folios=2,4"]);
    let want = "--sweep folios=2 does not fit fiemap-collapse: 2..3 is past a file of 2 blocks";
    assert!(error.contains(want), "{error}");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    for more in [&["--json"][..], &[]] {
        let words = small(more);
        assert_eq!(printed(&words, 0), printed(&words, 0), "{more:?}");
    }
    let of_seed = |seed: &str| {
        let words: Vec<&str> = SMALL.into_iter().filter(|w| !w.starts_with("--seed")).collect();
        json(&[&words[..], &[seed]].concat(), 0)["virtual"].clone()
    };
    assert_ne!(of_seed("--seed=3"), of_seed("--seed=4"));
    let workload = ["compare", "--workload", "w=2,m=2,f=1,file=256k,ops=100", "--order=iomap"];
    let workload =
        [&workload[..], &["--protocol=v6.12", "--cookie=on", "--media=instant"]].concat();
    let workload = [&workload[..], &["--world=virtual", "--json", "--no-timing"]].concat();
    assert_eq!(printed(&workload, 0), printed(&workload, 0));
}

#[test]
fn a_measurement_finds_what_exploring_finds() {
    let both = json(&[&SMALL[..2], &["--world=explore,virtual"], &SMALL[3..]].concat(), 0);
    let rows = both["rows"].as_array().expect("verdicts");
    let measured = both["virtual"].as_array().expect("measurements");
    assert_eq!((rows.len(), measured.len()), (2, 2));
    for (row, measured) in rows.iter().zip(measured) {
        assert_eq!(row["protocol"], measured["protocol"]);
        let is_damaged = measured["damaged"].as_u64() != Some(0);
        assert_eq!(row["verdict"] == "damaged", is_damaged, "{}", row["protocol"]);
        assert_eq!((&measured["rounds"], &measured["world"]), (&100.into(), &"virtual".into()));
    }
    assert!(both.get("machine").is_none());
    let table = printed(&SMALL, 0);
    assert!(table.contains("mkwrite-fallocate on instant, 2 cpus, seed 3, 100 rounds"), "{table}");
    assert!(!table.contains("certificate"), "nothing was explored: {table}");
}

#[test]
fn the_samples_are_all_windows_and_nothing_else() {
    let dir = Dir::new();
    let file = dir.file("windows.csv");
    let answer = json(&small(&["--csv", path_of(&file)]), 0);
    let samples = fs::read_to_string(&file).expect("it was written");
    let mut lines = samples.lines();
    let head = lines.next().expect("a head");
    let columns: Vec<&str> = head.split(',').collect();
    assert_eq!(
        columns.join(" "),
        "world subject protocol order cookie media cpus seed swept round window task opened_ns \
         closed_ns length_ns first_block blocks hit caught"
    );
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert!(rows.iter().all(|row| row.len() == columns.len()), "{samples}");
    let at = |row: &[&str], name: &str| {
        let column = columns.iter().position(|c| *c == name).expect("a column");
        row[column].trim_matches('"').to_owned()
    };
    let number = |row: &[&str], name: &str| at(row, name).parse::<u64>().expect("a number");
    for measured in answer["virtual"].as_array().expect("measurements") {
        let protocol = measured["protocol"].as_str().expect("a name");
        for window in measured["windows"].as_array().expect("windows") {
            let name = window["name"].as_str().expect("a name");
            let of =
                |row: &&Vec<&str>| at(row, "protocol") == protocol && at(row, "window") == name;
            let mine: Vec<_> = rows.iter().filter(of).collect();
            let sum = |name: &str| mine.iter().map(|row| number(row, name)).sum::<u64>();
            assert_eq!(window["length"]["count"], mine.len(), "{protocol} {name}");
            assert_eq!(window["hits"], sum("hit"), "{protocol} {name}");
            assert_eq!(window["catches"], sum("caught"), "{protocol} {name}");
        }
    }
    let all = answer["virtual"].as_array().into_iter().flatten();
    let counts = all.flat_map(|m| m["windows"].as_array().into_iter().flatten());
    let count: u64 = counts.filter_map(|window| window["length"]["count"].as_u64()).sum();
    assert_eq!(rows.len() as u64, count);
    for row in &rows {
        assert_eq!(number(row, "closed_ns") - number(row, "opened_ns"), number(row, "length_ns"));
        assert!(number(row, "round") < 100);
    }
    assert!(rows.is_sorted_by_key(|row| (at(row, "protocol") != "v6.8", number(row, "round"))));
    assert_eq!(dir.names(), ["windows.csv"]);
    // A file that is there stays, unless it is to be replaced.
    let error = refused(&small(&["--csv", path_of(&file)]));
    assert!(error.contains("it exists: name another, or use --force"), "{error}");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), samples);
    fs::write(&file, "old").expect("the directory is ours");
    printed(&small(&["--csv", path_of(&file), "--force"]), 0);
    assert_eq!(fs::read_to_string(&file).expect("it is there"), samples);
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn what_is_finished_survives_and_gives_the_same_bytes() {
    let dir = Dir::new();
    let (file, whole) = (dir.file("state"), printed(&small(&["--json"]), 0));
    let kept = small(&["--json", "--state", path_of(&file)]);
    assert_eq!(printed(&kept, 0), whole);
    let state = fs::read_to_string(&file).expect("it was written");
    assert_eq!(state.lines().count(), 3, "a head and two measurements");
    let resumed = [&kept[..], &["--resume"]].concat();
    let lines: Vec<&str> = state.lines().collect();
    let half = |line: &str| line[..line.len() / 2].to_owned();
    for left in [
        state.clone(),
        format!("{}\n", lines[0]),
        format!("{}\n{}\n", lines[0], lines[1]),
        // Killed in the middle of a line.
        format!("{}\n{}", lines[0], half(lines[1])),
        format!("{}\n{}\n{}", lines[0], lines[1], half(lines[2])),
    ] {
        fs::write(&file, &left).expect("the directory is ours");
        assert_eq!(printed(&resumed, 0), whole, "{} bytes left", left.len());
        let again = fs::read_to_string(&file).expect("it is there");
        assert_eq!(sorted(&again), sorted(&state), "in whatever order");
    }
    fs::remove_file(&file).expect("it is there");
    assert_eq!(printed(&resumed, 0), whole, "nothing to go on from");
    let error = refused(&kept);
    assert!(error.contains("it exists: name another, or use --force"), "{error}");
    let error = refused(&[&resumed[..], &["--csv", path_of(&dir.file("c.csv"))]].concat());
    assert!(error.contains("--csv") && error.contains("cannot be used with"), "{error}");
    assert_eq!(dir.names(), ["state"]);
}

/// What is known is not measured again: it is taken as it stands in the file.
#[test]
fn what_is_known_is_not_measured_again() {
    let dir = Dir::new();
    let file = dir.file("state");
    let kept = small(&["--state", path_of(&file)]);
    printed(&kept, 0);
    let state = fs::read_to_string(&file).expect("it was written");
    let marked = state.replace("\"subject\":\"mkwrite-fallocate\"", "\"subject\":\"marked\"");
    assert_ne!(state, marked);
    fs::write(&file, marked).expect("the directory is ours");
    let answer = json(&[&kept[..], &["--resume"]].concat(), 0);
    let subjects = answer["virtual"].as_array().into_iter().flatten().map(|m| &m["subject"]);
    assert_eq!(subjects.collect::<Vec<_>>(), ["marked", "marked"]);
}

#[test]
fn a_state_of_another_question_is_refused() {
    let dir = Dir::new();
    let file = dir.file("state");
    let state = ["--state", path_of(&file)];
    printed(&small(&state), 0);
    let before = fs::read_to_string(&file).expect("it was written");
    let resumed = small(&[&state[..], &["--resume"]].concat());
    let without = |start: &str| -> Vec<&str> {
        resumed.iter().copied().filter(|word| !word.starts_with(start)).collect()
    };
    for (start, other) in [
        ("--seed", "--seed=4"),
        ("--rounds", "--rounds=99"),
        ("--media", "--media=fixed:1us"),
        ("mkwrite", "mkwrite-zero-range-unaligned"),
        ("--none", "--cpus=3"),
        ("--none", "--set=recheck=on"),
        ("--none", "--sweep=cpus=1,2"),
    ] {
        let error = refused(&[&without(start)[..], &[other]].concat());
        let want = "it is not of this question: name another file, or leave --resume out";
        assert!(error.contains(want), "{other}: {error}");
        assert_eq!(fs::read_to_string(&file).expect("it is there"), before, "{other}");
    }
    fs::write(&file, "not a state\n").expect("the directory is ours");
    assert!(refused(&resumed).contains("it is not of this question"));
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "not a state\n");
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished_and_resume_does_the_rest() {
    use std::process::Stdio;
    let dir = Dir::new();
    let file = dir.file("state");
    let values: Vec<String> = (1..=40).map(|cpus| cpus.to_string()).collect();
    let sweep = format!("--sweep=cpus={}", values.join(","));
    let words = [&SMALL[..7], &["--rounds=2000", "--json", "--no-timing", &sweep]].concat();
    let kept = [&words[..], &["--state", path_of(&file)]].concat();
    let mut child = Command::new(env!("CARGO_BIN_EXE_maprace"))
        .args(&kept)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was built");
    let lines = || fs::read_to_string(&file).map_or(0, |state| state.lines().count());
    while lines() < 3 {
        if child.try_wait().expect("it is ours").is_some() {
            break;
        }
        let status = Command::new("sleep").arg("0.01").status();
        assert!(status.expect("every Unix has it").success());
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    status.expect("every Unix has it");
    let output = child.wait_with_output().expect("it ends");
    let finished = lines() - 1;
    // It may have been through before the signal came; else it says that it is not.
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let cut = answer["sweeps"][0]["cut"] == true;
    assert_eq!(output.status.code(), Some(if cut { 3 } else { 0 }));
    assert_eq!(cut, finished < 80, "{finished}");
    let resumed = printed(&[&kept[..], &["--resume"]].concat(), 0);
    assert_eq!(resumed, printed(&words, 0));
}

#[test]
fn a_sweep_has_a_point_for_each_value_in_ascending_order() {
    let answer = json(&small(&["--sweep", "latency=1us,0,250ns"]), 0);
    let points = answer["sweeps"][0]["points"].as_array().expect("points").clone();
    let typed: Vec<_> = points.iter().map(|point| point["typed"].clone()).collect();
    assert_eq!(typed, ["0", "250ns", "1us"]);
    assert!(points.iter().all(|point| point["measured"].as_array().map(Vec::len) == Some(2)));
    let offsets = json(&small(&["--sweep", "offset=-2us..2us/500ns"]), 0);
    let points = offsets["sweeps"][0]["points"].as_array().expect("points").clone();
    assert_eq!(points.len(), 9);
    for point in &points {
        for measured in point["measured"].as_array().expect("measurements") {
            assert_eq!(measured["rounds"], 1, "at fixed times every round is the same");
            // The time before the first start is no part of the run.
            let run_ns = measured["cost"]["run_ns"].as_u64().expect("a number");
            assert!(run_ns < 10_000_000, "{run_ns}");
        }
    }
}

#[test]
fn exit_codes_are_those_of_verdicts_and_damage_in_time_is_none() {
    // Damaged in virtual time, and as expected.
    printed(&small(&[]), 0);
    let dir = Dir::new();
    let file = dir.file("mine.toml");
    let text = "format = 1\nname = \"mine\"\n[file]\nblocks = 1\nprefault = [\"0..1\"]\n\
                [[task]]\nname = \"a\"\nops = [\"write 0..1\"]\n\
                [[task]]\nname = \"b\"\nops = [\"mmap_write 0..1\"]\n\
                [after]\nops = [\"fsync\", \"evict\"]\n[[expect]]\nverdict = \"damaged\"\n";
    fs::write(&file, text).expect("the directory is ours");
    let words = ["compare", path_of(&file), "--order=buffer_head", "--media=instant"];
    let words = [&words[..], &["--protocol=v6.8", "--rounds=10", "--no-timing"]].concat();
    printed(&words, 1);
    printed(&[&words[..], &["--world=virtual"]].concat(), 0);
}
