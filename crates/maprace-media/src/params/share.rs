//! A medium as equal parts side by side: what one of several queues gets, so that queues need no lock.
//!
//! A part is not a smaller medium. A request that meets nobody takes as long as on the whole; what it
//! passes is held for longer, so that all parts together do what the whole does and no more. What is
//! left out: a part that is asked alone is not lent what the others do not use.

use super::Params;
use crate::units::Rate;

/// A medium has too few units for so many parts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[error(
    "a medium with {units} {} cannot serve {parts} queues side by side: use --queues {units} or fewer",
    if *units == 1 { "unit" } else { "units" }
)]
pub struct ShareError {
    /// What it has.
    pub units: u32,
    /// What was asked for.
    pub parts: u32,
}

impl Params {
    /// One of `parts` equal parts of this medium.
    ///
    /// Units and the queues of the buffer are dealt out where they can be; where not, each part has
    /// them all and holds each for a longer time, as it does with the link and the front end. The buffer
    /// and the queue depth are divided, and efficiency falls with the requests of one part as it does
    /// with those of all. Limits that are absent stay absent. A request that touches more units than a
    /// part has, or that is longer than a part's buffer, takes longer than on the whole medium; everything
    /// else takes the same time if it is alone.
    ///
    /// # Errors
    /// There are more parts than units, and units limit something: a disk has one arm.
    pub fn share(&self, parts: u32) -> Result<Params, ShareError> {
        let parts = parts.max(1);
        let mut part = self.clone();
        if self.needs_units() {
            let units = self.geometry.units;
            if parts > units {
                return Err(ShareError { units, parts });
            }
            (part.geometry.units, part.geometry.unit_hold) = dealt(units, parts);
        }
        part.geometry.link_hold = parts;
        part.geometry.queue_depth =
            self.geometry.queue_depth.map(|depth| ((depth + parts / 2) / parts).max(1));
        for costs in [&mut part.read, &mut part.write] {
            costs.cmd_ns = costs.cmd_ns.saturating_mul(u64::from(parts));
            costs.crowd = costs.crowd.counted_by(parts);
        }
        if let Some(buffer) = &mut part.buffer {
            (buffer.queues, buffer.hold) = dealt(buffer.queues, parts);
            buffer.bytes = (buffer.bytes / u64::from(buffer.hold)).max(1);
        }
        Ok(part)
    }

    /// Whether requests take no time, whatever their number: nothing of a medium is modelled.
    pub fn is_instant(&self) -> bool {
        let free = super::Costs::default();
        self.read == free
            && self.write == free
            && self.buffer.is_none()
            && self.tails.is_empty()
            && (self.flush.ns, self.discard_ns) == (0, 0)
            && self.geometry.queue_depth.is_none()
            && [self.geometry.link_read, self.geometry.link_write] == [Rate::UNLIMITED; 2]
    }

    /// Whether anything keeps a unit busy.
    fn needs_units(&self) -> bool {
        let busy = |costs: &super::Costs| {
            let occ = (costs.occ_ns.random, costs.occ_ns.sequential);
            costs.seeks() || occ != (0, 0) || costs.unit != Rate::UNLIMITED
        };
        let programs = self.buffer.as_ref().is_some_and(|buffer| buffer.programs.is_some());
        busy(&self.read) || programs || (self.buffer.is_none() && busy(&self.write))
    }
}

/// How many of `things` a part gets, and how many times longer it holds one: what parts hold together is
/// what there is.
fn dealt(things: u32, parts: u32) -> (u32, u32) {
    let common = gcd(things, parts);
    (things / common, parts / common)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
