//! What there is: scenarios, layers, protocols.

use crate::answer::{Answer, Context};
use crate::args::{ScenariosArgs, ScenariosCommand};
use crate::failure::Failure;
use crate::values::newest_release;
use maprace_fs::protocol::PRESETS;
use maprace_scenario::{Scenario, catalogue};

fn said(text: String) -> Answer {
    Answer { text, ..Answer::default() }
}

/// `scenarios`.
pub(crate) fn scenarios(context: &Context<'_>, args: ScenariosArgs) -> Result<Answer, Failure> {
    match args.command.unwrap_or(ScenariosCommand::List) {
        ScenariosCommand::List => list(context),
        ScenariosCommand::Show { name } => {
            catalogue::find(&name)?;
            Ok(said(catalogue::text(&name).unwrap_or_default().to_owned()))
        }
    }
}

fn list(context: &Context<'_>) -> Result<Answer, Failure> {
    let vocabulary = context.layers.vocabulary();
    let width = catalogue::all().iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for entry in catalogue::all() {
        let scenario = Scenario::open(entry.name, &vocabulary)?;
        text += &format!("{:width$}  {}\n", entry.name, scenario.title);
    }
    Ok(said(text))
}

/// `layers`.
pub(crate) fn layers(context: &Context<'_>) -> Answer {
    said(context.layers.names().iter().map(|name| format!("{name}\n")).collect())
}

/// `protocols`.
pub(crate) fn protocols(_: &Context<'_>) -> Answer {
    let newest = newest_release().name;
    let width = PRESETS.iter().map(|preset| preset.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for preset in PRESETS {
        let mark = match preset.name {
            name if name == newest => " (the default)",
            _ if preset.knobs.is_counterfactual() => " (counterfactual: no kernel had it)",
            _ => "",
        };
        text += &format!("{:width$}  {}{mark}\n", preset.name, preset.about);
        let values: Vec<String> =
            preset.knobs.values().iter().map(|(knob, value)| format!("{knob}={value}")).collect();
        for line in values.chunks(4) {
            text += &format!("{:width$}    {}\n", "", line.join(" "));
        }
    }
    said(
        text + "\nA knob is turned with --set KNOB=VALUE. Its values, the weakest first:\n"
            + &knobs(),
    )
}

fn knobs() -> String {
    let names = maprace_fs::Knobs::names();
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let line =
        |knob: &&str| format!("  {knob:width$}  {}\n", crate::values::values_of(knob).join(", "));
    names.iter().map(line).collect()
}
