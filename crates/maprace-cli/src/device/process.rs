//! Processes, told apart for good: a number alone may belong to somebody else by now.

use super::clock::{Deadline, LOOK};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a process may look alive between the signal that kills it and its end: the kernel's mark of
/// that passes from one field to another.
const LAST_BREATH: Duration = Duration::from_millis(200);

/// A process of this boot or an earlier one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// When it was started, in ticks since the boot.
    pub(crate) started: u64,
    /// Which boot.
    pub(crate) boot: String,
}

impl Process {
    /// This one.
    pub(crate) fn own() -> Process {
        Process::of(std::process::id()).unwrap_or_else(|| Process {
            // Without /proc nothing is known; a process that never lived is then taken for dead.
            pid: std::process::id(),
            started: 0,
            boot: boot(),
        })
    }

    /// The one that has this number now; none: nobody, or a zombie.
    pub(crate) fn of(pid: u32) -> Option<Process> {
        Process::seen(pid).filter(|(_, is_zombie)| !is_zombie).map(|(process, _)| process)
    }

    /// The one that has this number now, and whether it is a zombie: then only its first thread has
    /// surely ended.
    fn seen(pid: u32) -> Option<(Process, bool)> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (started, is_zombie) = started(&stat)?;
        Some((Process { pid, started, boot: boot() }, is_zombie))
    }

    /// Whether it is of this boot.
    pub(crate) fn is_of_this_boot(&self) -> bool {
        self.boot == boot()
    }

    /// Whether it lives.
    pub(crate) fn lives(&self) -> bool {
        Process::of(self.pid).as_ref() == Some(self)
    }

    /// A handle that stays with this process, if it lives, or has threads that do.
    pub(crate) fn hold(&self) -> Option<Held> {
        let pid = Pid::from_raw(i32::try_from(self.pid).ok()?)?;
        let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at after it was opened: whoever had the number then is the one that is held.
        Process::seen(self.pid).is_some_and(|(seen, _)| seen == *self).then_some(Held(fd))
    }
}

/// A process that cannot be mistaken for another.
#[derive(Debug)]
pub(crate) struct Held(OwnedFd);

impl Held {
    /// Sends a signal; that it has ended in between is no error.
    pub(crate) fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.0, signal);
    }

    /// Waits for its end; whether it came in time.
    pub(crate) fn ends_before(&self, deadline: Deadline) -> bool {
        loop {
            let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
            let wait = deadline.wait(Duration::from_secs(1));
            if matches!(poll(&mut fds, Some(&wait)), Ok(n) if n > 0) {
                return true;
            }
            if deadline.is_over() {
                return false;
            }
        }
    }
}

/// Ends a process: asks it, and kills it when it has not gone by then. Whether it is gone.
pub(crate) fn end(process: &Process, asked: Deadline) -> bool {
    let Some(held) = process.hold() else { return true };
    held.signal(Signal::TERM);
    if held.ends_before(asked) {
        return true;
    }
    kill(&held)
}

/// Waits for the end of a process that somebody has killed, with all its threads; one that nobody has is
/// told apart at once. Whether it is gone.
pub(crate) fn is_over(process: &Process, deadline: Deadline) -> bool {
    let Some(held) = process.hold() else { return true };
    loop {
        if held.ends_before(Deadline::after(deadline.left().min(LAST_BREATH))) {
            return true;
        }
        if deadline.is_over() || !is_ending(process.pid) {
            return false;
        }
    }
}

/// Whether a process has been killed and has not gone yet.
pub(crate) fn is_ending(pid: u32) -> bool {
    let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
    is_killed(&read("status")) || is_exiting(&read("stat"))
}

/// Whether `/proc/PID/status` tells of a SIGKILL on its way.
fn is_killed(status: &str) -> bool {
    const SIGKILL: u64 = 1 << (9 - 1);
    let pending = status.lines().filter_map(|line| {
        let (name, mask) = line.split_once(':')?;
        let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
        matches!(name, "SigPnd" | "ShdPnd").then_some(mask)
    });
    pending.fold(0, |all, mask| all | mask) & SIGKILL != 0
}

/// Whether `/proc/PID/stat` has `PF_EXITING` in field 9, the flags.
fn is_exiting(stat: &str) -> bool {
    const PF_EXITING: u64 = 4;
    let flags = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(6));
    flags.and_then(|flags| flags.parse::<u64>().ok()).is_some_and(|flags| flags & PF_EXITING != 0)
}

/// Kills a process. One that sits in the kernel may stay for a while, or for ever.
pub(crate) fn kill(held: &Held) -> bool {
    held.signal(Signal::KILL);
    held.ends_before(Deadline::after(LOOK * 250))
}

/// Which boot this is.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

/// The start of a process in `/proc/PID/stat`: field 22; and whether it is a zombie. A name may hold
/// spaces and brackets.
fn started(stat: &str) -> Option<(u64, bool)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X");
    Some((fields.nth(18)?.parse().ok()?, is_zombie))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_start_is_read_whatever_the_name_is() {
        let rest = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20";
        assert_eq!(started(&format!("7 (a) b (c) S {rest}")), Some((777, false)));
        assert_eq!(started(&format!("7 (a) Z {rest}")), Some((777, true)));
        assert_eq!(started("7 (a) S 1 2"), None);
    }

    #[test]
    fn a_reused_number_is_not_taken_for_the_old_process() {
        let own = Process::own();
        assert!(own.lives() && own.is_of_this_boot());
        assert!(!Process { started: own.started + 1, ..own.clone() }.lives());
        let elsewhere = Process { boot: "another".into(), ..own };
        assert!(!elsewhere.lives() && !elsewhere.is_of_this_boot() && elsewhere.hold().is_none());
    }

    #[test]
    fn a_process_that_was_killed_is_waited_for_and_another_is_not() {
        let far = || Deadline::after(Duration::from_secs(600));
        assert!(!is_over(&Process::own(), far()), "it returns long before the deadline");
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        child.kill().unwrap();
        assert!(is_over(&process, far()));
        child.wait().unwrap();
    }

    #[test]
    fn the_signs_of_an_end_are_read() {
        let status = |own, shared| format!("Name:\ta\nSigPnd:\t{own}\nShdPnd:\t{shared}\n");
        assert!(is_killed(&status("0000000000000100", "0000000000000000")));
        assert!(is_killed(&status("0000000000000000", "0000000000004100")));
        assert!(!is_killed(&status("0000000000004000", "0000000000000000")) && !is_killed(""));
        assert!(is_exiting("7 (a) b) D 1 7 7 0 -1 4194564 0"));
        assert!(!is_exiting("7 (a) b) S 1 7 7 0 -1 4194560 0") && !is_exiting(""));
        assert!(!is_ending(std::process::id()));
    }

    #[test]
    fn a_process_that_ignores_the_question_is_killed() {
        let mut child = Command::new("sh")
            .args(["-c", "trap '' TERM; echo on; while :; do sleep 1; done"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It has set its trap when it says so.
        let mut out = child.stdout.take().unwrap();
        std::io::Read::read_exact(&mut out, &mut [0; 3]).unwrap();
        let process = Process::of(child.id()).unwrap();
        let held = process.hold().unwrap();
        assert!(!held.ends_before(Deadline::after(Duration::ZERO)));
        assert!(end(&process, Deadline::after(Duration::from_millis(50))));
        assert!(!process.lives(), "a zombie has ended");
        child.wait().unwrap();
    }
}
