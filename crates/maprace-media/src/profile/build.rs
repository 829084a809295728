//! From checked keys to parameters: what values mean together.

use super::expect::{Expect, Known, Measure, Target, Work};
use super::flat::{Flat, as_whole, must_be};
use super::keys::{KEYS, Kind};
use crate::draw::{Body, Chance};
use crate::error::Error;
use crate::faults::{Asked, Fault, Lasts};
use crate::params::{
    Buffer, ByPattern, Cache, Contract, Costs, Direction, Domain, Duplex, Flush, Fua, Geometry,
    Params, Pattern, Persist, Place, Programs, Tail, When,
};
use crate::units::{Curve, Factor, Rate, rounded};

/// Stripes that a request of a figure may touch: bounds the work of a check.
const PIECES_MAX: f64 = 4_096.0;

/// Turns times and rates of the text into those of the model, longer by the profile's `scale`.
#[derive(Clone, Copy)]
struct Scale(f64);

impl Scale {
    fn ns(self, flat: &Flat, name: &str) -> u64 {
        let ns = crate::units::float(flat.whole(name).unwrap_or(0));
        rounded(ns * self.0)
    }

    fn us(self, us: f64) -> u64 {
        rounded(us * 1_000.0 * self.0)
    }

    fn pair(self, flat: &Flat, name: &str) -> ByPattern<u64> {
        ByPattern {
            random: self.ns(flat, &format!("{name}.rand")),
            sequential: self.ns(flat, &format!("{name}.seq")),
        }
    }

    fn rate(self, flat: &Flat, name: &str) -> Rate {
        flat.number(name).map_or(Rate::UNLIMITED, |mb_s| Rate::from_mb_s(mb_s / self.0))
    }
}

/// The parameters, the faults and the expectations.
pub(super) fn params(flat: &Flat) -> Result<(Params, Vec<Fault>, Vec<Expect>), Error> {
    let scale = Scale(flat.number("scale").unwrap_or(1.0));
    let (flush, persist) = flush_and_persist(flat, scale)?;
    let params = Params {
        seed: flat.whole("seed").unwrap_or(1),
        geometry: geometry(flat, scale)?,
        read: costs(flat, scale, "read"),
        write: costs(flat, scale, "write"),
        buffer: buffer(flat, scale)?,
        flush,
        discard_ns: scale.ns(flat, "discard.ns"),
        tails: flat.tables("tail").iter().map(|t| tail(t, scale)).collect::<Result<_, _>>()?,
        persist,
    };
    for table in flat.tables("expect") {
        let pieces =
            |bytes: &f64| *bytes <= crate::units::float(params.geometry.stripe) * PIECES_MAX;
        if !table.numbers("bytes").is_none_or(|list| list.iter().all(pieces)) {
            let what = format!("must be at most {PIECES_MAX} times `geometry.stripe`");
            return Err(table.clash("bytes", what));
        }
    }
    let faults = flat.tables("fault").iter().map(fault).collect::<Result<_, _>>()?;
    let expect = flat.tables("expect").iter().map(expectation).collect::<Result<Vec<_>, _>>()?;
    Ok((params, faults, expect))
}

fn geometry(flat: &Flat, scale: Scale) -> Result<Geometry, Error> {
    let units = flat.whole("geometry.units").unwrap_or(1);
    let stripe = flat.whole("geometry.stripe").unwrap_or(4096);
    let grain = flat.whole("geometry.grain").unwrap_or(1);
    if grain > stripe {
        let what = format!("must be at most `geometry.stripe`, {stripe}, found {grain}");
        return Err(flat.clash("geometry.grain", what));
    }
    Ok(Geometry {
        units: u32::try_from(units).unwrap_or(u32::MAX),
        unit_hold: 1,
        stripe,
        place: match flat.text("geometry.place") {
            Some("hash") => Place::Hash,
            _ => Place::Stripe,
        },
        grain,
        link_read: scale.rate(flat, "geometry.link_read_mb_s"),
        link_write: scale.rate(flat, "geometry.link_write_mb_s"),
        link_hold: 1,
        duplex: if flat.is_on("geometry.half_duplex") { Duplex::Half } else { Duplex::Full },
        queue_depth: flat.whole("geometry.queue_depth").and_then(|depth| u32::try_from(depth).ok()),
        rw_mix: Curve::through(flat.points("geometry.rw_mix")),
    })
}

