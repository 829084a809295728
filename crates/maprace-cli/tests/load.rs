//! `maprace load` from outside: what it prints, how it ends, what it refuses, and that whoever kills it
//! leaves a target that can be used.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn maprace(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_maprace"));
    command.arg("load").args(words).env_remove("NO_COLOR");
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

/// The one line that says what is wrong.
fn refused(words: &[&str]) -> String {
    let output = run(words);
    let error = text(&output.stderr).to_owned();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {error}");
    assert_eq!(text(&output.stdout), "", "{words:?}");
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

fn json(words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&printed(words, 0)).expect("it is JSON")
}

/// A test that cannot run here says so.
#[expect(clippy::print_stderr, reason = "whoever reads the tests' output is to see it")]
fn skipped(why: &str) {
    eprintln!("skipped: {why}");
}

/// A directory and a path in it, as text.
fn place(name: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join(name).to_str().expect("it is text").to_owned();
    (dir, path)
}

const MEDIUM: &str = "media:optane-ssd-p4800x";

#[test]
fn a_medium_is_the_same_bytes_every_time() {
    let words = ["run", MEDIUM, "--rw=randrw", "--number_ios=20k", "--iodepth=4", "--seed"];
    let words = [&words[..5], &["--randseed=3", "--no-timing"]].concat();
    let table = printed(&words, 0);
    assert_eq!(printed(&words, 0), table);
    assert!(table.starts_with(&format!("randrw of 4K on {MEDIUM}: depth 4, 1 job, closed loop\n")));
    assert!(table.contains("in virtual time") && table.contains("(virtual clock)"), "{table}");
    let json = json(&[&words[..], &["--json"]].concat());
    assert_eq!(
        (&json["schema"], &json["clock"]),
        (&"maprace.load.run/1".into(), &"virtual".into())
    );
    assert_eq!((&json["ios"], &json["machine"]), (&20_000.into(), &serde_json::Value::Null));
    let timed = self::json(&["run", MEDIUM, "--number_ios=100", "--json"]);
    assert!(timed["machine"]["host"].is_string() && timed["ops"][0]["op"] == "read");
}

#[test]
fn flags_are_fios_in_either_spelling() {
    let words = [
        "run",
        MEDIUM,
        "--readwrite=randwrite",
        "--blocksize=8k",
        "--size=1M",
        "--number-ios=2k",
        "--rate-iops=20k",
        "--rate-process=poisson",
        "--ramp-time=1ms",
        "--fdatasync=10",
        "--fua=3",
        "--iodepth=8",
        "--json",
    ];
    let json = json(&words);
    let job = &json["job"];
    assert_eq!(
        (&job["bs"], &job["size"], &job["fua"]),
        (&8192.into(), &1_048_576.into(), &3.into())
    );
    assert_eq!(job["pace"]["rate_iops"], 20_000.0);
    assert_eq!((&json["pace"], &job["pace"]["arrivals"]), (&"open".into(), &"poisson".into()));
    assert_eq!(job["ramp_ns"], 1_000_000);
    assert_eq!(json["ops"][1]["op"], "flush");
    let table = printed(&words[..words.len() - 1], 0);
    assert!(
        table.contains("open loop, 20000 requests a second of each job, Poisson arrivals"),
        "{table}"
    );
    assert!(table.contains("write from arrival") && table.contains("write from begin"), "{table}");
}

#[test]
fn nothing_measures_the_generator() {
    let table = printed(&["run", "null:", "--rw=randread", "--number_ios=50k", "--iodepth=32"], 0);
    assert!(table.contains("what is measured is the generator itself"), "{table}");
    assert!(table.contains(" 50000\n"), "{table}");
}

