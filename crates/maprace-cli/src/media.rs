//! `media`: which media there are, what they cost, and whether their models do what was published.
//!
//! All of it is virtual time: nothing here depends on the machine.

mod args;
pub(crate) mod page;
mod plot;

pub(crate) use args::MediaArgs;

use crate::answer::{Answer, Context, DAMAGE};
use crate::failure::Failure;
use args::MediaCommand;
use maprace_media::check::{Report, check};
use maprace_media::params::{Cache, Direction, Pattern};
use maprace_media::{Alone, Profile};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Does it.
pub(crate) fn run(context: &Context<'_>, args: MediaArgs) -> Result<Answer, Failure> {
    match args.command.unwrap_or(MediaCommand::List { json: false }) {
        MediaCommand::List { json: false } => Ok(said(page::list(&built_in()?))),
        MediaCommand::List { json: true } => {
            let profiles = built_in()?;
            let profiles = profiles.iter().map(Summary::of).collect();
            printed(&List { schema: "maprace.media.list/1", profiles }, 0)
        }
        MediaCommand::Show { profile, json } => show(&Profile::open(&profile)?, json),
        MediaCommand::Check { profiles, all, seed, json } => {
            let profiles = match all {
                true => built_in()?,
                false => {
                    profiles.iter().map(|name| Profile::open(name)).collect::<Result<_, _>>()?
                }
            };
            let reports: Vec<(Profile, Report)> = profiles
                .into_iter()
                .map(|profile| {
                    let profile = seeded(profile, seed);
                    let report = check(&profile);
                    (profile, report)
                })
                .collect();
            checked(context, &reports, json)
        }
        MediaCommand::Plot { profile, seed, out } => {
            plot(&seeded(Profile::open(&profile)?, seed), out.as_deref())
        }
    }
}

/// The profile with the seed that was typed, if one was.
fn seeded(profile: Profile, seed: Option<u64>) -> Profile {
    match seed {
        Some(seed) => profile.with_seed(seed),
        None => profile,
    }
}

fn said(text: String) -> Answer {
    Answer { text, ..Answer::default() }
}

fn printed(value: &impl Serialize, code: u8) -> Result<Answer, Failure> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    Ok(Answer { text, code, ..Answer::default() })
}

fn built_in() -> Result<Vec<Profile>, Failure> {
    let open = |entry: &maprace_media::Entry| Profile::open(entry.name);
    Ok(maprace_media::all().iter().map(open).collect::<Result<_, _>>()?)
}

/// The median of a random 4 KiB request of an idle medium.
fn alone_ns(profile: &Profile, direction: Direction) -> Option<u64> {
    let alone = Alone { direction, pattern: Pattern::Random, len: 4096 };
    alone.quantile_ns(&profile.params, 0.5)
}

/// `list --json`.
#[derive(Serialize)]
struct List<'p> {
    schema: &'static str,
    profiles: Vec<Summary<'p>>,
}

/// A profile in a few figures.
#[derive(Serialize)]
struct Summary<'p> {
    name: &'p str,
    title: &'p str,
    read_4k_p50_ns: Option<u64>,
    write_4k_p50_ns: Option<u64>,
    flush_ns: u64,
    volatile: bool,
}

impl Summary<'_> {
    fn of(profile: &Profile) -> Summary<'_> {
        Summary {
            name: &profile.name,
            title: &profile.title,
            read_4k_p50_ns: alone_ns(profile, Direction::Read),
            write_4k_p50_ns: alone_ns(profile, Direction::Write),
            flush_ns: profile.params.flush.ns,
            volatile: profile.params.flush.cache == Cache::Volatile,
        }
    }
}

/// `show --json`.
#[derive(Serialize)]
struct Shown<'p> {
    schema: &'static str,
    #[serde(flatten)]
    summary: Summary<'p>,
    settings: BTreeMap<&'p str, &'p str>,
}

fn show(profile: &Profile, as_json: bool) -> Result<Answer, Failure> {
    if !as_json {
        return Ok(said(profile.text.clone()));
    }
    let settings = profile.settings.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let settings = settings.collect();
    let schema = "maprace.media.profile/1";
    printed(&Shown { schema, summary: Summary::of(profile), settings }, 0)
}

/// `check --json`.
#[derive(Serialize)]
struct Checked<'r> {
    schema: &'static str,
    ok: bool,
    profiles: Vec<&'r Report>,
}

fn checked(
    context: &Context<'_>,
    reports: &[(Profile, Report)],
    as_json: bool,
) -> Result<Answer, Failure> {
    let is_ok = reports.iter().all(|(_, report)| report.is_ok());
    let code = if is_ok { 0 } else { DAMAGE };
    if as_json {
        let profiles = reports.iter().map(|(_, report)| report).collect();
        let schema = "maprace.media.check/1";
        return printed(&Checked { schema, ok: is_ok, profiles }, code);
    }
    Ok(Answer { text: page::checks(reports, context.paint), code, ..Answer::default() })
}

fn plot(profile: &Profile, out: Option<&Path>) -> Result<Answer, Failure> {
    let svg = plot::svg(profile).map_err(|error| Failure::Plot(error.to_string()))?;
    let Some(path) = out else { return Ok(said(svg)) };
    std::fs::write(path, svg).map_err(|error| Failure::File { path: path.to_owned(), error })?;
    Ok(said(format!("{}\n", path.display())))
}
