//! `lab shell`: a person in a guest.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::run::GuestArgs;
use crate::End;
use crate::host::Host;
use crate::machine;

/// What was typed after `shell`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask lab shell --kernel bookworm-backports --program fio --program mkfs.ext4\n\n\
    In the guest: `modload NAME` and `modopt NAME OPTION=VALUE` load modules; `exit` or Ctrl-A X ends it.")]
pub(crate) struct Args {
    /// The guest
    #[command(flatten)]
    guest: GuestArgs,
}

/// Boots the guest on this terminal.
pub(crate) fn run(args: &Args, host: &Host) -> Result<End> {
    ensure!(stdin().is_terminal(), "a shell needs a terminal; `lab run` does not");
    let mut guest = args.guest.guest(host, String::new(), Duration::MAX)?;
    let size = rustix::termios::tcgetwinsize(stdout()).ok().filter(|size| size.ws_row > 0);
    guest.contents.interactive = Some(size.map_or((24, 80), |size| (size.ws_row, size.ws_col)));
    eprintln!("lab: {} boots; Ctrl-A X quits", guest.kernel.release);
    machine::boot_interactive(&guest)?;
    Ok(End::Passed)
}
