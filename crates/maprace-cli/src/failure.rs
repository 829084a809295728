//! What keeps a command from being done: always one line, `maprace: what, where, what to do`.

use crate::values::one_line;
use maprace_scenario::{ErrorKind, NotModelled};
use std::path::PathBuf;

/// Why a command could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was typed is no command.
    #[error("{0}")]
    Usage(String),
    /// A name that nobody knows.
    #[error(transparent)]
    Name(#[from] ErrorKind),
    /// A scenario or a schedule that cannot be used.
    #[error(transparent)]
    Input(#[from] maprace_scenario::Error),
    /// A scenario that the model cannot run.
    #[error(transparent)]
    NotModelled(#[from] NotModelled),
    /// A scenario that a block device cannot run.
    #[error(transparent)]
    NotExpressed(#[from] maprace_scenario::device_world::NotExpressed),
    /// A run that is not the one its schedule describes.
    #[error("{origin}: {mismatch}")]
    Mismatch {
        /// Where the schedule is from.
        origin: String,
        /// What was expected and what was found.
        mismatch: String,
    },
    /// A schedule that belongs to another scenario.
    #[error("{origin}: the schedule is for scenario {theirs}, not for {ours}")]
    OtherScenario {
        /// Where the schedule is from.
        origin: String,
        /// The scenario it names.
        theirs: String,
        /// The scenario that was typed.
        ours: String,
    },
    /// A file that cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A limit of the explorer, or maprace or a layer contradicts itself.
    #[error("{scenario}: it cannot be explored: {what} (RUST_BACKTRACE=1 shows where)")]
    Panic {
        /// The scenario.
        scenario: String,
        /// What the panic said.
        what: String,
    },
    /// A profile that cannot be used.
    #[error(transparent)]
    Media(#[from] maprace_media::Error),
    /// A picture that cannot be drawn.
    #[error("cannot draw it: {0}")]
    Plot(String),
    /// A device that cannot be had, or cannot be asked.
    #[error("{0}")]
    Device(String),
    /// A device that cannot be had where other worlds go on without it.
    #[error("{0}")]
    NoDevice(String),
    /// A load that cannot be run, or a file of one that cannot be read.
    #[error(transparent)]
    Load(#[from] maprace_load::Error),
    /// Ctrl-C, where there is nothing to show of what was done.
    #[error("interrupted: nothing was written")]
    Interrupted,
    /// The answer cannot be printed as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Failure {
    /// The line.
    pub(crate) fn line(&self, program: &str) -> String {
        format!("{program}: {}\n", one_line(&self.to_string()))
    }
}
