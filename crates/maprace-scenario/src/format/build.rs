//! From the TOML document to a [`Scenario`]: what each key means and what it may be.

use super::read::{Source, Table, Value};
use super::{
    Bitmaps, EsStart, Expect, ExpectedVerdict, FileSpec, FsSpec, JournalCredits, Scenario,
    TaskSpec, When, limits,
};
use crate::error::{Error, ErrorKind};
use crate::op::{Op, OpErrorKind, OpKind};
use crate::range::{BlockRange, Range};
use crate::vocabulary::Vocabulary;
use std::collections::BTreeMap;
use toml::de::DeTable;

/// Parses the whole text.
pub(super) fn scenario(origin: &str, text: &str, names: &Vocabulary) -> Result<Scenario, Error> {
    let source = Source { origin, text };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        source.error(at, ErrorKind::Toml(error))
    })?;
    let root = Table::root(&source, "the scenario", document.get_ref());
    // First of all: a later format may have keys that this one does not know.
    format(&root)?;
    root.allow(&["format", "name", "title", "source", "fs", "file", "task", "after", "expect"])?;
    let name = root.require("name", "`name`")?.word()?.to_owned();
    let line = |key: &str| root.get(key).map(|value| value.line(limits::LINE)).transpose();
    let title = line("title")?.unwrap_or(&name).to_owned();
    let source_line = line("source")?.unwrap_or_default().to_owned();
    let fs = match root.get("fs") {
        Some(value) => fs(&value.table("[fs]")?)?,
        None => FsSpec::default(),
    };
    let file = file(&root.require("file", "[file]")?.table("[file]")?, &fs)?;
    let tasks = tasks(&root, &fs, &file)?;
    let after = match root.get("after") {
        Some(value) => after(&value.table("[after]")?, &fs, &file)?,
        None => Vec::new(),
    };
    let expect = match root.get("expect") {
        Some(value) => value.tables("[[expect]]", limits::EXPECTATIONS)?,
        None => Vec::new(),
    };
    let expect = expect.iter().map(|table| expectation(table, names)).collect::<Result<_, _>>()?;
    Ok(Scenario { name, title, source: source_line, fs, file, tasks, after, expect })
}

fn format(root: &Table<'_>) -> Result<(), Error> {
    let value =
        root.require("format", "`format`: a scenario of this format starts with format = 1")?;
    match value.whole() {
        Some(1) => Ok(()),
        Some(found) => Err(value.error(ErrorKind::Format { found: found.to_string() })),
        None => Err(value.must_be("1")),
    }
}

fn fs(table: &Table<'_>) -> Result<FsSpec, Error> {
    table.allow(&[
        "block",
        "folio_blocks",
        "cluster_blocks",
        "free_blocks",
        "delalloc",
        "bitmaps",
        "journal_credits",
    ])?;
    let mut fs = FsSpec::default();
    if let Some(value) = table.get("block") {
        fs.block = value.power_of_two(limits::BLOCK_MIN..=limits::BLOCK_MAX)?;
    }
    if let Some(value) = table.get("folio_blocks") {
        fs.folio_blocks = value.power_of_two(1..=limits::BLOCKS)?;
    }
    if let Some(value) = table.get("cluster_blocks") {
        fs.cluster_blocks = value.power_of_two(1..=limits::BLOCKS)?;
    }
    if let Some(value) = table.get("free_blocks") {
        fs.free_blocks = value.number(0..=limits::FREE_BLOCKS)?;
    }
    if let Some(value) = table.get("delalloc") {
        fs.delalloc = value.boolean()?;
    }
    if let Some(value) = table.get("bitmaps") {
        fs.bitmaps = value.choice(&[("warm", Bitmaps::Warm), ("cold", Bitmaps::Cold)])?;
    }
    if let Some(value) = table.get("journal_credits") {
        fs.journal_credits = journal_credits(&value)?;
    }
    Ok(fs)
}

fn journal_credits(value: &Value<'_>) -> Result<JournalCredits, Error> {
    if !value.is_number() {
        let choices = [("enough", JournalCredits::Enough)];
        let other = |_| value.must_be("\"enough\" or a number of credits");
        return value.choice(&choices).map_err(other);
    }
    let number = value.number(1..=u64::from(u32::MAX))?;
    Ok(JournalCredits::Number(u32::try_from(number).expect("checked against u32::MAX above")))
}

