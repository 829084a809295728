//! `hunt`: pairs of operations that nobody wrote a scenario for, and what would cure their damage.

mod page;

use crate::answer::{Answer, Context, DAMAGE, INCOMPLETE};
use crate::args::HuntArgs;
use crate::failure::Failure;
use crate::files::{Existing, check_dir, write_whole};
use crate::machine::{machine, timed};
use crate::plan::{Search, Subject, config};
use crate::search::{Bar, STOP, go_on, search, uncontradicted, watch_for_interrupt};
use crate::values::{Setting, newest_release};
use maprace_explore::{Budget, Engine, Options};
use maprace_fs::{Cookie, Order};
use maprace_scenario::hunt::{Catch, Depth, Group, Hunt, InOrder, Purpose, Refused, Space, hunt};
use maprace_scenario::{Config, ErrorKind, Machine, OpKind, Probed, Scenario, Verdict, probe};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// Executions of a hunt unless other are asked for: about two minutes.
pub(crate) const BUDGET: u64 = 3_000_000;

/// What one scenario of a hunt may cost, so that none of them eats the budget.
const OF_ONE: Budget = Budget {
    executions: 5_000,
    first_bug: 500,
    steps: 10_000,
    states: 50_000,
    preemptions: u32::MAX,
    downsets: 100_000,
};

/// What will be hunted.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    hunt: Hunt,
    save: Option<PathBuf>,
    existing: Existing,
    timing: bool,
    json: bool,
}

/// An operation that a task may do, by name.
pub(crate) fn kind(text: &str) -> Result<OpKind, ErrorKind> {
    let kinds = Space::kinds();
    let found = kinds.iter().find(|kind| kind.name() == text).copied();
    found.ok_or_else(|| ErrorKind::Unknown {
        what: "operation of a hunt".into(),
        typed: text.to_owned(),
        known: kinds.iter().map(|kind| kind.name().to_owned()).collect(),
    })
}

/// Puts together what was typed.
pub(crate) fn plan(context: &Context<'_>, args: HuntArgs) -> Result<Planned, Failure> {
    let typed = args.ops.iter().map(OpKind::name).collect::<Vec<_>>();
    let all = Space::kinds().into_iter();
    let kinds: Vec<_> =
        all.filter(|kind| typed.is_empty() || typed.contains(&kind.name())).collect();
    let depth = if args.thorough { Depth::Thorough } else { Depth::Usual };
    let mut space = Space::new(&kinds, args.blocks, depth);
    space.seed = args.seed;
    let protocol = args.config.protocol.unwrap_or_else(newest_release);
    let orders = args.config.order.map_or_else(|| Order::ALL.to_vec(), |order| vec![order]);
    let mut configs = Vec::new();
    for order in orders {
        let own = config(context, &args.config.layer, protocol, order)?;
        configs.extend(cookies(&own, &args.config.layer.settings));
    }
    let existing = Existing::of(args.force);
    args.save.as_deref().map_or(Ok(()), |dir| check_dir(dir, existing))?;
    let hunt = Hunt { space, configs, budget: args.budget };
    Ok(Planned { hunt, save: args.save, existing, timing: !args.no_timing, json: args.json })
}

/// The configuration with every cookie, the strongest first, unless one was asked for or none counts.
fn cookies(config: &Config, settings: &[Setting]) -> Vec<Config> {
    let asked = settings.iter().any(|setting| setting.knob == "cookie");
    if asked || config.order == Order::BufferHead {
        return vec![config.clone()];
    }
    let with = |cookie: &Cookie| config.clone().with("cookie", cookie.name());
    Cookie::ALL.iter().rev().map(with).collect()
}

/// A finding, ready to be shown.
pub(crate) struct Finding<'a> {
    pub(crate) group: &'a Group,
    /// Its scenario with source and expectation.
    pub(crate) scenario: Scenario,
    /// The file that has it, or should.
    pub(crate) path: String,
    /// One for each order.
    pub(crate) verdicts: Vec<Verdict>,
}

