//! `costs`: which tables of costs there are, and what they come to. `calibrate`: one made here.
//!
//! All but `calibrate` is virtual time: nothing here depends on the machine.

mod args;
mod calibrate;
mod page;

pub(crate) use args::{CalibrateArgs, CostsArgs};
pub(crate) use calibrate::calibrate;

use crate::answer::{Answer, Context};
use crate::failure::Failure;
use args::CostsCommand;
use maprace_scenario::CostTable;
use maprace_scenario::costs::{self, CALLS, STEPS, Typical};
use serde::Serialize;

/// Does it.
pub(crate) fn run(_: &Context<'_>, args: CostsArgs) -> Result<Answer, Failure> {
    match args.command.unwrap_or(CostsCommand::List { json: false }) {
        CostsCommand::List { json } => list(json),
        CostsCommand::Show { table, json } => show(&table, json),
        CostsCommand::Check { tables, all, json } => {
            let tables = match all {
                true => built_in()?,
                false => {
                    tables.iter().map(|name| CostTable::open(name)).collect::<Result<_, _>>()?
                }
            };
            check(&tables, json)
        }
    }
}

fn said(text: String) -> Answer {
    Answer { text, ..Answer::default() }
}

fn printed(value: &impl Serialize) -> Result<Answer, Failure> {
    Ok(said(serde_json::to_string_pretty(value)? + "\n"))
}

fn built_in() -> Result<Vec<CostTable>, Failure> {
    let open = |entry: &costs::Entry| CostTable::open(entry.name);
    Ok(costs::all().iter().map(open).collect::<Result<_, _>>()?)
}

/// `list --json`.
#[derive(Serialize)]
struct List<'t> {
    schema: &'static str,
    tables: Vec<Summary<'t>>,
}

/// A table in a few words.
#[derive(Serialize)]
struct Summary<'t> {
    name: &'t str,
    title: &'t str,
    good_for: &'t str,
    /// The one that is used where none is named.
    default: bool,
}

impl Summary<'_> {
    fn of(table: &CostTable) -> Summary<'_> {
        let CostTable { name, title, good_for, .. } = table;
        Summary { name, title, good_for, default: name == costs::DEFAULT }
    }
}

fn list(as_json: bool) -> Result<Answer, Failure> {
    let tables = built_in()?;
    if !as_json {
        return Ok(said(page::list(&tables)));
    }
    let tables = tables.iter().map(Summary::of).collect();
    printed(&List { schema: "maprace.costs.list/1", tables })
}

/// `show --json`.
#[derive(Serialize)]
struct Shown<'t> {
    schema: &'static str,
    #[serde(flatten)]
    table: &'t CostTable,
}

fn show(name: &str, as_json: bool) -> Result<Answer, Failure> {
    let table = CostTable::open(name)?;
    if as_json {
        return printed(&Shown { schema: "maprace.costs.table/1", table: &table });
    }
    // A built-in one as it was written, with what its comments say.
    Ok(said(costs::text(name).map_or_else(|| table.to_toml(), str::to_owned)))
}

/// `check --json`.
#[derive(Serialize)]
struct Checks<'t> {
    schema: &'static str,
    tables: Vec<Checked<'t>>,
}

/// What a table prices, and what that comes to.
#[derive(Serialize)]
struct Checked<'t> {
    name: &'t str,
    good_for: &'t str,
    /// Steps of the model that cost the default.
    steps_by_default: Vec<&'static str>,
    /// Calls of the model that cost the default.
    calls_by_default: Vec<&'static str>,
    /// Steps and calls of layers that are not built in.
    own: Vec<&'t str>,
    typical: Vec<Typical>,
}

impl Checked<'_> {
    fn of(table: &CostTable) -> Checked<'_> {
        let left = |known: &[&'static str], has: &dyn Fn(&str) -> bool| {
            known.iter().copied().filter(|name| !has(name)).collect()
        };
        let steps = table.steps.iter().filter(|step| step.own).map(|step| step.name.as_str());
        let calls = table.calls.iter().filter(|call| call.own).map(|call| call.name.as_str());
        Checked {
            name: &table.name,
            good_for: &table.good_for,
            steps_by_default: left(STEPS, &|name| table.step(name).is_some()),
            calls_by_default: left(CALLS, &|name| table.call(name).is_some()),
            own: steps.chain(calls).collect(),
            typical: table.typical(),
        }
    }
}

fn check(tables: &[CostTable], as_json: bool) -> Result<Answer, Failure> {
    let tables: Vec<Checked<'_>> = tables.iter().map(Checked::of).collect();
    match as_json {
        true => printed(&Checks { schema: "maprace.costs.check/1", tables }),
        false => Ok(said(page::checks(&tables))),
    }
}
