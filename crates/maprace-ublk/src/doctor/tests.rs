//! Each cause from a prepared tree: found when it is there, and it alone.

use super::*;

const RELEASE: &str = "6.12.95-amd64";

/// A machine on which all is well.
struct Tree {
    root: tempfile::TempDir,
    probed: Probed,
}

impl Tree {
    fn sound() -> Tree {
        let root = tempfile::tempdir().unwrap();
        let device = KernelDevice {
            id: 3,
            state: "LIVE".to_owned(),
            pid: Some(40),
            flags: Vec::new(),
            queues: 1,
            depth: 128,
            size: 1 << 30,
        };
        let probed = Probed {
            ring: Ok(()),
            control: Ok(()),
            features: Some(Ok(0x1fe)),
            devices: vec![device],
        };
        let tree = Tree { root, probed };
        tree.write("proc/sys/kernel/osrelease", &format!("{RELEASE}\n"));
        tree.write("proc/sys/kernel/io_uring_disabled", "0\n");
        tree.write("proc/self/limits", "Max locked memory         8388608   8388608   bytes\n");
        tree.write("sys/module/ublk_drv/parameters/ublks_max", "64\n");
        tree.write("sys/class/ublk-char/ublkc3", "");
        tree.write("dev/ublkc3", "");
        tree.hold(40, 3);
        tree
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn hold(&self, pid: u32, id: u32) {
        self.write(&format!("proc/{pid}/comm"), "somebody\n");
        let fds = self.root.path().join(format!("proc/{pid}/fd"));
        fs::create_dir_all(&fds).unwrap();
        std::os::unix::fs::symlink(format!("/dev/ublkc{id}"), fds.join("5")).unwrap();
    }

    /// What is not as it should be: name, state and text.
    fn complaints(&self) -> Vec<(String, State, String)> {
        let found = check_at(self.root.path(), &self.probed);
        assert_eq!(found.len(), 10);
        let wrong: Vec<_> = found.into_iter().filter(|found| found.state != State::Ok).collect();
        assert!(wrong.iter().all(|found| !found.advice.is_empty()), "{wrong:?}");
        let told = |found: Finding| {
            (found.what, found.state, format!("{}; {}", found.cause, found.advice))
        };
        wrong.into_iter().map(told).collect()
    }

    /// The only complaint.
    fn complaint(&self) -> (String, State, String) {
        let complaints = self.complaints();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        complaints[0].clone()
    }
}

#[test]
fn a_sound_machine_gives_no_complaint() {
    assert_eq!(Tree::sound().complaints(), []);
}

#[test]
fn no_driver_built_in_loadable_or_at_all() {
    let mut tree = Tree::sound();
    tree.probed = Probed { control: Err(2), features: None, devices: Vec::new(), ..tree.probed };
    let (what, state, text) = tree.complaint();
    assert!(
        what.contains("ublk_drv") && state == State::Bad && text.contains("no module"),
        "{text}"
    );
    assert!(text.contains(RELEASE), "{text}");
    tree.write(
        &format!("lib/modules/{RELEASE}/modules.dep"),
        "kernel/drivers/block/ublk_drv.ko.xz:\n",
    );
    assert!(tree.complaint().2.contains("modprobe ublk_drv"));
    tree.write(
        &format!("usr/lib/modules/{RELEASE}/modules.builtin"),
        "kernel/drivers/block/ublk_drv.ko\n",
    );
    assert!(tree.complaint().2.contains("devtmpfs"));
}

#[test]
fn no_rights() {
    let mut tree = Tree::sound();
    tree.probed = Probed { control: Err(13), features: None, devices: Vec::new(), ..tree.probed };
    let (what, state, text) = tree.complaint();
    assert!(what.contains("rights") && state == State::Bad && text.contains("root"), "{text}");
}

#[test]
fn no_rings_by_sysctl_by_filter_and_for_all_but_a_group() {
    let mut tree = Tree::sound();
    tree.probed.ring = Err(1);
    assert!(tree.complaint().2.contains("seccomp"));
    tree.write("proc/sys/kernel/io_uring_disabled", "2\n");
    let (what, state, text) = tree.complaint();
    assert!(what == "io_uring" && state == State::Bad, "{text}");
    assert!(text.contains("io_uring_disabled is 2") && text.contains("sysctl"), "{text}");
    tree.write("proc/sys/kernel/io_uring_disabled", "1\n");
    tree.probed.ring = Ok(());
    assert_eq!(tree.complaint().1, State::Warn);
}

#[test]
fn known_kernels_and_only_those() {
    let tree = Tree::sound();
    for (release, state) in [
        ("6.18.4-1-amd64", State::Bad),
        ("6.18.5", State::Bad),
        ("6.18.40", State::Warn),
        ("6.17.0-14-generic", State::Warn),
        ("7.0.0-28-generic", State::Warn),
    ] {
        tree.write("proc/sys/kernel/osrelease", release);
        let (what, found, text) = tree.complaint();
        assert!(what == "kernel" && found == state && text.contains(release), "{text}");
    }
    for release in ["6.18.41", "6.18.6", "7.0.0-280", "6.17.1", "16.18.4"] {
        tree.write("proc/sys/kernel/osrelease", release);
        assert_eq!(tree.complaints(), [], "{release}");
    }
}

#[test]
fn a_driver_that_is_too_old_or_cannot_recover() {
    let mut tree = Tree::sound();
    tree.probed.features = Some(Err(95));
    let (what, state, text) = tree.complaint();
    assert!(what == "features" && state == State::Bad && text.contains("6.5"), "{text}");
    tree.probed.features = Some(Ok(0x1fe & !0x10));
    let (what, state, text) = tree.complaint();
    assert!(what == "recovery" && state == State::Warn, "{text}");
    assert!(text.contains("no USER_RECOVERY_REISSUE:"), "{text}");
}

#[test]
fn no_room_for_another() {
    let tree = Tree::sound();
    tree.write("sys/module/ublk_drv/parameters/ublks_max", "2\n");
    assert_eq!(tree.complaints(), []);
    // A node that sysfs does not show counts as well, and the same one only once.
    tree.write("dev/ublkc9", "");
    let (what, state, text) = tree.complaint();
    assert!(what == "ublks_max" && state == State::Warn && text.contains("2 devices"), "{text}");
}

#[test]
fn no_memory_to_lock() {
    let tree = Tree::sound();
    tree.write("proc/self/limits", "Max locked memory         4096      8388608   bytes\n");
    let (what, state, text) = tree.complaint();
    assert!(what == "locked memory" && state == State::Warn && text.contains("4096"), "{text}");
    tree.write("proc/self/limits", "Max locked memory         unlimited unlimited bytes\n");
    assert_eq!(tree.complaints(), []);
}

#[test]
fn a_device_whose_process_is_gone() {
    let mut tree = Tree::sound();
    tree.probed.devices[0].pid = Some(41);
    tree.probed.devices[0].state = "QUIESCED".to_owned();
    fs::remove_dir_all(tree.root.path().join("proc/40")).unwrap();
    let (what, state, text) = tree.complaint();
    assert!(what.contains("without a process") && state == State::Warn, "{text}");
    assert!(text.contains("3 (QUIESCED)") && text.contains("recover"), "{text}");
}

#[test]
fn a_device_that_somebody_else_holds() {
    let tree = Tree::sound();
    tree.hold(77, 3);
    let (what, state, text) = tree.complaint();
    assert!(what.contains("held") && state == State::Warn, "{text}");
    assert!(
        text.contains("/dev/ublkc3 by somebody (pid 77)") && !text.contains("pid 40"),
        "{text}"
    );
}

#[test]
fn this_machine_can_be_looked_at() {
    assert_eq!(check().len(), 10);
}
