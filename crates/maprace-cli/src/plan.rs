//! What will be done: everything that was typed, looked up and put together, before anything runs.

use crate::answer::Context;
use crate::args::{
    AblateArgs, CompareArgs, ConfigArgs, DiagramArgs, ExploreArgs, FilesArgs, LayerArgs,
    OnDeviceArgs, ReplayArgs, SearchArgs, WorldName,
};
use crate::device_world;
use crate::failure::Failure;
use crate::measure::{self, Measure};
use crate::output::Files;
use crate::values::{Setting, newest_release, order, protocol, turned};
use maprace_explore::{Budget, Engine};
use maprace_fs::protocol::{PRESETS, Protocol};
use maprace_fs::{Cookie, Order};
use maprace_scenario::{Config, Plan, Scenario, Schedule};

/// Rounds on a device where none are typed.
const ROUNDS: u64 = 10_000;

/// The pairs of the seed.
const SEED: [&str; 3] = ["mkwrite-fallocate", "write-mkwrite", "write-fallocate"];

/// How to search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    pub(crate) engine: Engine,
    pub(crate) seed: u64,
    pub(crate) budget: Budget,
    /// Whether what depends on the machine is reported.
    pub(crate) timing: bool,
    pub(crate) json: bool,
}

impl Default for Search {
    fn default() -> Search {
        let budget = Budget::default();
        Search { engine: Engine::Auto, seed: 0, budget, timing: true, json: false }
    }
}

impl From<SearchArgs> for Search {
    fn from(args: SearchArgs) -> Search {
        let SearchArgs { engine, seed, budget, no_timing, json } = args;
        let mut limits = Budget::default();
        if let Some(executions) = budget {
            // The other limits follow it down, so that a small budget is over soon.
            let states = executions.saturating_mul(limits.states / limits.executions.max(1));
            limits.states = limits.states.min(states);
            limits.first_bug = limits.first_bug.min(executions);
            limits.executions = executions;
        }
        Search { engine, seed, budget: limits, timing: !no_timing, json }
    }
}

/// A scenario, and how it was named.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) typed: String,
    pub(crate) scenario: Scenario,
}

/// One scenario in one configuration.
#[derive(Clone, Debug)]
pub(crate) struct Explore {
    pub(crate) subject: Subject,
    pub(crate) config: Config,
    pub(crate) search: Search,
    pub(crate) draw: bool,
    /// What is written beside the answer.
    pub(crate) files: Files,
}

/// Scenarios in configurations.
#[derive(Clone, Debug)]
pub(crate) struct Compare {
    /// What stands over the names.
    pub(crate) heading: &'static str,
    /// The scenarios, each with its name in the table.
    pub(crate) subjects: Vec<(String, Subject)>,
    pub(crate) configs: Vec<Config>,
    pub(crate) search: Search,
    pub(crate) draw: bool,
    pub(crate) measure: Measure,
    /// What is written beside the answer.
    pub(crate) files: Files,
}

/// One schedule of one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Replay {
    pub(crate) subject: Subject,
    pub(crate) config: Config,
    /// What errors call the schedule.
    pub(crate) origin: String,
    pub(crate) schedule: Schedule,
    pub(crate) show: Show,
}

/// How a replay is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Show {
    Steps,
    Diagram,
    Exact,
}

fn draws(args: DiagramArgs, context: &Context<'_>) -> bool {
    args.diagram || !(args.no_diagram || context.quiet)
}

pub(crate) fn subject(context: &Context<'_>, typed: &str) -> Result<Subject, Failure> {
    let scenario = Scenario::open(typed, &context.layers.vocabulary())?;
    Ok(Subject { typed: typed.to_owned(), scenario })
}

pub(crate) fn config(
    context: &Context<'_>,
    layer: &LayerArgs,
    protocol: Protocol,
    order: Order,
) -> Result<Config, Failure> {
    context.layers.get(&layer.layer)?;
    let protocol = turned(protocol, &layer.settings);
    Ok(Config { layer: layer.layer.clone(), protocol, order })
}

pub(crate) fn one_config(context: &Context<'_>, args: &ConfigArgs) -> Result<Config, Failure> {
    let protocol = args.protocol.unwrap_or_else(newest_release);
    config(context, &args.layer, protocol, args.order.unwrap_or(Order::BufferHead))
}

/// Whether the model can run it is known before anything runs.
pub(crate) fn checked(scenario: &Scenario, config: &Config) -> Result<(), Failure> {
    Plan::new(scenario, config)?;
    Ok(())
}

