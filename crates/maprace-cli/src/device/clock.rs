//! The clock of `device`: time limits, pauses, and when something was made. A real device lives in
//! real time, so this is the one place of it that reads the wall clock.

#![expect(
    clippy::disallowed_types,
    reason = "what a kernel or another process does takes real time"
)]

use std::time::Duration;

/// When something must have happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(std::time::Instant);

impl Deadline {
    /// So long from now.
    pub(crate) fn after(limit: Duration) -> Deadline {
        Deadline(std::time::Instant::now() + limit)
    }

    /// How long until then; nothing when it has passed.
    pub(crate) fn left(self) -> Duration {
        self.0.saturating_duration_since(std::time::Instant::now())
    }

    /// Whether it has passed.
    pub(crate) fn is_over(self) -> bool {
        self.left().is_zero()
    }

    /// The time for one wait of several, at most `longest`: then something else is looked at.
    pub(crate) fn wait(self, longest: Duration) -> rustix::event::Timespec {
        rustix::event::Timespec::try_from(self.left().min(longest)).unwrap_or_default()
    }
}

/// How long a loop pauses that looks at what nobody announces.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// Waits.
#[expect(clippy::disallowed_methods, reason = "there is nothing to wait on: it is looked again")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

/// Seconds since 1970, in UTC.
pub(crate) fn unix_seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
