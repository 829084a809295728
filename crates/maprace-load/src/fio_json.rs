//! A record as fio's `json+`, for the tools that read it. Only what is known is filled in; what fio has no
//! place for, write-zeroes, stands under a key of its own. No bin is above what fio's own could be: its
//! script to make a table of them does not end on one.

use crate::record::{LatencyRecord, OpRecord, Record, float};
use crate::request::Op;
use serde_json::{Map, Value, json};

/// The highest bin of fio, in nanoseconds.
const BIN_MAX_NS: u64 = 17_112_760_320;

/// The whole document.
pub fn fio_json_plus(record: &Record, version: &str) -> Value {
    let options = json!({
        "filename": record.target,
        "rw": record.job.pattern.name(),
        "bs": record.job.bs.to_string(),
        "iodepth": record.job.iodepth.to_string(),
        "numjobs": record.job.numjobs.to_string(),
        "ioengine": record.engine.name,
    });
    json!({
        "fio version": format!("maprace-{version}"),
        "global options": {},
        "jobs": [job(record, &options)],
    })
}

fn job(record: &Record, options: &Value) -> Value {
    let elapsed_ms = record.elapsed_ns / 1_000_000;
    let mut job = Map::new();
    let error = record.errors.first().map_or(0, |error| error.errno);
    job.insert("jobname".to_owned(), json!("maprace"));
    job.insert("groupid".to_owned(), json!(0));
    job.insert("error".to_owned(), json!(error));
    job.insert("elapsed".to_owned(), json!(elapsed_ms.div_ceil(1000)));
    job.insert("job options".to_owned(), options.clone());
    for (name, op) in [("read", Op::Read), ("write", Op::Write), ("trim", Op::Trim)] {
        job.insert(name.to_owned(), direction(record.op(op), elapsed_ms));
    }
    if let Some(zeroes) = record.op(Op::WriteZeroes) {
        job.insert("write_zeroes".to_owned(), direction(Some(zeroes), elapsed_ms));
    }
    let flushes = record.op(Op::Flush);
    let sync = json!({
        "total_ios": flushes.map_or(0, |flush| flush.ios),
        "lat_ns": latency(flushes.map(|flush| &flush.latency), Bins::With),
    });
    job.insert("sync".to_owned(), sync);
    job.insert("job_runtime".to_owned(), json!(elapsed_ms));
    if let Some(machine) = &record.machine {
        let percent = |ns: u64| float(ns) * 100.0 / float(record.elapsed_ns.max(1));
        job.insert("usr_cpu".to_owned(), json!(percent(machine.user_ns)));
        job.insert("sys_cpu".to_owned(), json!(percent(machine.system_ns)));
    }
    job.insert("latency_target".to_owned(), json!(0));
    Value::Object(job)
}

fn direction(op: Option<&OpRecord>, elapsed_ms: u64) -> Value {
    let get = |of: fn(&OpRecord) -> u64| op.map_or(0, of);
    let rate = |of: fn(&OpRecord) -> f64| op.map_or(0.0, of);
    // fio's `clat` runs from when a request began; ours does only where both are the same.
    let service = op.map(|op| op.service.as_ref().unwrap_or(&op.latency));
    json!({
        "io_bytes": get(|op| op.bytes),
        "io_kbytes": get(|op| op.bytes) / 1024,
        "bw_bytes": rate(|op| op.bytes_per_second).round(),
        "bw": (rate(|op| op.bytes_per_second) / 1024.0).round(),
        "iops": rate(|op| op.iops),
        "runtime": if op.is_some() { elapsed_ms } else { 0 },
        "total_ios": get(|op| op.ios),
        "short_ios": 0,
        "drop_ios": 0,
        "slat_ns": latency(None, Bins::Without),
        "clat_ns": latency(service, Bins::With),
        "lat_ns": latency(op.map(|op| &op.latency), Bins::With),
    })
}

/// Whether percentiles and bins are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bins {
    With,
    Without,
}

fn latency(of: Option<&LatencyRecord>, bins: Bins) -> Value {
    let Some(of) = of.filter(|of| of.count > 0) else {
        return json!({ "min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0 });
    };
    let mut out = Map::new();
    out.insert("min".to_owned(), json!(of.min_ns));
    out.insert("max".to_owned(), json!(of.max_ns));
    out.insert("mean".to_owned(), json!(of.mean_ns));
    out.insert("stddev".to_owned(), json!(of.stddev_ns));
    out.insert("N".to_owned(), json!(of.count));
    if bins == Bins::With {
        let percentiles = of.percentiles.iter().map(|one| (format!("{:.6}", one.p), json!(one.ns)));
        out.insert("percentile".to_owned(), Value::Object(percentiles.collect()));
        let mut all = std::collections::BTreeMap::new();
        for (ns, count) in &of.bins {
            *all.entry((*ns).min(BIN_MAX_NS)).or_insert(0) += count;
        }
        let all = all.into_iter().map(|(ns, count)| (ns.to_string(), json!(count)));
        out.insert("bins".to_owned(), Value::Object(all.collect()));
    }
    Value::Object(out)
}
