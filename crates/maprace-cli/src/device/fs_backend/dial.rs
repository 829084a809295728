//! A medium that can become another one while it is used: the profile's model, on a clock that may pass
//! slower.

use maprace_media::{Instantly, Keying, Medium, Model, Request, Served};
use maprace_ublk::Timing;
use std::sync::{Arc, Mutex, PoisonError};

/// The medium that is in force. Queues share it, as those of one controller do.
#[derive(Debug)]
pub(crate) struct Dial(Mutex<Now>);

#[derive(Debug)]
struct Now {
    /// None: it takes no time.
    model: Option<Model>,
    dilate: u64,
}

impl Now {
    fn of(timing: &Timing) -> Now {
        let model = |profile: &maprace_media::Profile| {
            Model::seeded(Arc::clone(&profile.params), timing.seed, Keying::ByNumber)
        };
        Now { model: timing.profile.as_ref().map(model), dilate: timing.dilate.max(1) }
    }
}

impl Dial {
    /// As `timing` says.
    pub(crate) fn new(timing: &Timing) -> Dial {
        Dial(Mutex::new(Now::of(timing)))
    }

    /// As `timing` says from now on; nothing is queued at the new medium.
    pub(crate) fn set(&self, timing: &Timing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Now::of(timing);
    }
}

impl Medium for Dial {
    fn latency_ns(&self, request: Request) -> u64 {
        let now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let alone = |model: &Model| model.clone().serve(request, 0).done_ns;
        now.model.as_ref().map_or(0, alone).saturating_mul(now.dilate)
    }

    fn serve(&self, request: Request, now_ns: u64) -> Served {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let dilate = now.dilate;
        let Some(model) = &mut now.model else { return Instantly.serve(request, now_ns) };
        let served = model.serve(request, now_ns / dilate);
        // Not before it was asked, by what the division took off.
        let back = |ns: u64| ns.saturating_mul(dilate).max(now_ns);
        Served { done_ns: back(served.done_ns), durable_ns: back(served.durable_ns) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use maprace_media::Profile;

    fn timing(profile: Option<&str>, dilate: u64) -> Timing {
        let profile = profile.map(|name| Profile::open(name).unwrap());
        Timing { profile, seed: 7, dilate }
    }

    const READ: Request = Request::Read { pos: 4096, len: 4096 };

    #[test]
    fn a_medium_in_slow_motion_takes_so_many_times_longer() {
        let plain = Dial::new(&timing(Some("optane-ssd-p4800x"), 1));
        let slow = Dial::new(&timing(Some("optane-ssd-p4800x"), 64));
        let took = plain.serve(READ, 6_400).done_ns - 6_400;
        assert!(took > 0);
        assert_eq!(slow.serve(READ, 64 * 6_400).done_ns, 64 * (6_400 + took));
        assert_eq!(slow.latency_ns(READ), 64 * plain.latency_ns(READ));
    }

    #[test]
    fn it_becomes_another_one_and_none() {
        let dial = Dial::new(&timing(None, 1));
        assert_eq!((dial.serve(READ, 5).done_ns, dial.latency_ns(READ)), (5, 0));
        dial.set(&timing(Some("optane-ssd-p4800x"), 1));
        assert!(dial.serve(READ, 5).done_ns > 5);
        dial.set(&timing(None, 1));
        assert_eq!(dial.serve(READ, 6).done_ns, 6);
    }
}
