//! The `maprace` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    maprace_cli::Maprace::new().run()
}
