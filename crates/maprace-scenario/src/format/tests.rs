//! Tests of the scenario file: the example of the documentation, every error's line, hostile bytes.

use super::*;
use crate::op::OpKind;
use crate::{Error, Range};
use proptest::prelude::*;

/// The example of the design, which uses every key.
const EXAMPLE: &str = r#"format = 1
name   = "mkwrite-fallocate"
title  = "page_mkwrite against fallocate over a cached hole"
source = "ext4: check the extent status again before inserting delalloc block (0ea6560abb3b)"

[fs]                        # all optional; the defaults are shown
block = 4096                # bytes, a power of two from 16
folio_blocks = 1            # blocks of one folio
cluster_blocks = 1          # bigalloc
free_blocks = 1000          # small: ENOSPC, nonda switch
delalloc = true
bitmaps = "warm"
journal_credits = "enough"

[file]
blocks = 2                  # i_size; or size = 6144 in bytes
written = []                # ranges with data on disk
unwritten = []
dirty = []                  # in the cache, not on disk
prefault = ["0..2"]
es = "hole"

[[task]]
name = "fault"
ops  = ["mmap_write 0..1"]
[[task]]
name = "fallocate"
ops  = ["fallocate 0..2"]

[after]
ops = ["fsync", "evict"]

[[expect]]
when = { protocol = ["v5.10", "v6.8"] }
verdict = "damaged"
checkers = ["delayed_not_allocated", "reserved_at_evict"]
[[expect]]
verdict = "safe"
"#;

/// The least that is a scenario; lines 1 to 7.
const LEAST: &str = r#"format = 1
name = "x"
[file]
blocks = 4
[[task]]
name = "t"
ops = ["read"]
"#;

fn parse(text: &str) -> Result<Scenario, Error> {
    Scenario::parse("x.toml", text, &Vocabulary::builtin())
}

/// `LEAST` with a piece replaced must fail with this line.
fn check(from: &str, to: &str, want: &str) {
    assert!(LEAST.contains(from), "{from:?}");
    let text = LEAST.replacen(from, to, 1);
    assert_eq!(parse(&text).unwrap_err().to_string(), want, "{text}");
}

/// `LEAST` with more lines, from line 8, must fail with this line.
fn check_more(more: &str, want: &str) {
    let text = format!("{LEAST}{more}\n");
    assert_eq!(parse(&text).unwrap_err().to_string(), want, "{text}");
}

#[test]
fn the_example_of_the_design_is_read_whole() {
    let scenario = parse(EXAMPLE).unwrap();
    assert_eq!(scenario.fs, FsSpec::default());
    assert_eq!(scenario.file.size, 8192);
    assert_eq!(scenario.file.prefault, [BlockRange { start: 0, end: 2 }]);
    assert_eq!(scenario.file.es, EsStart::Hole);
    let names: Vec<&str> = scenario.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["fault", "fallocate"]);
    let range = Some(Range::Blocks(BlockRange { start: 0, end: 1 }));
    assert_eq!(scenario.tasks[0].ops, [Op { kind: OpKind::MmapWrite, range, fail_at: None }]);
    assert_eq!(
        scenario.after.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["fsync", "evict"]
    );
    assert_eq!(scenario.expect.len(), 2);
    assert_eq!(scenario.expect[0].checkers, ["delayed_not_allocated", "reserved_at_evict"]);
    assert_eq!(scenario.expect[0].visible, None);
    assert_eq!(scenario.expect[1].when, When::default());
}

#[test]
fn what_is_left_out_has_its_default() {
    let scenario = parse(LEAST).unwrap();
    assert_eq!((scenario.title.as_str(), scenario.source.as_str()), ("x", ""));
    assert_eq!(scenario.fs, FsSpec::default());
    assert!(scenario.after.is_empty() && scenario.expect.is_empty());
    assert!(scenario.file.dirty.is_empty());
    assert_eq!(LEAST.parse::<Scenario>().unwrap(), scenario);
}

#[test]
fn every_key_is_heard() {
    let fs = "[fs]\nblock = 0x10\nfolio_blocks = 4\ncluster_blocks = 16\nfree_blocks = 0\n\
              delalloc = false\nbitmaps = \"cold\"\njournal_credits = 3\n[file]\nsize = 17\n\
              written = [\"0..1\"]\nunwritten = [\"1..2\"]\ndirty = [\"0..2\"]\nes = \"full\"";
    let scenario = parse(&LEAST.replace("[file]\nblocks = 4", fs)).unwrap();
    let want = FsSpec {
        block: 16,
        folio_blocks: 4,
        cluster_blocks: 16,
        free_blocks: 0,
        delalloc: false,
        bitmaps: Bitmaps::Cold,
        journal_credits: JournalCredits::Number(3),
    };
    assert_eq!(scenario.fs, want);
    assert_eq!((scenario.file.size, scenario.file.blocks(16)), (17, 2));
    assert_eq!(scenario.file.dirty, [BlockRange { start: 0, end: 2 }]);
    assert_eq!(scenario.file.es, EsStart::Full);
}