/// Everything that a hunt shows.
pub(crate) struct Shown<'a> {
    pub(crate) planned: &'a Planned,
    pub(crate) catch: &'a Catch,
    pub(crate) findings: Vec<Finding<'a>>,
    pub(crate) machine: Option<Machine>,
}

/// Hunts, and answers with what was found, or with JSON.
pub(crate) fn run(context: &Context<'_>, planned: &Planned) -> Result<Answer, Failure> {
    watch_for_interrupt();
    let bar = Bar::new(context);
    let (catch, seconds) = timed(|| go(context, &bar, planned));
    go_on();
    let findings = catch.groups.iter().enumerate();
    let findings = findings
        .map(|(i, group)| finding(context, &bar, planned, i, group))
        .collect::<Result<Vec<_>, _>>()?;
    drop(bar);
    if planned.save.is_some() {
        for Finding { scenario, path, .. } in &findings {
            write_whole(path.as_ref(), &scenario.to_toml(), planned.existing)?;
        }
    }
    let code = match catch.groups.is_empty() {
        false => DAMAGE,
        true if catch.is_complete() => 0,
        true => INCOMPLETE,
    };
    let machine = planned.timing.then(|| machine(catch.tally.executions, seconds));
    let shown = Shown { planned, catch: &catch, findings, machine };
    let text = match planned.json {
        true => serde_json::to_string_pretty(&page::json(&shown))? + "\n",
        false => page::page(&shown, context.paint),
    };
    Ok(Answer { text, code, ..Answer::default() })
}

/// Runs the hunt itself.
fn go(context: &Context<'_>, bar: &Bar, planned: &Planned) -> Catch {
    let (mut tried, mut damaged) = (0u64, 0u64);
    hunt(&planned.hunt, &mut |scenario, config, purpose| {
        let what = match purpose {
            Purpose::Damage => scenario.name.as_str(),
            Purpose::Cure => "looking for cures",
        };
        bar.say(|| format!("{what} {}: {tried} scenarios, {damaged} damaged", config.order));
        let probed = one(context, scenario, config, purpose);
        if purpose == Purpose::Damage {
            tried += 1;
            damaged += u64::from(probed.as_ref().is_ok_and(|probed| probed.symptom.is_some()));
        }
        probed
    })
}

/// Explores one scenario. When somebody asked for the end, only cures are still looked for.
fn one(
    context: &Context<'_>,
    scenario: &Scenario,
    config: &Config,
    purpose: Purpose,
) -> Result<Probed, Refused> {
    let ends = purpose == Purpose::Damage;
    if ends && STOP.load(Ordering::SeqCst) {
        return Err(Refused::Stopped);
    }
    let contradiction = |failure: Failure| Refused::Contradiction(failure.to_string());
    let layer = context.layers.get(&config.layer).map_err(|e| contradiction(e.into()))?;
    let options = Options {
        engine: Engine::Dpor,
        budget: OF_ONE,
        stop: ends.then_some(&STOP),
        ..Options::default()
    };
    let work = || probe(layer, scenario, config, &options);
    let probed = uncontradicted(context, &scenario.name, work).map_err(contradiction)?;
    probed.map_err(Refused::NotModelled)
}

/// Explores the example of a group again in each of its orders, to be judged in full.
fn finding<'a>(
    context: &Context<'_>,
    bar: &Bar,
    planned: &Planned,
    number: usize,
    group: &'a Group,
) -> Result<Finding<'a>, Failure> {
    let mut scenario = group.scenario();
    let short = scenario.name.trim_start_matches("hunt-").to_owned();
    scenario.name = format!("hunt-{}-{short}", number + 1);
    let dir = planned.save.clone().unwrap_or_else(|| PathBuf::from("."));
    let path = dir.join(format!("{}.toml", scenario.name)).display().to_string();
    let subject = Subject { typed: path.clone(), scenario };
    let how = Search { timing: false, ..Search::default() };
    let judged = |own: &InOrder| -> Result<Verdict, Failure> {
        Ok(search(context, bar, &subject, &own.example.config, &how)?.verdict)
    };
    let verdicts = group.orders.iter().map(judged).collect::<Result<_, _>>()?;
    Ok(Finding { group, scenario: subject.scenario, path, verdicts })
}
