//! What a scenario expects of a configuration, held against what was found.

use super::Judgement;
use crate::config::Config;
use crate::format::{Expect, ExpectedVerdict, Scenario};
use maprace_fs::Checker;

/// An expectation and whether it came true.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Expected {
    /// `safe` or `damaged`.
    pub verdict: String,
    /// Whether it came true; `None` while the search is too incomplete to tell.
    pub as_expected: Option<bool>,
}

/// What the search found, as far as expectations speak of it.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) verdict: Judgement,
    pub(super) complete: bool,
    /// The checkers that failed.
    pub(super) checkers: &'a [&'static str],
    /// The checker that failed first in each schedule that was kept.
    pub(super) first: &'a [&'static str],
}

/// Holds what a scenario expects of a configuration against samples, which are never complete.
pub(crate) fn sampled(
    scenario: &Scenario,
    config: &Config,
    verdict: Judgement,
    checkers: &[&'static str],
) -> Option<Expected> {
    let expect = scenario.expected(&config.names())?;
    Some(hold(expect, &Seen { verdict, complete: false, checkers, first: &[] }))
}

/// `yes`, once the search is complete; before that it cannot be told.
fn settled(yes: bool, complete: bool) -> Option<bool> {
    complete.then_some(yes)
}

/// A condition that the rest of the search can only make true.
fn found(yes: bool, complete: bool) -> Option<bool> {
    if yes { Some(true) } else { settled(false, complete) }
}

/// A condition that the rest of the search can only make false.
fn spared(yes: bool, complete: bool) -> Option<bool> {
    if yes { settled(true, complete) } else { Some(false) }
}

fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let parts: Vec<_> = parts.into_iter().collect();
    if parts.contains(&Some(false)) {
        return Some(false);
    }
    parts.into_iter().all(|part| part == Some(true)).then_some(true)
}

/// Holds `expect` against what was seen.
pub(super) fn hold(expect: &Expect, seen: &Seen<'_>) -> Expected {
    let damaged = seen.verdict == Judgement::Damaged;
    let as_expected = match expect.verdict {
        ExpectedVerdict::Safe => spared(!damaged, seen.complete),
        ExpectedVerdict::Damaged => all([
            found(damaged, seen.complete),
            checkers(expect, seen),
            visible(expect, seen),
            first_broken(expect, seen),
        ]),
    };
    Expected { verdict: expect.verdict.to_string(), as_expected }
}

fn checkers(expect: &Expect, seen: &Seen<'_>) -> Option<bool> {
    let failed = expect.checkers.iter().all(|name| seen.checkers.contains(&name.as_str()));
    found(failed, seen.complete)
}

fn visible(expect: &Expect, seen: &Seen<'_>) -> Option<bool> {
    let Some(wanted) = &expect.visible else { return Some(true) };
    let is_visible =
        |name: &&&str| Checker::from_name(name).is_some_and(Checker::is_kernel_visible);
    let shown: Vec<&&str> = seen.checkers.iter().filter(is_visible).collect();
    let all_wanted_shown = wanted.iter().all(|name| shown.contains(&&name.as_str()));
    let only_wanted_shown = shown.iter().all(|name| wanted.iter().any(|w| w == *name));
    all([found(all_wanted_shown, seen.complete), spared(only_wanted_shown, seen.complete)])
}

fn first_broken(expect: &Expect, seen: &Seen<'_>) -> Option<bool> {
    let Some(wanted) = &expect.first_broken else { return Some(true) };
    let is_wanted = |name: &&str| wanted.iter().any(|w| w == name);
    spared(seen.first.iter().all(is_wanted), seen.complete)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::When;

    fn expect(verdict: ExpectedVerdict, checkers: &[&str], visible: Option<&[&str]>) -> Expect {
        let own = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Expect {
            when: When::default(),
            verdict,
            checkers: own(checkers),
            visible: visible.map(own),
            first_broken: Some(own(&["delayed_not_allocated"])),
        }
    }

    fn check(
        expect: &Expect,
        verdict: Judgement,
        complete: bool,
        names: &[&'static str],
    ) -> Option<bool> {
        let first = &names[..names.len().min(1)];
        hold(expect, &Seen { verdict, complete, checkers: names, first }).as_expected
    }

    #[test]
    fn safe_is_known_at_the_end_and_damage_at_once() {
        let safe = expect(ExpectedVerdict::Safe, &[], None);
        assert_eq!(check(&safe, Judgement::Safe, true, &[]), Some(true));
        assert_eq!(check(&safe, Judgement::Incomplete, false, &[]), None);
        assert_eq!(check(&safe, Judgement::Damaged, false, &["data"]), Some(false));
    }

    #[test]
    fn damage_is_held_against_every_condition() {
        let names = ["delayed_not_allocated", "i_blocks"];
        let wanted = expect(ExpectedVerdict::Damaged, &names[..1], Some(&["i_blocks"]));
        assert_eq!(check(&wanted, Judgement::Damaged, true, &names), Some(true));
        assert_eq!(check(&wanted, Judgement::Damaged, false, &names), None);
        assert_eq!(check(&wanted, Judgement::Damaged, true, &names[..1]), Some(false));
        assert_eq!(check(&wanted, Judgement::Damaged, false, &names[..1]), None);
        let more = ["delayed_not_allocated", "i_blocks", "data"];
        assert_eq!(check(&wanted, Judgement::Damaged, false, &more), Some(false));
        assert_eq!(check(&wanted, Judgement::Safe, true, &[]), Some(false));
        assert_eq!(check(&wanted, Judgement::Damaged, true, &["i_blocks"]), Some(false));
    }
}
