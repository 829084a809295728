//! A machine of a test's own: a kernel, a registry, and commands that know both.

use crate::fake;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// The machine.
pub(crate) struct World {
    dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> World {
        let dir = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("kernel")).expect("it is ours");
        World { dir }
    }

    pub(crate) fn kernel(&self) -> PathBuf {
        self.dir.path().join("kernel")
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// `maprace device`.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.program(&[&["device"], words].concat())
    }

    /// `maprace`.
    pub(crate) fn program(&self, words: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("it runs"));
        command.args(words);
        command.env(fake::KERNEL, self.kernel()).env("MAPRACE_RUN_DIR", self.registry());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("it starts")
    }

    pub(crate) fn run_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Output {
        self.command(words).envs(variables.iter().copied()).output().expect("it starts")
    }

    /// What a command prints that does what it is told.
    pub(crate) fn done(&self, words: &[&str]) -> String {
        done(words, &self.run(words))
    }

    /// The same as JSON.
    pub(crate) fn json(&self, words: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.done(&[words, &["--json"]].concat())).expect("it is JSON")
    }

    /// The one line of a command that refuses.
    pub(crate) fn refused(&self, words: &[&str]) -> String {
        refused(words, &self.run(words))
    }

    /// The daemon of a device, by its entry.
    pub(crate) fn daemon(&self, id: u32) -> Option<u32> {
        let text = fs::read_to_string(self.registry().join(format!("{id}.json"))).ok()?;
        let entry: serde_json::Value = serde_json::from_str(&text).expect("entries are whole");
        Some(u32::try_from(entry["owner"]["pid"].as_u64()?).expect("a pid"))
    }

    /// That nothing of a device is left: no device, no file.
    pub(crate) fn assert_empty(&self, when: &str) {
        assert_eq!(fake::devices(&self.kernel()), [0_u32; 0], "{when}");
        assert_eq!(self.files(), [""; 0], "{when}");
    }

    /// The files of devices.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut names = Vec::new();
        for dir in [self.registry(), self.registry().join("memory")] {
            let Ok(entries) = fs::read_dir(dir) else { continue };
            names.extend(entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()));
        }
        names.retain(|name| name != "lock" && name != "memory");
        names.sort();
        names
    }
}

/// Daemons that a failed test left.
impl Drop for World {
    fn drop(&mut self) {
        for id in 0..4 {
            if let Some(pid) = self.daemon(id).filter(|pid| lives(*pid) && is_ours(*pid)) {
                signal(pid, "KILL");
            }
        }
    }
}

/// Whether a process runs this program.
fn is_ours(pid: u32) -> bool {
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    exe.is_some() && exe == std::env::current_exe().ok() && pid != std::process::id()
}

pub(crate) fn done(words: &[&str], output: &Output) -> String {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {errors}");
    assert_eq!(errors, "", "{words:?}");
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

pub(crate) fn refused(words: &[&str], output: &Output) -> String {
    let errors = String::from_utf8(output.stderr.clone()).expect("it is text");
    assert_eq!(output.status.code(), Some(2), "{words:?}: {errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{words:?}");
    assert_eq!(errors.lines().count(), 1, "{words:?}: {errors}");
    errors
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status();
    assert!(status.expect("every Unix has it").success(), "{pid}");
}

/// Whether a process lives; a zombie does not.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Waits for something; who waits for ever is ended by whoever runs the tests.
pub(crate) fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The end of a child: its code and what it said.
pub(crate) fn end_of(child: Child) -> Output {
    child.wait_with_output().expect("it ends")
}
