//! A kernel that is a directory: a file for each device, with the process that serves it. It serves
//! no request; it adds, starts, loses and removes devices as the real one does.

use maprace_cli::devices::{Device, Devices, Facts, Features, Finding, Health, KernelDevice, Told};
use maprace_media::faults::Fault;
use maprace_ublk::device::{Error, Step};
use maprace_ublk::{Backend, Floor, Plan, Stats, Timing};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Names of the environment: where the kernel is, and what it does wrong.
pub(crate) const KERNEL: &str = "FAKE_KERNEL";
/// A step at which it fails.
pub(crate) const FAIL_AT: &str = "FAKE_FAIL_AT";
/// A step at which it hangs until there is a file `go`.
pub(crate) const HANG_AT: &str = "FAKE_HANG_AT";
/// A device that it does not tell of.
pub(crate) const HIDE: &str = "FAKE_HIDE";

/// The kernel.
#[derive(Clone, Debug)]
pub(crate) struct FakeKernel {
    dir: PathBuf,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Added => "added",
        Step::Fetching => "fetching",
        Step::Started => "started",
        Step::Calibrated => "calibrated",
        Step::Usable => "usable",
    }
}

impl FakeKernel {
    pub(crate) fn from_environment() -> Option<FakeKernel> {
        Some(FakeKernel { dir: variable(KERNEL)?.into() })
    }

    fn file(&self, id: u32) -> PathBuf {
        self.dir.join(id.to_string())
    }

    fn hang_if_told(&self, step: &str) {
        if variable(HANG_AT).as_deref() == Some(step) {
            while !self.dir.join("go").exists() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    fn bring_up(&self, plan: &Plan, steps: &[Step], told: Told<'_>) -> Result<FakeDevice, Error> {
        let id = plan.id.expect("commands choose the number");
        let device = FakeDevice { kernel: self.clone(), facts: facts(id, plan) };
        for step in steps {
            if *step == Step::Started {
                fs::write(self.file(id), std::process::id().to_string()).expect("it is ours");
            }
            self.hang_if_told(name(*step));
            if variable(FAIL_AT).as_deref() == Some(name(*step)) {
                return Err(Error::Plan(format!("planted at {}", name(*step))));
            }
            told(*step, Some(id));
        }
        Ok(device)
    }
}

fn facts(id: u32, plan: &Plan) -> Facts {
    let ns = variable("FAKE_FLOOR_NS").map_or(10_000, |ns| ns.parse().expect("a number"));
    let measured = Floor { read_ns: ns, write_ns: ns + 1, credit_ns: 1 };
    Facts {
        id,
        block_device: format!("/dev/ublkb{id}"),
        flags: vec!["UBLK_F_USER_RECOVERY".into()],
        flag_bits: 8,
        floor: plan.floor.unwrap_or(measured),
    }
}

impl Devices for FakeKernel {
    fn add(
        &self,
        plan: Plan,
        _: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, Error> {
        let id = plan.id.expect("commands choose the number");
        let made = fs::OpenOptions::new().write(true).create_new(true).open(self.file(id));
        made.map_err(|_| Error::Refused {
            command: "UBLK_CMD_ADD_DEV",
            errno: 17,
            meaning: "File exists".into(),
            advice: "name another".into(),
        })?;
        let steps = [Step::Added, Step::Fetching, Step::Started, Step::Calibrated, Step::Usable];
        Ok(Box::new(self.bring_up(&plan, &steps, told)?))
    }

    fn recover(
        &self,
        plan: Plan,
        _: Arc<dyn Backend>,
        told: Told<'_>,
    ) -> Result<Box<dyn Device>, Error> {
        assert!(plan.floor.is_some(), "the floor is not measured again");
        let steps = [Step::Fetching, Step::Started, Step::Usable];
        let owner = fs::read(self.file(plan.id.expect("it has one"))).expect("it is there");
        self.bring_up(&plan, &steps, told).map(|device| Box::new(device) as _).inspect_err(|_| {
            // It stays as it was.
            fs::write(self.file(plan.id.expect("it has one")), owner).expect("it is ours");
        })
    }

    fn all(&self) -> Result<Vec<KernelDevice>, Error> {
        let names = fs::read_dir(&self.dir).expect("it is there").flatten();
        let id = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
        let hidden = variable(HIDE).and_then(|id| id.parse::<u32>().ok());
        let device = |id: u32| {
            let text = fs::read_to_string(self.file(id)).unwrap_or_default();
            KernelDevice { id, state: "LIVE".into(), pid: text.parse().ok() }
        };
        Ok(names.filter_map(id).filter(|id| Some(*id) != hidden).map(device).collect())
    }

    fn remove(&self, id: u32, _: Duration) -> Result<(), Error> {
        fs::remove_file(self.file(id)).map_err(|source| Error::Io { what: "removing", source })
    }

    fn features(&self) -> Result<Features, Error> {
        Ok(Features {
            bits: 0x1_0008,
            names: vec!["UBLK_F_USER_RECOVERY".into()],
            unknown: 1 << 16,
        })
    }

    fn doctor(&self) -> Vec<Finding> {
        vec![Finding {
            what: "module".into(),
            state: Health::Ok,
            cause: "it is a directory".into(),
            advice: String::new(),
        }]
    }
}

/// A device of it.
#[derive(Debug)]
struct FakeDevice {
    kernel: FakeKernel,
    facts: Facts,
}

impl FakeDevice {
    fn note(&self, what: &str, text: &str) {
        let file = self.kernel.dir.join(format!("{}.{what}", self.facts.id));
        fs::write(file, text).expect("it is ours");
    }
}

impl Device for FakeDevice {
    fn facts(&self) -> Facts {
        self.facts.clone()
    }
    fn stats(&self) -> Result<Stats, Error> {
        Ok(Stats { floor: self.facts.floor, dilate: 1, kept_bytes: 4096, ..Stats::default() })
    }
    fn set_timing(&self, timing: &Timing) -> Result<(), Error> {
        let name = timing.profile.as_ref().map(|profile| &profile.name);
        self.note("timing", &format!("{name:?} {} {}", timing.seed, timing.dilate));
        Ok(())
    }
    fn set_faults(&self, faults: Vec<Fault>) -> Result<(), Error> {
        self.note("faults", &faults.len().to_string());
        Ok(())
    }
    fn stick(&self, from: u64, end: u64) -> Result<(), Error> {
        self.note("stuck", &format!("{from}..{end}"));
        Ok(())
    }
    fn release(&self) -> Result<u64, Error> {
        Ok(match fs::remove_file(self.kernel.dir.join(format!("{}.stuck", self.facts.id))) {
            Ok(()) => 3,
            Err(_) => 0,
        })
    }
    fn is_gone(&self) -> bool {
        !self.kernel.file(self.facts.id).exists()
    }
    fn failure(&self) -> Option<String> {
        fs::read_to_string(self.kernel.dir.join("broken")).ok()
    }
    fn stop(self: Box<Self>) -> Result<Stats, Error> {
        self.kernel.hang_if_told("stop");
        self.stats()
    }
}

/// As the real one: dropped, it is stopped and deleted.
impl Drop for FakeDevice {
    fn drop(&mut self) {
        // Somebody else may have deleted it.
        let _ = fs::remove_file(self.kernel.file(self.facts.id));
    }
}

/// The devices in a kernel's directory.
pub(crate) fn devices(dir: &Path) -> Vec<u32> {
    let names = fs::read_dir(dir).expect("it is there").flatten();
    let mut ids: Vec<u32> =
        names.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids
}
