//! Operations as requests of a block device: which one each is, and where. What no block request can
//! express is refused.

use crate::format::Scenario;
use crate::op::{Op, OpKind};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// The smallest request of any block device, in bytes.
const SECTOR: u64 = 512;

/// The longest request that reaches a server in one piece, in bytes.
pub const BLOCK_REQUEST_MOST: u64 = 512 << 10;

/// Places of rounds begin at multiples of this, in bytes.
const PLACE: u64 = 4096;

/// What a request of a block device asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BlockKind {
    /// Bytes.
    Read,
    /// That bytes be kept.
    Write,
    /// That a range be zero.
    WriteZeroes,
    /// That a range be forgotten.
    Discard,
    /// That all that was answered be durable.
    Flush,
}

impl BlockKind {
    /// The kernel's word for it, without `REQ_OP_`.
    pub fn name(self) -> &'static str {
        match self {
            BlockKind::Read => "READ",
            BlockKind::Write => "WRITE",
            BlockKind::WriteZeroes => "WRITE_ZEROES",
            BlockKind::Discard => "DISCARD",
            BlockKind::Flush => "FLUSH",
        }
    }

    /// How an operation is expressed; none: no request of a block device says it.
    pub fn of(op: OpKind) -> Option<BlockKind> {
        match op {
            OpKind::Read | OpKind::MmapRead => Some(BlockKind::Read),
            OpKind::Write | OpKind::MmapWrite | OpKind::DioWrite => Some(BlockKind::Write),
            OpKind::Fallocate | OpKind::ZeroRange => Some(BlockKind::WriteZeroes),
            OpKind::PunchHole => Some(BlockKind::Discard),
            OpKind::Fsync => Some(BlockKind::Flush),
            _ => None,
        }
    }
}

/// A request of a block device: positions in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockRequest {
    /// What is asked.
    pub kind: BlockKind,
    /// The first byte; 0 of a flush.
    pub pos: u64,
    /// How many bytes; 0 of a flush.
    pub len: u64,
}

/// A task in requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpressedTask {
    /// Its name.
    pub name: String,
    /// Its operations as they were typed, each with its request in the place of round 0.
    pub requests: Vec<(String, BlockRequest)>,
}

/// A scenario in requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expressed {
    /// The tasks.
    pub tasks: Vec<ExpressedTask>,
    /// From the place of one round to that of the next, in bytes.
    pub stride: u64,
}

impl Expressed {
    /// Bytes of a device with so many places.
    pub fn size(&self, places: u32) -> u64 {
        self.stride * u64::from(places)
    }

    /// A request of a task, in the place of a round.
    pub fn request(&self, task: usize, number: usize, place: usize) -> Option<BlockRequest> {
        let (_, request) = *self.tasks.get(task)?.requests.get(number)?;
        if request.kind == BlockKind::Flush {
            return Some(request);
        }
        Some(BlockRequest { pos: request.pos + self.stride * place as u64, ..request })
    }

    /// The most bytes that a request brings or takes: at most [`BLOCK_REQUEST_MOST`].
    pub fn most_data(&self) -> u64 {
        let all = self.tasks.iter().flat_map(|task| &task.requests).map(|(_, request)| request);
        let data = all.filter(|r| matches!(r.kind, BlockKind::Read | BlockKind::Write));
        data.map(|request| request.len).max().unwrap_or(0)
    }
}

/// An operation that no request of a block device expresses.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{scenario}: task {task}: `{op}` is no request of a block device: {instead}")]
pub struct NotExpressed {
    /// The scenario.
    pub scenario: String,
    /// The task.
    pub task: String,
    /// The operation, as it was typed.
    pub op: String,
    /// Why, and what is.
    pub instead: &'static str,
}

/// The tasks of a scenario in requests. What happens afterwards is the server's own affair.
///
/// # Errors
/// An operation that no request expresses.
pub fn express(scenario: &Scenario, plan: &Plan) -> Result<Expressed, NotExpressed> {
    let mut tasks = Vec::new();
    for (spec, planned) in scenario.tasks.iter().zip(&plan.tasks) {
        let mut requests = Vec::new();
        for (op, request) in spec.ops.iter().zip(&planned.requests) {
            let request = one(op, request.pos, request.len).map_err(|instead| NotExpressed {
                scenario: scenario.name.clone(),
                task: spec.name.clone(),
                op: op.to_string(),
                instead,
            })?;
            requests.push((op.to_string(), request));
        }
        tasks.push(ExpressedTask { name: spec.name.clone(), requests });
    }
    let bytes = u64::from(plan.setup.farthest) * u64::from(plan.setup.geometry.block);
    Ok(Expressed { tasks, stride: bytes.max(1).next_multiple_of(PLACE) })
}

