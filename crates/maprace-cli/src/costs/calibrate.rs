//! `calibrate`: a table of what the model's own steps cost on this machine.
//!
//! The catalogue is run in the simulation, task after task, without footprints and without anybody who
//! watches; each step is timed from its grant to the task's next announcement. What a step works on is
//! bookkeeping, so nothing is priced by the KiB.

use super::CalibrateArgs;
use crate::answer::{Answer, Context};
use crate::failure::Failure;
use crate::files::{Existing, check_file, write_whole};
use crate::machine::{host, timed_ns, today};
use crate::search::{Bar, STOP, go_on, watch_for_interrupt};
use maprace_fs::{Order, protocol::PRESETS};
use maprace_runtime::sim::{Exec, Keep, Sim};
use maprace_scenario::costs::{DefaultCosts, MachineCosts, StepCost, bounds};
use maprace_scenario::{AnyLayer, Config, CostTable, Plan, Scenario, catalogue};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// No run of the catalogue is longer: a task that never ends is left where it is.
const STEPS_MOST: usize = 10_000;

/// Readings from which the cost of the clock is taken.
const READINGS: usize = 10_001;

/// Nanoseconds that a step took, each time, by its name.
type Samples = BTreeMap<&'static str, Vec<u64>>;

/// Does it.
pub(crate) fn calibrate(context: &Context<'_>, args: &CalibrateArgs) -> Result<Answer, Failure> {
    let existing = Existing::of(args.force);
    args.output.as_deref().map_or(Ok(()), |path| check_file(path, existing))?;
    watch_for_interrupt();
    let clock_ns = median((0..READINGS).map(|_| timed_ns(|| ()).1).collect());
    let samples = measure(context, args.rounds)?;
    let text = table(&samples, clock_ns).to_toml();
    let Some(path) = &args.output else { return Ok(Answer { text, ..Answer::default() }) };
    write_whole(path, &text, existing)?;
    Ok(Answer { text: format!("{}\n", path.display()), ..Answer::default() })
}

fn measure(context: &Context<'_>, rounds: u64) -> Result<Samples, Failure> {
    let bar = Bar::new(context);
    let layer = context.layers.get("ext4")?;
    let mut samples = Samples::new();
    for round in 1..=rounds {
        for entry in catalogue::all() {
            if STOP.load(Ordering::SeqCst) {
                go_on();
                return Err(Failure::Interrupted);
            }
            bar.say(|| format!("round {round} of {rounds}: {}", entry.name));
            let scenario = catalogue::find(entry.name)?;
            for (preset, order) in
                PRESETS.iter().flat_map(|p| Order::ALL.iter().map(move |o| (p, *o)))
            {
                run(layer, scenario, &Config::ext4(preset.name, order), &mut samples)?;
            }
        }
    }
    Ok(samples)
}

/// Runs the tasks of a scenario, the first that can go on before the others.
fn run(
    layer: &dyn AnyLayer,
    scenario: &Scenario,
    config: &Config,
    samples: &mut Samples,
) -> Result<(), Failure> {
    let plan = Plan::new(scenario, config)?;
    let sim = Sim::new(Keep::default());
    sim.keep_footprints(false);
    let world = layer.program(&plan).start(&sim);
    let mut exec = Exec::new(&sim);
    exec.start(world.tasks);
    for _ in 0..STEPS_MOST {
        let Some(id) = (0..exec.len()).find(|id| exec.is_enabled(*id)) else { break };
        let ((), ns) = timed_ns(|| exec.advance(id));
        samples.entry(exec.done().step.name).or_default().push(ns);
    }
    Ok(())
}

/// The middle of the samples; 0 of none.
fn median(mut samples: Vec<u64>) -> u64 {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or(0)
}

/// The table: of each step the median, less what the clock costs.
fn table(samples: &Samples, clock_ns: u64) -> CostTable {
    let less = |ns: u64| ns.saturating_sub(clock_ns).min(bounds::NS);
    let step = |(name, samples): (&&'static str, &Vec<u64>)| StepCost {
        name: (*name).to_owned(),
        ns: less(median(samples.clone())),
        per_kib_ns: 0,
        own: false,
        source: format!("median of {}", samples.len()),
    };
    let all: Vec<u64> = samples.values().flatten().copied().collect();
    let runs = all.len();
    let machine = host();
    CostTable {
        name: "calibrated".to_owned(),
        title: format!("the model's own steps, {}", today()),
        good_for: "costs of the model".to_owned(),
        source: format!(
            "maprace calibrate, {}, {machine}; less {clock_ns} ns, what the clock costs",
            today()
        ),
        machine: MachineCosts {
            wake_ns: 0,
            slice_ns: 3_000_000,
            spread_ppm: 0,
            source:
                "wake: in the simulation a task that is woken is polled as any other; slice: as \
                     linux-x86"
                    .to_owned(),
        },
        default: DefaultCosts {
            step_ns: less(median(all)),
            call_ns: 0,
            source: format!(
                "median of all {runs} steps that were run; a call is part of the step before it"
            ),
        },
        steps: samples.iter().map(step).collect(),
        calls: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_medians_less_the_clock() {
        let samples = Samples::from([("folio_lock", vec![90, 30, 50]), ("folio_unlock", vec![10])]);
        let table = table(&samples, 20);
        let ns = |name| table.step(name).map(|step| step.ns);
        assert_eq!((ns("folio_lock"), ns("folio_unlock"), ns("store")), (Some(30), Some(0), None));
        assert_eq!(table.default.step_ns, 30);
        assert_eq!(table.step("folio_lock").map(|step| step.source.as_str()), Some("median of 3"));
        assert_eq!(CostTable::parse("x", &table.to_toml()).unwrap(), table);
    }
}
