//! Every key a profile may have, and what its value may be. A table: errors, and the page that
//! explains the format, say what stands here.

/// What a value may be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    /// A whole number in this range, both ends included.
    Whole(u64, u64),
    /// A number in this range, both ends included.
    Number(f64, f64),
    /// `true` or `false`.
    Switch,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One line of text of at most so many characters.
    Line(usize),
    /// Points `[x, y]` by ascending x; the ranges of x and of y.
    Points((f64, f64), (f64, f64)),
    /// One number or a list of at most 16, each in this range.
    Numbers(f64, f64),
    /// Two numbers, the lower first, each in this range.
    Range(f64, f64),
    /// A list of tables of at most so many, each with these keys.
    Tables(usize, &'static [Key]),
}

impl Kind {
    /// What a value must be, in words.
    pub fn must_be(self) -> String {
        match self {
            Kind::Whole(lo, hi) => format!("a whole number from {lo} to {hi}"),
            Kind::Number(lo, hi) => format!("a number from {lo} to {hi}"),
            Kind::Switch => "true or false".to_owned(),
            Kind::Word(words) => format!("one of \"{}\"", words.join("\", \"")),
            Kind::Line(max) => format!("one line of at most {max} characters"),
            Kind::Points((x0, x1), (y0, y1)) => format!(
                "a list of points [x, y] with ascending x from {x0} to {x1} and y from {y0} to {y1}"
            ),
            Kind::Numbers(lo, hi) => {
                format!("a number from {lo} to {hi}, or a list of 1 to {LIST_MAX} of them")
            }
            Kind::Range(lo, hi) => format!("two numbers from {lo} to {hi}, the lower first"),
            Kind::Tables(max, _) => format!("a list of at most {max} tables"),
        }
    }
}

/// Longest list of numbers.
pub(super) const LIST_MAX: usize = 16;

/// A key.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Key {
    /// Its name with the tables it stands in, separated by dots.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
}

/// Longest time of the format in nanoseconds: 1000 s.
const NS: Kind = Kind::Whole(0, 1_000_000_000_000);
/// A rate in 10^6 bytes a second.
const RATE: Kind = Kind::Number(0.001, 1e12);
/// A size in bytes: at most 2^50.
const BYTES: Kind = Kind::Whole(1, 1 << 50);
/// Efficiency by requests in flight.
const CROWD: Kind = Kind::Points((1.0, 65_536.0), (0.001, 1_000.0));
/// A write amplification.
const WAF: Kind = Kind::Number(0.01, 1_000.0);
const SIGMA: Kind = Kind::Number(0.0, 1.0);
const PROBABILITY: Kind = Kind::Number(0.0, 1.0);
const US: Kind = Kind::Number(0.0, 1e9);
/// What a caller may ask of a medium.
pub(super) const OPS: &[&str] = &["read", "write", "flush"];

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// Keys of a `[[tail]]`.
const TAIL: &[Key] = &[
    key("op", Kind::Word(&["read", "write"])),
    key("when", Kind::Word(&["always", "hot"])),
    key("p", PROBABILITY),
    key("per_bytes", BYTES),
    key("lo_us", US),
    key("hi_us", US),
];

/// Keys of a `[[fault]]`.
const FAULT: &[Key] = &[
    key("op", Kind::Word(OPS)),
    key("from", Kind::Whole(0, 1 << 62)),
    key("bytes", Kind::Whole(1, 1 << 62)),
    key("p", PROBABILITY),
    key("lasts", Kind::Word(&["for-ever", "until-written"])),
];

/// Keys of an `[[expect]]`.
const EXPECT: &[Key] = &[
    key("measure", Kind::Word(&["p50_us", "p99_us", "kiops", "mib_s", "mb_s"])),
    key("op", Kind::Word(&["read", "write", "write-flush"])),
    key("pattern", Kind::Word(&["random", "sequential"])),
    key("bytes", Kind::Numbers(1.0, 16_777_216.0)),
    key("depth", Kind::Numbers(1.0, 1_024.0)),
    key("pause_us", US),
    key("target", Kind::Numbers(0.0, 1e12)),
    key("between", Kind::Range(0.0, 1e12)),
    key("tol", Kind::Number(0.0, 10.0)),
    key("known", Kind::Word(&["primary", "secondary", "derived", "memory"])),
    key("source", Kind::Line(200)),
];

/// Every key, in the order in which the format is explained.
pub const KEYS: &[Key] = &[
    key("name", Kind::Line(64)),
    key("title", Kind::Line(200)),
    key("base", Kind::Line(4_096)),
    key("seed", Kind::Whole(0, i64::MAX as u64)),
    key("scale", Kind::Number(0.001, 1e6)),
    key("tail", Kind::Tables(16, TAIL)),
    key("fault", Kind::Tables(1_024, FAULT)),
    key("geometry.units", Kind::Whole(1, 65_536)),
    key("geometry.stripe", BYTES),
    key("geometry.place", Kind::Word(&["stripe", "hash"])),
    key("geometry.grain", BYTES),
    key("geometry.link_read_mb_s", RATE),
    key("geometry.link_write_mb_s", RATE),
    key("geometry.half_duplex", Kind::Switch),
    key("geometry.queue_depth", Kind::Whole(1, 65_536)),
    key("geometry.rw_mix", Kind::Points((0.0, 1.0), (0.001, 1_000.0))),
    key("read.cmd_ns", NS),
    key("read.lat_ns.rand", NS),
    key("read.lat_ns.seq", NS),
    key("read.occ_ns.rand", NS),
    key("read.occ_ns.seq", NS),
    key("read.post_ns.rand", NS),
    key("read.post_ns.seq", NS),
    key("read.unit_mb_s", RATE),
    key("read.stream_mb_s", RATE),
    key("read.crowd", CROWD),
    key("read.sigma", SIGMA),
    key("read.seek_ns", NS),
    key("read.rev_ns", NS),
    key("write.cmd_ns", NS),
    key("write.lat_ns.rand", NS),
    key("write.lat_ns.seq", NS),
    key("write.occ_ns.rand", NS),
    key("write.occ_ns.seq", NS),
    key("write.post_ns.rand", NS),
    key("write.post_ns.seq", NS),
    key("write.unit_mb_s", RATE),
    key("write.stream_mb_s", RATE),
    key("write.crowd", CROWD),
    key("write.sigma", SIGMA),
    key("write.seek_ns", NS),
    key("write.rev_ns", NS),
    key("write.buffer.bytes", BYTES),
    key("write.buffer.queues", Kind::Whole(1, 65_536)),
    key("write.buffer.drain_mb_s", RATE),
    key("write.buffer.drain_occ_ns.rand", NS),
    key("write.buffer.drain_occ_ns.seq", NS),
    key("write.buffer.waf.rand", WAF),
    key("write.buffer.waf.seq", WAF),
    key("write.buffer.prog_bytes", Kind::Whole(512, 1 << 40)),
    key("write.buffer.prog_ns", NS),
    key("flush.volatile", Kind::Switch),
    key("flush.ns", NS),
    key("flush.fua_native", Kind::Switch),
    key("discard.ns", NS),
    key("persist.domain", Kind::Word(&["adr", "eadr", "durable-on-completion", "volatile-cache"])),
    key("persist.line", Kind::Whole(1, 1 << 30)),
    key("persist.internal_line", Kind::Whole(1, 1 << 30)),
    key("persist.tear", Kind::Whole(1, 1 << 30)),
    key("persist.strict_flush", Kind::Switch),
    key("expect", Kind::Tables(64, EXPECT)),
];

/// The key of that name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
