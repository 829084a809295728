//! Profiles: the built-in ones, what is inherited, and one line for everything that is wrong.

use super::*;
use crate::params::{Cache, Domain};
use crate::{Model, Request};
use proptest::prelude::*;

fn error(text: &str) -> String {
    let error = Profile::parse("mine.toml", text).expect_err("it is no profile").to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error
}

#[test]
fn every_built_in_profile_is_one_and_has_the_name_of_its_file() {
    for entry in all() {
        let profile = Profile::open(entry.name).unwrap();
        assert_eq!(profile.name, entry.name);
        assert_eq!(profile.text, entry.text);
        assert!(profile.title.len() > 5, "{}", entry.name);
    }
    assert!(all()[0].name.starts_with("pmem"), "persistent memory comes first");
}

/// A number without a source is a guess nobody can check.
#[test]
fn every_figure_of_a_built_in_profile_has_its_source() {
    // Sizes and switches of the format, no figures.
    const PLAIN: [&str; 10] = [
        "stripe",
        "volatile",
        "tear",
        "line",
        "fua_native",
        "units",
        "queues",
        "grain",
        "half_duplex",
        "depth",
    ];
    for entry in all() {
        let mut in_expect = false;
        for line in entry.text.lines() {
            in_expect = match line {
                _ if line.starts_with("[[expect]]") => true,
                _ if line.starts_with('[') => false,
                _ => in_expect,
            };
            let Some((key, value)) = line.split_once('=') else { continue };
            let figure = value.contains(|c: char| c.is_ascii_digit()) && !value.contains('"');
            if line.starts_with(['#', ' ']) || in_expect || !figure || PLAIN.contains(&key.trim()) {
                continue;
            }
            let above =
                entry.text.split(line).next().and_then(|text| text.trim_end().lines().last());
            let commented = line.contains('#') || above.is_some_and(|above| above.starts_with('#'));
            assert!(commented, "{}: {line}", entry.name);
        }
    }
}

#[test]
fn a_profile_inherits_field_by_field() {
    let client = Profile::open("nvme-tlc-client").unwrap();
    let base = Profile::open("nvme-tlc-dc").unwrap();
    assert_eq!(client.params.read, base.params.read);
    assert_eq!(client.params.buffer, base.params.buffer);
    assert_eq!((client.params.flush.cache, client.params.flush.ns), (Cache::Volatile, 1_000_000));
    assert_eq!(client.params.persist.domain, Domain::VolatileCache);
    assert!(client.expect.is_empty(), "what the base was made after is not inherited");
    let btt = Profile::open("pmem-btt").unwrap();
    assert_eq!((btt.params.write.lat_ns.random, btt.params.write.lat_ns.sequential), (780, 650));
    assert_eq!(btt.params.persist.internal_line, 256);
}

#[test]
fn a_file_is_read_and_its_base_stands_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    put("low.toml", "name = \"low\"\nbase = \"null\"\n[read]\nlat_ns.rand = 7\ncmd_ns = 9\n");
    let top = put("top.toml", "name = \"top\"\nbase = \"./low.toml\"\n[read.lat_ns]\nrand = 8\n");
    let profile = Profile::open(&top).unwrap();
    assert_eq!((profile.params.read.lat_ns.random, profile.params.read.cmd_ns), (8, 9));
    let round = put("round.toml", "name = \"round\"\nbase = \"./round.toml\"\n");
    let error = Profile::open(&round).unwrap_err().to_string();
    assert!(error.contains("`base` goes deeper than 8 profiles"), "{error}");
    let error = Profile::open("./nowhere.toml").unwrap_err().to_string();
    assert!(error.starts_with("./nowhere.toml: cannot read it: "), "{error}");
}