fn costs(flat: &Flat, scale: Scale, table: &str) -> Costs {
    let name = |key: &str| format!("{table}.{key}");
    Costs {
        cmd_ns: scale.ns(flat, &name("cmd_ns")),
        lat_ns: scale.pair(flat, &name("lat_ns")),
        occ_ns: scale.pair(flat, &name("occ_ns")),
        post_ns: scale.pair(flat, &name("post_ns")),
        unit: scale.rate(flat, &name("unit_mb_s")),
        stream: scale.rate(flat, &name("stream_mb_s")),
        crowd: Curve::through(flat.points(&name("crowd"))),
        body: Body::new(flat.number(&name("sigma")).unwrap_or(0.0)),
        seek_ns: scale.ns(flat, &name("seek_ns")),
        rev_ns: scale.ns(flat, &name("rev_ns")),
    }
}

fn buffer(flat: &Flat, scale: Scale) -> Result<Option<Buffer>, Error> {
    let there = flat.leaves().any(|(name, _)| name.starts_with("write.buffer."));
    if !there {
        return Ok(None);
    }
    let Some(bytes) = flat.whole("write.buffer.bytes") else {
        return Err(flat.lacks("write.buffer.bytes", KEYS));
    };
    let waf = |key: &str| Factor::new(flat.number(key).unwrap_or(1.0));
    let programs = match (flat.whole("write.buffer.prog_bytes"), flat.whole("write.buffer.prog_ns"))
    {
        (Some(bytes), Some(_)) => {
            Some(Programs { bytes, ns: scale.ns(flat, "write.buffer.prog_ns") })
        }
        (None, None) => None,
        (Some(_), None) => return Err(flat.lacks("write.buffer.prog_ns", KEYS)),
        (None, Some(_)) => return Err(flat.lacks("write.buffer.prog_bytes", KEYS)),
    };
    let queues = flat.whole("write.buffer.queues").unwrap_or(1);
    Ok(Some(Buffer {
        bytes,
        queues: u32::try_from(queues).unwrap_or(u32::MAX),
        drain: scale.rate(flat, "write.buffer.drain_mb_s"),
        hold: 1,
        drain_occ_ns: scale.pair(flat, "write.buffer.drain_occ_ns"),
        waf: ByPattern {
            random: waf("write.buffer.waf.rand"),
            sequential: waf("write.buffer.waf.seq"),
        },
        programs,
    }))
}

fn flush_and_persist(flat: &Flat, scale: Scale) -> Result<(Flush, Persist), Error> {
    let cache = if flat.is_on("flush.volatile") { Cache::Volatile } else { Cache::Protected };
    let domain = match flat.text("persist.domain") {
        Some("adr") => Domain::Adr,
        Some("eadr") => Domain::Eadr,
        Some("volatile-cache") => Domain::VolatileCache,
        Some(_) => Domain::DurableOnCompletion,
        None if cache == Cache::Volatile => Domain::VolatileCache,
        None => Domain::DurableOnCompletion,
    };
    if (domain == Domain::VolatileCache) != (cache == Cache::Volatile) {
        let what = "must be \"volatile-cache\" if `flush.volatile` is true, and only then";
        return Err(flat.clash("persist.domain", what));
    }
    let bytes = |key: &str, default: u64| flat.whole(key).unwrap_or(default);
    let strict = flat.is_on("persist.strict_flush");
    let persist = Persist {
        domain,
        line: bytes("persist.line", 0),
        internal_line: bytes("persist.internal_line", 0),
        tear: bytes("persist.tear", 512),
        contract: if strict { Contract::Flush } else { Contract::Completion },
    };
    let fua = if flat.is_on("flush.fua_native") { Fua::Native } else { Fua::ByFlush };
    Ok((Flush { cache, ns: scale.ns(flat, "flush.ns"), fua }, persist))
}

/// The keys of a table of that list.
fn keys_of(list: &str) -> &'static [super::keys::Key] {
    match super::keys::find(list).map(|key| key.kind) {
        Some(Kind::Tables(_, known)) => known,
        _ => &[],
    }
}

