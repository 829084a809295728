//! `lab selftest`: five guests whose ends are known, so that the lab is believed when it says how one ended.

use std::time::Duration;

use anyhow::Result;

use crate::End;
use crate::accel::{self, Wish};
use crate::host::Host;
use crate::initramfs::Contents;
use crate::kernels::{self, Kernel};
use crate::machine::{self, Guest, Ran, Show};
use crate::transcript::{Check, Outcome, Verdict};

/// How long a guest may take that does nothing, on a machine that others use too.
const LIMIT: Duration = Duration::from_secs(120);

/// A guest whose end is known.
#[derive(Debug)]
struct Case {
    /// What it is called.
    name: &'static str,
    /// What it does.
    script: &'static str,
    /// Whether that is how it ended.
    is_right: fn(&Outcome) -> bool,
}

/// The five.
const CASES: [Case; 5] = [
    Case { name: "pass", script: "true", is_right: |outcome| *outcome == Outcome::Pass },
    Case { name: "fail", script: "exit 7", is_right: |outcome| *outcome == Outcome::Fail(7) },
    Case {
        name: "skip",
        script: "skip no such thing here",
        is_right: |outcome| *outcome == Outcome::Skip("no such thing here".to_owned()),
    },
    Case {
        name: "panic",
        script: "echo c >/proc/sysrq-trigger; sleep 60",
        is_right: |outcome| matches!(outcome, Outcome::Panic(line) if line.contains("panic")),
    },
    Case {
        name: "hang",
        script: "sleep 1000000",
        is_right: |outcome| matches!(outcome, Outcome::Hang(_)),
    },
];

/// What was typed after `selftest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask lab selftest --kernel trixie-backports\n\n\
    Exit codes: 0 all told apart; 1 not; 2 could not run.")]
pub(crate) struct Args {
    /// A kernel by name; see `lab kernels`
    #[arg(long, value_name = "NAME", default_value = kernels::KNOWN[0].name)]
    kernel: String,
    /// What executes it
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
}

/// Boots the five and prints how each ended.
pub(crate) fn run(args: &Args, host: &Host) -> Result<End> {
    super::check_host()?;
    let kernel = super::named(host, &args.kernel)?;
    let checks = checks(host, &kernel, args.accel)?;
    for check in &checks {
        let told = if check.verdict == Verdict::Ok { "ok" } else { "WRONG" };
        println!("{:<6} {told:<6} {}", check.name, check.text);
    }
    let right = checks.iter().all(|check| check.verdict == Verdict::Ok);
    Ok(if right { End::Passed } else { End::Failed })
}

/// Boots the five; a check for each.
pub(crate) fn checks(host: &Host, kernel: &Kernel, wish: Wish) -> Result<Vec<Check>> {
    let accel = accel::choose(host, wish, kernel)?;
    let guest = |script: &str, limit: Duration| Guest {
        kernel: kernel.clone(),
        accel,
        processors: 1,
        memory_mib: 512,
        limit,
        append: String::new(),
        contents: Contents { script: script.to_owned() + "\n", ..Contents::default() },
    };
    let mut checks = Vec::new();
    let mut hang_limit = LIMIT;
    for case in &CASES {
        let limit = if case.name == "hang" { hang_limit } else { LIMIT };
        let ran = machine::boot(&guest(case.script, limit), None, Show::Nothing)?;
        if case.name == "pass" {
            hang_limit = limit_beyond(&ran);
        }
        let verdict = if (case.is_right)(&ran.outcome) { Verdict::Ok } else { Verdict::Fail };
        let text = format!("{} ({:.1} s)", ran.outcome, ran.took.as_secs_f64());
        checks.push(Check { name: case.name.to_owned(), verdict, text });
    }
    Ok(checks)
}

/// A limit that a guest which passes keeps easily, so that one which hangs is not waited for long.
fn limit_beyond(passed: &Ran) -> Duration {
    (passed.took * 4).clamp(Duration::from_secs(10), LIMIT)
}
