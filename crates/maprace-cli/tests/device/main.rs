//! `maprace device` with real processes, real sockets and a real registry, on a kernel that is a
//! directory: what `--help` promises about adding, killing, recovering and cleaning up.
//!
//! Not libtest's `main`: a daemon is this program started again, and then it is `maprace`.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "these are tests, of real processes in real time"
)]

mod fake;
mod lives;
mod refusals;
mod rounds;
mod world;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(kernel) = fake::FakeKernel::from_environment() {
        return maprace_cli::Maprace::new().devices(kernel).run();
    }
    let tests: Vec<(&str, fn())> =
        lives::TESTS.iter().chain(refusals::TESTS).chain(rounds::TESTS).copied().collect();
    let trial = |(name, test): (&str, fn())| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit_code()
}
