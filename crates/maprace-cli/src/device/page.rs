//! What `device` answers: as text for people, as JSON for programs. Both are made from the same views.

use super::control::{FaultList, FaultSpec, Range};
use super::devices::{Features, Finding, Health, floor_of};
use super::entry::{Entry, State};
use super::floor::{is_limited, micros, told};
use super::gc::{Deleted, Kept, Removed};
use super::registry::Registry;
use super::spec::{BackendSpec, FsSpec, Medium};
use super::values::exact;
use crate::answer::{Answer, DAMAGE};
use crate::failure::Failure;
use crate::media::page::table;
use crate::values::one_line;
use maprace_ublk::{Attributes, Counts, Floor, Stats, Waiting};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A device, as every command shows it.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    id: u32,
    block_device: String,
    state: State,
    pid: u32,
    created: u64,
    medium: MediumView,
    floor: Floor,
    attributes: Attributes,
    backend: &'static str,
    data: Option<PathBuf>,
    fs: Option<FsSpec>,
    queues: u16,
    depth: u16,
    buffer_bytes: u32,
    buffers_bytes: u64,
    waiting: Waiting,
    recoverable: bool,
    flags: Vec<String>,
    flag_bits: u64,
    log: PathBuf,
}

/// A medium, as every command shows it.
#[derive(Debug, Serialize)]
struct MediumView {
    name: String,
    seed: u64,
    dilate: u64,
    floor_limited: bool,
}

impl MediumView {
    fn of(medium: &Medium, floor: Floor) -> MediumView {
        MediumView {
            name: medium.name.clone(),
            seed: medium.seed,
            dilate: medium.dilate,
            floor_limited: is_limited(medium, floor),
        }
    }

    /// What differs from the medium as it is, in brackets; nothing if nothing does.
    fn labels(&self) -> String {
        let dilated = (self.dilate != 1).then(|| format!("dilated {} times", self.dilate));
        let limited = self.floor_limited.then(|| "floor-limited".to_owned());
        let labels: Vec<String> = dilated.into_iter().chain(limited).collect();
        if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) }
    }
}

/// Where a device is.
pub(crate) fn name(entry: &Entry) -> String {
    let facts = entry.facts.as_ref();
    facts.map_or_else(|| format!("/dev/ublkb{}", entry.spec.id), |facts| facts.block_device.clone())
}

impl View {
    fn of(registry: &Registry, entry: &Entry) -> View {
        let spec = &entry.spec;
        let floor = floor_of(entry.facts.as_ref());
        let (backend, fs) = match &spec.backend {
            BackendSpec::Null => ("null", None),
            BackendSpec::Memory(_) => ("memory", None),
            BackendSpec::File(_) => ("file", None),
            BackendSpec::Fs(fs) => ("fs", Some(fs.clone())),
            BackendSpec::Rounds(rounds) => ("rounds", Some(rounds.fs.clone())),
        };
        let facts = entry.facts.as_ref();
        View {
            id: spec.id,
            block_device: name(entry),
            state: entry.state(),
            pid: entry.owner.pid,
            created: entry.created,
            medium: MediumView::of(&spec.medium, floor),
            floor,
            attributes: spec.attributes.clone(),
            backend,
            data: spec.data().map(Path::to_owned),
            fs,
            queues: spec.queues,
            depth: spec.depth,
            buffer_bytes: spec.buffer_bytes,
            buffers_bytes: spec.buffers(),
            waiting: spec.waiting,
            recoverable: spec.recoverable,
            flags: facts.map_or_else(Vec::new, |facts| facts.flags.clone()),
            flag_bits: facts.map_or(0, |facts| facts.flag_bits),
            log: registry.log(spec.id),
        }
    }
}

/// A line for standard error, of a command that goes on after it.
pub(crate) fn error_line(error: &str) -> String {
    format!("maprace: {}\n", one_line(error))
}

fn said(text: String) -> Result<Answer, Failure> {
    Ok(Answer { text, ..Answer::default() })
}

/// An object with its schema before its fields.
#[derive(Serialize)]
struct Of<T: Serialize> {
    schema: &'static str,
    #[serde(flatten)]
    what: T,
}

fn json(schema: &'static str, what: impl Serialize) -> Result<Answer, Failure> {
    said(serde_json::to_string_pretty(&Of { schema, what })? + "\n")
}

/// `add`.
pub(crate) fn added(registry: &Registry, entry: &Entry, as_json: bool) -> Result<Answer, Failure> {
    shown(registry, entry, as_json)
}

/// `show`.
pub(crate) fn shown(registry: &Registry, entry: &Entry, as_json: bool) -> Result<Answer, Failure> {
    let view = View::of(registry, entry);
    if as_json {
        return json("maprace.device/1", view);
    }
    said(format!("{}: {}\n{}", view.block_device, entry.spec.title(), facts(&view)))
}

