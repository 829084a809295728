//! Looking for races that nobody wrote a scenario for: pairs of operations over small files, explored
//! one after the other, and what is damaged sorted by what would cure it.
//!
//! [`Space`] says what is tried, in an order that never changes: small files before larger ones, plain
//! states before mixed ones. The hunt knows neither layers nor clocks: whoever starts it explores.

mod space;
#[cfg(test)]
mod tests;

pub use space::{Case, Depth, Side, Space};

use crate::config::Config;
use crate::format::{Expect, ExpectedVerdict, Scenario, When};
use crate::knobs::{KnobSetting, brought_after, is_released, single_turns};
use crate::plan::NotModelled;
use crate::probe::{First, Probed, Symptom};
use crate::sources::{citation, documented};
use maprace_fs::Order;
use std::collections::{BTreeMap, BTreeSet};

/// Why a scenario was not explored.
#[derive(Clone, Debug)]
pub enum Refused {
    /// The model lacks something.
    NotModelled(NotModelled),
    /// The explorer gave up, or maprace or a layer contradicts itself.
    Contradiction(String),
    /// Somebody asked for the end.
    Stopped,
}

/// What an exploration is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To find damage: may be refused when somebody asked for the end.
    Damage,
    /// To find what cures the damage that was found: is always done.
    Cure,
}

/// Explores a scenario in a configuration.
pub type Explorer<'a> = dyn FnMut(&Scenario, &Config, Purpose) -> Result<Probed, Refused> + 'a;

/// What is hunted for.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The pairs, states and places.
    pub space: Space,
    /// The configurations, each case in each of them.
    pub configs: Vec<Config>,
    /// Executions after which no further case is begun.
    pub budget: u64,
}

/// A damaged scenario in its configuration.
#[derive(Clone, Debug)]
pub struct Example {
    /// The scenario.
    pub scenario: Scenario,
    /// The configuration.
    pub config: Config,
    /// Its damage.
    pub symptom: Symptom,
}

impl Example {
    /// The fewer knobs are turned and the fewer steps it takes, the better it explains.
    fn size(&self) -> (usize, usize) {
        (self.config.moved().len(), self.symptom.steps)
    }
}

/// Damage that the same settings cure, each alone.
#[derive(Clone, Debug)]
pub struct Group {
    /// The settings that some release had and that cure it each alone, the likeliest first; if there is
    /// none, the first of those that no release had; empty if no single one does.
    pub cures: Vec<KnobSetting>,
    /// What breaks first.
    pub first: First,
    /// Where that is documented; `None`: nowhere that is known.
    pub citation: Option<&'static str>,
    /// In which orders of buffered writes: one, or each, and then with the same scenario as example.
    pub orders: Vec<InOrder>,
}

/// The damage of a group in one order of buffered writes.
#[derive(Clone, Debug)]
pub struct InOrder {
    /// The order.
    pub order: Order,
    /// The plainest of them: the fewest turned knobs, then the fewest steps to damage.
    pub example: Example,
    /// The pairs of operations it stands for, the example's first.
    pub pairs: Vec<String>,
    /// How many scenarios, counted in each configuration.
    pub scenarios: u64,
}

/// What was tried.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Pairs of operations.
    pub pairs: BTreeSet<String>,
    /// Scenarios, counted in each configuration.
    pub scenarios: u64,
    /// Those that are damaged.
    pub damaged: u64,
    /// Those of which not everything was tried, and no damage was found.
    pub open: u64,
    /// Executions of all of them.
    pub executions: u64,
    /// What is not modelled, and how many scenarios were left out for it.
    pub skipped: BTreeMap<String, u64>,
    /// Scenarios that maprace itself failed on, with what it said.
    pub contradictions: Vec<String>,
    /// Scenarios that were left when the hunt ended.
    pub left: u64,
}

/// What a hunt brings home.
#[derive(Clone, Debug)]
pub struct Catch {
    /// The damage, sorted by cure: first what a later preset cures, the next one before others, then
    /// what is documented nowhere.
    pub groups: Vec<Group>,
    /// What was tried.
    pub tally: Tally,
    /// Whether somebody asked for the end.
    pub interrupted: bool,
}

impl Catch {
    /// Whether everything was tried that is modelled.
    pub fn is_complete(&self) -> bool {
        let Tally { open, left, contradictions, .. } = &self.tally;
        *open == 0 && *left == 0 && contradictions.is_empty() && !self.interrupted
    }
}

/// What is alike before a cure is known: one cure is looked for, for all of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    pair: [usize; 2],
    config: usize,
    first: First,
}

struct Found {
    example: Example,
    scenarios: u64,
}

