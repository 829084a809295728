//! What commands say to a device's daemon, and hear: a line of JSON each way, over a socket in the
//! registry. Every call has a time limit, and nothing that is sent can end the daemon.

use super::args::AskedArg;
use super::clock::{Deadline, LOOK, pause};
use super::rounds_backend::{RoundsAsked, RoundsReply};
use super::spec::Medium;
use crate::failure::Failure;
use maprace_ublk::Stats;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long a command waits for the answer of a daemon: longer than the daemon waits for others that
/// keep it busy.
const ANSWER: Duration = Duration::from_secs(12);

/// How long a daemon waits for the rest of what somebody began to send.
const SENT: Duration = Duration::from_secs(5);

/// Longest line: a profile is at most 1 MiB, and as a string of JSON at most six times as long.
const LINE_MAX: u64 = 8 << 20;

/// Connections that are served at once; further ones wait for their turn.
const CONNECTIONS_MAX: usize = 16;

/// What is asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// What has been counted?
    Stats,
    /// Change the medium; `command` is what was typed, for the answer.
    Set { medium: Box<Medium>, command: String },
    /// One fault more.
    Fault(FaultSpec),
    /// Answer nothing that touches these bytes.
    Stick(Range),
    /// Answer what is stuck.
    Release,
    /// No fault any more.
    Clear,
    /// Which faults are there?
    Faults,
    /// Of a device that serves a scenario.
    Rounds(RoundsAsked),
}

/// The answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Reply {
    /// What was counted.
    Stats(Box<Stats>),
    /// The medium that is in force.
    Medium(Box<Medium>),
    /// The faults that are there now, and how many requests a release has answered.
    Faults { faults: FaultList, released: u64 },
    /// Of a device that serves a scenario.
    Rounds(RoundsReply),
    /// It was not done, and why.
    Refused(String),
}

/// Something that may fail.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultSpec {
    pub(crate) on: AskedArg,
    #[serde(flatten)]
    pub(crate) range: Range,
    pub(crate) chance: f64,
    pub(crate) until_written: bool,
}

/// Bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Range {
    pub(crate) from: u64,
    pub(crate) end: u64,
}

/// The faults of a device.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultList {
    pub(crate) faults: Vec<FaultSpec>,
    pub(crate) stuck: Vec<Range>,
}

/// Asks a device's daemon.
pub(crate) fn ask(socket: &Path, request: &Request) -> Result<Reply, Failure> {
    ask_within(socket, request, ANSWER)
}

/// The same, for what may take long.
pub(crate) fn ask_within(
    socket: &Path,
    request: &Request,
    limit: Duration,
) -> Result<Reply, Failure> {
    let deadline = Deadline::after(limit);
    let failed = |what: &dyn std::fmt::Display| {
        let where_ = socket.display();
        Failure::Device(format!(
            "{where_}: the device's process does not answer ({what}): see `maprace device list`"
        ))
    };
    let stream = UnixStream::connect(socket).map_err(|error| failed(&error))?;
    let limits =
        stream.set_read_timeout(Some(limit)).and_then(|()| stream.set_write_timeout(Some(ANSWER)));
    limits.map_err(|error| failed(&error))?;
    send(&stream, request).map_err(|error| failed(&error))?;
    let line = line(&stream, deadline).map_err(|error| failed(&error))?;
    let line = line.ok_or_else(|| failed(&"it closed the connection"))?;
    match serde_json::from_str(&line).map_err(|error| failed(&error))? {
        Reply::Refused(what) => Err(Failure::Device(what)),
        reply => Ok(reply),
    }
}

fn send(mut to: &UnixStream, what: &impl Serialize) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// A line, whole and in time; none at the end.
fn line(from: &UnixStream, deadline: Deadline) -> std::io::Result<Option<String>> {
    let mut reader = BufReader::new(from.take(LINE_MAX));
    let mut line = Vec::new();
    loop {
        // One that sends a byte now and then is not waited for either.
        if deadline.is_over() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        let (used, ends) = match reader.fill_buf() {
            Ok([]) if line.is_empty() => return Ok(None),
            Ok([]) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => match bytes.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    line.extend_from_slice(&bytes[..at]);
                    (at + 1, true)
                }
                None => {
                    line.extend_from_slice(bytes);
                    (bytes.len(), false)
                }
            },
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (0, false),
            Err(error) => return Err(error),
        };
        reader.consume(used);
        if ends {
            let text = String::from_utf8(line).map_err(std::io::Error::other)?;
            return Ok(Some(text));
        }
    }
}

/// Who answers.
pub(crate) trait Answers: Send + Sync + 'static {
    /// Does what is asked.
    fn answer(&self, request: Request) -> Reply;
}

/// Listens, and answers from now on, each connection on a thread of its own.
pub(crate) fn serve(socket: &Path, who: Arc<dyn Answers>) -> std::io::Result<()> {
    // What an earlier process left: the directory is ours alone.
    let _ = std::fs::remove_file(socket);
    let listener = UnixListener::bind(socket)?;
    let open = Arc::new(AtomicUsize::new(0));
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No file descriptors, most likely: some will be closed.
                pause(LOOK);
                continue;
            };
            // Each is over after a while, so the next one is only late.
            while open.load(Ordering::Acquire) >= CONNECTIONS_MAX {
                pause(LOOK);
            }
            open.fetch_add(1, Ordering::AcqRel);
            let (who, served) = (Arc::clone(&who), Arc::clone(&open));
            let serve = move || {
                // Whoever is at the other end may have gone: nobody is left to tell.
                let _ = converse(&stream, &*who);
                served.fetch_sub(1, Ordering::AcqRel);
            };
            // Without a thread the connection is closed.
            if std::thread::Builder::new().name("answer".to_owned()).spawn(serve).is_err() {
                open.fetch_sub(1, Ordering::AcqRel);
            }
        }
    };
    std::thread::Builder::new().name("control".to_owned()).spawn(accept)?;
    Ok(())
}

fn converse(stream: &UnixStream, who: &dyn Answers) -> std::io::Result<()> {
    stream.set_read_timeout(Some(SENT))?;
    stream.set_write_timeout(Some(SENT))?;
    let Some(line) = line(stream, Deadline::after(SENT))? else { return Ok(()) };
    let reply = match serde_json::from_str(&line) {
        Ok(request) => who.answer(request),
        Err(error) => Reply::Refused(format!(
            "the device's process does not understand what it was asked ({error}): \
             is it of another release?"
        )),
    };
    send(stream, &reply)
}

#[cfg(test)]
mod tests;