fn facts(view: &View) -> String {
    let attributes = &view.attributes;
    let cache = match (attributes.volatile_cache, attributes.fua) {
        (false, _) => "no volatile cache",
        (true, false) => "volatile cache",
        (true, true) => "volatile cache, FUA",
    };
    let bytes = match (&view.data, view.backend) {
        (Some(path), _) => path.display().to_string(),
        (None, "null") => "nowhere: nothing is kept".to_owned(),
        (None, _) => "in the memory of its process".to_owned(),
    };
    let buffers = format!(
        "{} for buffers: {} x {} x {}",
        exact(view.buffers_bytes),
        view.queues,
        view.depth,
        exact(view.buffer_bytes.into())
    );
    let recovery = match (view.recoverable, view.backend) {
        (true, _) => "`maprace device recover` goes on with it if its process dies",
        (false, "fs") => "none: what the file system has in flight ends with its process",
        (false, _) => "none",
    };
    let mut rows = vec![
        ("state", format!("{}, process {}", view.state.name(), view.pid)),
        (
            "medium",
            format!("{}, seed {}{}", view.medium.name, view.medium.seed, view.medium.labels()),
        ),
        ("floor", told(view.floor)),
        ("bytes", bytes),
        ("memory", buffers),
        (
            "blocks",
            format!(
                "{}, {} physical; {cache}",
                attributes.logical_block, attributes.physical_block
            ),
        ),
        ("recovery", recovery.to_owned()),
        ("flags", view.flags.join(" ")),
        ("log", view.log.display().to_string()),
    ];
    if let Some(fs) = &view.fs {
        let set = fs.set.iter().map(|(knob, value)| format!(" {knob}={value}")).collect::<String>();
        let what = format!("{} {} {}{set}", fs.layer, fs.protocol, fs.order);
        rows.insert(1, ("fs", format!("{what}, cache {} MiB", fs.cache_mb)));
    }
    let line = |(key, value): (&str, String)| format!("  {key:9} {value}").trim_end().to_owned();
    rows.into_iter().map(|row| line(row) + "\n").collect()
}

/// `list`.
pub(crate) fn list(registry: &Registry, as_json: bool) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct List {
        devices: Vec<View>,
    }
    let views = |entry: &Entry| View::of(registry, entry);
    let devices: Vec<View> = registry.entries()?.iter().map(views).collect();
    if as_json {
        return json("maprace.device.list/1", List { devices });
    }
    if devices.is_empty() {
        return said("no devices: see `maprace device add --help`\n".to_owned());
    }
    let heading = ["device", "state", "medium", "size", "backend", "floor read", "process"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(devices.iter().map(|view| {
        vec![
            view.block_device.clone(),
            view.state.name().to_owned(),
            format!("{}{}", view.medium.name, view.medium.labels()),
            exact(view.attributes.size),
            view.backend.to_owned(),
            micros(view.floor.read_ns),
            view.pid.to_string(),
        ]
    }));
    said(table(&rows))
}

/// `stats`.
pub(crate) fn stats(entry: &Entry, stats: &Stats, as_json: bool) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Shown<'s> {
        id: u32,
        block_device: String,
        medium: MediumView,
        #[serde(flatten)]
        stats: &'s Stats,
    }
    let medium = MediumView::of(&entry.spec.medium, stats.floor);
    if as_json {
        let (id, block_device) = (entry.spec.id, name(entry));
        return json("maprace.device.stats/1", Shown { id, block_device, medium, stats });
    }
    let mut text = format!("{}: {}{}\n", name(entry), entry.spec.title(), medium.labels());
    text += &counts(stats);
    let Stats { fua_writes, in_flight, stuck, kept_bytes, floor, .. } = stats;
    text += &format!(
        "{fua_writes} writes with FUA; {in_flight} in flight, {stuck} stuck; {} kept; floor {}\n",
        exact(*kept_bytes),
        told(*floor)
    );
    text += &stats.remarks.iter().map(|remark| format!("{remark}\n")).collect::<String>();
    said(text)
}

fn counts(stats: &Stats) -> String {
    let heading = [
        "",
        "requests",
        "bytes",
        "errors",
        "p50",
        "p99",
        "p99.9",
        "max",
        "late p50",
        "late p99",
        "late max",
        "infeasible",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(stats.operations.iter().map(|(op, counts)| {
        let Counts { requests, bytes, errors, latency, lateness, infeasible } = counts;
        let mut row = vec![op.clone(), requests.to_string(), bytes.to_string(), errors.to_string()];
        let times = [
            latency.p50_ns,
            latency.p99_ns,
            latency.p999_ns,
            latency.max_ns,
            lateness.p50_ns,
            lateness.p99_ns,
            lateness.max_ns,
        ];
        row.extend(times.map(micros));
        row.push(infeasible.to_string());
        row
    }));
    table(&rows)
}

/// `set`.
pub(crate) fn set(entry: &Entry, medium: &Medium, as_json: bool) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Set {
        id: u32,
        block_device: String,
        medium: MediumView,
    }
    let medium = MediumView::of(medium, floor_of(entry.facts.as_ref()));
    let (id, block_device) = (entry.spec.id, name(entry));
    if as_json {
        return json("maprace.device.set/1", Set { id, block_device, medium });
    }
    let labels = medium.labels();
    said(format!("{block_device}: {}, seed {}{labels}\n", medium.name, medium.seed))
}

