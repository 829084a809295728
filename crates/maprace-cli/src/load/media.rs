//! A modelled medium as a device in this process: its model says when, and where bytes are looked at
//! memory keeps them. The faults of its profile do not strike here.

use maprace_load::{Device, Op, Reply, Request};
use maprace_media::store::{Memory, Store};
use maprace_media::{Model, Profile, Request as Asked};

/// The device.
#[derive(Debug)]
pub(super) struct MediaDevice {
    name: String,
    model: Model,
    /// None where nobody looks at bytes.
    bytes: Option<Memory>,
}

/// What the kernel says where a range leaves a device.
const EINVAL: i32 = 22;

impl MediaDevice {
    /// Of `size` bytes.
    pub(super) fn new(profile: &Profile, size: u64, has_bytes: bool) -> MediaDevice {
        MediaDevice {
            name: profile.name.clone(),
            model: Model::new(profile.params.clone()),
            bytes: has_bytes.then(|| Memory::new(size)),
        }
    }
}

impl Device for MediaDevice {
    fn serve(&mut self, request: &Request, data: &mut [u8], now_ns: u64) -> Reply {
        let (pos, len) = (request.pos, u64::from(request.len));
        let asked = match (request.op, request.fua) {
            (Op::Read, _) => Asked::Read { pos, len },
            (Op::Write, true) => Asked::WriteThrough { pos, len },
            (Op::Write, false) => Asked::Write { pos, len },
            (Op::Trim, _) => Asked::Discard { pos, len },
            (Op::WriteZeroes, _) => Asked::Zero { pos, len },
            (Op::Flush, _) => Asked::Flush,
        };
        let kept = self.bytes.as_mut().map_or(Ok(()), |bytes| match request.op {
            Op::Read => bytes.read(pos, data),
            Op::Write => bytes.write(pos, data),
            Op::Trim | Op::WriteZeroes => bytes.discard(pos, len),
            Op::Flush => Ok(()),
        });
        let done_ns = self.model.serve(asked, now_ns).done_ns;
        Reply { done_ns, errno: kept.is_err().then_some(EINVAL) }
    }

    fn describe(&self) -> String {
        format!("the model of {}", self.name)
    }
}