fn one(op: &Op, pos: u64, len: u64) -> Result<BlockRequest, &'static str> {
    let Some(kind) = BlockKind::of(op.kind) else {
        return Err(
            "read, mmap_read, write, mmap_write, dio_write, fallocate, zero_range, punch_hole and \
                    fsync are; what comes after the tasks may be anything",
        );
    };
    if kind == BlockKind::Flush {
        return Ok(BlockRequest { kind, pos: 0, len: 0 });
    }
    if op.fail_at.is_some() {
        return Err("its bytes are there when it arrives, so that no copy of it fails");
    }
    if len == 0 || !pos.is_multiple_of(SECTOR) || !len.is_multiple_of(SECTOR) {
        return Err("one has whole sectors of 512 bytes, and one at least");
    }
    if len > BLOCK_REQUEST_MOST && matches!(kind, BlockKind::Read | BlockKind::Write) {
        return Err("one of more than 512 KiB is cut by the block layer: write several operations");
    }
    Ok(BlockRequest { kind, pos, len })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::vocabulary::Vocabulary;
    use maprace_fs::Order;

    fn expressed(text: &str) -> Result<Expressed, NotExpressed> {
        let scenario = Scenario::parse("test.toml", text, &Vocabulary::builtin()).unwrap();
        let plan = Plan::new(&scenario, &Config::ext4("v6.12", Order::Iomap)).unwrap();
        express(&scenario, &plan)
    }

    fn scenario(ops: &str) -> String {
        format!(
            "format = 1\nname = \"t\"\ntitle = \"t\"\nsource = \"t\"\n[file]\nblocks = 3\n\
             [[task]]\nname = \"one\"\nops = [{ops}]\n[[task]]\nname = \"two\"\nops = [\"read 0..1\"]\n"
        )
    }

    #[test]
    fn every_operation_that_a_block_request_expresses_is_one() {
        let ops = "\"write 0..1\", \"mmap_write 1..3\", \"dio_write 0..1\", \"read\", \"mmap_read 512@1024\", \
                   \"fallocate 2..3\", \"zero_range 0..1\", \"punch_hole 0..2\", \"fsync\"";
        let expressed = expressed(&scenario(ops)).unwrap();
        assert_eq!(expressed.stride, 3 * 4096);
        assert_eq!(expressed.size(4), 12 * 4096);
        assert_eq!(expressed.most_data(), 3 * 4096);
        let requests: Vec<_> = expressed.tasks[0]
            .requests
            .iter()
            .map(|(_, r)| (r.kind.name(), r.pos, r.len))
            .collect();
        let want = [
            ("WRITE", 0, 4096),
            ("WRITE", 4096, 8192),
            ("WRITE", 0, 4096),
            ("READ", 0, 12_288),
            ("READ", 1024, 512),
            ("WRITE_ZEROES", 8192, 4096),
            ("WRITE_ZEROES", 0, 4096),
            ("DISCARD", 0, 8192),
            ("FLUSH", 0, 0),
        ];
        assert_eq!(requests, want);
        let third = expressed.request(0, 1, 2).unwrap();
        assert_eq!((third.pos, third.len), (2 * 12_288 + 4096, 8192));
        assert_eq!(expressed.request(0, 8, 2).unwrap().pos, 0);
        assert_eq!(expressed.request(0, 9, 0), None);
        assert_eq!(expressed.request(2, 0, 0), None);
    }

    #[test]
    fn what_no_request_expresses_is_named_in_one_line() {
        let told = |ops: &str| expressed(&scenario(ops)).unwrap_err().to_string();
        for op in
            ["collapse_range 0..1", "truncate 4096", "writeback", "shrink_es", "fiemap", "commit"]
        {
            let told = told(&format!("\"{op}\""));
            assert!(told.starts_with("t: task one: `") && told.contains(op), "{told}");
            assert!(told.contains("is no request of a block device: read,"), "{told}");
            assert_eq!(told.lines().count(), 1);
        }
        assert!(told("\"write 100@50\"").contains("whole sectors of 512 bytes"));
        assert!(told("\"write 0..2 fail@1\"").contains("no copy of it fails"));
        assert!(told("\"write 524800@0\"").contains("cut by the block layer"));
        let long = expressed(&scenario("\"fallocate 0..20000\"")).unwrap();
        assert_eq!(long.most_data(), 4096, "zeroes bring no bytes");
    }
}
