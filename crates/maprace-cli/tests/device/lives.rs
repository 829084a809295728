//! From `add` to nothing left, along every way there is.

use crate::fake;
use crate::world::{World, done, end_of, lives, refused, signal, until};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("lives::a_device_is_added_used_and_deleted", a_device_is_added_used_and_deleted),
    ("lives::a_daemon_that_dies_at_any_step_leaves_nothing", a_daemon_that_dies_at_any_step),
    ("lives::a_kernel_that_fails_is_told_in_its_words", a_kernel_that_fails_is_told),
    ("lives::a_kernel_that_hangs_is_not_waited_for", a_kernel_that_hangs_is_not_waited_for),
    ("lives::an_interrupt_leaves_nothing", an_interrupt_leaves_nothing),
    ("lives::what_nobody_could_clean_up_gc_does", what_nobody_could_clean_up_gc_does),
    ("lives::a_daemon_that_nobody_waits_for_deletes_its_device", nobody_waits),
    ("lives::a_killed_daemon_is_recovered", a_killed_daemon_is_recovered),
    ("lives::a_recovery_that_fails_can_be_tried_again", a_recovery_that_fails),
    ("lives::gc_keeps_what_recover_can_use", gc_keeps_what_recover_can_use),
    ("lives::signals_of_a_terminal_do_not_end_a_daemon", signals_of_a_terminal),
    ("lives::in_the_foreground_until_told", in_the_foreground_until_told),
    ("lives::a_device_that_others_delete_is_forgotten", a_device_that_others_delete),
    ("lives::a_daemon_that_hangs_is_killed_by_del", a_daemon_that_hangs_is_killed_by_del),
    ("lives::two_adds_do_not_meet", two_adds_do_not_meet),
    ("lives::a_number_that_others_take_is_not_touched", a_number_that_others_take),
    ("lives::a_device_that_cannot_be_served_any_more_is_recovered", a_device_that_cannot_be_served),
    ("lives::nonsense_does_not_end_a_daemon", nonsense_does_not_end_a_daemon),
];

/// Steps that the kernel has a part in.
const KERNEL_STEPS: [&str; 5] = ["added", "fetching", "started", "calibrated", "usable"];

fn a_device_is_added_used_and_deleted() {
    let world = World::new();
    let page = world.done(&["add", "--media", "hdd-7200", "--size", "2G", "--queues", "1"]);
    assert!(page.starts_with("/dev/ublkb0: hdd-7200, 2G, raw\n"), "{page}");
    assert!(page.contains("  floor     read 10.0 us, write 10.0 us\n"), "{page}");
    assert!(page.contains("  memory    32M for buffers: 1 x 128 x 256K\n"), "{page}");
    assert!(page.contains("volatile cache\n") && page.contains("UBLK_F_USER_RECOVERY"), "{page}");
    let list = world.json(&["list"]);
    assert_eq!(list["schema"], "maprace.device.list/1");
    assert_eq!(list["devices"][0]["state"], "live");
    assert_eq!(world.json(&["show", "0"])["attributes"]["rotational"], true);
    assert_eq!(world.json(&["stats", "0"])["kept_bytes"], 4096);
    let set = world.json(&["set", "0", "--media", "nvme-tlc-dc", "--seed", "7"]);
    assert_eq!(set["medium"]["name"], "nvme-tlc-dc");
    let timing = || fs::read_to_string(world.kernel().join("0.timing")).unwrap();
    assert_eq!(timing(), "Some(\"nvme-tlc-dc\") 7 1");
    world.done(&["set", "0", "--dilate", "4"]);
    assert_eq!(timing(), "Some(\"nvme-tlc-dc\") 7 4");
    assert_eq!(world.json(&["show", "0"])["medium"]["dilate"], 4, "the registry has it");
    world.done(&["fault", "0", "bad", "1M..2M", "--until-written"]);
    world.done(&["fault", "0", "rate", "0.5", "--on", "flush"]);
    world.done(&["fault", "0", "stick", "1G.."]);
    let list = world.done(&["fault", "0", "list"]);
    assert_eq!(
        list,
        "read 1M..2M fails, chance 1, until written\nflush 0..2G fails, chance 0.5\n1G..2G sticks\n"
    );
    assert_eq!(
        fs::read_to_string(world.kernel().join("0.stuck")).unwrap(),
        "1073741824..2147483648"
    );
    assert!(world.refused(&["fault", "0", "bad", "2G.."]).contains("ends at byte 2147483648"));
    assert_eq!(world.json(&["fault", "0", "release"])["released"], 3);
    assert_eq!(world.done(&["fault", "0", "clear"]), "no faults\n");
    let pid = world.daemon(0).expect("it has an entry");
    assert_eq!(world.done(&["del", "0"]), "/dev/ublkb0: deleted\n");
    assert!(!lives(pid));
    world.assert_empty("deleted");
    assert_eq!(world.done(&["list"]), "no devices: see `maprace device add --help`\n");
}

