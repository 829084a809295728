//! A stage: a guest, its script, and the judge who reads what it said.
//!
//! A new stage is a script in `guest/`, a module below `stage/` with a function `stages`, and one line in
//! [`all`]. The script prints `CHECK` and `FIGURE` lines and leaves files in `/out`; the judge turns
//! figures into checks. A stage's limit is four times what it takes on a quiet machine: others use it too.

mod boot;
mod cost;
mod device;
mod faults;
mod filesystems;
mod hardship;
mod latency;
mod load;
mod memory;
mod race;
mod recovery;
mod selftest;
mod speed;
mod stall;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::accel::{self, Accel, Wish};
use crate::built;
use crate::commands::run::processors;
use crate::host::Host;
use crate::initramfs::{Contents, Placed};
use crate::kernels::{self, Kernel};
use crate::machine::{self, Guest, Ran, Show};
use crate::transcript::{Check, Figure, Outcome, Transcript, Verdict};

/// Which list a stage is on. The full one holds the smoke one too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// Short, and required of every change.
    Smoke,
    /// Long, before a release of the device.
    Full,
}

/// One stage.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its name: what is tested, and where, `WHAT/WHERE`.
    pub(crate) name: &'static str,
    /// What it shows, in one line.
    pub(crate) about: &'static str,
    /// The list it is on.
    pub(crate) suite: Suite,
    /// Its kernel, by name.
    pub(crate) kernel: &'static str,
    /// What is done.
    pub(crate) work: Work,
}

/// What a stage does.
#[derive(Debug)]
pub(crate) enum Work {
    /// Boots a guest and judges it.
    Guest(GuestWork),
    /// Boots the guests whose ends are known.
    Selftest,
}

/// A guest of a stage.
#[derive(Debug)]
pub(crate) struct GuestWork {
    /// Whose time it runs in.
    pub(crate) clock: Clock,
    /// Its processors.
    pub(crate) processors: u32,
    /// Its memory in MiB.
    pub(crate) memory_mib: u32,
    /// Lines before the script: what differs between stages that share one.
    pub(crate) settings: &'static str,
    /// The script.
    pub(crate) script: &'static str,
    /// Modules that the script loads.
    pub(crate) modules: &'static [&'static str],
    /// Programs of this machine.
    pub(crate) programs: &'static [&'static str],
    /// Programs that are built here.
    pub(crate) built: &'static [Built],
    /// How long it may take.
    pub(crate) limit: Duration,
    /// Turns what the guest said into checks.
    pub(crate) judge: fn(&Seen<'_>) -> Vec<Check>,
}

/// Whose time a guest runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// The machine's: figures are good for order and counts.
    Real,
    /// Its own, counted in instructions: figures repeat.
    Virtual,
}

/// A program that is built here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Built {
    /// Ours, with whatever it has.
    Maprace,
    /// Ours, with the device.
    Device,
    /// The server ours is compared with.
    Peer,
}

/// What a judge sees.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    /// What the guest said.
    pub(crate) transcript: &'a Transcript,
    /// The files it returned.
    pub(crate) files: &'a Path,
    /// Its kernel.
    pub(crate) kernel: &'a Kernel,
}

/// How a stage ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ended {
    /// All checks passed.
    Passed,
    /// Why not.
    Failed(String),
    /// Why it could not be tried.
    Skipped(String),
}

/// What came of a stage.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StageRan {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it shows.
    pub(crate) about: &'static str,
    /// How it ended.
    pub(crate) ended: Ended,
    /// The kernel's release; none if there was no kernel.
    pub(crate) release: Option<String>,
    /// What executed it.
    pub(crate) accel: Option<Accel>,
    /// The processors it had.
    pub(crate) processors: u32,
    /// The guest's and the judge's checks.
    pub(crate) checks: Vec<Check>,
    /// The guest's figures.
    pub(crate) figures: Vec<Figure>,
    /// Seconds it took here.
    pub(crate) seconds: f64,
    /// What became of a first try that died before its script.
    pub(crate) retried: Option<String>,
    /// All that the guest said: script and console.
    #[serde(skip)]
    pub(crate) said: Option<(String, String)>,
}

