//! The lab itself: how a guest ended is told apart.

use anyhow::Result;

use super::{Ended, Stage, StageRan, Suite, Work};
use crate::accel::{self, Wish};
use crate::commands::selftest;
use crate::host::Host;
use crate::kernels::Kernel;
use crate::transcript::Verdict;

/// The one stage.
pub(super) fn stages() -> Vec<Stage> {
    vec![Stage {
        name: "selftest/bookworm-backports",
        about: "guests that pass, fail, skip, panic and hang are told apart",
        suite: Suite::Smoke,
        kernel: "bookworm-backports",
        work: Work::Selftest,
    }]
}

/// Boots the five.
pub(super) fn run(stage: &Stage, host: &Host, kernel: &Kernel, wish: Wish) -> Result<StageRan> {
    let started = std::time::Instant::now();
    let checks = selftest::checks(host, kernel, wish)?;
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|check| check.verdict != Verdict::Ok)
        .map(|check| check.name.as_str())
        .collect();
    let ended = if wrong.is_empty() {
        Ended::Passed
    } else {
        Ended::Failed(format!("not told as they are: {}", wrong.join(", ")))
    };
    Ok(StageRan {
        ended,
        release: Some(kernel.release.clone()),
        accel: Some(accel::choose(host, wish, kernel)?),
        processors: 1,
        checks,
        seconds: started.elapsed().as_secs_f64(),
        ..stage.blank()
    })
}
