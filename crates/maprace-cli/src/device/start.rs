//! Starting a daemon, and cleaning up after one that did not come to be: the side of who waits.

use super::clock::{Deadline, LOOK, pause};
use super::daemon::{Failed, Host, Order, Report};
use super::entry::Entry;
use super::process::Process;
use crate::failure::Failure;
use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::{Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Longest pause between two looks at what has no file descriptor.
const GLANCE: Duration = Duration::from_millis(100);

/// How long a kernel may take to remove what was half made.
const REMOVAL: Duration = Duration::from_secs(10);

/// Set by SIGINT and SIGTERM, or by whatever ends a search.
#[derive(Clone, Debug)]
pub(crate) enum Interrupted {
    Signals(Arc<AtomicBool>),
    Search,
}

impl Interrupted {
    /// From now on these signals do not end the process.
    pub(crate) fn watch() -> Result<Interrupted, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| Failure::Device(format!("cannot wait for signals: {error}")))?;
        }
        Ok(Interrupted::Signals(flag))
    }

    /// Whether one has come.
    pub(crate) fn is_set(&self) -> bool {
        match self {
            Interrupted::Signals(flag) => flag.load(Ordering::Relaxed),
            Interrupted::Search => crate::search::STOP.load(Ordering::Relaxed),
        }
    }
}

/// Starts a daemon; its entry when the device can be used. Otherwise nothing of the process is left,
/// and of an added device neither.
pub(crate) fn start(
    host: &Host<'_>,
    order: &Order,
    deadline: Deadline,
    interrupted: &Interrupted,
) -> Result<Entry, Failed> {
    let id = order.entry.spec.id;
    let mut child = spawn(host, order)?;
    let outcome = match listen(&mut child, deadline, interrupted) {
        Ok(entry) => return Ok(entry),
        Err(outcome) => outcome,
    };
    let process = Process::of(child.id());
    let ended = finish(&mut child);
    let last = host.registry.last_words(id);
    let failed = outcome.told(order, ended.as_deref(), last.as_deref());
    if ended.is_none() {
        // It sits in the kernel, and what it has cannot be taken away from it.
        return Err(failed);
    }
    if !order.again && !failed.is_taken {
        let pid = process.map_or(child.id(), |process| process.pid);
        remove_half_made(host, id, pid);
    }
    if !order.again {
        host.registry.remove(id);
    }
    Err(failed)
}

/// Removes a device that the kernel has of what was half made.
fn remove_half_made(host: &Host<'_>, id: u32, pid: u32) {
    let all = host.devices.all().unwrap_or_default();
    let ours = all.iter().any(|device| device.id == id && device.pid.is_none_or(|own| own == pid));
    if ours {
        // What cannot be removed is found by `gc`: the error that is told is the first one.
        let _ = host.removed(id, REMOVAL);
    }
}

fn spawn(host: &Host<'_>, order: &Order) -> Result<Child, Failed> {
    let failed = |what: &str| {
        let what = what.to_owned();
        move |error: std::io::Error| Failed::from(Failure::Device(format!("{what}: {error}")))
    };
    let program = std::env::current_exe().map_err(failed("cannot find this program"))?;
    let log = host.registry.log_file(order.entry.spec.id, order.again)?;
    let mut command = Command::new(program);
    command.args(["device", "serve"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(failed("cannot start the device's process"))?;
    let text = serde_json::to_vec(order).map_err(Failure::from)?;
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(&text));
    if let Some(Err(error)) = written {
        // It has ended already; what it said is heard below.
        drop(error);
    }
    Ok(child)
}

/// Why a daemon did not come to be.
#[derive(Debug)]
enum Outcome {
    /// It said so.
    Said(Failed),
    /// It ended without a word, or closed its standard output.
    Silent { step: Option<String> },
    /// It took too long.
    Late { step: Option<String> },
    /// Ctrl-C.
    Interrupted,
}

impl Outcome {
    fn told(self, order: &Order, ended: Option<&str>, last: Option<&str>) -> Failed {
        let verb = if order.again { "recovered" } else { "added" };
        let at = |step: &Option<String>| match step {
            Some(step) => format!("after the step `{step}`"),
            None => "before the first step".to_owned(),
        };
        let log = last.map_or_else(String::new, |last| format!("; it said: {last}"));
        let mut error = match &self {
            Outcome::Said(failed) => return failed.clone(),
            Outcome::Silent { step } => {
                let how = ended.unwrap_or("without a word");
                format!("the device's process ended {} ({how}){log}: try --foreground", at(step))
            }
            Outcome::Late { step } => format!(
                "the device was not {verb} in time: its process hung {}{log}: \
                 see `maprace device doctor`, or give it a longer --timeout",
                at(step)
            ),
            Outcome::Interrupted => format!("interrupted: the device was not {verb}"),
        };
        if ended.is_none() {
            error += "; the process hangs in the kernel and could not be killed";
        }
        Failed { error, is_taken: false }
    }
}

/// Hears what a daemon reports.
fn listen(
    child: &mut Child,
    deadline: Deadline,
    interrupted: &Interrupted,
) -> Result<Entry, Outcome> {
    let mut step = None;
    let mut heard = Vec::new();
    let Some(mut out) = child.stdout.take() else { return Err(Outcome::Silent { step }) };
    loop {
        if interrupted.is_set() {
            return Err(Outcome::Interrupted);
        }
        if deadline.is_over() {
            return Err(Outcome::Late { step });
        }
        if !has_more(&out, deadline) {
            continue;
        }
        let mut bytes = [0; 4096];
        match out.read(&mut bytes) {
            Ok(0) => return Err(Outcome::Silent { step }),
            Ok(n) => heard.extend_from_slice(&bytes[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Outcome::Silent { step }),
        }
        while let Some(end) = heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = heard.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Report::Step(name)) => step = Some(name),
                Ok(Report::Ready(entry)) => return Ok(*entry),
                Ok(Report::Failed(failed)) => return Err(Outcome::Said(failed)),
                // Something else that a library prints.
                Err(_) => {}
            }
        }
    }
}

/// Whether there is something to read, or the end.
fn has_more(out: &ChildStdout, deadline: Deadline) -> bool {
    let mut fds = [PollFd::new(out, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&deadline.wait(GLANCE))), Ok(n) if n > 0)
}

/// Ends the process of a failed start, and waits for it; how it ended, or none if it does not end.
fn finish(child: &mut Child) -> Option<String> {
    // One that has reported its failure is about to end by itself.
    let own_end = Deadline::after(GLANCE * 5);
    let killed = Deadline::after(REMOVAL);
    let mut is_killed = false;
    while !killed.is_over() {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status.to_string()),
            Ok(None) => {}
            Err(error) => return Some(error.to_string()),
        }
        if own_end.is_over() && !is_killed {
            // It may have ended just now.
            let _ = child.kill();
            is_killed = true;
        }
        pause(LOOK);
    }
    None
}
