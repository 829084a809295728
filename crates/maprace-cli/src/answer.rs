//! From a command line to text and an exit code.

use crate::args::{Command, LowArgs, WorldName};
use crate::failure::Failure;
use crate::layers::Layers;
use crate::terminal::Terminal;
use crate::{
    ablate, compare, costs, device, device_world, explain, explore, hunt, lists, load, media, plan,
    replay, shell, shrink, values,
};
use clap::{CommandFactory, FromArgMatches};
use maprace_scenario::Paint;
use std::ffi::OsString;

/// What a command comes to.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// For standard output.
    pub(crate) text: String,
    /// For standard error.
    pub(crate) errors: String,
    /// The exit code.
    pub(crate) code: u8,
}

/// Damage was found, or something that was not expected.
pub(crate) const DAMAGE: u8 = 1;
/// Bad input, or it could not run.
pub(crate) const BAD_INPUT: u8 = 2;
/// No damage was found, and not everything was tried.
pub(crate) const INCOMPLETE: u8 = 3;

/// What every command may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) layers: &'a Layers,
    pub(crate) terminal: &'a Terminal,
    pub(crate) paint: Paint,
    /// Whether little is printed.
    pub(crate) quiet: bool,
    /// Whether progress is shown.
    pub(crate) progress: bool,
}

/// Does what the words say.
pub(crate) fn answer(layers: &Layers, terminal: &Terminal, words: Vec<OsString>) -> Answer {
    let typed = match parse(terminal, words) {
        Ok(typed) => typed,
        Err(error) if !error.use_stderr() => {
            return Answer { text: error.render().to_string(), ..Answer::default() };
        }
        Err(error) => {
            let failure = Failure::Usage(values::usage_line(&error));
            let errors = failure.line(&terminal.program);
            return Answer { errors, code: BAD_INPUT, ..Answer::default() };
        }
    };
    let context = Context {
        layers,
        terminal,
        paint: terminal.paint(typed.global.color),
        quiet: typed.global.quiet,
        progress: terminal.shows_progress(typed.global.progress) && !typed.global.quiet,
    };
    run(&context, typed).unwrap_or_else(|failure| Answer {
        errors: failure.line(&terminal.program),
        code: BAD_INPUT,
        ..Answer::default()
    })
}

/// The command line as clap sees it, under the name that the program has.
pub(crate) fn command(terminal: &Terminal) -> clap::Command {
    LowArgs::command().bin_name(terminal.program.clone())
}

fn parse(terminal: &Terminal, words: Vec<OsString>) -> Result<LowArgs, clap::Error> {
    let color = terminal.color_of_help();
    let matches = command(terminal).color(color).try_get_matches_from(words)?;
    LowArgs::from_arg_matches(&matches)
}

fn run(context: &Context<'_>, typed: LowArgs) -> Result<Answer, Failure> {
    match typed.command {
        None => compare::run(context, &plan::compare_seed(context)?),
        Some(Command::Compare(args)) => compare::run(context, &plan::compare(context, args)?),
        Some(Command::Explore(args)) if args.device.world == WorldName::Device => {
            device_world::explore(context, &plan::explore_on_device(context, args)?)
        }
        Some(Command::Explore(args)) if args.shrink.is_wanted() => {
            shrink::run(context, &shrink::plan(context, args)?)
        }
        Some(Command::Explore(args)) => explore::run(context, &plan::explore(context, args)?),
        Some(Command::Ablate(args)) => ablate::run(context, &plan::ablate(context, args)?),
        Some(Command::Explain(args)) => explain::run(context, &explain::plan(context, args)?),
        Some(Command::Hunt(args)) => hunt::run(context, &hunt::plan(context, args)?),
        Some(Command::Replay(args)) => replay::run(context, &plan::replay(context, args)?),
        Some(Command::Scenarios(args)) => lists::scenarios(context, args),
        Some(Command::Media(args)) => media::run(context, args),
        Some(Command::Costs(args)) => costs::run(context, args),
        Some(Command::Calibrate(args)) => costs::calibrate(context, &args),
        Some(Command::Device(args)) => device::run(context, args),
        Some(Command::Load(args)) => load::run(context, *args),
        Some(Command::Layers) => Ok(lists::layers(context)),
        Some(Command::Protocols) => Ok(lists::protocols(context)),
        Some(Command::Completions { shell }) => Ok(shell::completions(context, shell)),
        Some(Command::Man { dir }) => shell::man(context, dir.as_deref()),
    }
}