fn a_daemon_that_dies_at_any_step() {
    for step in ["spawned", "opened"].iter().chain(&KERNEL_STEPS).chain(&["listening", "ready"]) {
        let world = World::new();
        let words = ["add", "--media", "ram"];
        let error = refused(&words, &world.run_with(&words, &[("MAPRACE_DEVICE_DIE_AT", step)]));
        assert!(
            error.contains("the device's process ended ") && error.contains("SIGKILL"),
            "{error}"
        );
        if KERNEL_STEPS.contains(step) {
            assert!(error.contains(&format!("after the step `{step}`")), "{error}");
        }
        world.assert_empty(step);
        assert_eq!(world.done(&["gc"]), "nothing is left behind\n");
        world.done(&words);
        world.done(&["del", "--all"]);
        world.assert_empty(step);
    }
}

fn a_kernel_that_fails_is_told() {
    for step in KERNEL_STEPS {
        let world = World::new();
        let words = ["add"];
        let error = refused(&words, &world.run_with(&words, &[(fake::FAIL_AT, step)]));
        assert_eq!(error, format!("{}: planted at {step}\n", program()));
        world.assert_empty(step);
    }
}

/// What errors call this program.
fn program() -> String {
    let exe = std::env::current_exe().expect("it runs");
    exe.file_stem().expect("a file").to_string_lossy().into_owned()
}

fn a_kernel_that_hangs_is_not_waited_for() {
    for step in KERNEL_STEPS {
        let world = World::new();
        let words = ["add", "--timeout", "1"];
        let error = refused(&words, &world.run_with(&words, &[(fake::HANG_AT, step)]));
        assert!(error.contains("the device was not added in time: its process hung "), "{error}");
        world.assert_empty(step);
    }
}

fn an_interrupt_leaves_nothing() {
    let world = World::new();
    let words = ["add"];
    let child = world.command(&words).env(fake::HANG_AT, "started").spawn().unwrap();
    until(|| fake::devices(&world.kernel()) == [0]);
    signal(child.id(), "INT");
    let error = refused(&words, &end_of(child));
    assert!(error.contains("interrupted: the device was not added"), "{error}");
    world.assert_empty("interrupted");
}

fn what_nobody_could_clean_up_gc_does() {
    for step in KERNEL_STEPS {
        let world = World::new();
        let mut child = world.command(&["add"]).env(fake::HANG_AT, step).spawn().unwrap();
        let daemon = || world.daemon(0).filter(|pid| *pid != child.id());
        until(|| !fake::devices(&world.kernel()).is_empty() && daemon().is_some());
        let daemon = daemon().expect("it has said so");
        signal(child.id(), "KILL");
        signal(daemon, "KILL");
        child.wait().unwrap();
        until(|| !lives(daemon));
        assert_eq!(world.json(&["list"])["devices"][0]["state"], "dead", "{step}");
        let gone = world.json(&["gc"]);
        assert_eq!(gone["removed"][0]["device"], true, "{step}: {gone}");
        world.assert_empty(step);
    }
}

fn nobody_waits() {
    let world = World::new();
    let mut child = world.command(&["add"]).env(fake::HANG_AT, "fetching").spawn().unwrap();
    let daemon = || world.daemon(0).filter(|pid| *pid != child.id());
    until(|| !fake::devices(&world.kernel()).is_empty() && daemon().is_some());
    let daemon = daemon().expect("it has said so");
    signal(child.id(), "KILL");
    child.wait().unwrap();
    fs::write(world.kernel().join("go"), "").unwrap();
    until(|| !lives(daemon));
    world.assert_empty("nobody waits");
}

