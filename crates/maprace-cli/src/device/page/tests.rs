//! The pages of a device that is not there.

use super::*;
use crate::device::devices::Facts;
use crate::device::spec::tests::typed;
use crate::terminal::Surroundings;
use maprace_ublk::Percentiles;

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        run_dir: Some(dir.path().join("run")),
        user_run_dir: None,
        die_at: None,
        devices: std::sync::Arc::new(crate::device::kernel::Kernel),
    };
    let registry = Registry::open(&surroundings).unwrap();
    (dir, registry)
}

fn entry(words: &[&str]) -> Entry {
    let spec = typed(words).unwrap().numbered(3, "/dev/shm/maprace-0/3.data".into());
    let facts = Facts {
        id: 3,
        block_device: "/dev/ublkb3".into(),
        flags: vec!["USER_RECOVERY".into(), "CMD_IOCTL_ENCODE".into()],
        flag_bits: 0x48,
        floor: Floor { read_ns: 18_234, write_ns: 19_000, credit_ns: 17_000 },
    };
    Entry { facts: Some(facts), ..Entry::new(spec, 1_700_000_000) }
}

/// What changes from run to run is replaced.
fn plain(text: &str, dir: &tempfile::TempDir) -> String {
    let text = text.replace(dir.path().to_str().unwrap(), "DIR");
    text.replace(&format!("process {}", std::process::id()), "process PID")
}

#[test]
fn a_device_says_what_it_is() {
    let (dir, registry) = registry();
    let words = ["--media", "pmem-dcpmm100-6x", "--floor-limited", "--seed", "7"];
    let page = shown(&registry, &entry(&words), false).unwrap().text;
    insta::assert_snapshot!(plain(&page, &dir), @r"
    /dev/ublkb3: pmem-dcpmm100-6x, 1G, raw
      state     live, process PID
      medium    pmem-dcpmm100-6x, seed 7 (floor-limited)
      floor     read 18.2 us, write 19.0 us
      bytes     /dev/shm/maprace-0/3.data
      memory    32M for buffers: 1 x 128 x 256K
      blocks    512, 512 physical; no volatile cache
      recovery  `maprace device recover` goes on with it if its process dies
      flags     USER_RECOVERY CMD_IOCTL_ENCODE
      log       DIR/run/3.log
    ");
    let fs = entry(&[
        "--backend",
        "fs",
        "--media",
        "hdd-7200",
        "--order",
        "iomap",
        "--set",
        "cookie=late",
    ]);
    let page = shown(&registry, &fs, false).unwrap().text;
    insta::assert_snapshot!(plain(&page, &dir), @r"
    /dev/ublkb3: hdd-7200, 1G, fs (ext4 v6.12 iomap)
      state     live, process PID
      fs        ext4 v6.12 iomap cookie=late, cache 256 MiB
      medium    hdd-7200, seed 1
      floor     read 18.2 us, write 19.0 us
      bytes     in the memory of its process
      memory    32M for buffers: 1 x 128 x 256K
      blocks    4096, 4096 physical; volatile cache, FUA
      recovery  none: what the file system has in flight ends with its process
      flags     USER_RECOVERY CMD_IOCTL_ENCODE
      log       DIR/run/3.log
    ");
}

#[test]
fn the_json_of_a_device_is_documented() {
    let (_dir, registry) = registry();
    let text = shown(&registry, &entry(&["--backend", "fs"]), true).unwrap().text;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], "maprace.device/1");
    assert_eq!(value["floor"]["read_ns"], 18_234);
    let documentation = include_str!("../../../../../docs/OUTPUT.md");
    let keys = value.as_object().unwrap().keys();
    for key in keys {
        assert!(documentation.contains(&format!("`{key}`")), "docs/OUTPUT.md lacks `{key}`");
    }
    for schema in [
        "",
        ".list",
        ".stats",
        ".set",
        ".faults",
        ".recover",
        ".del",
        ".gc",
        ".features",
        ".doctor",
    ] {
        let schema = format!("maprace.device{schema}/1");
        assert!(documentation.contains(&schema), "docs/OUTPUT.md lacks {schema}");
    }
}

#[test]
fn counts_have_their_lateness_beside_them() {
    let latency = Percentiles {
        count: 9,
        p50_ns: 85_000,
        p99_ns: 115_000,
        max_ns: 2_000_000,
        ..Percentiles::default()
    };
    let lateness = Percentiles {
        count: 9,
        p50_ns: 900,
        p99_ns: 15_000,
        max_ns: 90_000,
        ..Percentiles::default()
    };
    let reads = Counts { requests: 9, bytes: 36_864, errors: 1, latency, lateness, infeasible: 2 };
    let stats_of = Stats {
        operations: [("read".to_owned(), reads)].into(),
        in_flight: 4,
        kept_bytes: 36_864,
        floor: Floor { read_ns: 18_234, write_ns: 19_000, credit_ns: 0 },
        dilate: 16,
        remarks: vec!["something to know".into()],
        ..Stats::default()
    };
    let entry = entry(&["--media", "nvme-tlc-dc", "--dilate", "16"]);
    let page = stats(&entry, &stats_of, false).unwrap().text;
    insta::assert_snapshot!(page, @r"
    /dev/ublkb3: nvme-tlc-dc, 1G, raw (dilated 16 times)
          requests  bytes  errors  p50      p99       p99.9    max        late p50  late p99  late max  infeasible
    read  9         36864  1       85.0 us  115.0 us  0.00 us  2000.0 us  0.90 us   15.0 us   90.0 us   2
    0 writes with FUA; 4 in flight, 0 stuck; 36K kept; floor read 18.2 us, write 19.0 us
    something to know
    ");
    let json = stats(&entry, &stats_of, true).unwrap().text;
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["operations"]["read"]["infeasible"], 2);
}

#[test]
fn findings_decide_the_exit_code() {
    let of =
        |state| Finding { what: "io_uring".into(), state, cause: "c".into(), advice: "a".into() };
    assert_eq!(doctor(&[of(Health::Ok)], false).unwrap().code, 0);
    let answer = doctor(&[of(Health::Ok), of(Health::Bad)], false).unwrap();
    assert_eq!(answer.text, "ok    io_uring: c: a\nBAD   io_uring: c: a\n");
    assert_eq!((answer.code, doctor(&[of(Health::Warn)], true).unwrap().code), (1, 1));
}