#[test]
fn a_file_that_is_no_scenario_says_so() {
    let no_format =
        "the scenario has no `format`: a scenario of this format starts with format = 1";
    assert_eq!(parse("").unwrap_err().to_string(), format!("x.toml: {no_format}"));
    check(
        "format = 1",
        "format = 2\nnew = 1",
        "x.toml:1:10: format 2 is not known: this maprace reads format 1",
    );
    check("format = 1", "format = \"1\"", "x.toml:1:10: `format` must be 1, found `1`");
    check("name = \"x\"\n", "", "x.toml: the scenario has no `name`");
    check("[[task]]\nname = \"t\"\nops = [\"read\"]\n", "", "x.toml: the scenario has no [[task]]");
    check("[file]\nblocks = 4\n", "", "x.toml: the scenario has no [file]");
    check("[file]", "[file", "x.toml:3:6: not valid TOML: unclosed table, expected `]`");
    check("name = \"x\"", "file = 1\nname = \"x\"", "x.toml:4:2: not valid TOML: duplicate key");
    check("[file]\nblocks = 4", "file = 4", "x.toml:3:8: `file` must be a table, [file], found 4");
    check(
        "[[task]]",
        "[task]",
        "x.toml:5:1: `task` must be a list of tables, [[task]], found a table",
    );
    check(
        "\"x\"",
        "\"a b\"",
        "x.toml:2:8: `name` must be 1 to 64 letters, digits, `.`, `-` or `_`, found `a b`",
    );
    check(
        "name = \"x\"",
        "name = \"x\"\ntitle = \"a\\nb\"",
        "x.toml:3:9: `title` must be one line of at most 400 characters, found `a\\nb`",
    );
}

#[test]
fn an_unknown_key_gets_the_known_ones() {
    check_more(
        "[[expects]]",
        "x.toml:8:3: unknown key in the scenario `expects`: known are format, name, title, source, \
         fs, file, task, after, expect; did you mean `expect`?",
    );
    check_more(
        "[fs]\nblok = 4096",
        "x.toml:9:1: unknown key in [fs] `blok`: known are block, folio_blocks, cluster_blocks, \
         free_blocks, delalloc, bitmaps, journal_credits; did you mean `block`?",
    );
    check(
        "blocks = 4",
        "blocks = 4\nextents = []",
        "x.toml:5:1: unknown key in [file] `extents`: known are blocks, size, written, unwritten, \
         dirty, prefault, es",
    );
    check(
        "ops =",
        "op =",
        "x.toml:7:1: unknown key in [[task]] `op`: known are name, ops; did you mean `ops`?",
    );
    check_more(
        "[[expect]]\nverdict = \"safe\"\nwhen = { protocl = \"v6.8\" }",
        "x.toml:10:10: unknown key in `when` `protocl`: known are protocol, order, layer, set; did \
         you mean `protocol`?",
    );
}

#[test]
fn numbers_have_their_units_and_bounds() {
    for (line, found) in [("block = 100", "100"), ("block = 8", "8"), ("block = 131072", "131072")]
    {
        let want =
            format!("x.toml:9:9: `block` must be a power of two from 16 to 65536, found {found}");
        check_more(&format!("[fs]\n{line}"), &want);
    }
    check_more(
        "[fs]\nfree_blocks = -1",
        "x.toml:9:15: `free_blocks` must be a number from 0 to 1048576, found -1",
    );
    check_more(
        "[fs]\nfree_blocks = 1.5",
        "x.toml:9:15: `free_blocks` must be a number from 0 to 1048576, found a fraction",
    );
    check_more("[fs]\ndelalloc = 1", "x.toml:9:12: `delalloc` must be true or false, found 1");
    check_more(
        "[fs]\nbitmaps = \"hot\"",
        "x.toml:9:11: `bitmaps` must be \"warm\" or \"cold\", found `hot`",
    );
    check_more(
        "[fs]\njournal_credits = \"few\"",
        "x.toml:9:19: `journal_credits` must be \"enough\" or a number of credits, found `few`",
    );
    check_more(
        "[fs]\njournal_credits = 0",
        "x.toml:9:19: `journal_credits` must be a number from 1 to 4294967295, found 0",
    );
    check("= 4", "= 65537", "x.toml:4:10: `blocks` must be a number from 0 to 65536, found 65537");
    check(
        "blocks = 4",
        "size = 99999999999999999999",
        "x.toml:4:8: `size` must be a number from 0 to 268435456, found 99999999999999999999",
    );
    check(
        "blocks = 4",
        "blocks = 4\nsize = 1",
        "x.toml:5:8: `blocks` and `size` both give the size of the file: keep one",
    );
    check("blocks = 4\n", "", "x.toml:3:1: [file] has no `blocks` and no `size`: give one of them");
}

