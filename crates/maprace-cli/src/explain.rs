//! `explain`: what a scenario's tasks hold where, what stands between them, and what protects it.

mod page;

use crate::ablate::removals;
use crate::answer::{Answer, Context, INCOMPLETE};
use crate::args::ExplainArgs;
use crate::explore::code_of;
use crate::failure::Failure;
use crate::plan::{Search, Subject, checked, one_config, subject};
use crate::search::{Bar, search, uncontradicted};
use crate::values::{Setting, turned};
use maprace_scenario::explain::{Explained, explain};
use maprace_scenario::{Config, Judgement, KnobSetting, Verdict, citation, single_turns};

/// What will be explained.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    subject: Subject,
    config: Config,
    how: Search,
}

/// Puts together what was typed.
pub(crate) fn plan(context: &Context<'_>, args: ExplainArgs) -> Result<Planned, Failure> {
    let subject = subject(context, &args.scenario)?;
    let config = one_config(context, &args.config)?;
    checked(&subject.scenario, &config)?;
    Ok(Planned { subject, config, how: args.search.into() })
}

/// One knob turned, and what comes of it.
pub(crate) struct Turn {
    pub(crate) knob: &'static str,
    pub(crate) value: &'static str,
    /// The change of the kernel that brought the protection which is taken away, or would be added.
    pub(crate) source: Option<&'static str>,
    pub(crate) verdict: Verdict,
}

/// Everything that is shown.
pub(crate) struct Shown<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) explained: Explained,
    pub(crate) verdict: Verdict,
    /// Each protection taken away, where the configuration is safe.
    pub(crate) removed: Vec<Turn>,
    /// Each knob turned once, where it is damaged, as far as it is safe then.
    pub(crate) cures: Vec<Turn>,
}

/// Runs, explores, and answers with what is found, or with JSON.
pub(crate) fn run(context: &Context<'_>, planned: &Planned) -> Result<Answer, Failure> {
    let Planned { subject, config, how } = planned;
    let layer = context.layers.get(&config.layer)?;
    let explained = uncontradicted(context, &subject.scenario.name, || {
        explain(layer, &subject.scenario, config)
    })??;
    let bar = Bar::new(context);
    let verdict = search(context, &bar, subject, config, how)?.verdict;
    let with = |setting: Setting| -> Result<Verdict, Failure> {
        let protocol = turned(config.protocol, &[setting]);
        let config = Config { protocol, ..config.clone() };
        Ok(search(context, &bar, subject, &config, how)?.verdict)
    };
    let (mut removed, mut cures, mut any_open) = (Vec::new(), Vec::new(), false);
    match verdict.verdict {
        Judgement::Safe => {
            for setting in removals(config) {
                let source =
                    in_force(config, setting.knob).and_then(|own| citation(setting.knob, own));
                let verdict = with(setting)?;
                any_open |= verdict.verdict == Judgement::Incomplete;
                removed.push(Turn { knob: setting.knob, value: setting.value, source, verdict });
            }
        }
        Judgement::Damaged => {
            for KnobSetting { knob, value } in single_turns(config) {
                let verdict = with(Setting { knob, value })?;
                any_open |= verdict.verdict == Judgement::Incomplete;
                if verdict.verdict == Judgement::Safe {
                    cures.push(Turn { knob, value, source: citation(knob, value), verdict });
                }
            }
        }
        Judgement::Incomplete => {}
    }
    drop(bar);
    let code = match code_of(&verdict) {
        0 if any_open => INCOMPLETE,
        code => code,
    };
    let shown = Shown { planned, explained, verdict, removed, cures };
    let text = match how.json {
        true => serde_json::to_string_pretty(&page::json(&shown))? + "\n",
        false => page::page(&shown, context.paint),
    };
    Ok(Answer { text, code, ..Answer::default() })
}

/// The value of a knob in a configuration.
fn in_force(config: &Config, knob: &str) -> Option<&'static str> {
    let values = config.protocol.knobs.values();
    values.into_iter().find(|(known, _)| *known == knob).map(|(_, value)| value)
}
