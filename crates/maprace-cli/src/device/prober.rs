//! The hidden command `measure`: this program as the process that measures a device's floor.

use crate::failure::Failure;
use maprace_ublk::prober::{self, Prober, Target};

/// This program, told to measure.
pub(crate) fn own() -> Result<Prober, Failure> {
    let failed = |error| Failure::Device(format!("cannot find this program: {error}"));
    let program = std::env::current_exe().map_err(failed)?;
    Ok(Prober { program, arguments: vec!["device".into(), "measure".into()] })
}

/// Measures what its arguments name, and talks through standard input and output.
pub(crate) fn main(arguments: &[String]) -> Result<(), Failure> {
    let target = Target::from_arguments(arguments).ok_or_else(|| {
        Failure::Usage("device measure: it is for `device serve` to call".to_owned())
    })?;
    prober::main(&target, std::io::stdin().lock(), std::io::stdout().lock())
        .map_err(|error| Failure::Device(format!("measuring {}: {error}", target.path)))
}