#[test]
fn a_file_is_made_verified_and_checked_afterwards() {
    let (dir, file) = place("file");
    let log = dir.path().join("acks");
    let log = log.to_str().expect("it is text");
    let words = ["run", &file, "--rw=randwrite", "--size=1M", "--direct=0", "--number_ios=500"];
    let more = ["--iodepth=8", "--fsync=50", "--ack-log", log, "--verify"];
    let table = printed(&[&words[..], &more].concat(), 0);
    assert!(table.contains("verified: ") && table.contains(", 0 wrong\n"), "{table}");
    assert!(table.contains("doubt: requests went through the page cache"), "{table}");
    let check = ["verify", &file, "--direct=0", "--ack-log", log];
    let good = json(&[&check[..], &["--json"]].concat());
    assert_eq!((&good["schema"], &good["wrong"]), (&"maprace.load.verify/1".into(), &0.into()));
    assert_eq!(good["blocks"], good["newest"]);
    // A block that was flushed is lost.
    std::fs::write(&file, vec![0; 1 << 20]).expect("the file is ours");
    let output = run(&check);
    assert_eq!(output.status.code(), Some(1));
    let lost = text(&output.stdout);
    assert!(
        lost.contains("lost write: expected sequence ") && lost.contains("found zeroes"),
        "{lost}"
    );
    assert!(refused(&[&words[..], &more].concat()).contains("the ack log cannot be made"));
}

#[test]
fn what_must_not_be_written_is_refused_in_one_line() {
    let (dir, file) = place("disk");
    std::fs::write(&file, [&b"XFSB"[..], &[0; 1 << 20]].concat()).expect("the directory is ours");
    let write = |more: &[&str]| {
        let words = ["run", &file, "--rw=randwrite", "--direct=0", "--number_ios=10"];
        let words = [&words[..], more].concat();
        run(&words)
    };
    let told = refused(&["run", &file, "--rw=randwrite", "--direct=0"]);
    assert!(told.contains("it carries XFS") && told.contains("--destroys "), "{told}");
    let kept = std::fs::read(&file).expect("it is there");
    assert_eq!(&kept[..4], b"XFSB");
    let other = write(&["--destroys=/dev/sda"]);
    assert!(text(&other.stderr).contains("not the target: nothing was touched"));
    assert_eq!(std::fs::read(&file).expect("it is there"), kept);
    printed(&["run", &file, "--rw=randread", "--direct=0", "--number_ios=10"], 0);
    assert_eq!(write(&["--destroys", &file]).status.code(), Some(0));
    let dir = dir.path().to_str().expect("it is text");
    for (target, what) in [
        (dir, "neither a block device nor a regular file"),
        ("/dev/null", "neither a block device nor a regular file"),
        ("/dev/ublkb99999", "there is no such device"),
        ("./nosuch", "with --size it is made"),
        ("media:nosuch", "nosuch"),
    ] {
        let told = refused(&["run", target, "--rw=write", "--direct=0"]);
        assert!(told.contains(what), "{target}: {told}");
    }
}

#[test]
fn a_device_that_is_used_is_refused_where_one_is_here() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let device = mounts.lines().filter_map(|line| line.split(' ').next()).find(|source| {
        use std::os::unix::fs::FileTypeExt;
        let is_block = |meta: std::fs::Metadata| meta.file_type().is_block_device();
        source.starts_with("/dev/") && std::fs::metadata(source).is_ok_and(is_block)
    });
    let Some(device) = device.filter(|device| std::fs::File::open(device).is_ok()) else {
        skipped("no mounted block device can be looked at here");
        return;
    };
    // Named or not, and whatever the engine: the answer comes before anything is opened for writing.
    for more in [&[][..], &["--destroys", device]] {
        let words = ["run", device, "--rw=randwrite", "--number_ios=1", "--ioengine=psync"];
        let told = refused(&[&words[..], more].concat());
        assert!(told.contains("it is in use") && told.contains(" is mounted at "), "{told}");
    }
}