fn kill_daemon(world: &World, id: u32) {
    let pid = world.daemon(id).expect("it has an entry");
    signal(pid, "KILL");
    until(|| !lives(pid));
}

fn a_killed_daemon_is_recovered() {
    let world = World::new();
    let words = ["add", "--media", "pmem-dcpmm100-6x", "--dilate", "auto"];
    world.done(&words);
    let before = world.json(&["show", "0"]);
    kill_daemon(&world, 0);
    assert_eq!(world.json(&["list"])["devices"][0]["state"], "recoverable");
    assert!(world.refused(&["stats", "0"]).contains("`maprace device recover` goes on with it"));
    assert_eq!(world.run(&["doctor"]).status.code(), Some(1));
    assert_eq!(world.done(&["recover", "0"]), "/dev/ublkb0: recovered\n");
    let after = world.json(&["show", "0"]);
    for key in ["floor", "medium", "data", "attributes", "state"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_ne!(before["pid"], after["pid"]);
    assert!(world.refused(&["recover", "0"]).contains("its process lives"));
    // The process may be there for a moment yet.
    for words in [["recover", "0"], ["recover", "--all"]] {
        signal(world.daemon(0).expect("it has an entry"), "KILL");
        assert_eq!(world.done(&words), "/dev/ublkb0: recovered\n");
    }
    world.done(&["del", "0"]);
    world.assert_empty("recovered and deleted");
}

fn a_recovery_that_fails() {
    let world = World::new();
    world.done(&["add"]);
    kill_daemon(&world, 0);
    let words = ["recover", "--all"];
    let tries = [
        (fake::FAIL_AT, "started"),
        ("MAPRACE_DEVICE_DIE_AT", "fetching"),
        ("MAPRACE_DEVICE_DIE_AT", "ready"),
    ];
    for wrong in tries {
        let output = world.run_with(&words, &[wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        let state = &world.json(&["list"])["devices"][0]["state"];
        assert_eq!(*state, "recoverable", "{wrong:?}: {output:?}");
        assert_eq!(fake::devices(&world.kernel()), [0], "{wrong:?}");
    }
    world.done(&words);
    world.done(&["del", "--all"]);
    world.assert_empty("recovered at last");
}

fn gc_keeps_what_recover_can_use() {
    let world = World::new();
    world.done(&["add"]);
    world.done(&["add", "--no-recovery"]);
    kill_daemon(&world, 0);
    kill_daemon(&world, 1);
    assert!(world.refused(&["recover", "1"]).contains("without recovery"));
    let gone = world.json(&["gc"]);
    assert_eq!((&gone["kept"][0]["id"], &gone["removed"][0]["id"]), (&0.into(), &1.into()));
    assert_eq!(fake::devices(&world.kernel()), [0]);
    let gone = world.json(&["gc", "--all"]);
    assert_eq!(gone["removed"][0]["id"], 0);
    world.assert_empty("all");
}

fn signals_of_a_terminal() {
    let world = World::new();
    world.done(&["add"]);
    let pid = world.daemon(0).expect("it has an entry");
    signal(pid, "HUP");
    world.done(&["stats", "0"]);
    signal(pid, "TERM");
    until(|| !lives(pid));
    world.assert_empty("ended by SIGTERM");
}

fn in_the_foreground_until_told() {
    for name in ["TERM", "INT", "HUP"] {
        let world = World::new();
        let mut child = world.command(&["add", "--foreground"]).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let first = lines.next().expect("it says that it is ready").unwrap();
        assert!(first.starts_with("/dev/ublkb0: "), "{first}");
        assert_eq!(world.daemon(0), Some(child.id()));
        world.done(&["stats", "0"]);
        // Others are not kept out.
        world.done(&["add"]);
        world.done(&["del", "1"]);
        signal(child.id(), name);
        assert_eq!(end_of(child).status.code(), Some(0));
        world.assert_empty(name);
    }
}

fn a_device_that_others_delete() {
    let world = World::new();
    world.done(&["add"]);
    let pid = world.daemon(0).expect("it has an entry");
    fs::remove_file(world.kernel().join("0")).unwrap();
    until(|| !lives(pid));
    world.assert_empty("deleted by others");
}

fn a_daemon_that_hangs_is_killed_by_del() {
    let world = World::new();
    let words = ["add"];
    done(&words, &world.run_with(&words, &[(fake::HANG_AT, "stop")]));
    let pid = world.daemon(0).expect("it has an entry");
    world.done(&["del", "0", "--timeout", "1"]);
    assert!(!lives(pid));
    world.assert_empty("killed");
}

fn two_adds_do_not_meet() {
    let world = World::new();
    let adds: Vec<_> = (0..3).map(|_| world.command(&["add", "--json"]).spawn().unwrap()).collect();
    let id = |child| {
        let text = done(&["add"], &end_of(child));
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"].as_u64().unwrap()
    };
    let mut ids: Vec<u64> = adds.into_iter().map(id).collect();
    ids.sort_unstable();
    assert_eq!(ids, [0, 1, 2]);
    let deleted = world.json(&["del", "--all"]);
    for id in 0..3 {
        assert_eq!(deleted["deleted"][id]["block_device"], format!("/dev/ublkb{id}"));
    }
    world.assert_empty("three");
}

fn a_number_that_others_take() {
    let world = World::new();
    let others = world.kernel().join("0");
    fs::write(&others, std::process::id().to_string()).unwrap();
    let words = ["add", "--json"];
    for hidden in [&[][..], &[(fake::HIDE, "0")]] {
        let text = done(&words, &world.run_with(&words, hidden));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap()["id"], 1);
        world.done(&["del", "1"]);
        assert!(others.exists());
    }
    assert!(world.refused(&["add", "--id", "0"]).contains("--id 0: there is such a device"));
    let words = ["add", "--id", "0"];
    let error = refused(&words, &world.run_with(&words, &[(fake::HIDE, "0")]));
    assert!(error.contains("UBLK_CMD_ADD_DEV failed: File exists (errno 17)"), "{error}");
    assert!(others.exists(), "it is not ours");
    assert!(world.refused(&["del", "0"]).contains("device 0 is not in "));
    assert_eq!(world.files(), [""; 0]);
}

fn a_device_that_cannot_be_served() {
    let world = World::new();
    world.done(&["add"]);
    let pid = world.daemon(0).expect("it has an entry");
    fs::write(world.kernel().join("broken"), "queue 0: planted").unwrap();
    until(|| !lives(pid));
    let log = fs::read_to_string(world.registry().join("0.log")).unwrap();
    assert!(log.contains("device 0 is served no more: queue 0: planted"), "{log}");
    assert_eq!(world.json(&["list"])["devices"][0]["state"], "recoverable");
    fs::remove_file(world.kernel().join("broken")).unwrap();
    world.done(&["recover", "0"]);
    world.done(&["del", "0"]);
    world.assert_empty("recovered and deleted");
}

fn nonsense_does_not_end_a_daemon() {
    let world = World::new();
    world.done(&["add"]);
    let socket = world.registry().join("0.sock");
    let say = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may have hung up already.
        let _ = stream.write_all(bytes);
        stream
    };
    let mut answer = String::new();
    BufReader::new(say(b"{\"format\":\n")).read_line(&mut answer).unwrap();
    assert!(
        answer.starts_with("{\"refused\":\"the device's process does not understand"),
        "{answer}"
    );
    for bytes in [&b"\n"[..], b"\"nope\"\n", b"\xff\xfe\n", b"[[[[[[[[[[\n", &[b'['; 100_000]] {
        drop(say(bytes));
    }
    // Halves, held open, and more than are served at once: others wait until they are given up.
    let halves: Vec<UnixStream> = (0..20).map(|_| say(b"{\"st")).collect();
    world.done(&["stats", "0"]);
    drop(halves);
    let deep = [vec![b'['; 1 << 20], vec![b'\n']].concat();
    drop(say(&deep));
    world.done(&["stats", "0"]);
    world.done(&["del", "0"]);
}
