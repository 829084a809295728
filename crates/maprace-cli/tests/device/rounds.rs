//! `--world device` on a kernel that is a directory: its devices serve no request, so that a run ends early,
//! and nothing of it may be left.

use crate::fake;
use crate::world::{World, refused};
use std::process::Output;

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("rounds::a_device_that_cannot_be_used_goes_again", a_device_that_cannot_be_used_goes_again),
    ("rounds::the_other_worlds_are_still_run", the_other_worlds_are_still_run),
    ("rounds::what_no_block_request_expresses", what_no_block_request_expresses),
];

const EXPLORE: [&str; 4] = ["explore", "mkwrite-fallocate", "--world", "device"];

fn run(world: &World, words: &[&str]) -> Output {
    world.program(words).output().expect("it starts")
}

fn a_device_that_cannot_be_used_goes_again() {
    let world = World::new();
    let error = refused(&EXPLORE, &run(&world, &EXPLORE));
    // Where there is one processor, that is said first.
    let ways = ["/dev/ublkb0: there is no such device", "than there are processors"];
    assert!(ways.iter().any(|way| error.contains(way)), "{error}");
    world.assert_empty("the device was of no use");

    let mut command = world.program(&EXPLORE);
    let output = command.env(fake::FAIL_AT, "started").output().expect("it starts");
    let error = refused(&EXPLORE, &output);
    assert!(error.contains("world device: "), "{error}");
    assert_eq!(world.files(), [""; 0], "{error}");
}

fn the_other_worlds_are_still_run() {
    let world = World::new();
    let one = ["compare", "mkwrite-fallocate", "--protocol", "v6.8", "--order", "buffer_head"];
    let words = [&one[..], &["--world", "explore,device", "--no-diagram"]].concat();
    let run_with = |fails_at: &str| {
        let output =
            world.program(&words).env(fake::FAIL_AT, fails_at).output().expect("it starts");
        let text = String::from_utf8(output.stdout).expect("it is text");
        let errors = String::from_utf8(output.stderr).expect("it is text");
        assert!(text.contains("BAD 1/4"), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        (output.status.code(), errors)
    };
    // One that cannot be had is left out; where there is one processor, that is said first.
    let (code, errors) = run_with("started");
    assert_eq!(code, Some(3), "not all was run: {errors}");
    assert!(errors.contains(": skipped: world device: "), "{errors}");
    // One that came and is of no use is a fault.
    if std::thread::available_parallelism().is_ok_and(|own| own.get() > 1) {
        let (code, errors) = run_with("never");
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("/dev/ublkb0: there is no such device"), "{errors}");
        world.assert_empty("of no use");
    }
    let alone = ["compare", "mkwrite-fallocate", "--world", "device"];
    refused(&alone, &run(&world, &alone));
}

fn what_no_block_request_expresses() {
    let world = World::new();
    let words = ["explore", "mkwrite-collapse", "--world", "device"];
    let error = refused(&words, &run(&world, &words));
    assert!(
        error.contains(
            "mkwrite-collapse: task collapse: `collapse_range 0..1` is no request of a block device"
        ),
        "{error}"
    );
    let words = ["compare", "write-truncate", "mkwrite-fallocate", "--world", "explore,device"];
    let error = refused(&words, &run(&world, &words));
    assert!(error.contains("write-truncate: task"), "{error}");
    world.assert_empty("nothing was begun");
}