/// Every stage, in the order they run.
pub(crate) fn all() -> Vec<Stage> {
    [
        boot::stages(),
        selftest::stages(),
        device::stages(),
        filesystems::stages(),
        latency::stages(),
        speed::stages(),
        load::stages(),
        hardship::stages(),
        stall::stages(),
        cost::stages(),
        recovery::stages(),
        faults::stages(),
        race::stages(),
        memory::stages(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Stage {
    /// Whether `--only` means this one: by its name, or by what stands before the slash.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name == name || self.name.split_once('/').is_some_and(|(what, _)| what == name)
    }

    /// Programs of this machine that it needs.
    pub(crate) fn programs(&self) -> &'static [&'static str] {
        match &self.work {
            Work::Guest(work) => work.programs,
            Work::Selftest => &[],
        }
    }

    /// Runs it; an error is one of the lab's own, or a wish to stop.
    pub(crate) fn run(&self, host: &Host, wish: Wish) -> Result<StageRan> {
        if let Work::Guest(work) = &self.work
            && work.built.contains(&Built::Device)
            && !built::has_device(host)
        {
            return Ok(self.skipped("maprace is built here without the device"));
        }
        let Some(kernel) = kernels::fetch(host, kernels::known(self.kernel)?, false)? else {
            let suite = kernels::known(self.kernel)?.suite;
            return Ok(self.skipped(&format!("the mirror of this machine has no suite {suite}")));
        };
        match &self.work {
            Work::Guest(work) => self.run_guest(work, host, kernel, wish),
            Work::Selftest => selftest::run(self, host, &kernel, wish),
        }
    }

    /// A stage that was not tried.
    fn skipped(&self, reason: &str) -> StageRan {
        StageRan { ended: Ended::Skipped(reason.to_owned()), ..self.blank() }
    }

    /// A stage that the lab could not carry out.
    pub(crate) fn failed(&self, why: &str) -> StageRan {
        StageRan { ended: Ended::Failed(why.to_owned()), ..self.blank() }
    }

    /// What is known of a stage before it runs.
    pub(crate) fn blank(&self) -> StageRan {
        StageRan {
            name: self.name,
            about: self.about,
            ended: Ended::Passed,
            release: None,
            accel: None,
            processors: 0,
            checks: Vec::new(),
            figures: Vec::new(),
            seconds: 0.0,
            retried: None,
            said: None,
        }
    }

    /// Boots the guest and judges it.
    fn run_guest(
        &self,
        work: &GuestWork,
        host: &Host,
        kernel: Kernel,
        wish: Wish,
    ) -> Result<StageRan> {
        let guest = work.guest(host, kernel, wish)?;
        // Kept until the next run: what a judge saw, a person wants to see too.
        let files = host.cache.join("logs").join(format!("{}.files", file_name(self.name)));
        if files.exists() {
            std::fs::remove_dir_all(&files).with_context(|| format!("{}", files.display()))?;
        }
        let ran = machine::boot(&guest, Some(&files), Show::Nothing)?;
        let mut checks = ran.transcript.checks.clone();
        if ran.outcome == Outcome::Pass {
            let seen = Seen { transcript: &ran.transcript, files: &files, kernel: &guest.kernel };
            checks.extend((work.judge)(&seen));
        }
        Ok(StageRan {
            ended: ended(&ran, &checks),
            release: Some(guest.kernel.release),
            accel: Some(guest.accel),
            processors: guest.processors,
            checks,
            figures: ran.transcript.figures,
            seconds: ran.took.as_secs_f64(),
            retried: ran.retried,
            said: Some((ran.script, ran.console)),
            ..self.blank()
        })
    }
}

impl GuestWork {
    /// The guest to boot.
    fn guest(&self, host: &Host, kernel: Kernel, wish: Wish) -> Result<Guest> {
        let accel = match self.clock {
            Clock::Virtual => Accel::VirtualTime,
            Clock::Real => accel::choose(host, wish, &kernel)?,
        };
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let mut files = Vec::new();
        for built in self.built {
            let (from, to) = match built {
                Built::Maprace | Built::Device => (built::maprace(host)?, "/bin/maprace"),
                Built::Peer => (built::peer(host)?, "/bin/rublk"),
            };
            files.push(Placed { from, to: to.to_owned() });
        }
        Ok(Guest {
            processors: processors(&kernel, accel, self.processors),
            kernel,
            accel,
            memory_mib: self.memory_mib,
            limit: self.limit,
            append: String::new(),
            contents: Contents {
                script: format!("{}\n{}", self.settings, self.script),
                modules: owned(self.modules),
                programs: owned(self.programs),
                files,
                returns_files: true,
                ..Contents::default()
            },
        })
    }
}

impl Seen<'_> {
    /// The text of a file that the guest returned.
    pub(crate) fn file(&self, name: &str) -> Result<String> {
        std::fs::read_to_string(self.files.join(name))
            .with_context(|| format!("the guest returned no {name}"))
    }

    /// A file that the guest returned, as JSON.
    pub(crate) fn json(&self, name: &str) -> Result<serde_json::Value> {
        serde_json::from_str(&self.file(name)?).with_context(|| format!("{name} is no JSON"))
    }
}

