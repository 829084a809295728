//! One run: the device comes, its rounds are run batch by batch, it goes.

use super::OnDevice;
use crate::answer::Context;
use crate::device::rounds::{RoundsDevice, failed, processors};
use crate::failure::Failure;
use crate::machine::timed;
use crate::search::{Bar, STOP, watch_for_interrupt};
use crate::terminal;
use maprace_load::{Access, LaneRound, Lanes, Op, Request, errno_in_words, open_target};
use maprace_scenario::Plan;
use maprace_scenario::device_world::{
    BATCH, BlockKind, BlockRequest, DamagedRound, DeviceVerdict, Draw, Expressed, Offsets,
    RoundSeen, Skews, device_verdict, express,
};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Rounds that are sent together, from which the sweep is made.
const TOGETHER: usize = 9;

/// How often a batch is run that the server does not take for one.
const TRIES: u32 = 3;

/// What a batch should take, in seconds: an end, a look and a word that often.
const BATCH_SECONDS: f64 = 1.0;

/// The longest that a batch may take before its device is given up: ten thousand times as long as most do.
const HANGS: Duration = Duration::from_secs(300);

/// Runs the rounds of a scenario in a configuration.
pub(crate) fn run(
    context: &Context<'_>,
    bar: &Bar,
    job: &OnDevice<'_>,
) -> Result<DeviceVerdict, Failure> {
    watch_for_interrupt();
    let scenario = &job.subject.scenario;
    let plan = Plan::new(scenario, job.config)?;
    let expressed = express(scenario, &plan)?;
    let name = format!("{} {} {}", scenario.name, job.config.protocol.name, job.config.order);
    bar.say(|| format!("{name}: adding a device"));
    let server = RoundsDevice::bring_up(context, job, &expressed)?;
    let mut rounds = Rounds::begin(&server, expressed, job)?;
    let mut cut = false;
    while !rounds.are_enough(job) && !cut {
        rounds.batch(job.rounds - rounds.done)?;
        let Rounds { done, damaged, .. } = &rounds;
        bar.say(|| format!("{name}: {done} of {} rounds, {damaged} damaged", job.rounds));
        cut = STOP.load(Ordering::Relaxed) && !rounds.are_enough(job);
    }
    let Rounds { expressed, lanes, told, apart, .. } = rounds;
    // The device goes when nobody has it open.
    lanes.end();
    let sum = server.sum()?;
    let mut verdict = device_verdict(scenario, job.config, &expressed, sum.measured);
    verdict.damaged_rounds = told;
    verdict.apart = apart.into_iter().map(Offsets::apart).collect();
    verdict.strays = sum.strays;
    verdict.cut = cut;
    verdict.log = sum.log;
    if let Err(failure) = server.end() {
        // What was found is worth more than a device that did not go.
        terminal::write(&context.terminal.program, "", &failure.line(&context.terminal.program), 0);
    }
    Ok(verdict)
}

/// Rounds on their way.
struct Rounds<'a> {
    server: &'a RoundsDevice<'a>,
    expressed: Expressed,
    lanes: Lanes,
    skews: Skews,
    /// Rounds that were sent together, until there are enough of them.
    together: Vec<(Draw, RoundSeen)>,
    told: Vec<DamagedRound>,
    /// The offsets of all rounds, of each task after the first.
    apart: Vec<Offsets>,
    done: u64,
    damaged: u64,
    /// What a round takes, in seconds.
    each: f64,
}

