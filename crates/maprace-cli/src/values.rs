//! Single values of the command line, from text to a type: a name that nobody knows is an error that
//! lists the known ones.

use crate::args::WorldName;
use maprace_explore::Engine;
use maprace_fs::protocol::{NEWEST_RELEASE, PRESETS, Protocol, preset};
use maprace_fs::{Cookie, KnobError, Knobs, Order};
use maprace_scenario::ErrorKind;
use std::str::FromStr;

/// The engines, as they are listed.
const ENGINES: [Engine; 7] = [
    Engine::Auto,
    Engine::Naive,
    Engine::Dpor,
    Engine::States,
    Engine::Icb,
    Engine::Random,
    Engine::Pct,
];

/// Longest error line, in characters.
const LINE_MAX: usize = 600;

fn unknown<'a>(
    what: impl Into<std::borrow::Cow<'static, str>>,
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> ErrorKind {
    let known = known.into_iter().map(str::to_owned).collect();
    ErrorKind::Unknown { what: what.into(), typed: typed.to_owned(), known }
}

/// A preset.
pub(crate) fn protocol(text: &str) -> Result<Protocol, ErrorKind> {
    let known = || PRESETS.iter().map(|preset| preset.name);
    preset(text).ok_or_else(|| unknown("protocol", text, known()))
}

/// An order.
pub(crate) fn order(text: &str) -> Result<Order, ErrorKind> {
    let known = || Order::ALL.iter().map(|order| order.name());
    Order::from_name(text).ok_or_else(|| unknown("order", text, known()))
}

/// A cookie.
pub(crate) fn cookie(text: &str) -> Result<Cookie, ErrorKind> {
    let known = || Cookie::ALL.iter().map(|cookie| cookie.name());
    Cookie::from_name(text).ok_or_else(|| unknown("cookie", text, known()))
}

/// A world.
pub(crate) fn world(text: &str) -> Result<WorldName, ErrorKind> {
    named(text, &WORLDS)
}

/// A world of `explore`: the others measure, which is what `compare` is for.
pub(crate) fn explored_world(text: &str) -> Result<WorldName, ErrorKind> {
    named(text, &[WORLDS[0], WORLDS[3]])
}

const WORLDS: [(&str, WorldName); 4] = [
    ("explore", WorldName::Explore),
    ("virtual", WorldName::Virtual),
    ("threads", WorldName::Threads),
    ("device", WorldName::Device),
];

fn named(text: &str, worlds: &[(&str, WorldName)]) -> Result<WorldName, ErrorKind> {
    let found = worlds.iter().find(|(name, _)| *name == text).map(|(_, world)| *world);
    found.ok_or_else(|| unknown("world", text, worlds.iter().map(|(name, _)| *name)))
}

/// An engine.
pub(crate) fn engine(text: &str) -> Result<Engine, ErrorKind> {
    let known = || ENGINES.iter().map(|engine| engine.name());
    let found = ENGINES.into_iter().find(|engine| engine.name() == text);
    found.ok_or_else(|| unknown("engine", text, known()))
}

/// The newest protocol that a kernel was released with: what is meant when none is named.
pub(crate) fn newest_release() -> Protocol {
    preset(NEWEST_RELEASE).expect("the newest release is in the table")
}

/// `KNOB=VALUE`, both known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Setting {
    pub(crate) knob: &'static str,
    pub(crate) value: &'static str,
}

impl FromStr for Setting {
    type Err = ErrorKind;

    fn from_str(text: &str) -> Result<Setting, ErrorKind> {
        let (knob, value) = text.split_once('=').unwrap_or((text, ""));
        Setting::of(knob.trim(), value.trim())
    }
}

impl Setting {
    /// The setting of a knob by name.
    pub(crate) fn of(knob: &str, value: &str) -> Result<Setting, ErrorKind> {
        let names = Knobs::names();
        let Some(knob) = names.iter().copied().find(|name| *name == knob) else {
            return Err(unknown("knob", knob, names));
        };
        let values = values_of(knob);
        match values.iter().copied().find(|known| *known == value) {
            Some(value) => Ok(Setting { knob, value }),
            None => Err(unknown(format!("value of {knob}"), value, values)),
        }
    }
}

/// The values a knob can have, the weakest protection first.
pub(crate) fn values_of(knob: &str) -> Vec<&'static str> {
    let mut knobs = PRESETS[0].knobs;
    match knobs.set(knob, "") {
        Err(KnobError::Value(values)) => values,
        Ok(()) | Err(KnobError::Name(_)) => Vec::new(),
    }
}

/// A protocol with knobs turned.
pub(crate) fn turned(protocol: Protocol, settings: &[Setting]) -> Protocol {
    let mut knobs = protocol.knobs;
    for Setting { knob, value } in settings {
        knobs.set(knob, value).expect("a setting names a knob and one of its values");
    }
    protocol.with(knobs)
}

/// The text on one line, cut when it is long.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::new();
    for c in text.chars().take(LINE_MAX) {
        if c.is_control() {
            line.extend(c.escape_debug());
        } else {
            line.push(c);
        }
    }
    if text.chars().nth(LINE_MAX).is_some() {
        line += "...";
    }
    line
}

/// What is wrong with a command line, in one line that says where to look.
pub(crate) fn usage_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut what = String::new();
    let mut help = String::new();
    for paragraph in text.split("\n\n") {
        let first = paragraph.lines().next().unwrap_or_default();
        if let Some(usage) = first.strip_prefix("Usage: ") {
            let words = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-']));
            help = words.collect::<Vec<_>>().join(" ");
        } else if !first.starts_with("For more information") {
            join(&mut what, paragraph);
        }
    }
    let what = what.strip_prefix("error: ").unwrap_or(&what);
    if help.is_empty() { what.to_owned() } else { format!("{what}; see `{help} --help`") }
}

/// Adds the lines of a paragraph, as parts of one sentence.
fn join(sentence: &mut String, paragraph: &str) {
    for line in paragraph.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let line = line.strip_prefix("tip: ").unwrap_or(line);
        if !sentence.is_empty() {
            *sentence += if sentence.ends_with(':') { " " } else { "; " };
        }
        *sentence += line;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_what_there_is() {
        assert_eq!("cookie=late".parse::<Setting>().unwrap().value, "late");
        let error = |text: &str| text.parse::<Setting>().unwrap_err().to_string();
        assert!(
            error("coockie=late").contains("did you mean `cookie`?"),
            "{}",
            error("coockie=late")
        );
        assert!(
            error("cookie=lat").contains("unknown value of cookie `lat`: known are off, late, on")
        );
        assert!(error("cookie").contains("known are off, late, on"));
    }

    #[test]
    fn the_newest_release_is_no_invention() {
        assert_eq!(newest_release().name, "v6.12");
    }

    #[test]
    fn errors_stay_on_one_line() {
        assert_eq!(one_line("a\nb\u{7}"), "a\\nb\\u{7}");
        assert_eq!(one_line(&"x".repeat(1000)).len(), LINE_MAX + 3);
    }
}