/// `fault`.
pub(crate) fn faults(
    entry: &Entry,
    list: &FaultList,
    released: u64,
    as_json: bool,
) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Faults<'l> {
        id: u32,
        block_device: String,
        #[serde(flatten)]
        list: &'l FaultList,
        released: u64,
    }
    let (id, block_device) = (entry.spec.id, name(entry));
    if as_json {
        return json("maprace.device.faults/1", Faults { id, block_device, list, released });
    }
    let range = |range: &Range| format!("{}..{}", exact(range.from), exact(range.end));
    let fault = |fault: &FaultSpec| {
        let lasts = if fault.until_written { ", until written" } else { "" };
        let on = format!("{:?}", fault.on).to_lowercase();
        format!("{on} {} fails, chance {}{lasts}\n", range(&fault.range), fault.chance)
    };
    let mut text: String = list.faults.iter().map(fault).collect();
    text += &list.stuck.iter().map(|r| format!("{} sticks\n", range(r))).collect::<String>();
    if released > 0 {
        text += &format!("{released} requests were released\n");
    }
    if text.is_empty() {
        text = "no faults\n".to_owned();
    }
    said(text)
}

/// `recover`.
pub(crate) fn recovered(
    registry: &Registry,
    entries: &[Entry],
    as_json: bool,
) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Recovered {
        recovered: Vec<View>,
    }
    if as_json {
        let recovered = entries.iter().map(|entry| View::of(registry, entry)).collect();
        return json("maprace.device.recover/1", Recovered { recovered });
    }
    said(entries.iter().map(|entry| format!("{}: recovered\n", name(entry))).collect())
}

/// `del`.
pub(crate) fn deleted(deleted: &[Deleted], as_json: bool) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct All<'d> {
        deleted: &'d [Deleted],
    }
    if as_json {
        return json("maprace.device.del/1", All { deleted });
    }
    let mut text = String::new();
    for Deleted { block_device, remarks, .. } in deleted {
        text += &format!("{block_device}: deleted\n");
        text += &remarks.iter().map(|remark| format!("  {remark}\n")).collect::<String>();
    }
    said(text)
}

/// `gc`.
pub(crate) fn collected(
    removed: &[Removed],
    kept: &[Kept],
    as_json: bool,
) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Collected<'c> {
        removed: &'c [Removed],
        kept: &'c [Kept],
    }
    if as_json {
        return json("maprace.device.gc/1", Collected { removed, kept });
    }
    let mut text = String::new();
    for Removed { id, device, files, why } in removed {
        let device = if *device { "the device and " } else { "" };
        text += &format!("{id}: removed {device}{} files: {why}\n", files.len());
    }
    text += &kept.iter().map(|Kept { id, why }| format!("{id}: kept: {why}\n")).collect::<String>();
    if text.is_empty() {
        text = "nothing is left behind\n".to_owned();
    }
    said(text)
}

/// `features`.
pub(crate) fn features(features: &Features, as_json: bool) -> Result<Answer, Failure> {
    if as_json {
        return json("maprace.device.features/1", features);
    }
    let mut text = format!("{:#x}\n", features.bits);
    text += &features.names.iter().map(|name| format!("{name}\n")).collect::<String>();
    if features.unknown != 0 {
        text += &format!("{:#x} has no name here\n", features.unknown);
    }
    said(text)
}

/// `doctor`.
pub(crate) fn doctor(findings: &[Finding], as_json: bool) -> Result<Answer, Failure> {
    #[derive(Serialize)]
    struct Found<'f> {
        ok: bool,
        findings: &'f [Finding],
    }
    let ok = findings.iter().all(|finding| finding.state == Health::Ok);
    let mut answer = match as_json {
        true => json("maprace.device.doctor/1", Found { ok, findings })?,
        false => said(findings.iter().map(finding).collect())?,
    };
    answer.code = if ok { 0 } else { DAMAGE };
    Ok(answer)
}

fn finding(finding: &Finding) -> String {
    let Finding { what, state, cause, advice } = finding;
    let word = match state {
        Health::Ok => "ok",
        Health::Warn => "warn",
        Health::Bad => "BAD",
    };
    let advice = if advice.is_empty() { String::new() } else { format!(": {advice}") };
    format!("{word:5} {what}: {cause}{advice}\n")
}

#[cfg(test)]
mod tests;
