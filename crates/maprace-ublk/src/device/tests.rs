//! Plans that cannot be, and a machine without a driver.

use super::*;
use crate::prober::Prober;
use crate::{Answer, Attributes, Bell, Io, Service, Tag, Timed, Waiting};

#[derive(Debug)]
struct Never;

impl Backend for Never {
    fn attach(self: Arc<Self>, _queue: u16, _bell: Bell) -> Box<dyn Service> {
        Box::new(Nobody)
    }
    fn timed(&self) -> Timed {
        Timed::ByLoop
    }
    fn kept_bytes(&self) -> u64 {
        0
    }
}

struct Nobody;

impl Service for Nobody {
    fn submit(&mut self, _tag: Tag, _io: Io, _buffer: &mut [u8], _now_ns: u64) -> Answer {
        Answer::Now(Err(5))
    }
}

fn plan() -> Plan {
    Plan {
        id: None,
        queues: 1,
        depth: 128,
        buffer_bytes: 128 << 10,
        attributes: Attributes {
            size: 1 << 30,
            logical_block: 512,
            physical_block: 4096,
            volatile_cache: true,
            fua: true,
            rotational: false,
            discard_granularity: 4096,
        },
        recoverable: true,
        partitions: crate::Partitions::Ignored,
        waiting: Waiting::Hybrid,
        timing: Timing { profile: None, seed: 1, dilate: 1 },
        floor: None,
        prober: Prober { program: "/nowhere".into(), arguments: Vec::new() },
    }
}

fn with(change: impl FnOnce(&mut Plan)) -> Plan {
    let mut plan = plan();
    change(&mut plan);
    plan
}

#[test]
fn what_no_kernel_would_take_is_refused_before_it_is_asked() {
    assert!(check(&plan()).is_ok());
    for (wrong, word) in [
        (with(|plan| plan.queues = 0), "queues"),
        (with(|plan| plan.depth = 0), "depth"),
        (with(|plan| plan.depth = DEPTH_MAX + 1), "1024"),
        (with(|plan| plan.buffer_bytes = 0), "buffers"),
        (with(|plan| plan.buffer_bytes = 4097), "multiple"),
        (with(|plan| plan.buffer_bytes = BUFFER_BYTES_MAX + 4096), "up to"),
        (with(|plan| plan.attributes.size = 0), "0 bytes"),
        (with(|plan| plan.attributes.size = 1 << 63), "address"),
        (with(|plan| plan.attributes.size = 513), "whole number"),
        (with(|plan| plan.attributes.logical_block = 256), "blocks of 256"),
        (with(|plan| plan.attributes.physical_block = 3000), "physical"),
    ] {
        let error = check(&wrong).unwrap_err();
        assert!(matches!(error, Error::Plan(_)) && error.to_string().contains(word), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
    let most = with(|plan| {
        plan.depth = DEPTH_MAX;
        plan.buffer_bytes = BUFFER_BYTES_MAX;
    });
    assert!(check(&most).is_ok());
}

#[test]
fn a_device_is_recovered_by_its_number() {
    let error = recover(plan(), Arc::new(Never), &mut |_, _| panic!("no step")).unwrap_err();
    assert!(error.to_string().contains("by its number"), "{error}");
}
