//! The race seen through a block device: which protocol and order are damaged, how long a window is, and
//! that nothing is left of a run that ends early.
//!
//! Rounds are samples, and lanes begin together only as well as the machine lets them: so damage is
//! asserted where thousands of rounds have always shown it, and safety where it must never be seen.

use std::time::Duration;

use serde_json::Value;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::transcript::Check;

/// How often each is run.
const RUNS: u32 = 3;
/// What the kernel says of the seed's leak.
const LEAK: &str = "i_reserved_data_blocks (1) not cleared!";
/// What the bitmap's read takes in the scenario `cold`, in nanoseconds.
const BITMAP_NS: u64 = 200_000;

/// What must be damaged in each run, and what in none.
const DAMAGED: [&str; 3] = ["seed.v5.10", "write.iomap.v5.10", "write.iomap.v6.8"];
const CLEAN: [&str; 4] =
    ["seed.v6.11", "write.iomap.v6.11", "write.buffer_head.v5.10", "write.buffer_head.v6.8"];
/// Over so many rounds at least; over more if what must be damaged took more.
const ROUNDS: u64 = 3000;

/// One guest, in real time: in virtual time processors take turns, and nothing meets.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "race/bookworm-backports",
        about: "the device world: damage by protocol and order, windows, Ctrl-C, a kill, refusals",
        suite: Suite::Full,
        kernel: "bookworm-backports",
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 2,
            memory_mib: 1536,
            settings: "",
            script: concat!(
                include_str!("../../guest/device.sh"),
                include_str!("../../guest/race.sh")
            ),
            modules: &["ublk_drv"],
            programs: &[],
            built: &[Built::Device],
            limit: Duration::from_secs(1200),
            judge,
        }),
    }]
}

fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for run in 1..=RUNS {
        checks.extend(DAMAGED.iter().map(|name| damaged(seen, &format!("{name}.{run}"))));
        checks.extend(CLEAN.iter().map(|name| clean(seen, &format!("{name}.{run}"))));
        checks.extend(CLEAN.iter().map(|name| met(seen, &format!("{name}.{run}"))));
        checks.push(leak(seen, &format!("seed.v5.10.{run}"), true));
        checks.push(leak(seen, &format!("seed.v6.11.{run}"), false));
        checks.push(window(seen, &format!("cold.{run}")));
    }
    checks.push(caught(seen));
    checks.push(cut(seen));
    checks
}

/// A number of what was measured.
fn measured(verdict: &Value, name: &str) -> Option<u64> {
    verdict.get("measured")?.get(name)?.as_u64()
}

fn with(
    seen: &Seen<'_>,
    name: &str,
    about: &str,
    say: impl Fn(&Value) -> Option<(bool, String)>,
) -> Check {
    let about = format!("{name}.{about}");
    match seen.json(&format!("{name}.json")) {
        Ok(verdict) => match say(&verdict) {
            Some((is_right, text)) => check(&about, is_right, text),
            None => check(&about, false, "the verdict lacks what is asked for"),
        },
        Err(error) => check(&about, false, format!("{error:#}")),
    }
}

fn damaged(seen: &Seen<'_>, name: &str) -> Check {
    with(seen, name, "damaged", |verdict| {
        let (rounds, bad) = (measured(verdict, "rounds")?, measured(verdict, "damaged")?);
        let is_told = !verdict.get("damaged_rounds")?.as_array()?.is_empty();
        Some((bad > 0 && is_told, format!("{bad} of {rounds} rounds are damaged")))
    })
}

fn clean(seen: &Seen<'_>, name: &str) -> Check {
    with(seen, name, "clean", |verdict| {
        let (rounds, bad) = (measured(verdict, "rounds")?, measured(verdict, "damaged")?);
        let text = format!("{bad} of {rounds} rounds are damaged, 0 of {ROUNDS} or more");
        Some((bad == 0 && rounds >= ROUNDS, text))
    })
}

/// Its tasks did meet: either began first in some rounds.
fn met(seen: &Seen<'_>, name: &str) -> Check {
    with(seen, name, "met", |verdict| {
        let apart = verdict.get("apart")?.get(0)?;
        let at = |part: &str| apart.get(part)?.as_i64();
        let (early, late) = (at("p10")?, at("p90")?);
        Some((early < 0 && late > 0, format!("the second task began {early} to {late} ns later")))
    })
}

/// Whether the server's log has the kernel's words.
fn leak(seen: &Seen<'_>, name: &str, is_there: bool) -> Check {
    with(seen, name, "log", |verdict| {
        let log: Vec<&str> =
            verdict.get("log")?.as_array()?.iter().filter_map(Value::as_str).collect();
        let has = log.iter().any(|line| line.starts_with(LEAK));
        Some((has == is_there, format!("the log says {log:?}")))
    })
}

