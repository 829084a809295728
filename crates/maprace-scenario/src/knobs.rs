//! Single settings of a protocol: which weaken it, which others it could have.
//!
//! The values of a knob are listed weakest first, so a protection is a value that is not the first.

use crate::config::Config;
use maprace_fs::protocol::{self, PRESETS};
use maprace_fs::{KnobError, Knobs, OF_IOMAP, Order};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// A knob and one of its values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KnobSetting {
    /// The knob.
    pub knob: &'static str,
    /// The value.
    pub value: &'static str,
}

impl fmt::Display for KnobSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.knob, self.value)
    }
}

/// Every knob with its value, in the order of the knobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KnobValues(pub Vec<(&'static str, &'static str)>);

impl Serialize for KnobValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (knob, value) in &self.0 {
            map.serialize_entry(knob, value)?;
        }
        map.end()
    }
}

impl<'de> serde::Deserialize<'de> for KnobValues {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<KnobValues, D::Error> {
        let typed = BTreeMap::<String, String>::deserialize(from)?;
        let mut knobs = maprace_fs::protocol::PRESETS[0].knobs;
        for (knob, value) in &typed {
            knobs.set(knob, value).map_err(|_| {
                serde::de::Error::custom(format!("{knob}={value} is no setting of a knob"))
            })?;
        }
        Ok(KnobValues(knobs.values()))
    }
}

/// The values a knob can have, the weakest protection first; none if there is no such knob.
pub(crate) fn values_of(knob: &str) -> Vec<&'static str> {
    let Some(preset) = PRESETS.first() else { return Vec::new() };
    let mut knobs = preset.knobs;
    match knobs.set(knob, "") {
        Err(KnobError::Value(values)) => values,
        Ok(()) | Err(KnobError::Name(_)) => Vec::new(),
    }
}

/// The knobs that can matter in a configuration, each with its value.
fn felt(config: &Config) -> impl Iterator<Item = (&'static str, &'static str)> {
    let buffer_head = config.order == Order::BufferHead;
    let values = config.protocol.knobs.values().into_iter();
    values.filter(move |(knob, _)| !(buffer_head && OF_IOMAP.contains(knob)))
}

/// Whether some release had that value.
pub(crate) fn is_released(setting: &KnobSetting) -> bool {
    let had =
        |release: &maprace_fs::Knobs| release.values().contains(&(setting.knob, setting.value));
    protocol::releases().iter().any(had)
}

/// Every single turn of a knob, those that are likelier to be the fix first: values that a release had
/// before others, then knobs in the order of the table, of one knob stronger values before weaker ones,
/// the nearest first.
pub fn single_turns(config: &Config) -> Vec<KnobSetting> {
    let mut turns = Vec::new();
    for (knob, value) in felt(config) {
        let values = values_of(knob);
        let at = values.iter().position(|known| *known == value).unwrap_or(0);
        let stronger = values[(at + 1).min(values.len())..].iter();
        let weaker = values[..at].iter().rev();
        turns.extend(stronger.chain(weaker).map(|value| KnobSetting { knob, value }));
    }
    turns.sort_by_key(|turn| !is_released(turn));
    turns
}

/// How many presets after the protocol of `config` one of a release is the first that has the setting;
/// `None` if its own preset has it already, or none after it.
pub(crate) fn brought_after(config: &Config, setting: &KnobSetting) -> Option<usize> {
    let own = PRESETS.iter().position(|preset| preset.name == config.protocol.name)?;
    let has = |knobs: &Knobs| knobs.values().contains(&(setting.knob, setting.value));
    let mut from_own = PRESETS[own..].iter();
    let is_released = |knobs: &Knobs| !knobs.is_counterfactual();
    from_own.position(|p| has(&p.knobs) && is_released(&p.knobs)).filter(|after| *after > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(config: &Config) -> Vec<String> {
        single_turns(config).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_release_had_is_tried_before_what_none_had() {
        let turns = named(&Config::ext4("v5.10", Order::BufferHead));
        let at = |setting: &str| turns.iter().position(|turn| turn == setting).unwrap();
        assert_eq!(at("insert=exclusive"), 0);
        assert_eq!(at("recheck=on"), 1);
        assert!(at("insert=one-hold") > at("recheck=on"), "{turns:?}");
        assert!(!turns.iter().any(|turn| turn.starts_with("cookie") || turn == "insert=shared"));
    }

    #[test]
    fn a_setting_is_as_far_away_as_the_next_preset_that_has_it() {
        let config = Config::ext4("v5.10", Order::Iomap).with("cookie", "off");
        let after = |knob, value| brought_after(&config, &KnobSetting { knob, value });
        assert_eq!(after("insert", "exclusive"), Some(1), "v6.8");
        assert_eq!(after("recheck", "on"), Some(2), "v6.11");
        assert_eq!(after("insert", "one-hold"), None, "no release");
        assert_eq!(after("cookie", "on"), None, "as v5.10 itself is modelled");
        assert_eq!(after("split_nocache", "on"), None, "no preset");
    }

    #[test]
    fn stronger_values_come_before_weaker_ones() {
        let late = Config::ext4("v6.12", Order::Iomap).with("cookie", "late");
        let cookies: Vec<_> =
            named(&late).into_iter().filter(|t| t.starts_with("cookie")).collect();
        assert_eq!(cookies, ["cookie=on", "cookie=off"]);
    }
}
