//! What is refused, and that it is said in one line what to do.

use crate::fake;
use crate::world::{World, done, refused};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("refusals::a_medium_below_the_floor", a_medium_below_the_floor),
    ("refusals::a_registry_of_others", a_registry_of_others),
    ("refusals::entries_that_cannot_be_read", entries_that_cannot_be_read),
    ("refusals::options_that_do_not_go_together", options_that_do_not_go_together),
    ("refusals::what_is_not_there", what_is_not_there),
    ("refusals::the_driver_is_told", the_driver_is_told),
];

fn a_medium_below_the_floor() {
    let world = World::new();
    let error = world.refused(&["add", "--media", "pmem-dcpmm100-6x"]);
    assert!(
        error.contains(
            "pmem-dcpmm100-6x: a request of 4 KiB takes 1.45 us, this machine at least 10.0 us"
        ),
        "{error}"
    );
    assert!(error.contains("device add --media pmem-dcpmm100-6x --dilate auto` works"), "{error}");
    world.assert_empty("refused");
    let auto = world.json(&["add", "--media", "pmem-dcpmm100-6x", "--dilate", "auto"]);
    assert_eq!(auto["medium"]["dilate"], 16, "1.45 us times 16 is over twice 10 us");
    assert_eq!(auto["medium"]["floor_limited"], false);
    let limited = world.json(&["add", "--media", "dram", "--floor-limited"]);
    assert_eq!(limited["medium"]["floor_limited"], true);
    let list = world.done(&["list"]);
    assert!(list.contains("pmem-dcpmm100-6x (dilated 16 times)"), "{list}");
    assert!(list.contains("dram (floor-limited)"), "{list}");
    assert!(world.done(&["stats", "1"]).contains("(floor-limited)"));
    let error = world.refused(&["set", "0", "--media", "dram"]);
    assert!(error.contains("device set 0 --media dram --dilate auto` works"), "{error}");
    assert_eq!(world.json(&["show", "0"])["medium"]["name"], "pmem-dcpmm100-6x", "as before");
    let set = world.json(&["set", "0", "--media", "dram", "--dilate", "auto"]);
    assert!(set["medium"]["dilate"].as_u64() > Some(1), "{set}");
    world.done(&["del", "--all"]);
}

fn a_registry_of_others() {
    let world = World::new();
    fs::create_dir(world.registry()).unwrap();
    fs::set_permissions(world.registry(), fs::Permissions::from_mode(0o750)).unwrap();
    assert!(world.refused(&["list"]).contains("has mode 0750, others may enter"));
    fs::remove_dir(world.registry()).unwrap();
    symlink(world.kernel(), world.registry()).unwrap();
    assert!(world.refused(&["list"]).contains("not a directory: remove what is there"));
    fs::remove_file(world.registry()).unwrap();
    let words = ["list"];
    let output = world.run_with(&words, &[("MAPRACE_RUN_DIR", "relative")]);
    assert!(refused(&words, &output).contains("must be an absolute path"));
    let long = format!("/tmp/{}", "x".repeat(100));
    let output = world.run_with(&words, &[("MAPRACE_RUN_DIR", &long)]);
    assert!(refused(&words, &output).contains("longer than 90 bytes"));
}

fn entries_that_cannot_be_read() {
    let world = World::new();
    world.done(&["list"]);
    let secret = world.kernel().join("secret");
    fs::write(&secret, "mine").unwrap();
    let entry = |id: u32| world.registry().join(format!("{id}.json"));
    fs::write(entry(0), "{\"format\": 2}").unwrap();
    fs::write(entry(1), "{\"form").unwrap();
    symlink(&secret, entry(2)).unwrap();
    assert!(world.refused(&["show", "0"]).contains("an entry of format 2, not 1"));
    assert!(world.refused(&["show", "1"]).contains("`maprace device gc` removes it"));
    assert!(world.refused(&["show", "2"]).contains("2.json: "));
    assert_eq!(world.json(&["list"])["devices"], serde_json::json!([]));
    assert_eq!(world.json(&["gc"])["removed"].as_array().map(Vec::len), Some(3));
    assert_eq!(fs::read_to_string(&secret).unwrap(), "mine", "no link is followed");
    assert_eq!(world.files(), [""; 0]);
}

fn options_that_do_not_go_together() {
    let world = World::new();
    let cases: &[(&[&str], &str)] = &[
        (&["--size", "0"], "--size: a device of 0 bytes"),
        (&["--size", "1000"], "--size: 1000 bytes are not a whole number of blocks of 512"),
        (&["--size", "8388608T"], "more than the kernel can address"),
        (&["--size", "big"], "`big` is no size"),
        (&["--backend", "fs", "--size", "512"], "not a whole number of blocks of 4096"),
        (&["--order", "iomap"], "need --backend fs"),
        (&["--cache-mb", "1"], "need --backend fs"),
        (&["--backend", "fs", "--media", "null"], "use --media ram"),
        (&["--backend", "fs", "--data", "x"], "leave it out with --backend fs"),
        (&["--backend", "fs", "--layer", "ext5"], "did you mean `ext4`?"),
        (&["--media", "null", "--data", "x"], "leave --data out, or use --media ram"),
        (&["--media", "nvme"], "no built-in profile `nvme`"),
        (&["--media", "./none.toml"], "./none.toml: cannot read it"),
        (&["--depth", "1025"], "1025 is not in 1..=1024"),
        (&["--buffer", "100"], "whole number of pages"),
        (&["--dilate", "3"], "neither auto nor a power of two"),
        (&["--dilate", "2", "--floor-limited"], "cannot be used with"),
    ];
    for (words, want) in cases {
        let error = world.refused(&[&["add"], *words].concat());
        assert!(error.contains(want), "{words:?}: {error}");
    }
    assert!(world.refused(&["set", "0"]).contains("required"));
    world.assert_empty("nothing was added");
}

fn what_is_not_there() {
    let world = World::new();
    for words in [&["show", "5"][..], &["stats", "5"], &["del", "5"], &["recover", "5"]] {
        let output = world.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(error.contains("device 5 is not in ") && error.lines().count() == 1, "{error}");
    }
    assert_eq!(world.done(&["del", "--all"]), "");
    assert!(world.refused(&["show", "sda"]).contains("write its number"));
}

fn the_driver_is_told() {
    let world = World::new();
    assert_eq!(
        world.done(&["features"]),
        "0x10008\nUBLK_F_USER_RECOVERY\n0x10000 has no name here\n"
    );
    assert_eq!(world.json(&["features"])["bits"], 0x1_0008);
    let words = ["doctor"];
    let text = done(&words, &world.run(&words));
    assert_eq!(text, "ok    module: it is a directory\nok    registry: nothing is left behind\n");
    // A device that is served is no finding.
    done(&["add"], &world.run_with(&["add"], &[(fake::HIDE, "9")]));
    assert_eq!(world.json(&["doctor"])["ok"], true);
    world.done(&["del", "0"]);
}
