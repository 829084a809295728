//! One guest: an image, an emulator with a time limit, and what came of it.
//!
//! The kernel's console goes to a file, what the script prints comes through a pipe. The emulator is a
//! process group of its own that a guard ends, and the kernel ends it if the lab itself is killed. Nothing
//! here judges a stage.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::accel::Accel;
use crate::initramfs::{self, Contents};
use crate::kernels::Kernel;
use crate::transcript::{Outcome, Stopped, Transcript, is_of_the_lab};

/// The most that can come back from a guest: the size of a sparse file.
const OUT_BYTES: u64 = 1 << 30;
/// How often the emulator is looked at.
const TICK: Duration = Duration::from_millis(20);

/// Set when a person wants to stop.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A guest to boot.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// Its kernel.
    pub(crate) kernel: Kernel,
    /// What executes it.
    pub(crate) accel: Accel,
    /// Its processors.
    pub(crate) processors: u32,
    /// Its memory in MiB.
    pub(crate) memory_mib: u32,
    /// How long it may take, boot and all.
    pub(crate) limit: Duration,
    /// More words for the kernel.
    pub(crate) append: String,
    /// What is in its image.
    pub(crate) contents: Contents,
}

/// Who sees what a guest says while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Nobody.
    Nothing,
    /// The script's lines on our output, the kernel's on our errors.
    Live,
}

/// What came of a guest.
#[derive(Clone, Debug)]
pub(crate) struct Ran {
    /// In one word.
    pub(crate) outcome: Outcome,
    /// What was understood of what it said.
    pub(crate) transcript: Transcript,
    /// All that the script printed.
    pub(crate) script: String,
    /// All that the kernel printed.
    pub(crate) console: String,
    /// How long it took.
    pub(crate) took: Duration,
    /// Whether this is the second try, and what became of the first.
    pub(crate) retried: Option<String>,
}

/// Lets Ctrl-C and a request to terminate end the guest and clean up, instead of ending us at once.
pub(crate) fn handle_interrupts() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .context("no handler for Ctrl-C")
}

/// Whether a person wanted to stop.
pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Boots a guest; files that it returns go to `out`. A guest whose kernel dies before its script begins is
/// booted once more.
pub(crate) fn boot(guest: &Guest, out: Option<&Path>, show: Show) -> Result<Ran> {
    let work = tempfile::Builder::new().prefix("maprace-lab-").tempdir()?;
    let image = work.path().join("image");
    initramfs::write(&initramfs::image(&guest.contents, &guest.kernel)?, &image)?;
    let first = boot_once(guest, &image, work.path(), show)?;
    let died_early = first.transcript.began.is_none() && matches!(first.outcome, Outcome::Panic(_));
    let ran = if died_early {
        eprintln!("lab: {}: before its script, {}; once more", guest.kernel.name, first.outcome);
        let retried = Some(first.outcome.to_string());
        Ran { retried, ..boot_once(guest, &image, work.path(), show)? }
    } else {
        first
    };
    if let Some(out) = out {
        bring_back(&work.path().join("out"), out)?;
    }
    Ok(ran)
}

/// Boots a guest for a person at this terminal, who ends it.
pub(crate) fn boot_interactive(guest: &Guest) -> Result<()> {
    let work = tempfile::Builder::new().prefix("maprace-lab-").tempdir()?;
    let image = work.path().join("image");
    initramfs::write(&initramfs::image(&guest.contents, &guest.kernel)?, &image)?;
    let mut command = emulator(guest, &image);
    command.args(["-serial", "mon:stdio", "-serial"]);
    command.arg(format!("file:{}", work.path().join("script").display()));
    let status = command.status().context("the emulator cannot be started")?;
    if !status.success() {
        bail!("the emulator ended with {status}");
    }
    Ok(())
}

