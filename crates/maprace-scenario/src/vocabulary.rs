//! The names a scenario may use for what other crates own: layers, protocols, orders, knobs,
//! checkers.
//!
//! The parser checks every such name, so that a misspelt one is an error and not an expectation that
//! never matches. The lists are data: whoever adds a layer adds its name here before parsing.

use maprace_fs::KnobError;
use maprace_fs::{Checker, Order, protocol::PRESETS};
use std::collections::BTreeMap;

/// A checker, as an expectation names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckerName {
    /// Its name.
    pub name: String,
    /// Whether what it sees is visible from outside a running kernel.
    pub kernel_visible: bool,
}

/// Every name that `when`, `checkers` and `visible` may hold, each list in the order in which errors
/// show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    /// Layers, for example `ext4`.
    pub layers: Vec<String>,
    /// Protocols: presets over the knobs, for example `v6.8`.
    pub protocols: Vec<String>,
    /// Orders, for example `iomap`.
    pub orders: Vec<String>,
    /// Knobs and the values each can have.
    pub knobs: BTreeMap<String, Vec<String>>,
    /// Checkers.
    pub checkers: Vec<CheckerName>,
}

impl Vocabulary {
    /// The names of maprace itself, from the tables of `maprace-fs`: a preset that is added there is
    /// known here.
    pub fn builtin() -> Vocabulary {
        let checker = |checker: &Checker| CheckerName {
            name: checker.name().to_owned(),
            kernel_visible: checker.is_kernel_visible(),
        };
        Vocabulary {
            layers: vec!["ext4".to_owned()],
            protocols: PRESETS.iter().map(|preset| preset.name.to_owned()).collect(),
            orders: Order::ALL.iter().map(|order| order.name().to_owned()).collect(),
            knobs: knobs(),
            checkers: Checker::ALL.iter().map(checker).collect(),
        }
    }

    /// Every checker's name.
    pub(crate) fn checker_names(&self) -> Vec<String> {
        self.checkers.iter().map(|checker| checker.name.clone()).collect()
    }

    /// The names of the checkers whose damage a running kernel shows.
    pub(crate) fn visible_names(&self) -> Vec<String> {
        let visible = self.checkers.iter().filter(|checker| checker.kernel_visible);
        visible.map(|checker| checker.name.clone()).collect()
    }
}

impl Default for Vocabulary {
    fn default() -> Vocabulary {
        Vocabulary::builtin()
    }
}

/// Every knob with its values, which a knob tells when it is asked for one it does not have.
fn knobs() -> BTreeMap<String, Vec<String>> {
    let Some(preset) = PRESETS.first() else { return BTreeMap::new() };
    let values = |knob: &str| match preset.knobs.clone().set(knob, "") {
        Err(KnobError::Value(values)) => values.into_iter().map(str::to_owned).collect(),
        Ok(()) | Err(KnobError::Name(_)) => Vec::new(),
    };
    let names = preset.knobs.values().into_iter().map(|(knob, _)| knob);
    names.map(|knob| (knob.to_owned(), values(knob))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_format_are_those_of_the_model() {
        let names = Vocabulary::builtin();
        assert_eq!(names.orders, ["buffer_head", "iomap"]);
        assert_eq!(names.protocols[..2], ["v5.10", "v6.8"]);
        assert_eq!(names.knobs["cookie"], ["off", "late", "on"]);
        assert_eq!(names.knobs["insert"], ["shared", "exclusive", "one-hold"]);
        assert_eq!(names.knobs.len(), 18);
        assert!(names.knobs.values().all(|values| values.len() > 1));
        for fixed in ["data", "reserved_at_evict", "dirty_counter_after_sync", "i_blocks"] {
            assert!(names.visible_names().contains(&fixed.to_owned()), "{fixed}");
        }
        assert!(names.checker_names().contains(&"delayed_not_allocated".to_owned()));
    }
}