/// What is wrong with a text, and the line that says so.
const WRONG: &[(&str, &str)] = &[
    (
        "name = \"a\"\n[read]\nsigma = 3\n",
        "mine.toml:3:9: `read.sigma` must be a number from 0 to 1, found 3",
    ),
    (
        "name = \"a\"\n[geometry]\nunits = 0\n",
        "mine.toml:3:9: `geometry.units` must be a whole number from 1 to 65536, found 0",
    ),
    (
        "name = \"a\"\n[geometry]\nunits = 2.5\n",
        "mine.toml:3:9: `geometry.units` must be a whole number from 1 to 65536, found 2.5",
    ),
    (
        "name = \"a\"\n[read]\nlat_ns = { rand = -1 }\n",
        "mine.toml:3:19: `read.lat_ns.rand` must be a whole number from 0 to 1000000000000, found -1",
    ),
    (
        "name = \"a\"\n[read]\nlat_ns = 5\n",
        "mine.toml:3:1: `read.lat_ns` must be a table of rand, seq, found something else",
    ),
    (
        "name = \"a\"\n[read]\nsgima = 5\n",
        "mine.toml:3:1: unknown key `read.sgima`; did you mean `read.sigma`?",
    ),
    ("name = \"a\"\nfrobnicate = 1\n", "mine.toml:2:1: unknown key `frobnicate`"),
    (
        "name = \"a\"\n[geometry]\nplace = \"random\"\n",
        "mine.toml:3:9: `geometry.place` must be one of \"stripe\", \"hash\", found \"random\"",
    ),
    (
        "name = \"a\"\n[geometry]\nstripe = 512\ngrain = 4096\n",
        "mine.toml:4:9: `geometry.grain` must be at most `geometry.stripe`, 512, found 4096",
    ),
    (
        "name = \"a\"\n[read]\ncrowd = [[4, 1], [2, 1]]\n",
        "mine.toml:3:9: `read.crowd` must be a list of points [x, y] with ascending x from 1 to \
             65536 and y from 0.001 to 1000, found a list of 2",
    ),
    (
        "name = \"a\"\n[[tail]]\nop = \"read\"\np = 2.0\n",
        "mine.toml:4:5: `tail.p` must be a number from 0 to 1, found 2.0",
    ),
    (
        "name = \"a\"\n[[tail]]\nop = \"read\"\np = 0.1\nlo_us = 2\n",
        "mine.toml:2:1: `tail.hi_us` is missing: it must be a number from 0 to 1000000000",
    ),
    (
        "name = \"a\"\n[[tail]]\nop = \"read\"\np = 0.1\nlo_us = 2\nhi_us = 1\n",
        "mine.toml:6:9: `tail.hi_us` must be at least `lo_us`, 2, found 1",
    ),
    (
        "name = \"a\"\n[flush]\nvolatile = true\n[persist]\ndomain = \"adr\"\n",
        "mine.toml:5:10: `persist.domain` must be \"volatile-cache\" if `flush.volatile` is true, and \
             only then",
    ),
    (
        "name = \"a\"\n[write.buffer]\ndrain_mb_s = 5\n",
        "mine.toml: `write.buffer.bytes` is missing: it must be a whole number from 1 to \
             1125899906842624",
    ),
    (
        "name = \"a\"\nbase = \"nvme-tlc\"\n",
        "mine.toml:2:8: `base` no built-in profile `nvme-tlc`: known are pmem-dcpmm100-6x",
    ),
    (
        "title = \"a\"\n",
        "mine.toml: `name` is missing: it must be one line of at most 64 characters",
    ),
    ("name = \"a\"\nname = \"b\"\n", "mine.toml:2:1: not valid TOML: duplicate key"),
];

#[test]
fn a_bad_profile_is_one_line_with_the_key_and_the_allowed_range() {
    for (text, want) in WRONG {
        let error = error(text);
        assert!(error.starts_with(want), "{error}\n{want}");
    }
}

#[test]
fn expectations_are_checked_too() {
    let with = |lines: &str| {
        error(&format!(
            "name = \"a\"\n[[expect]]\n{lines}\ntol = 0.1\nknown = \"memory\"\nsource = \"x\"\n"
        ))
    };
    for (lines, want) in [
        ("measure = \"p50\"\nop = \"read\"", "`expect.measure` must be one of"),
        ("measure = \"p50_us\"\nop = \"read\"", "`expect.target` is missing"),
        (
            "measure = \"p50_us\"\nop = \"read\"\ndepth = [1, 2]\ntarget = 5",
            "`expect.target` must have as many numbers as `bytes` or `depth`, 2, found 1",
        ),
        (
            "measure = \"kiops\"\nop = \"write-flush\"\ntarget = 5",
            "`expect.op` \"write-flush\" is measured as a latency at depth 1",
        ),
        (
            "measure = \"p50_us\"\nop = \"read\"\nbetween = [5, 4]",
            "`expect.between` must be two numbers from 0 to 1000000000000, the lower first",
        ),
        ("measure = \"p50_us\"\nop = \"read\"\ntarget = 5\nbytes = 0.5", "`expect.bytes` must be"),
        (
            "measure = \"p50_us\"\nop = \"read\"\ntarget = 5\nbytes = 5.5",
            "`expect.bytes` must be whole",
        ),
    ] {
        let error = with(lines);
        assert!(error.contains(want), "{error}\n{want}");
    }
}

