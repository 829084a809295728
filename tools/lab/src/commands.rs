//! The subcommands that are no stages: look, run something, be the guest.

pub(crate) mod kernels;
pub(crate) mod run;
pub(crate) mod selftest;
pub(crate) mod shell;

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::host::Host;
use crate::kernels as known_kernels;
use crate::kernels::Kernel;

/// Which kernel to boot, as people type it.
#[derive(Debug, clap::Args)]
pub(crate) struct Choice {
    /// A kernel by name; see `lab kernels`
    #[arg(long, value_name = "NAME", required_unless_present = "kernel_image")]
    kernel: Option<String>,
    /// A kernel of your own: its bzImage
    #[arg(long, value_name = "PATH", conflicts_with = "kernel", requires = "modules")]
    kernel_image: Option<PathBuf>,
    /// The modules of that kernel: like /lib/modules/RELEASE, or a folder above it
    #[arg(long, value_name = "DIR", requires = "kernel_image")]
    modules: Option<PathBuf>,
}

impl Choice {
    /// The kernel, fetched if need be.
    fn kernel(&self, host: &Host) -> Result<Kernel> {
        if let (Some(image), Some(modules)) = (&self.kernel_image, &self.modules) {
            return known_kernels::own(image, modules);
        }
        named(host, self.kernel.as_deref().context("no kernel was named")?)
    }
}

/// The kernel with this name, fetched if need be.
fn named(host: &Host, name: &str) -> Result<Kernel> {
    let known = known_kernels::known(name)?;
    match known_kernels::fetch(host, known, false)? {
        Some(kernel) => Ok(kernel),
        None => bail!("the mirror of this machine has no suite {}", known.suite),
    }
}

/// An error if a program is missing that every guest needs.
fn check_host() -> Result<()> {
    match crate::host::missing(&[]) {
        Some(line) => bail!("{line}"),
        None => Ok(()),
    }
}
