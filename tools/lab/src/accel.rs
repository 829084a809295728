//! What executes a guest: QEMU's translator, or the host's own virtualization where it works.
//!
//! A node for virtualization proves nothing: one short boot does, and its answer is kept until the host
//! itself boots again. Under the translator `cmpxchg16b` is always taken away: with QEMU 7.2 kernels that
//! use it die at random.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::host::{self, Host};
use crate::initramfs::Contents;
use crate::kernels::Kernel;
use crate::machine::{self, Guest, Show};
use crate::transcript::Outcome;

/// How long the probe may take.
const PROBE: Duration = Duration::from_secs(20);

/// What a person asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wish {
    /// Virtualization if a probe boot succeeds, else the translator
    #[default]
    Auto,
    /// The translator, anywhere
    Tcg,
    /// Virtualization, or an error
    Kvm,
}

/// What executes a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Accel {
    /// The translator, a thread for each processor.
    Tcg,
    /// The translator in virtual time: the guest's clock counts its instructions.
    VirtualTime,
    /// The host's virtualization.
    Kvm,
}

/// What the probe found, and in which boot of the host.
#[derive(Debug, Serialize, Deserialize)]
struct Probed {
    /// The host's boot.
    boot: String,
    /// Whether a guest came up.
    works: bool,
}

impl Accel {
    /// The emulator's arguments.
    pub(crate) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max,-cx16"],
            Self::VirtualTime => &[
                "-accel",
                "tcg,thread=single",
                "-icount",
                "shift=2,sleep=off",
                "-cpu",
                "max,-cx16",
            ],
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
        }
    }

    /// As people call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcg => "translated",
            Self::VirtualTime => "virtual time",
            Self::Kvm => "virtualized",
        }
    }
}

/// What executes guests of real time here.
pub(crate) fn choose(host: &Host, wish: Wish, kernel: &Kernel) -> Result<Accel> {
    match wish {
        Wish::Tcg => Ok(Accel::Tcg),
        Wish::Auto if probe(host, kernel)? => Ok(Accel::Kvm),
        Wish::Auto => Ok(Accel::Tcg),
        Wish::Kvm if probe(host, kernel)? => Ok(Accel::Kvm),
        Wish::Kvm => {
            bail!("no guest comes up with KVM on this machine within {} s", PROBE.as_secs())
        }
    }
}

/// Whether a guest comes up virtualized; asked once per boot of the host.
fn probe(host: &Host, kernel: &Kernel) -> Result<bool> {
    let node = fs::OpenOptions::new().read(true).write(true).open("/dev/kvm");
    if node.is_err() {
        return Ok(false);
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("no boot id")?;
    let path = host.cache.join("kvm.json");
    let kept = fs::read_to_string(&path).ok();
    let kept: Option<Probed> = kept.and_then(|text| serde_json::from_str(&text).ok());
    if let Some(Probed { works, .. }) = kept.filter(|probed| probed.boot == boot.trim()) {
        return Ok(works);
    }
    let guest = Guest {
        kernel: kernel.clone(),
        accel: Accel::Kvm,
        processors: 1,
        memory_mib: 512,
        limit: PROBE,
        append: String::new(),
        contents: Contents { script: "true\n".to_owned(), ..Contents::default() },
    };
    let works = machine::boot(&guest, None, Show::Nothing)?.outcome == Outcome::Pass;
    eprintln!("lab: KVM {} here", if works { "works" } else { "does not work" });
    let probed = Probed { boot: boot.trim().to_owned(), works };
    host::write_whole(&path, &serde_json::to_string(&probed).context("plain text")?)?;
    Ok(works)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_translator_never_has_cmpxchg16b() {
        for accel in [Accel::Tcg, Accel::VirtualTime] {
            assert!(accel.arguments().contains(&"max,-cx16"), "{accel:?}");
        }
    }
}