#[test]
fn the_initial_state_must_fit_the_file() {
    let check = |line: &str, want: &str| check("blocks = 4", &format!("blocks = 4\n{line}"), want);
    check(
        "dirty = [\"0..2\", \"3..5\"]",
        "x.toml:5:18: `dirty`: 3..5 lies outside the file, which has 4 blocks",
    );
    check(
        "written = [\"0-2\"]",
        "x.toml:5:12: `written`: `0-2` is not a range: write a..b in blocks or len@pos in bytes",
    );
    check(
        "written = [\"1@2\"]",
        "x.toml:5:12: `written`: `1@2` must be a range of blocks, written a..b",
    );
    check("written = \"0..1\"", "x.toml:5:11: `written` must be a list, found `0..1`");
    check("written = [1]", "x.toml:5:12: `written` must be a string, found 1");
    check(
        "unwritten = [\"0..1\", \"1..3\"]\nwritten = [\"2..4\"]",
        "x.toml:5:22: `unwritten`: 1..3 is `written` too, and a block is one of the two",
    );
    check(
        "es = \"warm\"",
        "x.toml:5:6: `es` must be \"hole\" or \"cold\" or \"full\", found `warm`",
    );
}

#[test]
fn tasks_have_names_of_their_own() {
    let bad = |name: &str| {
        format!(
            "x.toml:6:8: `name` must be a small letter, then small letters, digits, `-` or `_`, at most \
         64, found `{name}`"
        )
    };
    for name in ["", "Fault", "1st", "a b", "a.b"] {
        check("\"t\"", &format!("\"{name}\""), &bad(name));
    }
    for name in ["after", "io_end", "io_end2"] {
        let want = format!(
            "x.toml:6:8: `name` must be a name other than `after` and `io_end...`, which are taken, \
             found `{name}`"
        );
        check("\"t\"", &format!("\"{name}\""), &want);
    }
    check_more(
        "[[task]]\nname = \"t\"\nops = [\"read\"]",
        "x.toml:9:8: two tasks are named `t`: names must differ",
    );
    check("ops = [\"read\"]\n", "", "x.toml:5:1: [[task]] has no `ops`");
    check(
        "[\"read\"]",
        "[]",
        "x.toml:7:7: `ops` must be a list of at least one operation, found a list",
    );
    check(
        "[[task]]\nname = \"t\"\nops = [\"read\"]\n",
        "task = []\n",
        "x.toml:5:1: unknown key in [file] `task`: known are blocks, size, written, unwritten, dirty, prefault, es",
    );
    let ops = format!("[{}]", "\"read\",".repeat(65));
    check("[\"read\"]", &ops, "x.toml:7:7: operations: at most 64 are allowed");
    let mut more = String::new();
    for task in 0..8 {
        more += &format!("[[task]]\nname = \"t{task}\"\nops = [\"read\"]\n");
    }
    check_more(&more, "x.toml:5:1: [[task]]: at most 8 are allowed");
}

