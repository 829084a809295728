//! What is dropped and what stays, with the explorer and without.

use super::*;
use crate::{Config, catalogue, probe};
use maprace_explore::Options;
use maprace_fs::{Order, ext4::Ext4Kind};

fn scenario(text: &str) -> Scenario {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Shrinks by exploring, as a command does.
fn shrunk(scenario: &Scenario, config: &Config) -> Shrunk {
    let explored = |scenario: &Scenario| probe(&Ext4Kind, scenario, config, &Options::default());
    let whole = explored(scenario).unwrap().symptom.expect("it is damaged");
    shrink(scenario, &mut |small| match explored(small).map(|probed| probed.symptom) {
        Ok(Some(symptom)) if whole.is_kept_by(&symptom) => Trial::Same,
        _ => Trial::Different,
    })
}

const PADDED: &str = r#"format = 1
name = "padded"
[fs]
folio_blocks = 2
bitmaps = "cold"
free_blocks = 50
[file]
blocks = 4
written = ["3..4"]
prefault = ["0..4"]
es = "full"
[[task]]
name = "reader"
ops = ["read 2..3"]
[[task]]
name = "fault"
ops = ["mmap_read 2..4", "mmap_write 1..2"]
[[task]]
name = "fallocate"
ops = ["shrink_es 3..4", "fallocate 1..3"]
[after]
ops = ["reclaim", "fsync", "evict"]
[[expect]]
verdict = "damaged"
"#;

#[test]
fn a_padded_scenario_shrinks_to_one_block_and_two_tasks_and_then_no_further() {
    let (padded, config) = (scenario(PADDED), Config::ext4("v6.8", Order::BufferHead));
    let once = shrunk(&padded, &config);
    let small = &once.scenario;
    let ops: Vec<_> =
        small.tasks.iter().map(|t| (t.name.as_str(), t.ops[0].to_string(), t.ops.len())).collect();
    let (fault, fallocate) = ("mmap_write 0..1".to_owned(), "fallocate 0..1".to_owned());
    assert_eq!(ops, [("fault", fault, 1), ("fallocate", fallocate, 1)]);
    assert_eq!((small.file.size, &small.fs), (4096, &FsSpec::default()));
    assert!(small.file.written.is_empty() && small.expect.is_empty(), "{}", small.to_toml());
    assert_eq!((small.name.as_str(), once.is_minimal), ("padded-shrunk", true));
    assert_eq!(once.dropped[0], "task reader");
    assert_eq!(once.dropped[1], "1 of 2 operations of fault");
    assert!(once.dropped.contains(&"3 of 4 blocks of the file".to_owned()), "{:?}", once.dropped);
    assert_eq!(scenario(&small.to_toml()), *small);
    let again = shrunk(small, &config);
    assert_eq!((&again.scenario, again.dropped.len()), (small, 0));
    assert_eq!(shrunk(&padded, &config), once, "the same every time");
}

#[test]
fn what_could_be_seen_can_still_be_seen() {
    let config = Config::ext4("v6.8", Order::BufferHead);
    let small = shrunk(catalogue::find("mkwrite-fallocate").unwrap(), &config).scenario;
    // Without an operation afterwards nothing would be kernel-visible.
    assert!(!small.after.is_empty(), "{}", small.to_toml());
    let probed = probe(&Ext4Kind, &small, &config, &Options::default()).unwrap();
    assert_eq!(probed.symptom.map(|s| s.visibility), Some(crate::Visibility::Visible));
}

/// Shrinks as far as the steps go: to the least scenario there is.
#[test]
fn where_everything_is_the_same_damage_next_to_nothing_is_left() {
    let mut sizes = Vec::new();
    let shrunk = shrink(&scenario(PADDED), &mut |small| {
        assert_eq!(scenario(&small.to_toml()), *small, "{}", small.to_toml());
        sizes.push(small.tasks.len());
        Trial::Same
    });
    let small = shrunk.scenario;
    assert_eq!((small.tasks.len(), small.tasks[0].ops.len(), small.after.len()), (1, 1, 0));
    assert_eq!((small.file.size, small.file.es), (4096, crate::EsStart::Hole));
    assert!(small.file.prefault.is_empty() && shrunk.tried == sizes.len() as u64);
}

#[test]
fn every_attempt_parses_and_bytes_are_cut_where_blocks_are() {
    let text = "format = 1\nname = \"x\"\n[file]\nsize = 14000\ndirty = [\"0..2\", \"3..4\"]\n\
                [[task]]\nname = \"a\"\nops = [\"write 9000@1000 fail@2\", \"truncate 9000\"]\n\
                [[task]]\nname = \"b\"\nops = [\"fallocate 2..6\", \"writeback\"]\n";
    let mut bytes = Vec::new();
    let mut attempts = 0;
    shrink(&scenario(text), &mut |small| {
        assert_eq!(scenario(&small.to_toml()), *small, "{}", small.to_toml());
        bytes.extend(small.tasks[0].ops.first().map(ToString::to_string));
        attempts += 1;
        Trial::Different
    });
    assert!(attempts > 20, "{attempts}");
    // Block 1 is gone: the write ends a block sooner, and fails in what is block 1 now.
    assert!(bytes.contains(&"write 4904@1000 fail@1".to_owned()), "{bytes:#?}");
    assert!(bytes.contains(&"write 5904@4096 fail@2".to_owned()), "without its first block");
    assert!(!bytes.iter().any(|op| op.starts_with("write 7192@1000 ")), "it would not fail there");
}

#[test]
fn an_end_that_was_asked_for_keeps_what_was_dropped() {
    let mut left = 3;
    let shrunk = shrink(&scenario(PADDED), &mut |_| {
        left -= 1;
        if left == 0 { Trial::Stop } else { Trial::Same }
    });
    assert!(!shrunk.is_minimal && !shrunk.dropped.is_empty());
    assert_eq!(shrunk.tried, 3);
}

#[test]
fn names_stay_within_their_limit() {
    assert_eq!(shrunk_name("a"), "a-shrunk");
    assert_eq!(shrunk_name("a-shrunk"), "a-shrunk");
    assert_eq!(shrunk_name(&"x".repeat(64)).len(), 64);
}