/// `explore`.
pub(crate) fn explore(context: &Context<'_>, args: ExploreArgs) -> Result<Explore, Failure> {
    let OnDeviceArgs { media, rounds, until_damage, .. } = &args.device;
    if media.is_some() || rounds.is_some() || *until_damage {
        let what = "--media, --rounds and --until-damage are for --world device: \
                    `compare --world virtual` measures on a medium";
        return Err(Failure::Usage(what.to_owned()));
    }
    let subject = subject(context, &args.scenario)?;
    let config = one_config(context, &args.config)?;
    checked(&subject.scenario, &config)?;
    let files = Files::checked(args.files, None)?;
    let draw = draws(args.diagram, context);
    Ok(Explore { subject, config, search: args.search.into(), draw, files })
}

/// `explore --world device`.
pub(crate) fn explore_on_device(
    context: &Context<'_>,
    args: ExploreArgs,
) -> Result<device_world::Explore, Failure> {
    let FilesArgs { report, trace, .. } = &args.files;
    let SearchArgs { engine, budget, no_timing, .. } = &args.search;
    let has_schedules = report.is_some() || trace.is_some() || args.shrink.is_wanted();
    if has_schedules || *engine != Engine::Auto || budget.is_some() || *no_timing {
        let what = "--world device has no schedules, and all it finds depends on the machine: leave \
                    --engine, --budget, --report, --trace, --shrink, --shrink-to and --no-timing out";
        return Err(Failure::Usage(what.to_owned()));
    }
    let subject = subject(context, &args.scenario)?;
    let config = one_config(context, &args.config)?;
    device_world::checked(&subject, &config)?;
    let media = measure::media(args.device.media.as_slice())?;
    let [media] = media.try_into().map_err(|_| Failure::Usage("--media: one".to_owned()))?;
    let rounds = args.device.rounds.unwrap_or(ROUNDS);
    let (search, until_damage) = (args.search.into(), args.device.until_damage);
    Ok(device_world::Explore { subject, config, media, rounds, until_damage, search })
}

/// `ablate`.
pub(crate) fn ablate(context: &Context<'_>, args: AblateArgs) -> Result<Explore, Failure> {
    let subject = subject(context, &args.scenario)?;
    let config = one_config(context, &args.config)?;
    checked(&subject.scenario, &config)?;
    Ok(Explore {
        subject,
        config,
        search: args.search.into(),
        draw: false,
        files: Files::default(),
    })
}

/// No command at all.
pub(crate) fn compare_seed(context: &Context<'_>) -> Result<Compare, Failure> {
    let layer = LayerArgs { layer: "ext4".to_owned(), settings: Vec::new() };
    let configs = configs(context, &layer, &[], &[])?;
    let search = Search::default();
    let (subjects, draw, files) = (seed(context)?, !context.quiet, Files::default());
    let measure = Measure::nothing();
    Ok(Compare { heading: "pair", subjects, configs, search, draw, measure, files })
}

/// `compare`.
pub(crate) fn compare(context: &Context<'_>, args: CompareArgs) -> Result<Compare, Failure> {
    let configs = configs(context, &args.layer, &args.protocols, &args.orders)?;
    let sets_cookie = args.layer.settings.iter().any(|setting| setting.knob == "cookie");
    let configs = with_cookies(configs, &args.measure.cookies, sets_cookie);
    let (heading, subjects) = match args.scenarios.is_empty() {
        _ if !args.measure.workloads.is_empty() => ("workload", Vec::new()),
        true => ("pair", seed(context)?),
        false => ("scenario", named(context, &args.scenarios)?),
    };
    for (_, subject) in &subjects {
        configs.iter().try_for_each(|config| checked(&subject.scenario, config))?;
        if args.measure.worlds.contains(&WorldName::Device) {
            configs.iter().try_for_each(|config| device_world::checked(subject, config))?;
        }
    }
    let (draw, search) = (draws(args.diagram, context), Search::from(args.search));
    let plots = args.measure.plots.clone();
    let measure = Measure::plan(args.measure, &search, &subjects, args.files.force)?;
    let files = Files::checked(args.files, plots)?;
    Ok(Compare { heading, subjects, configs, search, draw, measure, files })
}

