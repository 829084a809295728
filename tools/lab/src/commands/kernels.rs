//! `lab kernels`: the names, what their suites have now, what is in the cache.

use anyhow::Result;
use serde::Serialize;

use crate::End;
use crate::host::Host;
use crate::kernels::{self, Cached, Found, KNOWN, Known};

/// What was typed after `kernels`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask lab kernels\n  \
    cargo xtask lab kernels --fetch --refresh   take what the suites have now\n\n\
    Exit codes: 0; 2 could not ask; 3 the mirror lacks a suite.")]
pub(crate) struct Args {
    /// Download what the cache lacks
    #[arg(long)]
    fetch: bool,
    /// Ask the suites again, even about kernels in the cache
    #[arg(long)]
    refresh: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One row.
#[derive(Debug, Serialize)]
struct Row {
    /// What `--kernel` takes.
    name: &'static str,
    /// The suite.
    suite: &'static str,
    /// The package that was asked for.
    meta: &'static str,
    /// What it is for.
    about: &'static str,
    /// The version of its packages; none if the mirror lacks the suite.
    version: Option<String>,
    /// What `uname -r` says.
    release: Option<String>,
    /// Whether it can be booted without the network.
    cached: bool,
}

/// Prints a row for every name.
pub(crate) fn run(args: &Args, host: &Host) -> Result<End> {
    let rows = KNOWN.iter().map(|known| row(args, host, known)).collect::<Result<Vec<_>>>()?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print_table(&rows);
    }
    let lacks_one = rows.iter().any(|row| row.version.is_none());
    Ok(if lacks_one { End::Skipped } else { End::Passed })
}

fn row(args: &Args, host: &Host, known: &'static Known) -> Result<Row> {
    if args.fetch {
        kernels::fetch(host, known, args.refresh)?;
    }
    // What was fetched has been asked about already.
    let (record, cached) = match kernels::look_up(host, known, args.refresh && !args.fetch)? {
        Found::Kernel(record, cached) => (Some(record), cached == Cached::Yes),
        Found::NoSuite => (None, false),
    };
    let Known { name, suite, meta, about } = *known;
    let version = record.as_ref().map(|record| record.version.clone());
    let release = record.map(|record| record.release);
    Ok(Row { name, suite, meta, about, version, release, cached })
}

fn print_table(rows: &[Row]) {
    for row in rows {
        let what = match (&row.release, &row.version) {
            (Some(release), Some(version)) => format!("{release} in version {version}"),
            _ => format!("skipped: the mirror of this machine has no suite {}", row.suite),
        };
        let state = if row.cached { "cached" } else { "not fetched" };
        println!("{:<19} {state:<12} {} of {}: {what}", row.name, row.meta, row.suite);
        println!("{:<19} {:<12} {}", "", "", row.about);
    }
}
