//! Measurements for tests: made up, and never shown to anybody but tests.

use maprace_fs::protocol::preset;
use maprace_scenario::{
    Estimate, KnobValues, Measured, Paid, SCHEMA_MEASURED, Spread, Sweep, SweepPoint, WindowSeen,
};

/// A distribution around `middle`.
pub(crate) fn spread(middle: u64) -> Spread {
    let buckets: Vec<(u64, u64)> =
        (1..=12).map(|i| (middle * i / 6 + i, 1 + i * (13 - i))).collect();
    let count = buckets.iter().map(|(_, count)| count).sum();
    Spread {
        count,
        min: buckets[0].0,
        p50: middle,
        p90: middle * 3 / 2,
        p99: middle * 19 / 10,
        max: middle * 2 + 40,
        mean: f64::from(u32::try_from(middle).unwrap()),
        buckets,
    }
}

/// One measurement in virtual time, with a mean of `ns` for an operation and a W1 half as long.
pub(crate) fn measured(subject: &str, order: &'static str, protocol: &str, ns: u64) -> Measured {
    let knobs = preset(protocol).unwrap().knobs.values();
    let racy = matches!(protocol, "v5.10" | "v6.8");
    let hits = if racy { 21 } else { 0 };
    let mean = f64::from(u32::try_from(ns).unwrap());
    let per_million = Estimate { value: if racy { 420.0 } else { 0.0 }, low: 0.0, high: 640.0 };
    let damage = Estimate { value: if racy { 0.02 } else { 0.0 }, low: 0.0, high: 0.03 };
    Measured {
        schema: SCHEMA_MEASURED,
        world: "virtual",
        subject: subject.to_owned(),
        layer: "ext4".to_owned(),
        protocol: protocol.to_owned(),
        order,
        cookie: (order == "iomap").then_some("on"),
        knobs: KnobValues(knobs),
        counterfactual: protocol == "exclusive",
        media: "instant".to_owned(),
        costs: Some("nominal".to_owned()),
        cpus: 2,
        seed: 0,
        rounds: 1_000,
        damaged: hits,
        damage,
        checkers: std::collections::BTreeMap::new(),
        stuck: 0,
        windows: vec![WindowSeen {
            name: "W1",
            what: maprace_fs::window::WindowKind::W1.what(),
            length: spread(ns / 2),
            footprint: spread(4),
            hits,
            catches: 3,
            hits_per_million: per_million,
            exposed: 0.125,
        }],
        cost: Paid {
            operations: 50_000,
            operations_per_second: 1e9 / mean,
            operation: Spread { mean, ..spread(ns) },
            ..Paid::default()
        },
        steps: 12_345,
        clock_ns: None,
        event_ns: None,
        starts_within_ns: Some(1_000),
        medians: std::collections::BTreeMap::new(),
    }
}

/// A sweep over processors.
pub(crate) fn sweep(subject: &str) -> Sweep {
    let point = |cpus: u32| {
        let at = |(order, protocol, ns): (&'static str, &str, u64)| {
            measured(subject, order, protocol, ns * u64::from(cpus))
        };
        let configs =
            [("iomap", "v6.8", 900), ("iomap", "v6.12", 1_000), ("buffer_head", "v6.12", 1_200)];
        SweepPoint { x: cpus.into(), typed: cpus.to_string(), measured: configs.map(at).into() }
    };
    Sweep {
        key: "cpus".to_owned(),
        unit: "processors",
        points: [1, 2, 4, 8, 16].map(point).into(),
        cut: false,
    }
}
