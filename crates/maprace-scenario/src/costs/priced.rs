//! A table applied to a world: what the virtual clock asks before each step.
//!
//! Names are looked up once; after that a step is found by where it is in memory, since the clock asks
//! for every step of a run. Integers only, and draws from a generator of its own: the same on every
//! machine.

use super::{CostTable, bounds};
use crate::virtual_world::SeededCosts;
use maprace_fs::Geometry;
use maprace_runtime::sim::{Costs, Sim};
use maprace_runtime::{Access, Foot, Step};
use rustc_hash::FxHashMap;

/// A range of so many units has no end of its own: it means "all that there is".
const ENDLESS: u32 = 1 << 29;

/// The sequence of the extent status tree: past every block, and nothing with a size.
const SEQUENCE: u32 = u32::MAX - 1;

#[derive(Clone, Copy, Debug)]
struct Price {
    ns: u64,
    per_kib_ns: u64,
}

/// The costs of a [`CostTable`] in one world.
///
/// # Divergence from Linux
/// A step has one price whatever it finds: `__filemap_get_folio` costs the same whether it allocates a
/// folio or finds one.
#[derive(Clone, Debug)]
pub struct Priced {
    sim: Sim,
    block: u64,
    folio: u64,
    spread_ppm: u32,
    default: Price,
    call_ns: u64,
    steps: FxHashMap<String, Price>,
    calls: FxHashMap<String, u64>,
    /// By the address of the step.
    by_step: FxHashMap<usize, Price>,
    /// By the address and the length of the name.
    by_call: FxHashMap<(usize, usize), u64>,
    random: u64,
}

impl Priced {
    /// The costs of `table` for worlds on `sim` that have this geometry.
    pub fn new(table: &CostTable, sim: &Sim, geometry: Geometry) -> Priced {
        let price = |step: &super::StepCost| {
            (step.name.clone(), Price { ns: step.ns, per_kib_ns: step.per_kib_ns })
        };
        Priced {
            sim: sim.clone(),
            block: u64::from(geometry.block),
            folio: u64::from(geometry.block) * u64::from(geometry.folio_blocks),
            spread_ppm: table.machine.spread_ppm.min(bounds::SPREAD_PPM),
            default: Price { ns: table.default.step_ns, per_kib_ns: 0 },
            call_ns: table.default.call_ns,
            steps: table.steps.iter().map(price).collect(),
            calls: table.calls.iter().map(|call| (call.name.clone(), call.ns)).collect(),
            by_step: FxHashMap::default(),
            by_call: FxHashMap::default(),
            random: 0,
        }
    }

    /// Draws begin anew: the same seed gives the same draws. Without a spread nothing is drawn.
    pub fn reseed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// The price of a step, looked up by name the first time.
    #[inline]
    fn price(&mut self, step: &'static Step) -> Price {
        let at = std::ptr::from_ref(step).addr();
        if let Some(price) = self.by_step.get(&at) {
            return *price;
        }
        let price = self.steps.get(step.name).copied().unwrap_or(self.default);
        self.by_step.insert(at, price);
        price
    }

    /// How many bytes the first thing with a size is long that `foot` touches; 0 if there is none.
    fn bytes(&self, foot: &Foot) -> u64 {
        if foot.is_everything() {
            return 0;
        }
        foot.accesses().iter().find_map(|access| self.size(access)).unwrap_or(0)
    }

    fn size(&self, access: &Access) -> Option<u64> {
        let units = Some(access.hi - access.lo).filter(|units| *units < ENDLESS).map(u64::from);
        match self.sim.key(access.obj).kind {
            "bytes" | "medium" => units,
            "i_es_lock" if access.lo < SEQUENCE => units.map(|blocks| blocks * self.block),
            "i_pages" => units.map(|folios| folios * self.folio),
            "folio" | "folio_lock" | "writeback" => Some(self.folio),
            _ => None,
        }
    }

    /// `ns`, or a draw from around it.
    #[inline]
    fn drawn(&mut self, ns: u64) -> u64 {
        if self.spread_ppm == 0 || ns == 0 {
            return ns;
        }
        let (one, spread) = (u128::from(bounds::SPREAD_PPM), u128::from(self.spread_ppm));
        let draw = (u128::from(self.next()) * (2 * spread + 1)) >> 64;
        let product = u128::from(ns) * (one - spread + draw) + one / 2;
        u64::try_from(product / one).unwrap_or(u64::MAX)
    }

    /// Splitmix64, Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

impl SeededCosts for Priced {
    fn reseed(&mut self, seed: u64) {
        Priced::reseed(self, seed);
    }

    fn looks_at_footprints(&self) -> bool {
        self.steps.values().any(|price| price.per_kib_ns > 0)
    }
}

impl Costs for Priced {
    #[inline]
    fn step_ns(&mut self, step: &'static Step, foot: &Foot) -> u64 {
        let Price { ns, per_kib_ns } = self.price(step);
        if per_kib_ns == 0 {
            return self.drawn(ns);
        }
        let sized = self.bytes(foot).saturating_mul(per_kib_ns) / 1024;
        self.drawn(ns.saturating_add(sized))
    }

    fn call_ns(&mut self, name: &'static str) -> u64 {
        let at = (name.as_ptr().addr(), name.len());
        let ns = match self.by_call.get(&at) {
            Some(ns) => *ns,
            None => {
                let ns = self.calls.get(name).copied().unwrap_or(self.call_ns);
                self.by_call.insert(at, ns);
                ns
            }
        };
        self.drawn(ns)
    }
}
