//! The built program from outside: `explore --shrink`, `explain` and `hunt`.

use std::path::Path;
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

/// The one line that a command complains with.
fn refused(words: &[&str]) -> String {
    let output = run(words);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{words:?}");
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    error.to_owned()
}

fn json(words: &[&str], code: i32) -> serde_json::Value {
    serde_json::from_str(&printed(words, code)).expect("it is JSON")
}

fn path_of(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

/// The command at the end of an answer, as words; the program's own name left out.
fn replay_words(answer: &str) -> Vec<String> {
    let command = answer.lines().rev().find(|line| line.starts_with("maprace replay "));
    let command = command.unwrap_or_else(|| panic!("no command: {answer}"));
    let (words, schedule) = command.split_once(" --schedule ").expect("it names a schedule");
    let mut words: Vec<String> = words.split(' ').skip(1).map(str::to_owned).collect();
    words.extend(["--schedule".to_owned(), schedule.trim_matches('"').to_owned()]);
    words
}

fn replayed(answer: &str) -> String {
    let words = replay_words(answer);
    printed(&words.iter().map(String::as_str).collect::<Vec<_>>(), 1)
}

#[test]
fn a_large_scenario_is_shrunk_to_a_file_that_shows_the_same_damage() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let large = dir.path().join("large.toml");
    let whole = "format = 1\nname = \"large\"\n[fs]\nbitmaps = \"cold\"\n[file]\nblocks = 3\n\
                 prefault = [\"0..3\"]\n[[task]]\nname = \"reader\"\nops = [\"read\"]\n\
                 [[task]]\nname = \"fault\"\nops = [\"mmap_write 1..2\", \"mmap_read\"]\n\
                 [[task]]\nname = \"fallocate\"\nops = [\"fallocate\"]\n\
                 [after]\nops = [\"fsync\", \"evict\"]\n[[expect]]\nverdict = \"damaged\"\n";
    std::fs::write(&large, whole).expect("the directory is ours");
    let small = dir.path().join("small.toml");
    let words = ["explore", path_of(&large), "--protocol", "v6.8", "--shrink-to", path_of(&small)];
    let answer = printed(&words, 1);
    assert!(answer.contains("\n# dropped: task reader; 1 of 2 operations of fault; "), "{answer}");
    assert!(answer.contains("\nverdict    damaged\n"), "nothing is expected of it: {answer}");
    let kept = std::fs::read_to_string(&small).expect("it was written");
    assert!(answer.starts_with(&kept), "{answer}");
    assert!(kept.contains("blocks = 1\n") && !kept.contains("bitmaps"), "{kept}");
    assert!(replayed(&answer).contains("<< delayed over allocated"), "the command works");
    let again = refused(&words);
    assert!(again.contains("small.toml: it exists: name another, or use --force"), "{again}");
    let minimal = ["explore", path_of(&small), "--protocol", "v6.8", "--shrink"];
    assert!(printed(&minimal, 1).contains("\n# already minimal: the damage needs all of it ("));
    let forced = json(&[&words[..], &["--force", "--json", "--no-timing"]].concat(), 1);
    assert_eq!(forced["shrunk"]["toml"].as_str(), Some(&*kept));
    assert_eq!(
        (&forced["shrunk"]["minimal"], &forced["verdict"]),
        (&true.into(), &"damaged".into())
    );
    let parts = std::fs::read_dir(dir.path()).expect("it is there").count();
    assert_eq!(parts, 2, "no part of a file is left");
}

#[test]
fn what_is_safe_is_not_shrunk() {
    let safe = printed(&["explore", "mkwrite-fallocate", "--shrink", "--no-timing"], 0);
    assert!(safe.starts_with("# not shrunk: there is no damage to keep\n\nmkwrite-fallocate: "));
    let json = json(&["explore", "mkwrite-fallocate", "--shrink", "--json"], 0);
    assert!(json["shrunk"].is_null() && json["verdict"] == "safe");
    assert!(refused(&["explore", "stale-map", "--force"]).contains("--shrink-to"));
}