#[test]
fn scale_stretches_every_time_and_rate() {
    let base = Profile::open("nvme-tlc-dc").unwrap().params;
    let text = "name = \"slow\"\nbase = \"nvme-tlc-dc\"\nscale = 16\n";
    let slow = Profile::parse("slow", text).unwrap().params;
    assert_eq!(slow.read.occ_ns.random, 16 * base.read.occ_ns.random);
    assert_eq!(slow.tails[0].hi_ns, 16 * base.tails[0].hi_ns);
    assert_eq!(
        slow.geometry.link_read.time_ns(1 << 20),
        16 * base.geometry.link_read.time_ns(1 << 20)
    );
}

/// A value at one end of what the key allows.
fn extreme(kind: Kind, high: bool) -> Option<String> {
    let pick = |lo: f64, hi: f64| if high { hi } else { lo };
    match kind {
        Kind::Whole(lo, hi) => Some(if high { hi } else { lo }.to_string()),
        Kind::Number(lo, hi) => Some(format!("{:?}", pick(lo, hi))),
        Kind::Switch => Some(high.to_string()),
        Kind::Points(x, y) => {
            let (low, top) = (pick(y.0, y.1), pick(y.1, y.0));
            Some(format!("[[{:?}, {low:?}], [{:?}, {top:?}]]", x.0, x.1))
        }
        Kind::Word(words) => words.get(usize::from(high)).map(|word| format!("\"{word}\"")),
        Kind::Line(_) | Kind::Numbers(..) | Kind::Range(..) | Kind::Tables(..) => None,
    }
}

proptest! {
    /// Whatever a file says, it is a profile or one line; and a profile never goes back in time.
    #[test]
    fn the_ends_of_every_range_are_bearable(
        ends in prop::collection::vec(prop::option::of(any::<bool>()), KEYS.len()),
        requests in prop::collection::vec((0..5_u8, any::<u32>(), 0..200_000_u64, any::<u32>()), 1..12),
    ) {
        let mut text = "name = \"test\"\n".to_owned();
        for (key, end) in KEYS.iter().zip(ends) {
            // A stripe of one byte makes a piece of each byte, which is slow and not of interest.
            let end = if key.name == "geometry.stripe" { Some(true) } else { end };
            if let Some(value) = end.and_then(|high| extreme(key.kind, high)) {
                text += &format!("{} = {value}\n", key.name);
            }
        }
        match Profile::parse("test", &text) {
            Err(error) => prop_assert_eq!(error.to_string().lines().count(), 1),
            Ok(profile) => {
                let mut model = Model::new(profile.params);
                let mut now = 0;
                for (what, wait, len, place) in requests {
                    now += u64::from(wait);
                    let pos = u64::from(place) << 20;
                    let served = model.serve(match what {
                        0 => Request::Read { pos, len },
                        1 => Request::Write { pos, len },
                        2 => Request::WriteThrough { pos, len },
                        3 => Request::Discard { pos, len },
                        _ => Request::Flush,
                    }, now);
                    prop_assert!(now <= served.done_ns && served.done_ns <= served.durable_ns);
                }
            }
        }
    }

    /// Files with bytes knocked out or doubled.
    #[test]
    fn a_damaged_file_is_a_profile_or_one_line(
        which in 0..all().len(), at in any::<prop::sample::Index>(), put in prop::option::of("[\\PC]{0,3}"),
    ) {
        let mut text: Vec<char> = all()[which].text.chars().collect();
        let at = at.index(text.len());
        text.remove(at);
        let put: Vec<char> = put.unwrap_or_default().chars().collect();
        text.splice(at..at, put);
        if let Err(error) = Profile::parse("test", &text.into_iter().collect::<String>()) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }
}

#[test]
fn a_figure_does_not_touch_more_stripes_than_a_check_can_bear() {
    let text = "name = \"a\"\n[geometry]\nstripe = 1\n[[expect]]\nmeasure = \"p50_us\"\nop = \"read\"\n\
                bytes = 4097\ntarget = 1\ntol = 0.1\nknown = \"memory\"\nsource = \"x\"\n";
    let error = error(text);
    assert!(
        error.contains("`expect.bytes` must be at most 4096 times `geometry.stripe`"),
        "{error}"
    );
}