/// Tries everything, until the budget or the space ends.
pub fn hunt(hunt: &Hunt, explorer: &mut Explorer<'_>) -> Catch {
    let cases = hunt.space.cases();
    let mut tally = Tally::default();
    let mut found: BTreeMap<Class, Found> = BTreeMap::new();
    let mut interrupted = false;
    let all: Vec<(&Case, usize)> = cases.iter().flat_map(|case| hunt.configs_of(case)).collect();
    for (done, (case, number)) in all.iter().enumerate() {
        if tally.executions >= hunt.budget || interrupted {
            tally.left = (all.len() - done) as u64;
            break;
        }
        let (scenario, config) = (hunt.space.scenario(case), &hunt.configs[*number]);
        let probed = match explorer(&scenario, config, Purpose::Damage) {
            Ok(probed) => probed,
            Err(refused) => {
                interrupted = tally.refused(refused);
                continue;
            }
        };
        tally.count(&probed, hunt.space.pair_name(case.pair));
        let Some(symptom) = probed.symptom else { continue };
        let class = Class { pair: case.pair, config: *number, first: symptom.first };
        let example = || Example { scenario: scenario.clone(), config: config.clone(), symptom };
        let known =
            found.entry(class).or_insert_with(|| Found { example: example(), scenarios: 0 });
        known.scenarios += 1;
        if symptom.steps < known.example.symptom.steps {
            known.example = example();
        }
    }
    let groups = hunt.sorted(found, explorer, &mut tally);
    Catch { groups, tally, interrupted }
}

impl Tally {
    /// Writes down why a scenario was not explored; true if that was asked for.
    fn refused(&mut self, refused: Refused) -> bool {
        match refused {
            Refused::NotModelled(not) => *self.skipped.entry(kind_of(&not)).or_default() += 1,
            Refused::Contradiction(what) => self.contradictions.push(what),
            Refused::Stopped => return true,
        }
        false
    }

    fn count(&mut self, probed: &Probed, pair: String) {
        self.pairs.insert(pair);
        self.scenarios += 1;
        self.executions += probed.executions;
        match (&probed.symptom, probed.complete) {
            (Some(_), _) => self.damaged += 1,
            (None, false) => self.open += 1,
            (None, true) => {}
        }
    }
}

/// What is not modelled, without the range or number of the one scenario.
fn kind_of(not: &NotModelled) -> String {
    match not.what.strip_prefix("operation `") {
        Some(rest) => rest.split([' ', '`']).next().unwrap_or(rest).to_owned(),
        None => not.what.clone(),
    }
}

impl Hunt {
    /// The case in each configuration that can matter to it: only a buffered write in iomap order asks
    /// for a cookie, so without one the first of several cookies stands for all.
    fn configs_of<'c>(&self, case: &'c Case) -> Vec<(&'c Case, usize)> {
        let writes = self.space.writes(case.pair);
        let mut orders = Vec::new();
        let mut chosen = Vec::new();
        for (number, config) in self.configs.iter().enumerate() {
            if writes || !orders.contains(&config.order) {
                orders.push(config.order);
                chosen.push((case, number));
            }
        }
        chosen
    }

    /// Looks for the cure of each class, and puts together what has the same.
    fn sorted(
        &self,
        found: BTreeMap<Class, Found>,
        explorer: &mut Explorer<'_>,
        tally: &mut Tally,
    ) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (class, Found { example, scenarios }) in found {
            let cures = cures(&example, explorer, &mut tally.executions);
            let [one, other] = class.pair.map(|side| self.space.sides[side].first_kind());
            let source = match cures.first() {
                Some(KnobSetting { knob, value }) => citation(knob, value),
                None => documented([one.name(), other.name()], class.first.checker()),
            };
            let pair = self.space.pair_name(class.pair);
            let (order, first) = (example.config.order, class.first);
            let is_same = |g: &&mut Group| {
                (&g.cures, g.orders[0].order, g.first, g.citation) == (&cures, order, first, source)
            };
            match groups.iter_mut().find(is_same) {
                Some(group) => group.orders[0].add(example, pair, scenarios),
                None => {
                    let orders = vec![InOrder { order, example, pairs: vec![pair], scenarios }];
                    groups.push(Group { cures, first, citation: source, orders });
                }
            }
        }
        let mut merged: Vec<Group> = Vec::new();
        for group in groups {
            if let Some(apart) = merge(&mut merged, group, explorer, &mut tally.executions) {
                merged.push(apart);
            }
        }
        merged.sort_by_key(Group::place);
        merged
    }
}

/// Puts a group of one order to one of the other that shows the same; gives it back if there is none.
fn merge(
    merged: &mut [Group],
    mut group: Group,
    explorer: &mut Explorer<'_>,
    executions: &mut u64,
) -> Option<Group> {
    for known in merged {
        let alike = (&known.cures, known.first, known.citation);
        let is_other = known.orders.iter().all(|own| own.order != group.orders[0].order);
        if alike != (&group.cures, group.first, group.citation) || !is_other {
            continue;
        }
        let (one, other) = (&mut known.orders[0], &mut group.orders[0]);
        if one.example.scenario == other.example.scenario
            || other.shows(&known.cures, one, explorer, executions)
            || one.shows(&known.cures, other, explorer, executions)
        {
            known.orders.append(&mut group.orders);
            known.orders.sort_by_key(|own| own.order);
            return None;
        }
    }
    Some(group)
}

