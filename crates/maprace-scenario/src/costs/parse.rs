//! From the TOML document to a [`CostTable`]: what each key means and what it may be.

use super::{CallCost, CostTable, DefaultCosts, MachineCosts, StepCost, bounds, names};
use crate::error::{Error, ErrorKind};
use crate::format::limits;
use crate::format::read::{Source, Table, Value};
use toml::de::DeTable;

/// Parses the whole text.
pub(super) fn table(origin: &str, text: &str) -> Result<CostTable, Error> {
    let source = Source { origin, text };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(text.len(), |span| span.start);
        source.error(at, ErrorKind::Toml(error))
    })?;
    let root = Table::root(&source, "the table of costs", document.get_ref());
    // First of all: a later format may have keys that this one does not know.
    format(&root)?;
    let keys =
        ["format", "name", "title", "good_for", "source", "machine", "default", "step", "call"];
    root.allow(&keys)?;
    let name = root.require("name", "`name`")?;
    let title = line(&root, "title")?.unwrap_or(name.word()?).to_owned();
    let good_for = required_line(&root.require("good_for", "`good_for`, what it is good for")?)?;
    let common = line(&root, "source")?.unwrap_or_default();
    let machine = machine(&root.require("machine", "[machine]")?.table("[machine]")?, common)?;
    let default = default(&root.require("default", "[default]")?.table("[default]")?, common)?;
    let (mut steps, mut calls): (Vec<StepCost>, Vec<CallCost>) = (Vec::new(), Vec::new());
    for table in tables(&root, "step", "[[step]]")? {
        let (value, step) = step(&table, common)?;
        once(&value, "step", steps.iter().any(|other| other.name == step.name))?;
        steps.push(step);
    }
    for table in tables(&root, "call", "[[call]]")? {
        let (value, call) = call(&table, common)?;
        once(&value, "call", calls.iter().any(|other| other.name == call.name))?;
        calls.push(call);
    }
    Ok(CostTable {
        name: name.word()?.to_owned(),
        title,
        good_for,
        source: common.to_owned(),
        machine,
        default,
        steps,
        calls,
    })
}

fn format(root: &Table<'_>) -> Result<(), Error> {
    let value =
        root.require("format", "`format`: a table of this format starts with format = 1")?;
    match value.whole() {
        Some(1) => Ok(()),
        Some(found) => Err(value.error(ErrorKind::Format { found: found.to_string() })),
        None => Err(value.must_be("1")),
    }
}

fn tables<'d>(root: &Table<'d>, key: &str, name: &'static str) -> Result<Vec<Table<'d>>, Error> {
    root.get(key).map_or_else(|| Ok(Vec::new()), |value| value.tables(name, bounds::ENTRIES))
}

/// The line under a key that need not be there.
fn line<'d>(table: &Table<'d>, key: &str) -> Result<Option<&'d str>, Error> {
    table.get(key).map(|value| value.line(limits::LINE)).transpose()
}

/// A line that says something.
fn required_line(value: &Value<'_>) -> Result<String, Error> {
    match value.line(limits::LINE)? {
        text if text.trim().is_empty() => {
            Err(value.must_be(format!("one line of 1 to {} characters", limits::LINE)))
        }
        text => Ok(text.to_owned()),
    }
}

/// Where the numbers of a table come from: its own `source`, or the one of the whole file.
fn origin(table: &Table<'_>, common: &str) -> Result<String, Error> {
    match table.get("source") {
        Some(value) => required_line(&value),
        None if common.trim().is_empty() => {
            Err(table.lacks("`source`: every number says where it comes from"))
        }
        None => Ok(common.to_owned()),
    }
}

/// A cost in nanoseconds; 0 if the key is not there.
fn ns(table: &Table<'_>, key: &str) -> Result<u64, Error> {
    table.get(key).map_or(Ok(0), |value| value.number(0..=bounds::NS))
}

fn machine(table: &Table<'_>, common: &str) -> Result<MachineCosts, Error> {
    table.allow(&["wake_ns", "slice_ns", "spread", "source"])?;
    let slice = table.require("slice_ns", "`slice_ns`")?;
    let spread = table.get("spread");
    Ok(MachineCosts {
        wake_ns: table.require("wake_ns", "`wake_ns`")?.number(0..=bounds::NS)?,
        slice_ns: slice.number(1..=bounds::NS)?,
        spread_ppm: spread.map_or(Ok(0), |value| value.millionths(0..=bounds::SPREAD_PPM))?,
        source: origin(table, common)?,
    })
}

fn default(table: &Table<'_>, common: &str) -> Result<DefaultCosts, Error> {
    table.allow(&["step_ns", "call_ns", "source"])?;
    Ok(DefaultCosts {
        step_ns: table.require("step_ns", "`step_ns`")?.number(0..=bounds::NS)?,
        call_ns: ns(table, "call_ns")?,
        source: origin(table, common)?,
    })
}

/// The name of a step or a call: one that is known, unless it is said to be a layer's own.
fn name<'d>(
    table: &Table<'d>,
    what: &'static str,
    known: &[&str],
) -> Result<(Value<'d>, String, bool), Error> {
    let value = table.require("name", "`name`")?;
    let own = table.get("own").map_or(Ok(false), |value| value.boolean())?;
    if own {
        let name = required_line(&value)?;
        return Ok((value, name, own));
    }
    let known: Vec<String> = known.iter().map(ToString::to_string).collect();
    let name = value.name(what, &known)?;
    Ok((value, name, own))
}

fn step<'d>(table: &Table<'d>, common: &str) -> Result<(Value<'d>, StepCost), Error> {
    table.allow(&["name", "ns", "per_kib_ns", "own", "source"])?;
    let (value, name, own) = name(table, "step", names::STEPS)?;
    let step = StepCost {
        name,
        ns: table.require("ns", "`ns`")?.number(0..=bounds::NS)?,
        per_kib_ns: ns(table, "per_kib_ns")?,
        own,
        source: origin(table, common)?,
    };
    Ok((value, step))
}

fn call<'d>(table: &Table<'d>, common: &str) -> Result<(Value<'d>, CallCost), Error> {
    table.allow(&["name", "ns", "own", "source"])?;
    let (value, name, own) = name(table, "call", names::CALLS)?;
    let ns = table.require("ns", "`ns`")?.number(0..=bounds::NS)?;
    Ok((value, CallCost { name, ns, own, source: origin(table, common)? }))
}

fn once(value: &Value<'_>, what: &'static str, is_there: bool) -> Result<(), Error> {
    match is_there {
        false => Ok(()),
        true => {
            let name = value.string()?.to_owned();
            Err(value.error(ErrorKind::PricedTwice { what, name }))
        }
    }
}