fn file(table: &Table<'_>, fs: &FsSpec) -> Result<FileSpec, Error> {
    table.allow(&["blocks", "size", "written", "unwritten", "dirty", "prefault", "es"])?;
    let size = size(table, fs)?;
    let blocks = size.div_ceil(fs.block);
    let [written, unwritten, dirty, prefault] =
        ["written", "unwritten", "dirty", "prefault"].map(|key| file_ranges(table, key, blocks));
    let (written, unwritten) = (written?, unwritten?);
    for (value, range) in &unwritten {
        if written.iter().any(|(_, written)| written.overlaps(range)) {
            return Err(value.error(ErrorKind::WrittenTwice { range: *range }));
        }
    }
    let choices = [("hole", EsStart::Hole), ("cold", EsStart::Cold), ("full", EsStart::Full)];
    let es = table.get("es").map(|value| value.choice(&choices)).transpose()?;
    let plain = |ranges: Vec<(Value<'_>, BlockRange)>| ranges.iter().map(|(_, r)| *r).collect();
    Ok(FileSpec {
        size,
        written: plain(written),
        unwritten: plain(unwritten),
        dirty: plain(dirty?),
        prefault: plain(prefault?),
        es: es.unwrap_or_default(),
    })
}

/// `i_size` in bytes, from `blocks` or `size`.
fn size(table: &Table<'_>, fs: &FsSpec) -> Result<u64, Error> {
    match (table.get("blocks"), table.get("size")) {
        (Some(blocks), None) => Ok(blocks.number(0..=limits::BLOCKS)? * fs.block),
        (None, Some(size)) => size.number(0..=limits::BLOCKS * fs.block),
        (Some(_), Some(size)) => Err(size.error(ErrorKind::TwoSizes)),
        (None, None) => Err(table.lacks("`blocks` and no `size`: give one of them")),
    }
}

fn file_ranges<'d>(
    table: &Table<'d>,
    key: &'static str,
    blocks: u64,
) -> Result<Vec<(Value<'d>, BlockRange)>, Error> {
    let Some(list) = table.get(key) else { return Ok(Vec::new()) };
    let range = |value: &Value<'d>| {
        let parsed = value.string()?.parse::<BlockRange>();
        let range = parsed.map_err(|error| value.error(ErrorKind::FileRange { key, error }))?;
        if range.end > blocks {
            return Err(value.error(ErrorKind::OutsideFile { key, range, blocks }));
        }
        Ok((*value, range))
    };
    list.list("ranges", limits::RANGES)?.iter().map(range).collect()
}

fn tasks(root: &Table<'_>, fs: &FsSpec, file: &FileSpec) -> Result<Vec<TaskSpec>, Error> {
    let list = root.require("task", "[[task]]")?.tables("[[task]]", limits::TASKS)?;
    let mut tasks: Vec<TaskSpec> = Vec::new();
    for table in &list {
        table.allow(&["name", "ops"])?;
        let value = table.require("name", "`name`")?;
        let name = task_name(&value)?;
        if tasks.iter().any(|task| task.name == name) {
            return Err(value.error(ErrorKind::SameTask { name }));
        }
        let list = table.require("ops", "`ops`")?;
        let ops = ops(&list, fs, file)?;
        if ops.is_empty() {
            return Err(list.must_be("a list of at least one operation"));
        }
        if let Some((value, _)) = ops.iter().find(|(_, op)| op.kind == OpKind::Evict) {
            return Err(value.error(ErrorKind::EvictInTask));
        }
        tasks.push(TaskSpec { name, ops: ops.into_iter().map(|(_, op)| op).collect() });
    }
    if tasks.is_empty() {
        return Err(root.lacks("[[task]]"));
    }
    Ok(tasks)
}

fn task_name(value: &Value<'_>) -> Result<String, Error> {
    let name = value.string()?;
    if name == "after" || name.starts_with("io_end") {
        return Err(value.must_be("a name other than `after` and `io_end...`, which are taken"));
    }
    if !crate::schedule::is_task_name(name) || name.len() > limits::NAME {
        let must = format!(
            "a small letter, then small letters, digits, `-` or `_`, at most {}",
            limits::NAME
        );
        return Err(value.must_be(must));
    }
    Ok(name.to_owned())
}

