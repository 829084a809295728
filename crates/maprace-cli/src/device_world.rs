//! The device world, from the side of who runs it: a block device whose server is the modelled file
//! system, and lanes that send each task's requests.
//!
//! The server is another process ([`crate::device`]), since a process must not wait for a device that it
//! serves; it goes when this one does. Here are the commands' parts: what is asked for, one run, the page. The
//! rounds themselves, the mapping and the verdict are `maprace_scenario::device_world`'s.

mod page;
#[cfg(feature = "ublk")]
mod run;

pub(crate) use page::{page, table};
#[cfg(feature = "ublk")]
pub(crate) use run::run;

use crate::answer::{Answer, Context, DAMAGE, INCOMPLETE};
use crate::failure::Failure;
use crate::plan::{Search, Subject};
use crate::search::Bar;
use maprace_scenario::device_world::{DeviceVerdict, express};
use maprace_scenario::{Config, Judgement, Media, Plan};

/// One scenario in one configuration on a device.
#[cfg_attr(not(feature = "ublk"), expect(dead_code, reason = "nobody can run it"))]
#[derive(Clone, Debug)]
pub(crate) struct OnDevice<'a> {
    pub(crate) subject: &'a Subject,
    pub(crate) config: &'a Config,
    pub(crate) media: &'a Media,
    pub(crate) rounds: u64,
    /// Whether the first damage is enough.
    pub(crate) until_damage: bool,
    pub(crate) seed: u64,
}

/// Whether block requests express the scenario is known before anything runs.
pub(crate) fn checked(subject: &Subject, config: &Config) -> Result<(), Failure> {
    let plan = Plan::new(&subject.scenario, config)?;
    express(&subject.scenario, &plan)?;
    Ok(())
}

/// `explore --world device`.
#[derive(Clone, Debug)]
pub(crate) struct Explore {
    pub(crate) subject: Subject,
    pub(crate) config: Config,
    pub(crate) media: Media,
    pub(crate) rounds: u64,
    pub(crate) until_damage: bool,
    pub(crate) search: Search,
}

/// Runs the rounds, and answers with the page or with JSON.
pub(crate) fn explore(context: &Context<'_>, plan: &Explore) -> Result<Answer, Failure> {
    let Explore { subject, config, media, search, .. } = plan;
    let (rounds, until_damage) = (plan.rounds, plan.until_damage);
    let job = OnDevice { subject, config, media, rounds, until_damage, seed: search.seed };
    let verdict = run(context, &Bar::new(context), &job)?;
    let code = match verdict.verdict {
        Judgement::Damaged => DAMAGE,
        // No number of samples is all there is.
        Judgement::Safe | Judgement::Incomplete => INCOMPLETE,
    };
    let text = match search.json {
        true => serde_json::to_string_pretty(&verdict)? + "\n",
        false => page(&subject.scenario.title, &verdict, context.paint),
    };
    Ok(Answer { text, code, ..Answer::default() })
}

/// The exit code of verdicts that were compared: what is not as expected counts, and what was cut.
pub(crate) fn code_of(verdicts: &[DeviceVerdict]) -> u8 {
    let is_against = |verdict: &DeviceVerdict| {
        verdict.expected.as_ref().is_some_and(|expected| expected.as_expected == Some(false))
    };
    match verdicts.iter().any(is_against) {
        true => DAMAGE,
        false if verdicts.iter().any(|verdict| verdict.cut) => INCOMPLETE,
        false => 0,
    }
}

/// Says how to build what this program was built without.
#[cfg(not(feature = "ublk"))]
pub(crate) fn run(_: &Context<'_>, _: &Bar, _: &OnDevice<'_>) -> Result<DeviceVerdict, Failure> {
    Err(Failure::NoDevice(
        "world device: this program was built without the feature `ublk`, which needs the package libclang-dev: \
         install it, then `cargo run --release --features ublk -- explore ... --world device`; \
         `cargo xtask lab run` has a kernel with it"
            .to_owned(),
    ))
}
