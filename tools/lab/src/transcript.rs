//! What a guest said, read back: where its script began and ended, checks, figures, kernel alarms.
//!
//! Pure text in, values out: two streams, the script's and the kernel's console.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Words by which a kernel says that it is in trouble.
const ALARMS: [&str; 7] = [
    "BUG:",
    "Oops",
    "Call Trace",
    "hung task",
    "blocked for more than",
    "general protection",
    "Kernel panic",
];

/// How many alarms are kept: the first ones say why.
const ALARMS_MAX: usize = 20;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should.
    Ok,
    /// Not as it should: the stage fails.
    Fail,
    /// It could not be tried.
    Skip,
}

/// One thing that was looked at, by the guest or by the judge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// Its name.
    pub(crate) name: String,
    /// How it went.
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) text: String,
}

/// One measured value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    /// Its name; the same name again is another measurement of the same.
    pub(crate) name: String,
    /// The value.
    pub(crate) value: f64,
    /// Its unit.
    pub(crate) unit: String,
}

/// What a guest said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Transcript {
    /// What the first line of the lab says about the machine.
    pub(crate) began: Option<String>,
    /// The script's exit status.
    pub(crate) ended: Option<i32>,
    /// Why the script skipped.
    pub(crate) skip: Option<String>,
    /// The checks, in order.
    pub(crate) checks: Vec<Check>,
    /// The figures, in order.
    pub(crate) figures: Vec<Figure>,
    /// The kernel's alarms.
    pub(crate) alarms: Vec<String>,
    /// Files that did not come back, and other losses of the lab's own.
    pub(crate) lost: Vec<String>,
    /// Lines that look like a check or a figure and are none.
    pub(crate) malformed: Vec<String>,
}

/// How the emulator ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// By itself.
    ByItself,
    /// By us, after this time.
    AtLimit(Duration),
}

/// What became of a guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// The script ended with 0 and the kernel had no alarm.
    Pass,
    /// The script ended with this status.
    Fail(i32),
    /// The script said that it cannot be run here.
    Skip(String),
    /// The kernel died or had an alarm; its first line.
    Panic(String),
    /// The script had not ended after this time.
    Hang(Duration),
    /// The guest never came to its script.
    NeverStarted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => write!(f, "pass"),
            Self::Fail(status) => write!(f, "fail: the script ended with {status}"),
            Self::Skip(reason) => write!(f, "skip: {reason}"),
            Self::Panic(line) => write!(f, "panic: {line}"),
            Self::Hang(limit) => write!(f, "hang: not done after {} s", limit.as_secs()),
            Self::NeverStarted(why) => write!(f, "never started: {why}"),
        }
    }
}

impl Transcript {
    /// Reads both streams.
    pub(crate) fn read(script: &str, console: &str) -> Self {
        let mut transcript = Self::default();
        for line in script.lines() {
            transcript.line(line.trim_end_matches('\r'));
        }
        for line in console.lines() {
            if is_alarm(line) {
                transcript.alarm(line);
            }
        }
        transcript
    }

    /// Reads one line of the script's stream.
    fn line(&mut self, line: &str) {
        // A script's last line may lack its end, so the lab's line may begin inside.
        if let Some((_, rest)) = line.split_once("LAB-END rc=") {
            let status = rest.split(' ').next().unwrap_or_default();
            self.ended = status.parse().ok();
        } else if let Some((_, reason)) = line.split_once("LAB-SKIP ") {
            self.skip = Some(reason.to_owned());
        } else if let Some(machine) = line.strip_prefix("LAB-BEGIN ") {
            self.began = Some(machine.to_owned());
        } else if let Some(alarm) = line.strip_prefix("LAB-ALARM ") {
            self.alarm(alarm);
        } else if let Some(lost) = line.strip_prefix("LAB-LOST ") {
            self.lost.push(lost.to_owned());
        } else if let Some(rest) = line.strip_prefix("CHECK ") {
            match check(rest) {
                Some(check) => self.checks.push(check),
                None => self.malformed.push(line.to_owned()),
            }
        } else if let Some(rest) = line.strip_prefix("FIGURE ") {
            match figure(rest) {
                Some(figure) => self.figures.push(figure),
                None => self.malformed.push(line.to_owned()),
            }
        }
    }

    /// Keeps an alarm, unless the other stream had it already.
    fn alarm(&mut self, line: &str) {
        let line = line.trim_end_matches('\r').trim();
        if self.alarms.len() < ALARMS_MAX && !self.alarms.iter().any(|known| known == line) {
            self.alarms.push(line.to_owned());
        }
    }

    /// What became of the guest.
    pub(crate) fn outcome(&self, stopped: Stopped, errors: &str) -> Outcome {
        if let Some(alarm) = self.alarms.first() {
            return Outcome::Panic(alarm.clone());
        }
        match (self.ended, &self.began, stopped) {
            (Some(0), _, _) => match &self.skip {
                Some(reason) => Outcome::Skip(reason.clone()),
                None => Outcome::Pass,
            },
            (Some(status), _, _) => Outcome::Fail(status),
            (None, Some(_), Stopped::AtLimit(limit)) => Outcome::Hang(limit),
            (None, Some(_), Stopped::ByItself) => Outcome::Panic(format!(
                "the machine stopped before its script ended{}",
                why(errors)
            )),
            (None, None, Stopped::AtLimit(limit)) => Outcome::NeverStarted(format!(
                "no script after {} s{}",
                limit.as_secs(),
                why(errors)
            )),
            (None, None, Stopped::ByItself) => {
                Outcome::NeverStarted(format!("the machine stopped while it booted{}", why(errors)))
            }
        }
    }

    /// All values of one figure, in order.
    pub(crate) fn values(&self, name: &str) -> Vec<f64> {
        self.figures.iter().filter(|figure| figure.name == name).map(|f| f.value).collect()
    }
}

/// Whether a line of the lab's own, which is not shown to people.
pub(crate) fn is_of_the_lab(line: &[u8]) -> bool {
    line.starts_with(b"LAB-")
}

/// The emulator's own words, if it had any.
fn why(errors: &str) -> String {
    errors.lines().next_back().map_or_else(String::new, |line| format!(": {line}"))
}

/// Whether a line of a kernel's console is an alarm.
fn is_alarm(line: &str) -> bool {
    ALARMS.iter().any(|alarm| line.contains(alarm))
}

/// `NAME ok|fail|skip TEXT`
fn check(rest: &str) -> Option<Check> {
    let mut words = rest.splitn(3, ' ');
    let name = words.next().filter(|name| !name.is_empty())?.to_owned();
    let verdict = match words.next()? {
        "ok" => Verdict::Ok,
        "fail" => Verdict::Fail,
        "skip" => Verdict::Skip,
        _ => return None,
    };
    Some(Check { name, verdict, text: words.next().unwrap_or_default().to_owned() })
}

/// `NAME VALUE UNIT`
fn figure(rest: &str) -> Option<Figure> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let [name, value, unit] = words[..] else { return None };
    let value: f64 = value.parse().ok()?;
    value.is_finite().then(|| Figure { name: name.to_owned(), value, unit: unit.to_owned() })
}

#[cfg(test)]
mod tests;