#[test]
fn an_explanation_shows_locks_what_is_open_and_what_cures_it() {
    let words = ["explain", "mkwrite-fallocate", "--protocol", "v6.8", "--no-timing"];
    let page = printed(&words, 1);
    let has = |line: &str| assert!(page.lines().any(|own| own == line), "{line}: {page}");
    has("fault, alone");
    has(" mmap_write 0..1 (page_mkwrite)");
    has("    ext4_es_lookup_extent: hole     invalidate_lock R, folio_lock 0 W");
    has(" no common lock: extent status, blocks 0..1");
    has("  fault ext4_es_lookup_extent         fallocate ext4_es_insert_extent");
    has("verdict    damaged, as the scenario expects");
    has("cured by   recheck=on");
    has("cured by   insert=one-hold*");
    let locks = "locks that both hold where their order can matter: i_data_sem (";
    assert!(page.contains(locks) && page.is_ascii(), "{page}");
    assert_eq!(printed(&words, 1), page, "the same bytes");
    let safe = printed(&["explain", "mkwrite-fallocate", "--no-timing"], 0);
    let needs = "needs      recheck: damaged with recheck=off*: delayed_not_allocated, ";
    assert!(
        safe.contains("\n   ext4_journal_stop\n") && safe.contains("\n    up_write(i_data_sem)\n")
    );
    assert!(safe.lines().all(|line| line.len() <= 100), "{safe}");
    assert!(safe.contains(needs), "{safe}");
    let json = json(&["explain", "write-fallocate", "--json"], 0);
    assert_eq!(json["schema"], "maprace.explain/1");
    let pair = &json["pairs"][0];
    assert_eq!(
        (&pair["common"][0]["lock"], &pair["open"]),
        (&"i_rwsem".into(), &serde_json::json!([]))
    );
    assert_eq!(json["tasks"][0]["steps"][0]["held"][0]["mode"], "W");
    assert_eq!(json["verdict"]["verdict"], "safe");
    assert!(
        refused(&["explain", "mkwrite-falocate"]).contains("did you mean `mkwrite-fallocate`?")
    );
}

#[test]
fn a_hunt_saves_what_it_finds_and_names_its_source() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let found = dir.path().join("found");
    let words = ["hunt", "--ops", "mmap_write,fallocate", "--protocol", "v6.8", "--blocks", "1"];
    let save = ["--save", path_of(&found), "--no-timing"];
    let page = printed(&[&words[..], &save].concat(), 1);
    assert!(
        page.contains("1. delayed_not_allocated breaks first, both orders, recheck=on cures it")
    );
    assert!(page.contains("\npair       mmap_write x fallocate\n"), "{page}");
    let source = "source     ext4: check the extent status again before inserting delalloc block ";
    assert!(page.contains(source) && page.contains("\ncomplete   every scenario of this size"));
    assert!(replayed(&page).contains("<< delayed over allocated"), "the command works");
    let commands = page.lines().filter(|line| line.starts_with("maprace replay "));
    let orders: Vec<bool> = commands.map(|line| line.contains(" --order iomap ")).collect();
    assert_eq!(orders, [false, true], "one for each order: {page}");
    let mut files: Vec<_> = std::fs::read_dir(&found)
        .expect("it was made")
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 1, "one for both orders: {files:?}");
    let compared = ["compare", path_of(&files[0]), "--protocol", "v6.8", "--order", "buffer_head"];
    assert!(printed(&compared, 0).contains("BAD 1/4"), "it is as the file expects");
    assert!(refused(&[&words[..], &save].concat()).contains("it is not empty"));
    assert_eq!(printed(&[&words[..], &save, &["--force"]].concat(), 1), page, "the same bytes");
    let both = json(&[&words[..], &["--json", "--no-timing"]].concat(), 1);
    let finding = &both["findings"][0];
    assert_eq!(finding["orders"], serde_json::json!(["buffer_head", "iomap"]));
    assert_eq!(
        (&finding["order"], &finding["verdict"]),
        (&"buffer_head".into(), &finding["verdicts"][0])
    );
    assert_eq!(finding["verdicts"][1]["order"], "iomap");
    let shown = printed(&[&words[..], &["--order", "iomap"]].concat(), 1);
    assert!(
        shown
            .contains("scenario   save it as ./hunt-1-mmap_write-fallocate.toml\n    format = 1\n")
    );
}

#[test]
fn a_hunt_that_finds_nothing_says_whether_that_is_all() {
    let words = ["hunt", "--ops", "mmap_write,fallocate,write", "--set", "cookie=on", "--json"];
    let all = json(&[&words[..], &["--no-timing"]].concat(), 0);
    assert_eq!((&all["schema"], &all["complete"]), (&"maprace.hunt/1".into(), &true.into()));
    assert_eq!((&all["pairs"], &all["cookies"]), (&6.into(), &serde_json::json!(["on"])));
    assert!(all["findings"].as_array().is_some_and(Vec::is_empty) && all["machine"].is_null());
    let part = json(&[&words[..], &["--budget", "50"]].concat(), 3);
    assert!(part["complete"] == false && part["left"].as_u64().is_some_and(|left| left > 0));
    let error = refused(&["hunt", "--ops", "write,evict"]);
    assert!(error.contains("unknown operation of a hunt `evict`: known are write, "), "{error}");
    assert!(refused(&["hunt", "--blocks", "4"]).contains("4 is not in 1..=3"));
}