fn after(table: &Table<'_>, fs: &FsSpec, file: &FileSpec) -> Result<Vec<Op>, Error> {
    table.allow(&["ops"])?;
    let ops = ops(&table.require("ops", "`ops`")?, fs, file)?;
    Ok(ops.into_iter().map(|(_, op)| op).collect())
}

fn ops<'d>(list: &Value<'d>, fs: &FsSpec, file: &FileSpec) -> Result<Vec<(Value<'d>, Op)>, Error> {
    let operation = |value: &Value<'d>| Ok((*value, op(value, fs, file)?));
    list.list("operations", limits::OPS)?.iter().map(operation).collect()
}

/// One operation, within the limits of a file of such blocks.
fn op(value: &Value<'_>, fs: &FsSpec, file: &FileSpec) -> Result<Op, Error> {
    let op: Op = value
        .string()?
        .parse()
        .map_err(|e: crate::OpError| value.error_inside(e.offset(), ErrorKind::Op(e)))?;
    let error = |kind: OpErrorKind| value.error(ErrorKind::Op(kind.into()));
    let bytes_max = limits::BLOCKS * fs.block;
    if let OpKind::Truncate { size } = op.kind
        && size > bytes_max
    {
        return Err(error(OpErrorKind::SizeTooLarge { size, max: bytes_max }));
    }
    if let Some(range) = op.range
        && range.bytes(fs.block).end() > bytes_max
    {
        let typed = range.to_string();
        return Err(error(crate::RangeError::TooFar { typed }.into()));
    }
    if let Some(block) = op.fail_at {
        let whole = BlockRange { start: 0, end: file.blocks(fs.block) };
        if !op.range.map_or(whole, |range: Range| range.blocks(fs.block)).contains(block) {
            let op = Op { fail_at: None, ..op };
            return Err(error(OpErrorKind::FailOutside { op, block }));
        }
    }
    Ok(op)
}

fn expectation(table: &Table<'_>, names: &Vocabulary) -> Result<Expect, Error> {
    table.allow(&["when", "verdict", "checkers", "visible", "first_broken"])?;
    let verdicts = [("damaged", ExpectedVerdict::Damaged), ("safe", ExpectedVerdict::Safe)];
    let verdict = table.require("verdict", "`verdict`")?.choice(&verdicts)?;
    let (all, visible) = (names.checker_names(), names.visible_names());
    let list = |key: &'static str, what: &'static str, known: &[String]| {
        let Some(value) = table.get(key) else { return Ok(None) };
        let list = value.names(what, known)?;
        if verdict == ExpectedVerdict::Safe && !list.is_empty() {
            return Err(value.error(ErrorKind::SafeWithDamage { key }));
        }
        Ok(Some(list))
    };
    Ok(Expect {
        when: match table.get("when") {
            Some(value) => when(&value.table("`when`")?, names)?,
            None => When::default(),
        },
        verdict,
        checkers: list("checkers", "checker", &all)?.unwrap_or_default(),
        visible: list("visible", "kernel-visible checker", &visible)?,
        first_broken: list("first_broken", "checker", &all)?,
    })
}

fn when(table: &Table<'_>, names: &Vocabulary) -> Result<When, Error> {
    table.allow(&["protocol", "order", "layer", "set"])?;
    let one_of = |key: &'static str, known: &[String]| {
        table.get(key).map(|value| at_least_one(&value, key, known)).transpose()
    };
    let mut set = BTreeMap::new();
    if let Some(value) = table.get("set") {
        let knobs = value.table("`set`")?;
        knobs.allow_only("knob", &names.knobs.keys().cloned().collect::<Vec<_>>())?;
        for value in knobs.values() {
            let known = names.knobs.get(value.key()).map_or(&[][..], Vec::as_slice);
            set.insert(value.key().to_owned(), at_least_one(&value, "value", known)?);
        }
    }
    Ok(When {
        protocol: one_of("protocol", &names.protocols)?,
        order: one_of("order", &names.orders)?,
        layer: one_of("layer", &names.layers)?,
        set,
    })
}

/// A condition that nothing fulfils is a mistake.
fn at_least_one(
    value: &Value<'_>,
    what: &'static str,
    known: &[String],
) -> Result<Vec<String>, Error> {
    let names = value.names(what, known)?;
    if names.is_empty() { Err(value.must_be("at least one name")) } else { Ok(names) }
}
