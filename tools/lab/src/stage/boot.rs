//! Every kernel comes up, is the one that was asked for, and runs our program.

use std::time::Duration;

use super::{Built, Clock, GuestWork, Seen, Stage, Suite, Work, check};
use crate::transcript::Check;

/// One stage for each kernel.
pub(super) fn stages() -> Vec<Stage> {
    let stage = |name, kernel, settings| Stage {
        name,
        about: "the kernel comes up and runs maprace; ublk is there, or not, as expected",
        suite: Suite::Smoke,
        kernel,
        work: Work::Guest(GuestWork {
            clock: Clock::Real,
            processors: 2,
            memory_mib: 512,
            settings,
            script: include_str!("../../guest/boot.sh"),
            modules: if settings == WITH_UBLK { &["ublk_drv"] } else { &[] },
            programs: &[],
            built: &[Built::Maprace],
            limit: Duration::from_secs(90),
            judge,
        }),
    };
    vec![
        stage("boot/bookworm-backports", "bookworm-backports", WITH_UBLK),
        stage("boot/trixie-backports", "trixie-backports", WITH_UBLK),
        stage("boot/bookworm", "bookworm", "ublk=absent"),
    ]
}

/// A kernel that has the driver.
const WITH_UBLK: &str = "ublk=there";

/// The kernel is the one that was asked for, and files come back as they were sent.
fn judge(seen: &Seen<'_>) -> Vec<Check> {
    let release = seen.file("release").unwrap_or_default();
    let is_asked_for = release.trim() == seen.kernel.release;
    vec![check("release", is_asked_for, format!("the guest runs {}", release.trim()))]
}