/// Each configuration of iomap order with each of the cookies; the other order has none.
fn with_cookies(configs: Vec<Config>, typed: &[Cookie], is_set: bool) -> Vec<Config> {
    if typed.is_empty() && is_set {
        return configs;
    }
    let cookies = if typed.is_empty() { Cookie::ALL } else { typed };
    let mut all = Vec::new();
    for order in Order::ALL {
        let of_order = || configs.iter().filter(|config| config.order == *order).cloned();
        match order {
            Order::BufferHead => all.extend(of_order()),
            Order::Iomap => {
                let with =
                    |cookie: Cookie| of_order().map(move |c| c.with("cookie", cookie.name()));
                all.extend(cookies.iter().flat_map(|cookie| with(*cookie)));
            }
        }
    }
    all
}

/// The pairs of the seed, named as pairs.
fn seed(context: &Context<'_>) -> Result<Vec<(String, Subject)>, Failure> {
    let pair = |name: &&str| Ok((name.replace('-', " x "), subject(context, name)?));
    SEED.iter().map(pair).collect()
}

/// The scenarios that were typed, each once, by their own names where these tell them apart.
fn named(context: &Context<'_>, typed: &[String]) -> Result<Vec<(String, Subject)>, Failure> {
    let mut subjects: Vec<Subject> = Vec::new();
    for typed in typed {
        if !subjects.iter().any(|known| known.typed == *typed) {
            subjects.push(subject(context, typed)?);
        }
    }
    let name = |own: &Subject| {
        let same = subjects.iter().filter(|other| other.scenario.name == own.scenario.name);
        if same.count() == 1 { own.scenario.name.clone() } else { own.typed.clone() }
    };
    Ok(subjects.iter().map(|own| (name(own), own.clone())).collect())
}

/// Every order under every protocol; all of either where none is named.
fn configs(
    context: &Context<'_>,
    layer: &LayerArgs,
    protocols: &[Protocol],
    orders: &[Order],
) -> Result<Vec<Config>, Failure> {
    let orders = if orders.is_empty() { Order::ALL } else { orders };
    let protocols = if protocols.is_empty() { PRESETS } else { protocols };
    let mut configs: Vec<Config> = Vec::new();
    for order in orders {
        for protocol in protocols {
            let config = config(context, layer, *protocol, *order)?;
            if !configs.contains(&config) {
                configs.push(config);
            }
        }
    }
    Ok(configs)
}

/// `replay`.
pub(crate) fn replay(context: &Context<'_>, args: ReplayArgs) -> Result<Replay, Failure> {
    let subject = subject(context, &args.scenario)?;
    let (origin, schedule) = schedule(&args)?;
    if let Some(theirs) = schedule.header.get("scenario")
        && *theirs != subject.scenario.name
    {
        let (theirs, ours) = (theirs.clone(), subject.scenario.name);
        return Err(Failure::OtherScenario { origin, theirs, ours });
    }
    let config = one_config(context, &with_headers(args.config, &schedule)?)?;
    checked(&subject.scenario, &config)?;
    let show = match (args.diagram, args.exact) {
        (true, _) => Show::Diagram,
        (_, true) => Show::Exact,
        _ => Show::Steps,
    };
    Ok(Replay { subject, config, origin, schedule, show })
}

fn schedule(args: &ReplayArgs) -> Result<(String, Schedule), Failure> {
    let Some(path) = &args.file else {
        let text = args.schedule.as_deref().unwrap_or_default();
        return Ok(("--schedule".to_owned(), Schedule::parse("--schedule", text)?));
    };
    let file = |error| Failure::File { path: path.clone(), error };
    let origin = path.display().to_string();
    let bytes = std::fs::read(path).map_err(file)?;
    Ok((origin.clone(), Schedule::parse_bytes(&origin, &bytes)?))
}

/// What was typed, and what the schedule's headers say where nothing was.
fn with_headers(mut args: ConfigArgs, schedule: &Schedule) -> Result<ConfigArgs, Failure> {
    if let (None, Some(name)) = (args.protocol, schedule.header.get("protocol")) {
        args.protocol = Some(protocol(name)?);
    }
    if let (None, Some(name)) = (args.order, schedule.header.get("order")) {
        args.order = Some(order(name)?);
    }
    if let ("ext4", Some(name)) = (args.layer.layer.as_str(), schedule.header.get("layer")) {
        args.layer.layer.clone_from(name);
    }
    let headers = schedule.settings();
    let mut settings: Vec<Setting> = headers
        .into_iter()
        .map(|(knob, value)| Setting::of(knob, value))
        .collect::<Result<_, _>>()?;
    settings.append(&mut args.layer.settings);
    args.layer.settings = settings;
    Ok(args)
}
