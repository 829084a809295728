//! `lab run`: a command in a guest, whose status becomes ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::Choice;
use crate::End;
use crate::accel::{self, Accel, Wish};
use crate::built;
use crate::host::Host;
use crate::initramfs::{self, Contents, Placed};
use crate::kernels::Kernel;
use crate::machine::{self, Guest, Ran, Show};
use crate::modules::USUAL;
use crate::transcript::Outcome;

/// What every guest of a person can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct GuestArgs {
    /// Which kernel
    #[command(flatten)]
    choice: Choice,
    /// How many processors the guest has
    #[arg(long, default_value_t = 2, value_name = "N")]
    smp: u32,
    /// Its memory in MiB
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    mem: u32,
    /// What executes it
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// Count the guest's time in its instructions: figures repeat, whatever the host does
    #[arg(long)]
    virtual_time: bool,
    /// Build maprace with the device, and add it as /bin/maprace
    #[arg(long)]
    maprace: bool,
    /// Add a program of this machine with its libraries, by name or path; may be given more than once
    #[arg(long, value_name = "NAME|PATH")]
    program: Vec<String>,
    /// Add a file; may be given more than once
    #[arg(long, value_name = "SRC[:DST]", value_parser = Placed::parse)]
    file: Vec<Placed>,
    /// Add and load a module; without any, the usual ones are there and loaded when used
    #[arg(long, value_name = "NAME")]
    module: Vec<String>,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    append: String,
}

impl GuestArgs {
    /// The guest, with this script and limit.
    pub(super) fn guest(&self, host: &Host, script: String, limit: Duration) -> Result<Guest> {
        super::check_host()?;
        let kernel = self.choice.kernel(host)?;
        let accel = if self.virtual_time {
            Accel::VirtualTime
        } else {
            accel::choose(host, self.accel, &kernel)?
        };
        let usual = || USUAL.map(str::to_owned).to_vec();
        let mut files = self.file.clone();
        if self.maprace {
            files.push(Placed { from: built::maprace(host)?, to: "/bin/maprace".to_owned() });
        }
        let contents = Contents {
            script,
            modules: self.module.clone(),
            modules_if_any: if self.module.is_empty() { usual() } else { Vec::new() },
            load: [self.module.as_slice(), &["ublk_drv".to_owned()]].concat(),
            programs: self.program.clone(),
            files,
            ..Contents::default()
        };
        Ok(Guest {
            processors: processors(&kernel, accel, self.smp),
            kernel,
            accel,
            memory_mib: self.mem,
            limit,
            append: self.append.clone(),
            contents,
        })
    }
}

/// How many processors the guest can have: older kernels hang in virtual time with more than one.
pub(crate) fn processors(kernel: &Kernel, accel: Accel, wanted: u32) -> u32 {
    if accel == Accel::VirtualTime && wanted > 1 && !kernel.is_smp_in_virtual_time() {
        eprintln!("lab: {} starts in virtual time with one processor only", kernel.release);
        return 1;
    }
    wanted
}

/// What was typed after `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask lab run --kernel bookworm-backports -- uname -a\n  \
    cargo xtask lab run --kernel bookworm-backports --maprace -- \\\n      \
    maprace explore mkwrite-fallocate --world device --protocol v5.10\n  \
    cargo xtask lab run --kernel trixie-backports --program mkfs.ext4 -- \\\n      \
    'modopt brd rd_size=65536; mkfs.ext4 -q /dev/ram0 && mount /dev/ram0 /mnt && df /mnt'\n  \
    cargo xtask lab run --kernel-image bzImage --modules out/lib/modules --out got -- \\\n      \
    'dmesg >/out/dmesg'\n\n\
    One word is a line for the guest's shell; several are a program and its arguments.\n\n\
    Exit codes: the command's own; 124 not done in time; 125 the guest never came to it; 126 the kernel\n\
    died, or had an alarm; 2 could not run; 130 interrupted.")]
pub(crate) struct Args {
    /// The guest
    #[command(flatten)]
    guest: GuestArgs,
    /// Seconds it may take, with the boot
    #[arg(long, default_value_t = 300, value_name = "S")]
    timeout: u64,
    /// Bring back here what the command leaves in /out
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Show nothing while it runs
    #[arg(long)]
    quiet: bool,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// Boots the guest and hands on its status.
pub(crate) fn run(args: &Args, host: &Host) -> Result<End> {
    let script = initramfs::script_of(&args.command)?;
    let mut guest = args.guest.guest(host, script, Duration::from_secs(args.timeout))?;
    guest.contents.returns_files = args.out.is_some();
    let show = if args.quiet { Show::Nothing } else { Show::Live };
    let ran = machine::boot(&guest, args.out.as_deref(), show)?;
    let log = keep_said(&host.cache.join("logs"), "run", &ran.script, &ran.console)?;
    report(&ran, &guest.kernel, &log);
    Ok(End::Guest(status(&ran.outcome)))
}

/// Keeps what a guest said; returns the kernel's log.
pub(crate) fn keep_said(folder: &Path, name: &str, script: &str, console: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let path = folder.join(format!("{name}.script.log"));
    fs::write(&path, script).with_context(|| format!("{}", path.display()))?;
    let path = folder.join(format!("{name}.console.log"));
    fs::write(&path, console).with_context(|| format!("{}", path.display()))?;
    Ok(path)
}

/// Says what a person cannot see from the command's own output.
fn report(ran: &Ran, kernel: &Kernel, log: &Path) {
    for lost in &ran.transcript.lost {
        eprintln!("lab: {lost}");
    }
    match &ran.outcome {
        Outcome::Pass | Outcome::Fail(_) => {}
        outcome => {
            for alarm in &ran.transcript.alarms {
                eprintln!("lab: kernel: {alarm}");
            }
            eprintln!("lab: {}: {outcome}; the console is in {}", kernel.release, log.display());
        }
    }
}

/// The status for an outcome: the guest's own, or one of those that `timeout` and shells use.
fn status(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Pass | Outcome::Skip(_) => 0,
        Outcome::Fail(status) => u8::try_from(*status).unwrap_or(1),
        Outcome::Hang(_) => 124,
        Outcome::NeverStarted(_) => 125,
        Outcome::Panic(_) => 126,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_the_guests_own_or_says_how_it_died() {
        assert_eq!(status(&Outcome::Pass), 0);
        assert_eq!(status(&Outcome::Fail(7)), 7);
        assert_eq!(status(&Outcome::Hang(Duration::ZERO)), 124);
        assert_eq!(status(&Outcome::NeverStarted(String::new())), 125);
        assert_eq!(status(&Outcome::Panic(String::new())), 126);
    }

    #[test]
    fn an_older_kernel_has_one_processor_in_virtual_time() {
        let kernel = |release: &str| Kernel {
            name: String::new(),
            release: release.to_owned(),
            image: PathBuf::new(),
            modules: PathBuf::new(),
        };
        assert_eq!(processors(&kernel("5.4.0"), Accel::VirtualTime, 2), 1);
        assert_eq!(processors(&kernel("5.4.0"), Accel::Tcg, 2), 2);
        assert_eq!(processors(&kernel("6.12.0"), Accel::VirtualTime, 2), 2);
    }
}