impl<'a> Rounds<'a> {
    fn begin(
        server: &'a RoundsDevice<'a>,
        expressed: Expressed,
        job: &OnDevice<'_>,
    ) -> Result<Rounds<'a>, Failure> {
        let access = Access { writes: true, direct: true, size: None, destroys: None };
        let path = server.block_device();
        let target = Arc::new(open_target(Path::new(&path), access).map_err(failed)?);
        let cpus = processors(&path, expressed.tasks.len())?;
        let data = u32::try_from(expressed.most_data()).unwrap_or(u32::MAX).max(4096);
        let lanes = Lanes::start(&target, &cpus, data, job.seed).map_err(failed)?;
        let skews = Skews::new(expressed.tasks.len(), job.seed);
        let (together, told) = (Vec::new(), Vec::new());
        // The first round shows what one takes.
        let each = BATCH_SECONDS;
        let (done, damaged) = (0, 0);
        let apart = vec![Offsets::default(); expressed.tasks.len().saturating_sub(1)];
        Ok(Rounds { server, expressed, lanes, skews, together, told, apart, done, damaged, each })
    }

    fn are_enough(&self, job: &OnDevice<'_>) -> bool {
        self.done >= job.rounds || (job.until_damage && self.damaged > 0)
    }

    /// As many rounds as a batch should have, at most `most`.
    fn batch(&mut self, most: u64) -> Result<(), Failure> {
        let count = self.size().min(u32::try_from(most).unwrap_or(BATCH));
        let draws: Vec<Draw> = (0..count).map(|_| self.skews.draw()).collect();
        let (seen, seconds) = timed(|| self.run(count, &draws));
        let seen = seen?;
        self.each = seconds / f64::from(count.max(1));
        for (draw, seen) in draws.iter().zip(&seen) {
            self.damaged += u64::from(!seen.broken.is_empty());
            self.told.extend(DamagedRound::of(self.done, draw, seen).filter(|_| self.has_room()));
            for (task, offsets) in (1..).zip(&mut self.apart) {
                offsets.add(seen.offset_ns(task));
            }
            self.done += 1;
        }
        let rounds: Vec<_> = draws.into_iter().zip(seen).collect();
        self.learn(rounds);
        Ok(())
    }

    fn size(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 64")]
        let count = (BATCH_SECONDS / self.each.max(1e-6)).clamp(1.0, f64::from(BATCH)) as u32;
        match TOGETHER.saturating_sub(self.together.len()) {
            0 => count,
            missing => count.min(u32::try_from(missing).unwrap_or(count)),
        }
    }

    fn has_room(&self) -> bool {
        self.told.len() < DamagedRound::TOLD
    }

    /// A batch; another one in its place if the server misses something of it, as it does when somebody
    /// else's request came in a task's place.
    fn run(&self, count: u32, draws: &[Draw]) -> Result<Vec<RoundSeen>, Failure> {
        let after = |what: &dyn std::fmt::Display| {
            let log = self.server.log();
            failed(format_args!("after round {}: {what}: see {log} of its process", self.done))
        };
        let mut tries = 1;
        loop {
            self.server.begin(count)?;
            let answers =
                self.lanes.run(self.rounds(draws), HANGS).map_err(|error| after(&error))?;
            match self.server.ended() {
                Ok(seen) => return Ok(seen),
                Err(_) if tries < TRIES => tries += 1,
                Err(error) => return Err(after(&format!("{error}{}", self.refused(&answers)))),
            }
        }
    }

    /// What each lane does in each round.
    fn rounds(&self, draws: &[Draw]) -> Vec<Vec<LaneRound>> {
        let lane = |task| {
            draws.iter().enumerate().map(|(place, draw)| self.lane(task, place, draw)).collect()
        };
        (0..self.expressed.tasks.len()).map(lane).collect()
    }

    /// The first request that was answered with an error.
    fn refused(&self, answers: &[Vec<Vec<i32>>]) -> String {
        let each = answers.iter().zip(&self.expressed.tasks).flat_map(|(rounds, task)| {
            rounds
                .iter()
                .flat_map(move |round| round.iter().zip(&task.requests).map(move |a| (task, a)))
        });
        let mut failed = each.filter(|(_, (answer, _))| **answer < 0);
        failed.next().map_or_else(String::new, |(task, (answer, (op, _)))| {
            format!("; `{op}` of task {} was answered: {}", task.name, errno_in_words(-answer))
        })
    }

    fn lane(&self, task: usize, place: usize, draw: &Draw) -> LaneRound {
        let requests = (0..).map_while(|number| self.expressed.request(task, number, place));
        LaneRound { delay_ns: draw.delays()[task], requests: requests.map(request).collect() }
    }

    fn learn(&mut self, mut rounds: Vec<(Draw, RoundSeen)>) {
        if self.together.len() >= TOGETHER {
            return self.skews.learn(&rounds);
        }
        self.together.append(&mut rounds);
        if self.together.len() >= TOGETHER {
            self.skews.learn(&self.together);
        }
    }
}

fn request(asked: BlockRequest) -> Request {
    let op = match asked.kind {
        BlockKind::Read => Op::Read,
        BlockKind::Write => Op::Write,
        BlockKind::WriteZeroes => Op::WriteZeroes,
        BlockKind::Discard => Op::Trim,
        BlockKind::Flush => Op::Flush,
    };
    let len = u32::try_from(asked.len).unwrap_or(u32::MAX);
    Request { op, fua: false, pos: asked.pos, len }
}
