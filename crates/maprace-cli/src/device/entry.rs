//! One device as the registry keeps it. Read back by `list`, `del`, `recover` and `gc`, possibly those
//! of another release: the format has a number.

use super::devices::Facts;
use super::process::Process;
use super::spec::Spec;
use serde::{Deserialize, Serialize};

/// The number of this format.
const FORMAT: u32 = 1;

/// A device.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) format: u32,
    /// Who serves it, or is about to start who will.
    pub(crate) owner: Process,
    /// What it was asked to be, with what `set` has changed since.
    pub(crate) spec: Spec,
    /// What the kernel made of it; none: it has never been usable.
    pub(crate) facts: Option<Facts>,
    /// Seconds since 1970.
    pub(crate) created: u64,
}

impl Entry {
    /// A device that does not exist yet.
    pub(crate) fn new(spec: Spec, created: u64) -> Entry {
        Entry { format: FORMAT, owner: Process::own(), spec, facts: None, created }
    }

    /// From its text.
    pub(crate) fn parse(text: &str) -> Result<Entry, String> {
        /// The part that every format has.
        #[derive(Deserialize)]
        struct Any {
            format: u32,
        }
        let any: Any = serde_json::from_str(text).map_err(|_| "not an entry".to_owned())?;
        if any.format != FORMAT {
            return Err(format!("an entry of format {}, not {FORMAT}", any.format));
        }
        serde_json::from_str(text).map_err(|error| format!("not an entry: {error}"))
    }

    /// How it is doing.
    pub(crate) fn state(&self) -> State {
        match (self.owner.lives(), &self.facts) {
            (true, Some(_)) => State::Live,
            (true, None) => State::Starting,
            (false, Some(_)) if self.spec.recoverable && self.owner.is_of_this_boot() => {
                State::Recoverable
            }
            (false, _) => State::Dead,
        }
    }
}

/// How a device is doing, by what its process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// It is being added or recovered.
    Starting,
    /// It is served.
    Live,
    /// Its process has died; `recover` goes on with it.
    Recoverable,
    /// Its process has died; `gc` removes what is left.
    Dead,
}

impl State {
    /// In one word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Live => "live",
            State::Recoverable => "recoverable",
            State::Dead => "dead",
        }
    }
}
