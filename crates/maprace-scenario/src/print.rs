//! From a [`Scenario`] back to the text of its file.
//!
//! What a file need not say is left out: settings that are the default, empty lists, a title that is
//! the name. What is printed parses as the same scenario; a property test holds it to that.

use crate::format::{
    Bitmaps, EsStart, Expect, ExpectedVerdict, FileSpec, FsSpec, JournalCredits, Scenario, When,
};
use crate::op::Op;
use crate::range::BlockRange;
use std::fmt::Write;

impl Scenario {
    /// The text of a file that parses as this scenario.
    pub fn to_toml(&self) -> String {
        let mut text = format!("format = 1\nname   = {}\n", string(&self.name));
        if self.title != self.name {
            line(&mut text, "title ", &string(&self.title));
        }
        if !self.source.is_empty() {
            line(&mut text, "source", &string(&self.source));
        }
        text += &fs(&self.fs);
        text += &file(&self.file, self.fs.block);
        for task in &self.tasks {
            text += "\n[[task]]\n";
            line(&mut text, "name", &string(&task.name));
            line(&mut text, "ops ", &ops(&task.ops));
        }
        if !self.after.is_empty() {
            text += "\n[after]\n";
            line(&mut text, "ops", &ops(&self.after));
        }
        self.expect.iter().for_each(|expect| text += &expectation(expect));
        text
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{key} = {value}");
}

/// A basic string of TOML. A scenario's strings are one line each, so nothing else needs an escape.
pub(crate) fn string(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn strings<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let all: Vec<String> = values.into_iter().map(string).collect();
    format!("[{}]", all.join(", "))
}

fn ops(ops: &[Op]) -> String {
    let all: Vec<String> = ops.iter().map(ToString::to_string).collect();
    strings(all.iter().map(String::as_str))
}

/// Lines under a heading, or nothing where there are none.
fn table(heading: &str, entries: &[(&str, Option<String>)]) -> String {
    let given = || entries.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let width = given().map(|(key, _)| key.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (key, value) in given() {
        line(&mut text, &format!("{key:width$}"), value);
    }
    if text.is_empty() { text } else { format!("\n[{heading}]\n{text}") }
}

fn fs(fs: &FsSpec) -> String {
    let usual = FsSpec::default();
    let number = |own: u64, usual: u64| (own != usual).then(|| own.to_string());
    let bitmaps = match fs.bitmaps {
        Bitmaps::Warm => None,
        Bitmaps::Cold => Some(string("cold")),
    };
    let credits = match fs.journal_credits {
        JournalCredits::Enough => None,
        JournalCredits::Number(credits) => Some(credits.to_string()),
    };
    table(
        "fs",
        &[
            ("block", number(fs.block, usual.block)),
            ("folio_blocks", number(fs.folio_blocks, usual.folio_blocks)),
            ("cluster_blocks", number(fs.cluster_blocks, usual.cluster_blocks)),
            ("free_blocks", number(fs.free_blocks, usual.free_blocks)),
            ("delalloc", (fs.delalloc != usual.delalloc).then(|| fs.delalloc.to_string())),
            ("bitmaps", bitmaps),
            ("journal_credits", credits),
        ],
    )
}

fn file(file: &FileSpec, block: u64) -> String {
    let ranges = |all: &[BlockRange]| {
        let all: Vec<String> = all.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| strings(all.iter().map(String::as_str)))
    };
    let whole = file.size.is_multiple_of(block);
    let es = match file.es {
        EsStart::Hole => None,
        EsStart::Cold => Some(string("cold")),
        EsStart::Full => Some(string("full")),
    };
    table(
        "file",
        &[
            ("blocks", whole.then(|| (file.size / block).to_string())),
            ("size", (!whole).then(|| file.size.to_string())),
            ("written", ranges(&file.written)),
            ("unwritten", ranges(&file.unwritten)),
            ("dirty", ranges(&file.dirty)),
            ("prefault", ranges(&file.prefault)),
            ("es", es),
        ],
    )
}

/// One name alone, or a list.
fn names(names: &[String]) -> String {
    match names {
        [one] => string(one),
        all => strings(all.iter().map(String::as_str)),
    }
}

fn expectation(expect: &Expect) -> String {
    let verdict = match expect.verdict {
        ExpectedVerdict::Damaged => "damaged",
        ExpectedVerdict::Safe => "safe",
    };
    let list = |names: &[String]| strings(names.iter().map(String::as_str));
    let mut text = "\n[[expect]]\n".to_owned();
    if expect.when != When::default() {
        line(&mut text, "when", &when(&expect.when));
    }
    line(&mut text, "verdict", &string(verdict));
    if !expect.checkers.is_empty() {
        line(&mut text, "checkers", &list(&expect.checkers));
    }
    if let Some(visible) = &expect.visible {
        line(&mut text, "visible", &list(visible));
    }
    if let Some(first) = &expect.first_broken {
        line(&mut text, "first_broken", &list(first));
    }
    text
}

fn when(when: &When) -> String {
    let mut parts = Vec::new();
    let lists = [("layer", &when.layer), ("protocol", &when.protocol), ("order", &when.order)];
    for (key, list) in lists {
        parts.extend(list.as_ref().map(|list| format!("{key} = {}", names(list))));
    }
    if !when.set.is_empty() {
        let knob = |(knob, values): (&String, &Vec<String>)| format!("{knob} = {}", names(values));
        let knobs: Vec<String> = when.set.iter().map(knob).collect();
        parts.push(format!("set = {{ {} }}", knobs.join(", ")));
    }
    format!("{{ {} }}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{TaskSpec, limits};
    use crate::{OpKind, Range, Vocabulary, catalogue};
    use maprace_fs::{Checker, Order, protocol::PRESETS};
    use proptest::prelude::*;

    fn parsed(text: &str) -> Scenario {
        text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    #[test]
    fn every_built_in_scenario_prints_as_itself() {
        for entry in catalogue::all() {
            let scenario = catalogue::find(entry.name).unwrap();
            assert_eq!(&parsed(&scenario.to_toml()), scenario, "{}", entry.name);
        }
    }

    #[test]
    fn a_printed_scenario_says_only_what_it_must() {
        let text = catalogue::find("stale-map").unwrap().to_toml();
        let (_, text) = text.split_once("\n\n").unwrap();
        assert!(text.starts_with("[file]\nblocks    = 1\nunwritten = [\"0..1\"]\n\n[[task]]\n"));
        assert!(text.contains("\n[after]\nops = [\"read 0..1\"]\n"), "{text}");
        assert!(text.contains("when = { layer = \"ext4\", order = \"iomap\", set = { cookie = "));
    }

    fn block_ranges(blocks: u64) -> BoxedStrategy<Vec<BlockRange>> {
        if blocks == 0 {
            return Just(Vec::new()).boxed();
        }
        let one = (0..blocks, 1..=blocks)
            .prop_map(move |(start, len)| BlockRange { start, end: blocks.min(start + len) });
        prop::collection::vec(one, 0..3).boxed()
    }

    fn op(block: u64) -> impl Strategy<Value = Op> {
        let range = prop_oneof![
            Just(None),
            (0..9u64, 1..9u64).prop_map(|(start, len)| {
                Some(Range::Blocks(BlockRange { start, end: start + len }))
            }),
            (0..9 * block, 1..9 * block)
                .prop_map(|(pos, len)| Some(Range::Bytes(crate::ByteRange { pos, len }))),
        ];
        (prop::sample::select(OpKind::ALL.to_vec()), range, 0..9 * block).prop_map(
            |(kind, range, size)| {
                let kind = match kind {
                    OpKind::Truncate { .. } => OpKind::Truncate { size },
                    OpKind::Evict => OpKind::Fsync,
                    other => other,
                };
                let range = if kind.takes_range() { range } else { None };
                Op { kind, range, fail_at: None }
            },
        )
    }

    fn fs_spec() -> impl Strategy<Value = FsSpec> {
        let number = prop_oneof![
            Just(JournalCredits::Enough),
            (1..=u32::MAX).prop_map(JournalCredits::Number)
        ];
        (4..=16u32, 0..3u32, 0..3u32, 0..=limits::FREE_BLOCKS, any::<bool>(), any::<bool>(), number)
            .prop_map(|(block, folio, cluster, free_blocks, delalloc, cold, journal_credits)| {
                FsSpec {
                    block: 1 << block,
                    folio_blocks: 1 << folio,
                    cluster_blocks: 1 << cluster,
                    free_blocks,
                    delalloc,
                    bitmaps: if cold { Bitmaps::Cold } else { Bitmaps::Warm },
                    journal_credits,
                }
            })
    }

    fn file_spec(block: u64) -> impl Strategy<Value = FileSpec> {
        (0..9 * block).prop_flat_map(move |size| {
            let blocks = size.div_ceil(block);
            let half = blocks / 2;
            let upper = move |ranges: Vec<BlockRange>| {
                let up = |r: BlockRange| BlockRange { start: r.start + half, end: r.end + half };
                ranges.into_iter().map(up).collect::<Vec<_>>()
            };
            let es = prop::sample::select(vec![EsStart::Hole, EsStart::Cold, EsStart::Full]);
            let (low, high) = (block_ranges(half), block_ranges(blocks - half));
            (low, high, block_ranges(blocks), block_ranges(blocks), es).prop_map(
                move |(written, unwritten, dirty, prefault, es)| {
                    let unwritten = upper(unwritten);
                    FileSpec { size, written, unwritten, dirty, prefault, es }
                },
            )
        })
    }

    fn some_of(names: Vec<String>) -> impl Strategy<Value = Option<Vec<String>>> {
        let most = names.len();
        prop::option::of(prop::sample::subsequence(names, 1..=most))
    }

    fn expectations() -> impl Strategy<Value = Expect> {
        let names = Vocabulary::builtin();
        let all: Vec<String> = Checker::ALL.iter().map(|c| c.name().to_owned()).collect();
        let visible = names.visible_names();
        let protocols = PRESETS.iter().map(|p| p.name.to_owned()).collect();
        let orders = Order::ALL.iter().map(|order| order.name().to_owned()).collect();
        let set = some_of(vec!["off".to_owned(), "late".to_owned(), "on".to_owned()]);
        let when = (some_of(protocols), some_of(orders), some_of(names.layers), set);
        let found = (some_of(all.clone()), some_of(visible), some_of(all));
        (when, any::<bool>(), found).prop_map(|(when, damaged, (checkers, visible, first))| {
            let (protocol, order, layer, cookie) = when;
            let set = cookie.into_iter().map(|values| ("cookie".to_owned(), values)).collect();
            let when = When { protocol, order, layer, set };
            match damaged {
                true => Expect {
                    when,
                    verdict: ExpectedVerdict::Damaged,
                    checkers: checkers.unwrap_or_default(),
                    visible,
                    first_broken: first,
                },
                false => Expect {
                    when,
                    verdict: ExpectedVerdict::Safe,
                    checkers: Vec::new(),
                    visible: visible.map(|_| Vec::new()),
                    first_broken: None,
                },
            }
        })
    }

    fn scenarios() -> impl Strategy<Value = Scenario> {
        fs_spec().prop_flat_map(|fs| {
            let tasks = prop::collection::vec(prop::collection::vec(op(fs.block), 1..4), 1..4);
            let after = prop::collection::vec(op(fs.block), 0..3);
            let line = "[ -~\u{e9}\u{3bb}]{0,30}";
            let rest = (tasks, after, prop::collection::vec(expectations(), 0..3));
            ("[a-zA-Z0-9._-]{1,20}", line, line, file_spec(fs.block), rest).prop_map(
                move |(name, title, source, file, (tasks, after, expect))| Scenario {
                    name,
                    title,
                    source,
                    fs: fs.clone(),
                    file,
                    tasks: tasks
                        .into_iter()
                        .enumerate()
                        .map(|(i, ops)| TaskSpec { name: format!("t{i}"), ops })
                        .collect(),
                    after,
                    expect,
                },
            )
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_parses_as_the_same(scenario in scenarios()) {
            prop_assert_eq!(parsed(&scenario.to_toml()), scenario);
        }
    }
}