/// W2 contains the wait for the bitmap's read.
fn window(seen: &Seen<'_>, name: &str) -> Check {
    with(seen, name, "W2", |verdict| {
        let windows = verdict.get("measured")?.get("windows")?.as_array()?;
        let w2 =
            windows.iter().find(|window| window.get("name").is_some_and(|name| name == "W2"))?;
        let p50 = w2.get("length")?.get("p50")?.as_u64()?;
        let apart = verdict.get("apart")?;
        let text = format!("p50 {p50} ns, the read takes {BITMAP_NS}; tasks began apart: {apart}");
        Some((p50 >= BITMAP_NS, text))
    })
}

/// The clean rounds of the fix were no idle ones: windows were hit, and every hit was noticed.
fn caught(seen: &Seen<'_>) -> Check {
    let of = |run: u32| -> Option<(u64, u64)> {
        let verdict = seen.json(&format!("seed.v6.11.{run}.json")).ok()?;
        let windows = verdict.get("measured")?.get("windows")?.as_array()?;
        let sum = |name: &str| windows.iter().filter_map(|w| w.get(name)?.as_u64()).sum::<u64>();
        Some((sum("hits"), sum("catches")))
    };
    let runs: Option<Vec<(u64, u64)>> = (1..=RUNS).map(of).collect();
    let Some(runs) = runs else { return check("seed.v6.11.caught", false, "not measured") };
    let is_right = runs.iter().all(|(hits, catches)| *hits > 0 && hits == catches);
    check("seed.v6.11.caught", is_right, format!("hits and catches: {runs:?}"))
}

/// What was found before Ctrl-C was shown.
fn cut(seen: &Seen<'_>) -> Check {
    with(seen, "cut", "shown", |verdict| {
        let rounds = measured(verdict, "rounds")?;
        let is_cut = verdict.get("cut")?.as_bool()?;
        Some((is_cut && rounds > 0, format!("{rounds} rounds, ended early: {is_cut}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::testing::{Guest, verdicts};

    /// What a guest returned, one thing each in which it may be wrong.
    #[derive(Clone, Copy)]
    struct Said {
        bad: u64,
        good: u64,
        words: &'static str,
        p50: u64,
        hits: u64,
        early: i64,
        rounds: u64,
        cut: bool,
    }

    const RIGHT: Said = Said {
        bad: 9,
        good: 0,
        words: SAID,
        p50: 200_000,
        hits: 7,
        early: -5,
        rounds: 3000,
        cut: true,
    };

    fn verdict(said: &Said, damaged: u64, log: &str, hits: u64) -> String {
        let told = if damaged > 0 { r#"{"round": 1}"# } else { "" };
        let Said { p50, early, rounds, cut, .. } = said;
        format!(
            r#"{{"damaged_rounds": [{told}], "log": [{log}], "apart": [{{"p10": {early}, "p90": 5}}],
                "cut": {cut}, "measured": {{"rounds": {rounds}, "damaged": {damaged}, "windows":
                [{{"name": "W2", "length": {{"p50": {p50}}}, "hits": {hits}, "catches": 7}}]}}}}"#
        )
    }

    fn guest(said: Said) -> Guest {
        let mut guest = Guest::new("").with("cut.json", &verdict(&said, 0, "", 0));
        for run in 1..=RUNS {
            for name in DAMAGED {
                let text = verdict(&said, said.bad, said.words, 7);
                guest = guest.with(&format!("{name}.{run}.json"), &text);
            }
            for name in CLEAN {
                let text = verdict(&said, said.good, "", said.hits);
                guest = guest.with(&format!("{name}.{run}.json"), &text);
            }
            guest = guest.with(&format!("cold.{run}.json"), &verdict(&said, 1, said.words, 7));
        }
        guest
    }

    fn failed(guest: &Guest) -> Vec<String> {
        verdicts(&guest.judge(judge)).into_iter().filter(|line| line.ends_with(" fail")).collect()
    }

    const SAID: &str = r#""i_reserved_data_blocks (1) not cleared! (the first of 9 rounds)""#;

    #[test]
    fn what_must_be_is_and_each_other_thing_fails() {
        let fails = |said: Said| failed(&guest(said)).len();
        assert_eq!(fails(RIGHT), 0);
        assert_eq!(fails(Said { bad: 0, ..RIGHT }), 9, "nothing is damaged");
        assert_eq!(fails(Said { good: 1, ..RIGHT }), 12, "what must be clean is not");
        assert_eq!(fails(Said { words: "", ..RIGHT }), 3, "no word of the leak");
        assert_eq!(fails(Said { p50: 199_999, ..RIGHT }), 3, "too short a window");
        assert_eq!(fails(Said { early: 1, ..RIGHT }), 12, "tasks that never met");
        assert_eq!(fails(Said { rounds: 0, ..RIGHT }), 13, "no rounds");
        for said in [Said { hits: 8, ..RIGHT }, Said { hits: 0, ..RIGHT }] {
            assert_eq!(failed(&guest(said)), ["seed.v6.11.caught fail"]);
        }
        assert_eq!(failed(&guest(Said { cut: false, ..RIGHT })), ["cut.shown fail"]);
        let none = verdicts(&Guest::new("").judge(judge));
        assert!(none.len() == 44 && none.iter().all(|line| line.ends_with(" fail")), "{none:?}");
    }
}
