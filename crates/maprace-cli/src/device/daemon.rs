//! The life of a device, in the process that serves it: from its order to the last file.
//!
//! Whoever started it is told each step, then that it is ready or why not. It ends at SIGTERM, or when
//! somebody else has deleted the device; then nothing of it is left. Killed, it leaves what `recover`
//! needs and `gc` removes.

use super::backend::{self, Opened};
use super::clock;
use super::control::{self, Answers, FaultList, FaultSpec, Range, Reply, Request};
use super::devices::{Device, Devices, floor_of, step_name};
use super::entry::Entry;
use super::floor;
use super::process::Process;
use super::registry::Registry;
use super::spec::{BackendSpec, Medium};
use crate::device::args::AskedArg;
use crate::failure::Failure;
use crate::layers::Layers;
use crate::terminal;
use crate::values::one_line;
use maprace_media::Chance;
use maprace_media::faults::{Asked, Fault, Lasts};
use maprace_ublk::device::Error;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often it is looked whether somebody else has deleted the device.
const GONE_LOOK: Duration = Duration::from_secs(1);

/// What a daemon is told to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) entry: Entry,
    /// Go on with a device whose process has died, instead of adding one.
    pub(crate) again: bool,
    /// What was typed, for an answer that says what to type instead.
    pub(crate) command: String,
}

/// What a daemon tells who started it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Report {
    /// It has come so far.
    Step(String),
    /// The device can be used.
    Ready(Box<Entry>),
    /// It cannot be had, and nothing of it is left.
    Failed(Failed),
}

/// Why a device cannot be had.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Failed {
    /// One line.
    pub(crate) error: String,
    /// Another program has a device of that number.
    pub(crate) is_taken: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Failed {
        Failed { error: failure.to_string(), is_taken: false }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Failed {
        const EEXIST: i32 = 17;
        let is_taken =
            matches!(error, Error::Refused { command: "UBLK_CMD_ADD_DEV", errno: EEXIST, .. });
        Failed { error: error.to_string(), is_taken }
    }
}

/// What a daemon works with.
#[derive(Clone, Debug)]
pub(crate) struct Host<'a> {
    pub(crate) layers: &'a Layers,
    pub(crate) devices: &'a dyn Devices,
    pub(crate) registry: Arc<Registry>,
    /// The step at which to die, for tests of what is left then.
    pub(crate) die_at: Option<&'a str>,
    /// Whether SIGHUP ends it: it is the terminal's word for "I am gone".
    pub(crate) ends_at_hangup: bool,
}

impl Host<'_> {
    /// Removes a device from the kernel; that it has gone by itself meanwhile is no error.
    pub(crate) fn removed(&self, id: u32, limit: Duration) -> Result<(), Error> {
        self.devices.remove(id, limit).or_else(|error| match self.devices.all() {
            Ok(left) if left.iter().all(|device| device.id != id) => Ok(()),
            _ => Err(error),
        })
    }

    /// Dies as `kill -9` would do it, if this is the step.
    fn die_if_told(&self, step: &str) {
        if self.die_at == Some(step) {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, Signal::KILL);
        }
    }
}

/// Tells whoever started it; an error when nobody listens any more.
pub(crate) type Tell<'a> = &'a mut dyn FnMut(&Report) -> std::io::Result<()>;

/// Serves a device until it is told to end.
pub(crate) fn serve(host: &Host<'_>, order: Order, tell: Tell<'_>) -> Result<(), Failed> {
    let (again, id) = (order.again, order.entry.spec.id);
    let ends = watch_signals(host.ends_at_hangup)?;
    let served = match begin(host, order, tell) {
        Ok(served) => served,
        Err(failed) => {
            if !again {
                host.registry.remove(id);
            }
            return Err(failed);
        }
    };
    if let Some(failure) = served.wait(&ends) {
        // It cannot be served any more. When this process ends, the kernel either keeps the device for
        // `recover`, or ends what is in flight; stopping it here would wait for that for ever.
        std::mem::forget(served);
        return Err(Failure::Device(format!("device {id} is served no more: {failure}")).into());
    }
    let remarks = served.end()?;
    if remarks.is_empty() {
        host.registry.remove(id);
    } else {
        // `del` shows them.
        host.registry.remove_all_but_log(id);
    }
    let line = |remark: &String| format!("{}\n", one_line(remark));
    terminal::write("maprace", "", &remarks.iter().map(line).collect::<String>(), 0);
    Ok(())
}