/// Where a knob stands in the table.
fn place_of(knob: &str) -> usize {
    maprace_fs::Knobs::names().iter().position(|known| *known == knob).unwrap_or(usize::MAX)
}

impl Group {
    /// The example as a scenario to keep: it says where the damage comes from, and expects it.
    pub fn scenario(&self) -> Scenario {
        let mut expect: Vec<Expect> = Vec::new();
        for InOrder { order, example, .. } in &self.orders {
            let own = self.expect(&example.config);
            // What is alike but for the order is said once.
            let is_alike = |known: &&mut Expect| known.when.set == own.when.set;
            match expect.iter_mut().find(is_alike) {
                Some(known) => known.when.order.get_or_insert_default().push(order.name().into()),
                None => expect.push(own),
            }
        }
        let source = self.citation.unwrap_or_default().to_owned();
        Scenario { source, expect, ..self.orders[0].example.scenario.clone() }
    }

    fn expect(&self, config: &Config) -> Expect {
        let alone = |name: &str| Some(vec![name.to_owned()]);
        let moved = config.moved().into_iter();
        let when = When {
            layer: alone(&config.layer),
            protocol: alone(config.protocol.name),
            order: alone(config.order.name()),
            set: moved.map(|(knob, value)| (knob.to_owned(), vec![value.to_owned()])).collect(),
        };
        let verdict = ExpectedVerdict::Damaged;
        let checkers = self.first.checker().map(|c| c.name().to_owned()).into_iter().collect();
        Expect { when, verdict, checkers, visible: None, first_broken: None }
    }

    /// The pairs of operations it stands for, the example's first.
    pub fn pairs(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        for pair in self.orders.iter().flat_map(|own| &own.pairs) {
            if !all.contains(&pair.as_str()) {
                all.push(pair);
            }
        }
        all
    }

    /// How many scenarios it stands for, counted in each configuration.
    pub fn scenarios(&self) -> u64 {
        self.orders.iter().map(|own| own.scenarios).sum()
    }

    /// Where it stands among others.
    fn place(&self) -> impl Ord + use<> {
        let config = &self.orders[0].example.config;
        let after = self.cures.first().and_then(|cure| brought_after(config, cure));
        let knob = self.cures.first().map(|cure| place_of(cure.knob));
        let is_known = self.citation.is_some();
        let rest = (knob, self.cures.clone(), self.orders[0].order, self.first);
        (after.is_none(), after, is_known, is_known && knob.is_none(), rest)
    }
}

impl InOrder {
    /// Takes the example of `other` for its own if it shows the same here, with the same cure.
    fn shows(
        &mut self,
        are_cured_by: &[KnobSetting],
        other: &InOrder,
        explorer: &mut Explorer<'_>,
        executions: &mut u64,
    ) -> bool {
        let (scenario, config) = (&other.example.scenario, &self.example.config);
        let pair = &other.pairs[0];
        let Some(at) = self.pairs.iter().position(|known| known == pair) else { return false };
        let probed = explorer(scenario, config, Purpose::Cure);
        *executions += probed.as_ref().map_or(0, |probed| probed.executions);
        let Some(symptom) = probed.ok().and_then(|probed| probed.symptom) else { return false };
        let (scenario, config) = (scenario.clone(), config.clone());
        let example = Example { scenario, config, symptom };
        let first = other.example.symptom.first;
        if symptom.first != first || cures(&example, explorer, executions) != are_cured_by {
            return false;
        }
        self.example = example;
        let pair = self.pairs.remove(at);
        self.pairs.insert(0, pair);
        true
    }

    fn add(&mut self, example: Example, pair: String, scenarios: u64) {
        self.scenarios += scenarios;
        let known = self.pairs.iter().position(|known| *known == pair);
        if example.size() < self.example.size() {
            self.example = example;
            known.map(|at| self.pairs.remove(at));
            self.pairs.insert(0, pair);
        } else if known.is_none() {
            self.pairs.push(pair);
        }
    }
}

/// The single settings under which the scenario is safe, everything tried: those that some release had,
/// or else the first of the others.
fn cures(example: &Example, explorer: &mut Explorer<'_>, executions: &mut u64) -> Vec<KnobSetting> {
    let mut cures: Vec<KnobSetting> = Vec::new();
    for turn in single_turns(&example.config) {
        if !is_released(&turn) && !cures.is_empty() {
            break;
        }
        let config = example.config.clone().with(turn.knob, turn.value);
        let probed = explorer(&example.scenario, &config, Purpose::Cure);
        *executions += probed.as_ref().map_or(0, |probed| probed.executions);
        if probed.is_ok_and(|probed| probed.is_safe()) {
            cures.push(turn);
        }
    }
    cures
}