/// One boot.
fn boot_once(guest: &Guest, image: &Path, work: &Path, show: Show) -> Result<Ran> {
    let (console_path, errors_path) = (work.join("console"), work.join("errors"));
    File::create(&console_path)?;
    let mut command = emulator(guest, image);
    command.arg("-serial").arg(format!("file:{}", console_path.display()));
    command.args(["-chardev", "stdio,id=script,signal=off", "-serial", "chardev:script"]);
    if guest.contents.returns_files {
        let disk = work.join("out");
        File::create(&disk)?.set_len(OUT_BYTES)?;
        command
            .arg("-drive")
            .arg(format!("file={},format=raw,if=none,id=out,cache=unsafe", disk.display()));
        command.args(["-device", "virtio-blk-pci,drive=out"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&errors_path)?);
    let started = Instant::now();
    let mut running = Running(command.process_group(0).spawn().context("no emulator")?);
    let output = running.0.stdout.take().context("a pipe was asked for")?;
    let reader = thread::spawn(move || read_script(output, show));
    let mut follower = Follower { file: File::open(&console_path)?, show };
    let stopped = loop {
        follower.follow()?;
        if running.0.try_wait()?.is_some() {
            break Stopped::ByItself;
        }
        if is_interrupted() {
            bail!("interrupted");
        }
        if started.elapsed() > guest.limit {
            break Stopped::AtLimit(guest.limit);
        }
        thread::sleep(TICK);
    };
    // Ends it if it still runs, so that the pipe ends.
    drop(running);
    let script = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    follower.follow()?;
    let script = String::from_utf8_lossy(&script).into_owned();
    let console = String::from_utf8_lossy(&fs::read(&console_path)?).into_owned();
    let errors = errors_of(&fs::read_to_string(&errors_path)?);
    let transcript = Transcript::read(&script, &console);
    let outcome = transcript.outcome(stopped, &errors);
    Ok(Ran { outcome, transcript, script, console, took: started.elapsed(), retried: None })
}

/// The emulator with all but its serial ports.
fn emulator(guest: &Guest, image: &Path) -> Command {
    // Killed with us, whatever kills us.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-x86_64", "-M", "q35"]);
    command.args(guest.accel.arguments());
    command.arg("-smp").arg(guest.processors.to_string());
    command.arg("-m").arg(guest.memory_mib.to_string());
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(&guest.kernel.image).arg("-initrd").arg(image);
    let append = format!("console=ttyS0 panic=-1 mitigations=off quiet {}", guest.append);
    command.arg("-append").arg(append.trim_end());
    command
}

/// What the emulator complained about, without what it says at every start.
fn errors_of(text: &str) -> String {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.contains("warning: TCG doesn't support")).collect();
    lines.join("\n")
}

/// Reads what the script prints to its end, and shows it line by line.
fn read_script(output: ChildStdout, show: Show) -> io::Result<Vec<u8>> {
    let mut reader = BufReader::new(output);
    let mut all = Vec::new();
    loop {
        let start = all.len();
        if reader.read_until(b'\n', &mut all)? == 0 {
            return Ok(all);
        }
        let line = &all[start..];
        if show == Show::Live && !is_of_the_lab(line) {
            // The lab's own last line may stand behind one that lacks its end.
            let own = line.windows(8).position(|part| part == b"LAB-END ").unwrap_or(line.len());
            let mut out = io::stdout().lock();
            out.write_all(&line[..own])?;
            out.flush()?;
        }
    }
}

/// Shows what the kernel prints as it comes.
#[derive(Debug)]
struct Follower {
    /// The console's file, where the last look ended.
    file: File,
    /// Whether anybody wants it.
    show: Show,
}

impl Follower {
    /// Shows what is new.
    fn follow(&mut self) -> Result<()> {
        let mut new = Vec::new();
        if self.show == Show::Live {
            self.file.read_to_end(&mut new)?;
            let mut errors = io::stderr().lock();
            for line in new.split_inclusive(|&byte| byte == b'\n') {
                // The last line of every guest that ends as it should.
                if !line.ends_with(b"reboot: Power down\r\n") {
                    errors.write_all(line)?;
                }
            }
        }
        Ok(())
    }
}

/// Ends the emulator and all it started when dropped.
#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let group = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                // An error means that it has just gone.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = self.0.wait();
        }
    }
}

/// Unpacks the files that a guest wrote to its disk; a path that leads outside is refused by the reader.
fn bring_back(disk: &Path, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("{}", out.display()))?;
    let file = File::open(disk).with_context(|| format!("{}", disk.display()))?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(1 << 20, file));
    archive.set_preserve_mtime(false);
    archive.unpack(out).with_context(|| format!("files of the guest, into {}", out.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_of_every_start_are_left_out() {
        let text = "qemu: warning: TCG doesn't support requested feature: x\nqemu: no such file\n";
        assert_eq!(errors_of(text), "qemu: no such file");
    }

    #[test]
    fn an_empty_disk_brings_nothing_back_and_a_written_one_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, out) = (folder.path().join("disk"), folder.path().join("out"));
        File::create(&disk).unwrap().set_len(1 << 20).unwrap();
        bring_back(&disk, &out).unwrap();
        assert_eq!(fs::read_dir(&out).unwrap().count(), 0);
        let bytes: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let mut header = tar::Header::new_gnu();
        header.set_size(70_000);
        header.set_mode(0o644);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, "./a/b", &bytes[..]).unwrap();
        let mut written = builder.into_inner().unwrap();
        written.resize(1 << 20, 0);
        fs::write(&disk, written).unwrap();
        bring_back(&disk, &out).unwrap();
        assert_eq!(fs::read(out.join("a/b")).unwrap(), bytes);
    }
}