/// Adds the device, or goes on with it, and answers commands from then on.
fn begin(host: &Host<'_>, order: Order, tell: Tell<'_>) -> Result<Arc<Served>, Failed> {
    let Order { mut entry, again, command } = order;
    entry.owner = Process::own();
    host.registry.write(&entry)?;
    host.die_if_told("spawned");
    let opened = backend::open(host.layers, &entry.spec, again)?;
    host.die_if_told("opened");
    let known = again.then(|| floor_of(entry.facts.as_ref()));
    let plan = entry.spec.plan(known)?;
    let backend = Arc::clone(&opened.backend);
    let mut heard = Ok(());
    let mut told = |step, _: Option<u32>| {
        heard = tell(&Report::Step(step_name(step).to_owned()));
        host.die_if_told(step_name(step));
    };
    let device = match again {
        false => host.devices.add(plan, backend, &mut told)?,
        true => host.devices.recover(plan, backend, &mut told)?,
    };
    entry.facts = Some(device.facts());
    let served = Arc::new(Served {
        registry: Arc::clone(&host.registry),
        device: Mutex::new(Some(device)),
        book: Mutex::new(Book { entry, list: FaultList::default() }),
        opened,
    });
    match heard.map_err(|error| lost(&error)).and_then(|()| open_up(host, &served, &command, tell))
    {
        Ok(()) => Ok(served),
        Err(failed) if again => {
            // Its bytes are wanted: the kernel keeps the device when this process ends.
            std::mem::forget(served);
            Err(failed)
        }
        Err(failed) => {
            // Why it was to end is what is told; `gc` finds a device that did not.
            let _ = served.end();
            Err(failed)
        }
    }
}

/// From a device that serves to one that is known and answers.
fn open_up(
    host: &Host<'_>,
    served: &Arc<Served>,
    command: &str,
    tell: Tell<'_>,
) -> Result<(), Failed> {
    served.settle(command)?;
    let entry = served.book().entry.clone();
    let socket = host.registry.socket(entry.spec.id);
    let answers = Arc::clone(served);
    control::serve(&socket, answers).map_err(|error| unserved(&socket, error))?;
    host.die_if_told("listening");
    host.registry.write(&entry)?;
    host.die_if_told("ready");
    tell(&Report::Ready(Box::new(entry))).map_err(|error| lost(&error))
}

fn lost(error: &std::io::Error) -> Failed {
    let error = format!("who added the device is gone ({error}): it was deleted");
    Failed { error, is_taken: false }
}

fn unserved(socket: &Path, error: std::io::Error) -> Failed {
    Failure::File { path: socket.to_owned(), error }.into()
}

/// Tells each signal that ends the process.
fn watch_signals(ends_at_hangup: bool) -> Result<Receiver<()>, Failed> {
    let failed = |error: std::io::Error| {
        Failed::from(Failure::Device(format!("cannot wait for signals: {error}")))
    };
    let mut signals =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed)?;
    let (ends, receiver): (Sender<()>, _) = channel();
    let watch = move || {
        for signal in signals.forever() {
            // The other end is there as long as the process is.
            if signal != SIGHUP || ends_at_hangup {
                let _ = ends.send(());
            }
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map_err(failed)?;
    Ok(receiver)
}

/// A device that is served.
struct Served {
    registry: Arc<Registry>,
    /// None: it is being deleted.
    device: Mutex<Option<Box<dyn Device>>>,
    book: Mutex<Book>,
    opened: Opened,
}

/// What is known of it.
struct Book {
    entry: Entry,
    list: FaultList,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whoever panicked has changed what it had checked before: it is whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Served {
    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }

    fn with<T>(&self, ask: impl FnOnce(&dyn Device) -> Result<T, Error>) -> Result<T, Failure> {
        match &*locked(&self.device) {
            Some(device) => ask(&**device).map_err(|error| Failure::Device(error.to_string())),
            None => Err(Failure::Device("the device is being deleted".to_owned())),
        }
    }

    /// Judges the medium that was asked for, now that the floor is known.
    fn settle(&self, command: &str) -> Result<(), Failure> {
        let medium = self.book().entry.spec.medium.clone();
        let floor = floor_of(self.book().entry.facts.as_ref());
        self.change(floor::settled(&medium, floor, command)?)
    }

    /// Puts a medium in force.
    fn change(&self, medium: Medium) -> Result<(), Failure> {
        let timing = self.opened.set_timing(medium.timing()?);
        self.with(|device| device.set_timing(&timing))?;
        self.book().entry.spec.medium = medium;
        self.set_faults()
    }

    /// Puts the faults in force: the medium's own, then those of the list.
    fn set_faults(&self) -> Result<(), Failure> {
        let book = self.book();
        let own = book.entry.spec.medium.profile()?.map_or_else(Vec::new, |own| own.faults);
        let all = own.into_iter().chain(book.list.faults.iter().map(fault)).collect();
        self.with(|device| device.set_faults(all))
    }

    fn answered(&self, request: Request) -> Result<Reply, Failure> {
        let mut released = 0;
        match request {
            Request::Stats => return Ok(Reply::Stats(Box::new(self.with(|d| d.stats())?))),
            Request::Set { medium, command } => return self.set(&medium, &command),
            Request::Fault(typed) => {
                let range = self.within(typed.range)?;
                self.book().list.faults.push(FaultSpec { range, ..typed });
                self.set_faults()?;
            }
            Request::Stick(range) => {
                let range = self.within(range)?;
                self.with(|device| device.stick(range.from, range.end))?;
                self.book().list.stuck.push(range);
            }
            Request::Release => released = self.release()?,
            Request::Clear => {
                self.book().list.faults.clear();
                self.set_faults()?;
                released = self.release()?;
            }
            Request::Faults => {}
            Request::Rounds(asked) => return self.opened.rounds(asked).map(Reply::Rounds),
        }
        let faults = self.book().list.clone();
        Ok(Reply::Faults { faults, released })
    }

    fn release(&self) -> Result<u64, Failure> {
        let released = self.with(|device| device.release())?;
        self.book().list.stuck.clear();
        Ok(released)
    }

    /// A range cut at the end of the device.
    fn within(&self, range: Range) -> Result<Range, Failure> {
        let size = self.book().entry.spec.attributes.size;
        if range.from >= size {
            let what = format!("the device ends at byte {size}, before byte {}", range.from);
            return Err(Failure::Device(format!("{what}: name a range within it")));
        }
        Ok(Range { end: range.end.min(size), ..range })
    }

    fn set(&self, medium: &Medium, command: &str) -> Result<Reply, Failure> {
        let floor = floor_of(self.book().entry.facts.as_ref());
        let settled = floor::settled(medium, floor, command)?;
        self.change(settled.clone())?;
        self.registry.write(&self.book().entry)?;
        Ok(Reply::Medium(Box::new(settled)))
    }

    /// Until a signal ends it, or somebody else has deleted the device, or it can be served no more:
    /// then why.
    fn wait(&self, ends: &Receiver<()>) -> Option<String> {
        loop {
            match ends.recv_timeout(GONE_LOOK) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    match self.with(|device| Ok((device.failure(), device.is_gone()))) {
                        Ok((None, false)) => {}
                        Ok((None, true)) | Err(_) => return None,
                        Ok((failure, _)) => return failure,
                    }
                }
            }
        }
    }

    /// Stops the device and deletes it; what a person should know of its end.
    fn end(&self) -> Result<Vec<String>, Failed> {
        let device = locked(&self.device).take();
        if let Some(device) = device {
            device.stop()?;
        }
        Ok(self.opened.close())
    }
}