fn tail(flat: &Flat, scale: Scale) -> Result<Tail, Error> {
    let need = |key: &str| flat.number(key).ok_or_else(|| flat.lacks(key, keys_of("tail")));
    let direction = match flat.text("op") {
        Some("read") => Direction::Read,
        Some(_) => Direction::Write,
        None => return Err(flat.lacks("op", keys_of("tail"))),
    };
    let (p, lo, hi) = (need("p")?, need("lo_us")?, need("hi_us")?);
    if lo > hi {
        return Err(flat.clash("hi_us", format!("must be at least `lo_us`, {lo}, found {hi}")));
    }
    let when = if flat.text("when") == Some("hot") { When::Hot } else { When::Always };
    if when == When::Hot && direction == Direction::Read {
        return Err(flat.clash("when", "must be \"always\" for reads: only writes wear a block"));
    }
    Ok(Tail {
        direction,
        when,
        chance: Chance::new(p),
        per_bytes: flat.whole("per_bytes"),
        lo_ns: scale.us(lo),
        hi_ns: scale.us(hi),
    })
}

fn fault(flat: &Flat) -> Result<Fault, Error> {
    let asked = match flat.text("op") {
        Some("read") => Asked::Read,
        Some("write") => Asked::Write,
        Some(_) => Asked::Flush,
        None => return Err(flat.lacks("op", keys_of("fault"))),
    };
    let lasts = match flat.text("lasts") {
        Some("until-written") => Lasts::UntilWritten,
        _ => Lasts::ForEver,
    };
    if lasts == Lasts::UntilWritten && asked != Asked::Read {
        return Err(flat.clash("lasts", "must be \"for-ever\" unless `op` is \"read\""));
    }
    let from = flat.whole("from").unwrap_or(0);
    let end = flat.whole("bytes").map_or(u64::MAX, |bytes| from.saturating_add(bytes));
    Ok(Fault { asked, from, end, chance: Chance::new(flat.number("p").unwrap_or(1.0)), lasts })
}

fn expectation(flat: &Flat) -> Result<Expect, Error> {
    let known = keys_of("expect");
    let need = |key: &str| flat.text(key).ok_or_else(|| flat.lacks(key, known));
    let measure = Measure::from_name(need("measure")?).unwrap_or(Measure::P50Us);
    let work = match need("op")? {
        "read" => Work::Read,
        "write" => Work::Write,
        _ => Work::WriteThenFlush,
    };
    let whole = |key: &str, default: u64| match flat.numbers(key) {
        None => Ok(vec![default]),
        Some(list) => as_whole(list).ok_or_else(|| flat.clash(key, "must be whole")),
    };
    let (bytes, depth) = (whole("bytes", 4096)?, whole("depth", 1)?);
    if work == Work::WriteThenFlush && (depth != [1] || !measure.is_latency()) {
        return Err(flat.clash("op", "\"write-flush\" is measured as a latency at depth 1"));
    }
    if bytes.len() > 1 && depth.len() > 1 {
        return Err(flat.clash("depth", "must be one number where `bytes` is a list"));
    }
    let rows = bytes.len().max(depth.len());
    let targets = targets(flat, rows)?;
    let tol = flat.number("tol").ok_or_else(|| flat.lacks("tol", known))?;
    let source = need("source")?.to_owned();
    Ok(Expect {
        measure,
        work,
        pattern: match flat.text("pattern") {
            Some("sequential") => Pattern::Sequential,
            _ => Pattern::Random,
        },
        bytes,
        depth,
        pause_ns: rounded(flat.number("pause_us").unwrap_or(0.0) * 1_000.0),
        targets,
        tol,
        known: Known::from_name(need("known")?).unwrap_or(Known::Memory),
        source,
    })
}

/// What is expected of each row.
fn targets(flat: &Flat, rows: usize) -> Result<Vec<Target>, Error> {
    match (flat.numbers("target"), flat.numbers("between")) {
        (Some(list), None) if list.len() == rows => {
            Ok(list.iter().map(|one| Target { lo: *one, hi: *one }).collect())
        }
        (Some(list), None) => {
            let what = format!(
                "must have as many numbers as `bytes` or `depth`, {rows}, found {}",
                list.len()
            );
            Err(flat.clash("target", what))
        }
        (None, Some([lo, hi])) => Ok(vec![Target { lo: *lo, hi: *hi }; rows]),
        (Some(_), Some(_)) => Err(flat.clash("between", "cannot stand beside `target`: keep one")),
        (None, _) => Err(flat.lacks("target", keys_of("expect"))),
    }
}

/// What the name of a profile must be, for errors.
pub(super) fn checked_name(flat: &Flat) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    match flat.text("name") {
        Some(name) if name.chars().all(plain) => Ok(name.to_owned()),
        Some(_) => Err(flat
            .clash("name", format!("must be {} out of letters, digits, . - _", must_be("name")))),
        None => Err(flat.lacks("name", KEYS)),
    }
}
