//! The process that measures, and its talk with the process that serves, in lines of JSON.
//!
//! The server starts it with the device's path as its last arguments; whatever program it is, it
//! calls [`main`]. It holds nothing of the device but the node it reads, so that the server's death is
//! seen by the kernel however long a read takes.

use crate::Floor;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The last argument, of a device that nothing is on.
const FRESH: &str = "fresh";

/// What to start; what is to be measured is added to its arguments.
#[derive(Clone, Debug)]
pub struct Prober {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments.
    pub arguments: Vec<OsString>,
}

/// What is to be measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The block device.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// Nothing is on it: writes may be measured too.
    pub is_fresh: bool,
}

impl Target {
    fn arguments(&self) -> [String; 3] {
        let state = if self.is_fresh { FRESH } else { "used" };
        [self.path.clone(), self.size.to_string(), state.to_owned()]
    }

    /// From the arguments that a prober is given last; none if they are not such.
    pub fn from_arguments(arguments: &[String]) -> Option<Target> {
        let [path, size, state] = arguments else { return None };
        Some(Target { path: path.clone(), size: size.parse().ok()?, is_fresh: state == FRESH })
    }
}

/// What the prober says, a line each.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    /// Every request shall wait for so many ns; an empty line says that it does.
    Wait(u64),
    /// The end.
    Floor(Floor),
    /// The end as well.
    Failed(String),
}

/// Starts the prober and hears it to its end. `wait` sets what every request waits for, in ns.
pub(crate) fn ask(
    prober: &Prober,
    target: &Target,
    wait: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Floor> {
    let mut command = Command::new(&prober.program);
    command.args(&prober.arguments).args(target.arguments());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let floor = hear(&mut child, wait);
    if floor.is_err() {
        let _ = child.kill();
    }
    // Not here: it may be in the middle of a request that is answered only when the device is deleted, which
    // whoever called this does next.
    std::thread::Builder::new().name("prober".to_owned()).spawn(move || child.wait())?;
    floor
}

fn hear(child: &mut Child, wait: &mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<Floor> {
    let pipes = child.stdin.take().zip(child.stdout.take());
    let (mut answers, words) = pipes.expect("both were asked for");
    for line in BufReader::new(words).lines() {
        match serde_json::from_str(&line?)? {
            Word::Wait(wait_ns) => {
                wait(wait_ns)?;
                answers.write_all(b"\n")?;
            }
            Word::Floor(floor) => return Ok(floor),
            Word::Failed(why) => return Err(io::Error::other(why)),
        }
    }
    Err(io::Error::other("the process that measures ended without a word"))
}

/// The prober: measures, and talks through `answers` and `words`, its standard input and output.
///
/// # Errors
/// Nobody listens any more.
pub fn main(target: &Target, answers: impl BufRead, words: impl Write) -> io::Result<()> {
    talk(|wait| super::floor(target, wait), answers, words)
}

fn talk(
    measure: impl FnOnce(&mut dyn FnMut(u64) -> io::Result<()>) -> io::Result<Floor>,
    mut answers: impl BufRead,
    mut words: impl Write,
) -> io::Result<()> {
    let mut wait = |wait_ns| {
        say(&mut words, &Word::Wait(wait_ns))?;
        match answers.read_line(&mut String::new())? {
            0 => Err(io::Error::other("who serves the device is gone")),
            _ => Ok(()),
        }
    };
    let last = match measure(&mut wait) {
        Ok(floor) => Word::Floor(floor),
        Err(error) => Word::Failed(error.to_string()),
    };
    say(&mut words, &last)
}

fn say(words: &mut impl Write, word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    words.write_all(&line)?;
    words.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program of the shell's instead of a real prober; what it was given stands in `$*`.
    fn shell(script: &str) -> Prober {
        let arguments = ["-c", script, "prober"].map(OsString::from).to_vec();
        Prober { program: "/bin/sh".into(), arguments }
    }

    #[test]
    fn a_target_goes_through_arguments() {
        for is_fresh in [true, false] {
            let target = Target { path: "/dev/x".to_owned(), size: 8192, is_fresh };
            assert_eq!(Target::from_arguments(&target.arguments()), Some(target));
        }
        assert_eq!(Target::from_arguments(&["/dev/x".to_owned()]), None);
    }

    fn asked(script: &str) -> (io::Result<Floor>, Vec<u64>) {
        let target = Target { path: "/dev/x".to_owned(), size: 8192, is_fresh: true };
        let mut waits = Vec::new();
        let floor = ask(&shell(script), &target, &mut |wait_ns| {
            waits.push(wait_ns);
            Ok(())
        });
        (floor, waits)
    }

    #[test]
    fn a_prober_is_told_what_to_measure_and_heard_to_its_end() {
        let (floor, waits) = asked(
            r#"[ "$*" = "/dev/x 8192 fresh" ] || exit 1
            echo '{"wait":0}'; read x; echo '{"wait":200}'; read x
            echo '{"floor":{"read_ns":1,"write_ns":2,"credit_ns":3}}'"#,
        );
        assert_eq!(floor.unwrap(), Floor { read_ns: 1, write_ns: 2, credit_ns: 3 });
        assert_eq!(waits, [0, 200]);
    }

    #[test]
    fn what_went_wrong_is_told() {
        let told = |script| asked(script).0.unwrap_err().to_string();
        assert_eq!(told(r#"echo '{"failed":"planted"}'"#), "planted");
        assert!(told("exit 0").contains("without a word"));
        assert!(told("echo what").contains("expected value"));
        let nowhere = Prober { program: "/nowhere".into(), arguments: Vec::new() };
        let target = Target { path: String::new(), size: 1, is_fresh: false };
        assert!(ask(&nowhere, &target, &mut |_| Ok(())).is_err());
    }

    #[test]
    fn a_wait_that_cannot_be_set_ends_the_prober() {
        let target = Target { path: "/dev/x".to_owned(), size: 8192, is_fresh: false };
        let dir = tempfile::tempdir().unwrap();
        let number = dir.path().join("number");
        let script = format!(
            r#"echo $$ >{}; echo '{{"wait":0}}'; exec sleep 600"#,
            number.to_str().unwrap()
        );
        let refused = ask(&shell(&script), &target, &mut |_| Err(io::Error::other("planted")));
        assert_eq!(refused.unwrap_err().to_string(), "planted");
        let number = std::fs::read_to_string(number).unwrap();
        let process = std::path::Path::new("/proc").join(number.trim());
        // Bounded by what it would sleep for, if it were not killed.
        let gone = (0..6_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            !process.exists()
        });
        assert!(gone);
    }

    /// What a prober says that sets two waits and is answered so.
    fn words(answers: &str) -> Vec<Word> {
        let mut said = Vec::new();
        let floor = Floor { read_ns: 1, write_ns: 2, credit_ns: 3 };
        let measure = |wait: &mut dyn FnMut(u64) -> io::Result<()>| {
            wait(0)?;
            wait(200).map(|()| floor)
        };
        talk(measure, answers.as_bytes(), &mut said).unwrap();
        let lines = said.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn a_prober_measures_only_while_somebody_answers() {
        let floor = Floor { read_ns: 1, write_ns: 2, credit_ns: 3 };
        assert_eq!(words("\n\n"), [Word::Wait(0), Word::Wait(200), Word::Floor(floor)]);
        let gone = Word::Failed("who serves the device is gone".to_owned());
        assert_eq!(words("\n"), [Word::Wait(0), Word::Wait(200), gone.clone()]);
        assert_eq!(words(""), [Word::Wait(0), gone]);
    }
}