impl Answers for Served {
    fn answer(&self, request: Request) -> Reply {
        self.answered(request).unwrap_or_else(|failure| Reply::Refused(failure.to_string()))
    }
}

/// As a device takes it.
fn fault(typed: &FaultSpec) -> Fault {
    Fault {
        asked: match typed.on {
            AskedArg::Read => Asked::Read,
            AskedArg::Write => Asked::Write,
            AskedArg::Flush => Asked::Flush,
        },
        from: typed.range.from,
        end: typed.range.end,
        chance: Chance::new(typed.chance),
        lasts: match typed.until_written {
            true => Lasts::UntilWritten,
            false => Lasts::ForEver,
        },
    }
}

/// The hidden command `serve`: takes its order from standard input and reports on standard output.
pub(crate) fn main(host: &Host<'_>) -> Result<(), Failure> {
    // A group of its own: Ctrl-C at the terminal is not for it, and its hangup is ignored. Not a session of
    // its own: autogroup (`kernel/sched/autogroup.c`) would schedule it apart from whoever uses the device
    // from here, and a queue that yields would yield to nobody. Fails only if it leads a group already.
    let _ = rustix::process::setpgid(None, None);
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let order: Order = serde_json::from_reader(std::io::stdin().lock())
        .map_err(|error| Failure::Device(format!("no order on standard input: {error}")))?;
    host.devices
        .isolate(&[host.registry.path(), order.entry.spec.data().unwrap_or(Path::new("/"))]);
    let moved = std::env::set_current_dir("/");
    moved.map_err(|error| Failure::File { path: "/".into(), error })?;
    if matches!(order.entry.spec.backend, BackendSpec::Rounds(_)) {
        // It is of use to whoever started it, and to nobody else.
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    }
    let mut tell = |report: &Report| {
        let told = say(report);
        if matches!(report, Report::Ready(_)) {
            // From now on all that is printed goes to the log.
            let _ = rustix::stdio::dup2_stdout(rustix::stdio::stderr());
        }
        told
    };
    match serve(host, order, &mut tell) {
        Ok(()) => Ok(()),
        Err(failed) => {
            // Nobody may be there; the log has it too.
            let _ = say(&Report::Failed(failed.clone()));
            Err(Failure::Device(failed.error))
        }
    }
}

fn say(report: &Report) -> std::io::Result<()> {
    use std::io::Write;
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line)?;
    out.flush()
}

/// Bound of a wait for a daemon that was asked to end: it stops its device in that time.
pub(crate) const END: Duration = Duration::from_secs(20);

/// When a device was made.
pub(crate) fn now() -> u64 {
    clock::unix_seconds()
}