#[test]
fn an_operation_is_reported_at_its_word() {
    check(
        "[\"read\"]",
        "[\n  \"read\",\n  \"punch_hole 0..x\",\n]",
        "x.toml:9:15: `0..x` is not a range: write a..b in blocks or len@pos in bytes",
    );
    check(
        "[\"read\"]",
        "[\"read\", \"fallocat 0..2\"]",
        "x.toml:7:17: unknown operation `fallocat`: known are write, read, mmap_write, mmap_read, \
         dio_write, fallocate, zero_range, punch_hole, collapse_range, insert_range, writeback, \
         reclaim, shrink_es, fiemap, truncate, fsync, commit, evict; did you mean `fallocate`?",
    );
    // Escapes move the word: the string is named instead.
    check(
        "[\"read\"]",
        "[\"\\u0072ead x\"]",
        "x.toml:7:8: `x` is not a range: write a..b in blocks or len@pos in bytes",
    );
    check(
        "[\"read\"]",
        "[\"evict\"]",
        "x.toml:7:8: `evict` belongs to [after]: a file in use cannot leave memory",
    );
    check(
        "[\"read\"]",
        "[\"read 1@268435456\"]",
        "x.toml:7:8: range `1@268435456` reaches past block 65536, the limit",
    );
    check(
        "[\"read\"]",
        "[\"truncate 268435457\"]",
        "x.toml:7:8: `truncate` to 268435457 bytes goes past 268435456 bytes, the limit of such blocks",
    );
    check(
        "[\"read\"]",
        "[\"write 0..2 fail@2\"]",
        "x.toml:7:8: fail@2 lies outside what `write 0..2` writes",
    );
    check(
        "[\"read\"]",
        "[\"write fail@4\"]",
        "x.toml:7:8: fail@4 lies outside what `write` writes",
    );
    check("[\"read\"]", "[7]", "x.toml:7:8: `ops` must be a string, found 7");
    check_more(
        "[after]\nops = [\"evct\"]",
        "x.toml:9:9: unknown operation `evct`: known are write, read, mmap_write, mmap_read, dio_write, fallocate, zero_range, punch_hole, collapse_range, insert_range, writeback, reclaim, shrink_es, fiemap, truncate, fsync, commit, evict; did you mean `evict`?",
    );
}

#[test]
fn an_expectation_uses_known_names() {
    let check = |lines: &str, want: &str| check_more(&format!("[[expect]]\n{lines}"), want);
    check("", "x.toml:8:1: [[expect]] has no `verdict`");
    check(
        "verdict = \"bad\"",
        "x.toml:9:11: `verdict` must be \"damaged\" or \"safe\", found `bad`",
    );
    check(
        "verdict = \"safe\"\nwhen = { order = \"iomp\" }",
        "x.toml:10:18: unknown order `iomp`: known are buffer_head, iomap; did you mean `iomap`?",
    );
    check(
        "verdict = \"safe\"\nwhen = { layer = [\"xfs\"] }",
        "x.toml:10:19: unknown layer `xfs`: known is ext4",
    );
    check(
        "verdict = \"safe\"\nwhen = { set = { cookie = [\"off\", \"later\"] } }",
        "x.toml:10:35: unknown value `later`: known are off, late, on; did you mean `late`?",
    );
    check(
        "verdict = \"safe\"\nwhen = { protocol = [] }",
        "x.toml:10:21: `protocol` must be at least one name, found a list",
    );
    check(
        "verdict = \"safe\"\ncheckers = [\"data\"]",
        "x.toml:10:12: `checkers` goes with verdict = \"damaged\", and this expectation is safe",
    );
    let unknown =
        |lines: &str| parse(&format!("{LEAST}[[expect]]\n{lines}\n")).unwrap_err().to_string();
    let protocol = unknown("verdict = \"safe\"\nwhen = { protocol = \"v6.9\" }");
    assert!(
        protocol.starts_with("x.toml:10:21: unknown protocol `v6.9`: known are v5.10, v6.8, v6.11")
    );
    let knob = unknown("verdict = \"safe\"\nwhen = { set = { cooky = \"on\" } }");
    assert!(knob.starts_with("x.toml:10:18: unknown knob `cooky`: known are accounting, cookie, "));
    let visible = unknown("verdict = \"damaged\"\nvisible = [\"delayed_not_allocated\"]");
    assert!(visible.starts_with(
        "x.toml:10:12: unknown kernel-visible checker `delayed_not_allocated`: known are "
    ));
}

#[test]
fn the_first_expectation_that_matches_speaks() {
    let text = format!(
        "{LEAST}[[expect]]\nwhen = {{ protocol = [\"v6.8\", \"v6.12\"], order = \"iomap\" }}\n\
         verdict = \"damaged\"\nvisible = []\n[[expect]]\nwhen = {{ protocol = \"v6.12\", set = \
         {{ recheck = \"off\" }} }}\nverdict = \"damaged\"\n[[expect]]\nwhen = {{ layer = \"ext4\" \
         }}\nverdict = \"safe\"\n"
    );
    let scenario = parse(&text).unwrap();
    let config = |protocol: &str, order: &str, moved: bool| ConfigNames {
        layer: "ext4".to_owned(),
        protocol: protocol.to_owned(),
        order: order.to_owned(),
        knobs: [("recheck".to_owned(), if moved { "off" } else { "on" }.to_owned())].into(),
        moved: moved.then(|| "recheck".to_owned()).into_iter().collect(),
    };
    let index = |config: &ConfigNames| {
        let found = scenario.expected(config)?;
        scenario.expect.iter().position(|expect| std::ptr::eq(expect, found))
    };
    assert_eq!(index(&config("v6.12", "iomap", false)), Some(0));
    assert_eq!(index(&config("v6.12", "iomap", true)), Some(1));
    assert_eq!(index(&config("v6.12", "buffer_head", true)), Some(1));
    assert_eq!(index(&config("v6.12", "buffer_head", false)), Some(2));
    assert_eq!(index(&config("v6.8", "iomap", true)), Some(2));
    assert_eq!(index(&ConfigNames { layer: "mine".into(), ..config("v6.8", "x", false) }), None);
    // Presets are ext4's: the first expectation says nothing of another layer.
    assert_eq!(
        index(&ConfigNames { layer: "mine".into(), ..config("v6.12", "iomap", false) }),
        None
    );
    assert_eq!(scenario.expect[0].visible, Some(Vec::new()));
}