/// How a stage ended whose guest said this.
fn ended(ran: &Ran, checks: &[Check]) -> Ended {
    let transcript = &ran.transcript;
    let failed: Vec<&str> = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .map(|check| check.name.as_str())
        .collect();
    if let Outcome::Skip(reason) = &ran.outcome {
        return Ended::Skipped(reason.clone());
    }
    if !failed.is_empty() {
        let more = match &ran.outcome {
            Outcome::Pass => String::new(),
            outcome => format!("; {outcome}"),
        };
        return Ended::Failed(format!("{}{more}", failed.join(", ")));
    }
    if ran.outcome != Outcome::Pass {
        return Ended::Failed(ran.outcome.to_string());
    }
    if let Some(line) = transcript.malformed.first().or(transcript.lost.first()) {
        return Ended::Failed(format!("not understood: {line}"));
    }
    if checks.is_empty() {
        return Ended::Failed("it checked nothing".to_owned());
    }
    Ended::Passed
}

/// What the files of the stage with this name are called.
pub(crate) fn file_name(stage: &str) -> String {
    stage.replace('/', "-")
}

/// A check by a judge.
pub(crate) fn check(name: &str, is_right: bool, text: impl Into<String>) -> Check {
    let verdict = if is_right { Verdict::Ok } else { Verdict::Fail };
    Check { name: name.to_owned(), verdict, text: text.into() }
}

/// A figure as it is told, also when there is none.
pub(crate) fn told<T: std::fmt::Display>(figure: Option<T>) -> String {
    figure.map_or_else(|| "nothing".to_owned(), |figure| figure.to_string())
}

/// What the judges' tests share.
#[cfg(test)]
mod testing {
    use super::{Check, Kernel, Seen, Transcript, Verdict};

    /// A guest that said this and returned these files.
    pub(super) struct Guest {
        transcript: Transcript,
        files: tempfile::TempDir,
    }

    impl Guest {
        pub(super) fn new(script: &str) -> Self {
            let files = tempfile::tempdir().unwrap();
            Self { transcript: Transcript::read(script, ""), files }
        }

        pub(super) fn with(self, name: &str, text: &str) -> Self {
            std::fs::write(self.files.path().join(name), text).unwrap();
            self
        }

        pub(super) fn judge(&self, judge: impl Fn(&Seen<'_>) -> Vec<Check>) -> Vec<Check> {
            let kernel = Kernel {
                name: String::new(),
                release: "1.2".to_owned(),
                image: "vmlinuz".into(),
                modules: "modules".into(),
            };
            judge(&Seen { transcript: &self.transcript, files: self.files.path(), kernel: &kernel })
        }
    }

    /// Names and verdicts, for comparing.
    pub(super) fn verdicts(checks: &[Check]) -> Vec<String> {
        let word = |verdict| match verdict {
            Verdict::Ok => "ok",
            Verdict::Fail => "fail",
            Verdict::Skip => "skip",
        };
        checks.iter().map(|check| format!("{} {}", check.name, word(check.verdict))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(script: &str, outcome: Outcome) -> Ran {
        Ran {
            outcome,
            transcript: Transcript::read(script, ""),
            script: script.to_owned(),
            console: String::new(),
            took: Duration::ZERO,
            retried: None,
        }
    }

    fn end(script: &str, outcome: Outcome) -> Ended {
        let ran = ran(script, outcome);
        ended(&ran, &ran.transcript.checks)
    }

    #[test]
    fn a_failed_check_fails_the_stage_by_name() {
        let failed = |text: &str| Ended::Failed(text.to_owned());
        assert_eq!(end("CHECK a ok\n", Outcome::Pass), Ended::Passed);
        assert_eq!(end("CHECK a ok\nCHECK b fail x\n", Outcome::Pass), failed("b"));
        assert_eq!(
            end("CHECK b fail x\n", Outcome::Fail(2)),
            failed("b; fail: the script ended with 2")
        );
    }

    #[test]
    fn a_stage_passes_only_if_it_checked_something_and_all_was_understood() {
        assert!(matches!(end("", Outcome::Pass), Ended::Failed(_)));
        assert!(matches!(end("CHECK a ok\nCHECK b maybe\n", Outcome::Pass), Ended::Failed(_)));
        assert!(matches!(end("CHECK a ok\nLAB-LOST f\n", Outcome::Pass), Ended::Failed(_)));
        assert!(matches!(end("CHECK a ok\n", Outcome::Fail(1)), Ended::Failed(_)));
        let skip = Outcome::Skip("why".to_owned());
        assert_eq!(end("", skip), Ended::Skipped("why".to_owned()));
    }

    #[test]
    fn names_are_unique_and_kernels_known() {
        let stages = all();
        let mut names: Vec<&str> = stages.iter().map(|stage| stage.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), stages.len());
        for stage in &stages {
            kernels::known(stage.kernel).unwrap();
            assert!(stage.name.contains('/'), "{}", stage.name);
        }
    }

    #[test]
    fn a_stage_is_called_by_its_name_or_by_what_it_tests() {
        let stage = &all()[0];
        let (what, _) = stage.name.split_once('/').unwrap();
        assert!(stage.is_called(stage.name) && stage.is_called(what));
        assert!(!stage.is_called("nothing"));
    }
}
