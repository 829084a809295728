//! From a [`CostTable`] back to the text of its file.

use super::{CostTable, bounds};
use crate::print::string;
use std::fmt::Write;

impl CostTable {
    /// The text of a file that parses as this table. Every number has its origin beside it.
    pub fn to_toml(&self) -> String {
        let mut text = String::from("format = 1\n");
        line(&mut text, "name", &string(&self.name));
        line(&mut text, "title", &string(&self.title));
        line(&mut text, "good_for", &string(&self.good_for));
        if !self.source.is_empty() {
            line(&mut text, "source", &string(&self.source));
        }
        text += "\n[machine]\n";
        line(&mut text, "wake_ns", &self.machine.wake_ns.to_string());
        line(&mut text, "slice_ns", &self.machine.slice_ns.to_string());
        if self.machine.spread_ppm > 0 {
            line(&mut text, "spread", &fraction(self.machine.spread_ppm));
        }
        self.origin(&mut text, &self.machine.source);
        text += "\n[default]\n";
        line(&mut text, "step_ns", &self.default.step_ns.to_string());
        line(&mut text, "call_ns", &self.default.call_ns.to_string());
        self.origin(&mut text, &self.default.source);
        for step in &self.steps {
            text += "\n[[step]]\n";
            line(&mut text, "name", &string(&step.name));
            line(&mut text, "ns", &step.ns.to_string());
            if step.per_kib_ns > 0 {
                line(&mut text, "per_kib_ns", &step.per_kib_ns.to_string());
            }
            own(&mut text, step.own);
            self.origin(&mut text, &step.source);
        }
        for call in &self.calls {
            text += "\n[[call]]\n";
            line(&mut text, "name", &string(&call.name));
            line(&mut text, "ns", &call.ns.to_string());
            own(&mut text, call.own);
            self.origin(&mut text, &call.source);
        }
        text
    }

    /// Where numbers come from, unless the head of the file says so already.
    fn origin(&self, text: &mut String, source: &str) {
        if source != self.source {
            line(text, "source", &string(source));
        }
    }
}

fn line(text: &mut String, key: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{key} = {value}");
}

fn own(text: &mut String, own: bool) {
    if own {
        line(text, "own", "true");
    }
}

/// Millionths as a fraction of TOML, exactly.
fn fraction(ppm: u32) -> String {
    format!("{}.{:06}", ppm / bounds::SPREAD_PPM, ppm % bounds::SPREAD_PPM)
}