#[test]
fn a_scenario_is_opened_by_name_or_path() {
    let names = Vocabulary::builtin();
    assert_eq!(Scenario::open("stale-map", &names).unwrap().name, "stale-map");
    let path = format!("{}/catalogue/stale-map.toml", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(
        Scenario::open(&path, &names).unwrap(),
        Scenario::open("stale-map", &names).unwrap()
    );
    let missing = Scenario::open("./missing", &names).unwrap_err().to_string();
    assert_eq!(missing, "./missing: cannot read it: No such file or directory (os error 2)");
    let folder = Scenario::open(".//", &names).unwrap_err().to_string();
    assert_eq!(folder, ".//: cannot read it: Is a directory (os error 21)");
    let endless = Scenario::open("/dev/zero", &names).unwrap_err().to_string();
    assert_eq!(endless, "/dev/zero: longer than 1048576 bytes, the limit");
}

#[test]
fn bytes_that_are_no_text_are_told_where() {
    let names = Vocabulary::builtin();
    let error = Scenario::parse_bytes("a\nb", b"format = 1\n\xff", &names).unwrap_err();
    assert_eq!(error.to_string(), "a\\nb:2:1: not UTF-8 text");
    assert_eq!(error.position(), Some(crate::Position { line: 2, column: 1 }));
    assert_eq!(error.origin(), "a\nb");
    assert!(matches!(error.kind(), ErrorKind::NotUtf8));
}

/// Texts within the limit that would hurt a parser that recurses or compares everything.
#[test]
fn hostile_texts_cost_little() {
    let third = limits::TEXT / 3;
    for text in [
        "a.".repeat(limits::TEXT / 2 - 4) + "a = 1",
        format!("[{}a]", "a.".repeat(limits::TEXT / 2 - 4)),
        format!("a = {}", "[".repeat(limits::TEXT - 4)),
        format!("a = {}", "{a=".repeat(third - 4)),
        "[[a]]\n".repeat(limits::TEXT / 6),
        (0..60_000).map(|n| format!("k{n} = {n}\n")).collect(),
        LEAST.replace("\"read\"", &"\"read\",".repeat(100_000)),
        LEAST.replace("read", &"read ".repeat(200_000)),
        LEAST.replace("read", &"r".repeat(1_000_000)),
        "\n".repeat(limits::TEXT),
        "x".repeat(limits::TEXT + 1),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.len() < 1000 && !error.contains('\n'), "{error}");
    }
}

fn survives(bytes: &[u8]) {
    if let Err(error) = Scenario::parse_bytes("x.toml", bytes, &Vocabulary::builtin()) {
        let error = error.to_string();
        assert!(!error.contains('\n') && !error.ends_with('.'), "{error:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn no_change_of_a_good_file_is_too_strange(
        changes in proptest::collection::vec((0..EXAMPLE.len(), 0_usize..12, "[ -~\n\u{e9}]{0,6}"), 1..5)
    ) {
        let mut bytes = EXAMPLE.as_bytes().to_vec();
        for (at, cut, put) in changes {
            let at = at.min(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, put.into_bytes());
        }
        survives(&bytes);
    }

    #[test]
    fn no_value_in_a_good_file_is_too_strange(
        line in 0..EXAMPLE.lines().count(),
        value in "(-?[0-9]{1,22}|\"[a-z0-9.@* ]{0,12}\"|\\[\"[0-9]{1,6}\\.\\.[0-9]{1,6}\"\\]|\\{\\}|true|inf|1979-05-27)"
    ) {
        let change = |(number, text): (usize, &str)| match text.split_once('=') {
            Some((key, _)) if number == line => format!("{key}= {value}\n"),
            _ => format!("{text}\n"),
        };
        let text: String = EXAMPLE.lines().enumerate().map(change).collect();
        survives(text.as_bytes());
    }
}