#[test]
fn what_makes_no_sense_is_told_in_one_line() {
    for (words, what) in [
        (&["run", MEDIUM, "--rw=sideways"][..], "known: read, write"),
        (&["run", MEDIUM, "--bs=1000"], "bs 1000"),
        (&["run", MEDIUM, "--iodepth=0"], "iodepth"),
        (&["run", MEDIUM, "--runtime=0"], "runtime 0 measures nothing"),
        (&["run", MEDIUM, "--rate_iops=0"], "no rate"),
        (&["run", MEDIUM, "--numjobs=2"], "virtual time has one worker"),
        (&["run", MEDIUM, "--rw=storm", "--ack-log=x"], "a storm has none"),
        (&["run", "null:", "--verify"], "nothing can be verified"),
        (&["run", "null:", "--offset=1"], "offset 1"),
        (&["run", "null:", "--cpus_allowed=x"], "no list of processors"),
        (&["verify", "x", "--ack-log=./nosuch"], "the ack log cannot be read"),
        (&["compare", "./nosuch", "./nosuch"], "nosuch"),
    ] {
        let told = refused(words);
        assert!(told.contains(what), "{words:?}: {told}");
    }
    assert!(!Path::new("x").exists(), "a log of a job that makes no sense is not begun");
}

/// Runs that a file has, appended as they come.
fn runs(dir: &Path, name: &str, more: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let one = |seed: &str| {
        let words = ["run", MEDIUM, "--rw=randread", "--number_ios=3k", "--json", seed];
        printed(&[&words[..], more].concat(), 0)
    };
    let all: String = ["--randseed=1", "--randseed=2", "--randseed=3"].map(one).concat();
    std::fs::write(&path, all).expect("the directory is ours");
    path
}

#[test]
fn a_comparison_names_a_winner_only_with_a_reason() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [a, b, deeper] = [
        runs(dir.path(), "A", &[]),
        runs(dir.path(), "B", &[]),
        runs(dir.path(), "deeper", &["--iodepth=8"]),
    ]
    .map(|path| path.to_str().expect("it is text").to_owned());
    let same = printed(&["compare", &a, &b, "--aa", &b], 0);
    assert!(
        same.starts_with("3 pairs of runs, A/A over 3; intervals over pairs of runs\n"),
        "{same}"
    );
    let iops = same.lines().find(|line| line.trim_start().starts_with("IOPS")).unwrap_or("");
    assert!(iops.ends_with("no difference shown"), "{same}");
    assert!(refused(&["compare", &a, &deeper]).contains("iodepth 1 and 8"));
    let json = json(&["compare", &a, &b, "--json"]);
    assert_eq!((&json["schema"], &json["runs"]), (&"maprace.load.compare/1".into(), &3.into()));
}

#[test]
fn fios_format_is_json_with_bins() {
    let words = ["run", MEDIUM, "--number_ios=1k", "--format=fio-json+"];
    let json = json(&words);
    assert_eq!(json["jobs"][0]["read"]["total_ios"], 1_000);
    assert!(
        json["jobs"][0]["read"]["lat_ns"]["bins"].as_object().is_some_and(|bins| !bins.is_empty())
    );
}

/// Starts a load on a file that would take an hour, and waits until it has written something.
fn started(file: &str) -> std::process::Child {
    let words =
        ["run", file, "--rw=randwrite", "--size=1M", "--direct=0", "--runtime=1h", "--json"];
    let child = maprace(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program was built");
    while !std::fs::read(file).is_ok_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
        std::thread::yield_now();
    }
    child
}

fn signal(child: &std::process::Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.expect("there is a kill").success());
}

#[test]
fn ctrl_c_prints_the_result_so_far() {
    let (_dir, file) = place("file");
    let child = started(&file);
    signal(&child, "INT");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).ends_with("interrupted: this is the result so far\n"));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!((&json["ended"], &json["lost"]), (&"stopped".into(), &0.into()));
    assert!(json["ios"].as_u64().is_some_and(|ios| ios > 0));
}

#[test]
fn a_load_that_was_killed_leaves_a_target_that_can_be_used() {
    let (_dir, file) = place("file");
    let mut child = started(&file);
    child.kill().expect("it is ours");
    child.wait().expect("it ends");
    let words = ["run", &file, "--rw=randrw", "--direct=0", "--number_ios=200", "--verify"];
    assert!(printed(&words, 0).contains(", 0 wrong\n"));
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    let (_dir, file) = place("file");
    // No file system has room for that.
    let told = refused(&["run", &file, "--rw=write", "--direct=0", "--size=4000000T"]);
    assert!(told.contains("it cannot be made that long"), "{told}");
    assert!(!Path::new(&file).exists(), "what was made for it is taken away");
}
