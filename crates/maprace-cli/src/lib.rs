//! The one binary, `maprace`: where worlds, layers and backends are put together.
//!
//! A command reads what was typed (`args`), makes of it what will be done (`plan`), does it, and
//! answers with text and an exit code; only [`Maprace::run`] writes. The whole `main` of a package that
//! adds a layer is
//!
//! ```no_run
//! # struct Mine;
//! # impl Mine { fn new() -> maprace_fs::ext4::Ext4Kind { maprace_fs::ext4::Ext4Kind } }
//! fn main() -> std::process::ExitCode {
//!     maprace_cli::Maprace::new().layer("mine", Mine::new).run()
//! }
//! ```
//!
//! and every command then knows `--layer mine`; `examples/own_layer` is such a package.

#![deny(missing_docs)]

mod ablate;
mod answer;
mod args;
mod compare;
mod costs;
mod device;
mod device_world;
mod explain;
mod explore;
mod failure;
mod files;
mod help;
mod hunt;
mod layers;
mod lists;
mod load;
mod machine;
mod measure;
mod media;
mod output;
mod plan;
mod plots;
mod replay;
mod report;
mod search;
mod shell;
mod shrink;
mod terminal;
mod trace;
mod values;

#[cfg(feature = "ublk")]
#[doc(hidden)] // Not for use: what tests put in the kernel's place.
pub use crate::device::devices;

use crate::answer::Answer;
use crate::layers::Layers;
use crate::terminal::Terminal;
use maprace_scenario::AnyLayer;
use std::ffi::OsString;
use std::process::ExitCode;

/// The program, with the layers it knows.
#[derive(Debug)]
pub struct Maprace {
    layers: Layers,
    #[cfg(feature = "ublk")]
    devices: std::sync::Arc<dyn devices::Devices>,
}

impl Default for Maprace {
    fn default() -> Maprace {
        Maprace::new()
    }
}

impl Maprace {
    /// With the built-in layers.
    pub fn new() -> Maprace {
        Maprace {
            layers: Layers::builtin(),
            #[cfg(feature = "ublk")]
            devices: std::sync::Arc::new(device::kernel::Kernel),
        }
    }

    /// Adds a layer under a name that every command then knows. The last of two with one name counts.
    #[must_use]
    pub fn layer<K: AnyLayer + 'static>(mut self, name: &str, make: impl Fn() -> K) -> Maprace {
        self.layers.add(name, make());
        self
    }

    /// Puts something in the place of the kernel's devices.
    #[cfg(feature = "ublk")]
    #[doc(hidden)] // For tests.
    #[must_use]
    pub fn devices(mut self, devices: impl devices::Devices + 'static) -> Maprace {
        self.devices = std::sync::Arc::new(devices);
        self
    }

    /// Does what the command line says; the exit code is the program's.
    pub fn run(self) -> ExitCode {
        ExitCode::from(self.run_as(std::env::args_os()))
    }

    /// The same for a command line from elsewhere, the program's name first.
    pub fn run_as<T: Into<OsString>>(self, words: impl IntoIterator<Item = T>) -> u8 {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let terminal = Terminal::found(&words);
        #[cfg(feature = "ublk")]
        let terminal = terminal.with_devices(self.devices);
        let Answer { text, errors, code } = answer::answer(&self.layers, &terminal, words);
        terminal::write(&terminal.program, &text, &errors, code)
    }
}
