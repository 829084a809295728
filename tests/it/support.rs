//! What the families share: a built-in scenario in a configuration, explored.

use maprace_explore::{Budget, Engine, Options, Report, explore};
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{Checker, Order, Planted};
use maprace_scenario::{AnyLayer, Config, Plan, Scenario, Storied, Vocabulary, When, catalogue};

/// The presets of the table, oldest first.
pub(crate) const PRESETS: [&str; 5] = ["v5.10", "v6.8", "v6.11", "v6.12", "exclusive"];

/// Both orders.
pub(crate) const ORDERS: [Order; 2] = [Order::BufferHead, Order::Iomap];

pub(crate) fn scenario(name: &str) -> Scenario {
    let text = catalogue::text(name).unwrap_or_else(|| panic!("{name} is built in"));
    parsed(name, text)
}

pub(crate) fn parsed(name: &str, text: &str) -> Scenario {
    Scenario::parse(name, text, &Vocabulary::builtin()).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn plan(scenario: &Scenario, config: &Config) -> Plan {
    Plan::new(scenario, config).unwrap_or_else(|e| panic!("{e}"))
}

pub(crate) fn program(scenario: &Scenario, config: &Config) -> Box<dyn Storied> {
    Ext4Kind.program(&plan(scenario, config))
}

pub(crate) fn program_with(scenario: &Scenario, config: &Config, bug: Planted) -> Box<dyn Storied> {
    Ext4Kind.program(&plan(scenario, config).planted(bug))
}

pub(crate) fn options(engine: Engine) -> Options<'static> {
    Options {
        engine,
        budget: Budget { executions: 20_000_000, states: 20_000_000, ..Budget::default() },
        ..Options::default()
    }
}

pub(crate) fn run(engine: Engine, name: &str, config: &Config) -> Report {
    let program = program(&scenario(name), config);
    explore(&*program, &options(engine))
}

/// The checkers that failed in some trace, by name.
pub(crate) fn failed(report: &Report) -> Vec<&'static str> {
    report.damage.iter().map(|damage| Checker::ALL[damage.checker as usize].name()).collect()
}

/// Those that a user of the kernel could see.
pub(crate) fn visible(report: &Report) -> Vec<&'static str> {
    let checkers = report.damage.iter().map(|damage| Checker::ALL[damage.checker as usize]);
    checkers.filter(|c| c.is_kernel_visible()).map(Checker::name).collect()
}

/// The configurations that an expectation with turned knobs speaks of: its first protocol, or the newest
/// release, in each of its orders.
pub(crate) fn turned(when: &When) -> Vec<Config> {
    let preset = when.protocol.as_ref().map_or("v6.12", |names| names[0].as_str());
    let spoken = |order: &Order| {
        when.order.as_ref().is_none_or(|names| names.iter().any(|name| name == order.name()))
    };
    let config = |order| {
        let turn =
            |config: Config, (knob, values): (&String, &Vec<String>)| config.with(knob, &values[0]);
        when.set.iter().fold(Config::ext4(preset, order), turn)
    };
    ORDERS.into_iter().filter(spoken).map(config).collect()
}

/// Every scenario with each of the configurations that its expectations of turned knobs speak of.
pub(crate) fn all_turned() -> Vec<(&'static str, Config)> {
    let of = |entry: &catalogue::Entry| {
        let name = entry.name;
        let expects = scenario(name).expect;
        let turns = expects.iter().filter(|expect| !expect.when.set.is_empty());
        turns.flat_map(|expect| turned(&expect.when)).map(move |c| (name, c)).collect::<Vec<_>>()
    };
    catalogue::all().iter().flat_map(of).collect()
}
