//! One configuration: layer, protocol with its knobs, order.

use crate::format::ConfigNames;
use maprace_fs::{Order, Protocol, protocol};

/// What a scenario is run with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The name of the layer.
    pub layer: String,
    /// The protocol, with the knobs in force.
    pub protocol: Protocol,
    /// The order of buffered writes.
    pub order: Order,
}

impl Config {
    /// ext4 with a preset as it is.
    ///
    /// # Panics
    /// When there is no such preset.
    pub fn ext4(preset: &str, order: Order) -> Config {
        let protocol = protocol::preset(preset).expect("a preset of the table");
        Config { layer: "ext4".to_owned(), protocol, order }
    }

    /// The same with one knob turned.
    ///
    /// # Panics
    /// When there is no such knob or value.
    #[must_use]
    pub fn with(mut self, knob: &str, value: &str) -> Config {
        let mut knobs = self.protocol.knobs;
        knobs.set(knob, value).expect("a knob and one of its values");
        self.protocol = self.protocol.with(knobs);
        self
    }

    /// The knobs whose value is not the preset's.
    pub fn moved(&self) -> Vec<(&'static str, &'static str)> {
        let preset =
            protocol::preset(self.protocol.name).map_or_else(Vec::new, |p| p.knobs.values());
        let values = self.protocol.knobs.values().into_iter();
        values.filter(|value| !preset.contains(value)).collect()
    }

    /// By names, to look up what a scenario expects.
    pub fn names(&self) -> ConfigNames {
        let own = |(knob, value): (&str, &str)| (knob.to_owned(), value.to_owned());
        ConfigNames {
            layer: self.layer.clone(),
            protocol: self.protocol.name.to_owned(),
            order: self.order.name().to_owned(),
            knobs: self.protocol.knobs.values().into_iter().map(own).collect(),
            moved: self.moved().into_iter().map(|(knob, _)| knob.to_owned()).collect(),
        }
    }

    /// Whether no kernel ever had it.
    pub fn is_counterfactual(&self) -> bool {
        self.protocol.knobs.is_counterfactual()
    }
}
