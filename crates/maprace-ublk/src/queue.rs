//! The loop of one queue: takes requests, has them done, and answers when the medium would have.
//!
//! One thread, one ring, one wait in each turn. Instants are taken once for a batch; what is due
//! together is handed over together. Where nothing has to be waited for, a turn is reap, submit,
//! commit, wait, and nothing else. What is left out: a time limit for requests, which is the kernel's.

mod ground;
mod hands;
mod pace;
#[cfg(test)]
mod tests;

pub(crate) use ground::{Ground, List};
pub(crate) use pace::Pace;

use crate::company::Company;
use crate::desk::{Mail, Post};
use crate::tally::Tally;
use crate::waiting::Patience;
use crate::{
    Answer, Arrival, Floor, Io, Op, Outcome, Service, State, Tag, Timed, Timing, Transport, Until,
    Waiting,
};
use hands::{Due, Hands};
use maprace_media::Draws;
use std::io;
use std::sync::Arc;

/// `EIO`: what the kernel is told of a medium error.
const EIO: i32 = 5;

/// What is not due before so long, in ns, leaves time for others.
const FAR_NS: u64 = 1_000_000;

/// Sets draws of faults without a medium apart; any number will do.
const FAULT: u64 = 0x0066_6175_6c74;

/// What a queue has to know before it begins.
#[derive(Clone, Debug)]
pub struct QueueSetup {
    /// Its number.
    pub queue: u16,
    /// How many the device has.
    pub queues: u16,
    /// Requests in flight, at most.
    pub depth: u16,
    /// Whose medium requests wait for.
    pub timed: Timed,
    /// The medium, if it is the loop's.
    pub timing: Timing,
    /// How the queue waits.
    pub waiting: Waiting,
    /// What this machine takes at least.
    pub floor: Floor,
}

/// Serves a queue until the kernel has taken every tag back. The counts are handed over then.
///
/// # Errors
/// The ring cannot be used any more, or the medium cannot be shared by so many queues.
pub fn run<T: Transport>(
    transport: T,
    service: Box<dyn Service>,
    post: Post,
    setup: QueueSetup,
) -> io::Result<()> {
    post.open(transport.bell());
    let mut pace = None;
    if setup.timed == Timed::ByLoop {
        pace = Pace::new(&setup.timing, setup.queue, setup.queues).map_err(io::Error::other)?;
        let own = setup.timing.profile.as_ref().map_or(&[][..], |profile| &profile.faults);
        post.ground.begin(own);
    }
    let mut queue = Loop::new(transport, service, post, &setup, pace);
    let ended = loop {
        match queue.turn() {
            Ok(State::Gone) => break Ok(()),
            Ok(State::Open | State::Closing) => {}
            Err(error) => break Err(error),
        }
    };
    queue.hand_over(None, Box::new(Tally::new()));
    ended
}

/// A queue at work.
struct Loop<T> {
    hands: Hands<T>,
    service: Box<dyn Service>,
    post: Post,
    timed: Timed,
    pace: Option<Pace>,
    dilate: u64,
    floor: Floor,
    patience: Patience,
    company: Company,
    /// What the last wait was told.
    waited: Until,
    /// Ranges whose requests are held back.
    stuck: Vec<(u64, u64)>,
    is_closing: bool,
    /// Seeds the faults where there is no medium.
    seed: u64,
    /// Requests that might have failed so far.
    taken: u64,
    /// What has come in this turn, and how it went; kept for its memory.
    arrivals: Vec<Arrival>,
    outcomes: Vec<Outcome>,
}

impl<T: Transport> Loop<T> {
    fn new(
        transport: T,
        service: Box<dyn Service>,
        post: Post,
        setup: &QueueSetup,
        pace: Option<Pace>,
    ) -> Loop<T> {
        let depth = usize::from(setup.depth);
        let mut queue = Loop {
            hands: Hands::new(transport, depth),
            service,
            post,
            timed: setup.timed,
            pace,
            dilate: setup.timing.dilate.max(1),
            floor: setup.floor,
            patience: Patience::new(setup.waiting),
            company: Company::new(),
            waited: Until::Now,
            stuck: Vec::new(),
            is_closing: false,
            seed: Draws::of([setup.timing.seed, FAULT, u64::from(setup.queue), 0]).word(0),
            taken: 0,
            arrivals: Vec::with_capacity(depth),
            outcomes: Vec::with_capacity(depth),
        };
        queue.look_at_ground();
        queue
    }

    /// The faults may be others.
    fn look_at_ground(&mut self) {
        let ground = &self.post.ground;
        self.hands.ground = (!ground.is_sound()).then(|| Arc::clone(ground));
    }

    /// One turn: takes what has come, answers what is due, waits.
    fn turn(&mut self) -> io::Result<State> {
        self.arrivals.clear();
        let arrivals = &mut self.arrivals;
        let state = self.hands.transport.reap(&mut |arrival| arrivals.push(arrival));
        if state == State::Closing && !self.is_closing {
            self.is_closing = true;
            self.hands.forget_all();
        }
        let had_mail = self.post.has_mail();
        if had_mail {
            self.read_mail();
        }
        self.waited = match state {
            State::Gone => return Ok(state),
            State::Closing => Until::Arrival,
            State::Open if self.is_lean() => self.answer_at_once(),
            State::Open => self.serve(had_mail),
        };
        self.hands.transport.wait(self.waited)?;
        Ok(state)
    }

    /// Whether a request can be answered as soon as it is done.
    fn is_lean(&self) -> bool {
        self.pace.is_none()
            && self.timed == Timed::ByLoop
            && self.hands.ground.is_none()
            && self.stuck.is_empty()
            && self.hands.in_flight == 0
    }

    /// A turn in which nothing is waited for.
    fn answer_at_once(&mut self) -> Until {
        if self.arrivals.is_empty() {
            return Until::Arrival;
        }
        let arrived_ns = self.hands.transport.now_ns();
        self.outcomes.clear();
        for Arrival { tag, io } in self.arrivals.iter().copied() {
            let outcome = match self.hands.submit(&mut *self.service, tag, io, arrived_ns) {
                Answer::Now(outcome) => outcome,
                Answer::Later => {
                    // From the next turn on this is not the short way any more.
                    self.hands.take(tag, io, arrived_ns);
                    self.hands.lend(tag, Due::Untimed);
                    Ok(())
                }
            };
            if self.hands.is_free(tag) {
                self.hands.transport.commit(tag, io.result(outcome));
            }
            self.outcomes.push(outcome);
        }
        let now_ns = self.hands.transport.now_ns();
        for (Arrival { tag, io }, outcome) in self.arrivals.iter().zip(&self.outcomes) {
            if self.hands.is_free(*tag) {
                self.hands.count(*io, *outcome, now_ns - arrived_ns, None);
            }
        }
        if self.hands.in_flight > 0 {
            return Until::Now;
        }
        self.company.until(self.arrivals.len(), arrived_ns, now_ns)
    }

    /// A turn in which requests have their time.
    fn serve(&mut self, had_mail: bool) -> Until {
        let mut now_ns = self.hands.transport.now_ns();
        let arrived_ns = now_ns;
        let quiet = self.arrivals.is_empty() && !had_mail;
        self.patience.woke(now_ns, self.waited, quiet);
        self.hands.now_ns = now_ns;
        for i in 0..self.arrivals.len() {
            let Arrival { tag, io } = self.arrivals[i];
            self.hands.take(tag, io, now_ns);
            self.accept(tag, io, now_ns);
        }
        if !quiet {
            now_ns = self.hands.transport.now_ns();
        }
        self.hands.now_ns = now_ns;
        let asks = self.timed == Timed::ByBackend || self.hands.lent > 0;
        let wakes_ns = if asks { self.service.poll(now_ns, &mut self.hands) } else { None };
        self.hands.answer_due();
        let first_ns = match (self.hands.deadlines.first(), wakes_ns) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let is_idle = self.hands.in_flight == 0 && !self.arrivals.is_empty();
        if is_idle && first_ns.is_none_or(|first_ns| first_ns > now_ns + FAR_NS) {
            let until = self.company.until(self.arrivals.len(), arrived_ns, now_ns);
            if until == Until::Yield {
                return until;
            }
        }
        self.patience.until(now_ns, first_ns, self.hands.in_flight - self.hands.stuck)
    }

    /// Takes a request into the medium and to the backend, unless it is held back.
    fn accept(&mut self, tag: Tag, io: Io, now_ns: u64) {
        let touches = |(from, end): &(u64, u64)| io.pos < *end && io.pos + io.len > *from;
        if self.stuck.iter().any(touches) {
            return self.hands.hold(tag);
        }
        // Before the medium takes it, since the draws are those of the request that comes next.
        let is_struck = self.is_struck(io);
        let due = match &mut self.pace {
            None => Due::Untimed,
            Some(pace) => {
                let due = pace.due(io, now_ns, &self.floor);
                if due.infeasible {
                    self.hands.tally.count_infeasible(io.op);
                }
                Due::At(due.at_ns)
            }
        };
        let answer = match is_struck {
            true => Answer::Now(Err(EIO)),
            false => self.hands.submit(&mut *self.service, tag, io, now_ns),
        };
        match answer {
            Answer::Later => self.hands.lend(tag, due),
            Answer::Now(outcome) => self.hands.done(tag, outcome, due),
        }
    }

    /// Whether a fault strikes; what fails changes no byte.
    fn is_struck(&mut self, io: Io) -> bool {
        let Some(ground) = &self.hands.ground else { return false };
        self.taken += 1;
        let draws = match &self.pace {
            Some(pace) => pace.draws(io),
            None => Draws::of([self.seed, self.taken, 0, 0]),
        };
        ground.strikes(io, draws)
    }

    fn read_mail(&mut self) {
        while let Some(mail) = self.post.next() {
            // Whoever asked may have stopped waiting.
            match mail {
                Mail::Timing(changed, done) => {
                    let (timing, pace) = *changed;
                    self.dilate = timing.dilate.max(1);
                    match self.timed {
                        Timed::ByLoop => self.pace = pace,
                        Timed::ByBackend => self.service.set_timing(&timing),
                    }
                    self.look_at_ground();
                    let _ = done.send(());
                }
                Mail::Floor(floor, done) => {
                    self.floor = floor;
                    let _ = done.send(());
                }
                Mail::Faults(done) => {
                    self.look_at_ground();
                    let _ = done.send(());
                }
                Mail::Stick(from, end, done) => {
                    self.stuck.push((from, end));
                    let _ = done.send(());
                }
                Mail::Release(count) => {
                    let _ = count.send(self.release());
                }
                Mail::Count(number, fresh) => self.hand_over(Some(number), fresh),
            }
        }
    }

    /// Goes on with what was held back, as if it had come now.
    fn release(&mut self) -> u64 {
        self.stuck.clear();
        let now_ns = self.hands.transport.now_ns();
        self.hands.now_ns = now_ns;
        let mut count = 0;
        while let Some((tag, io)) = self.hands.next_held() {
            self.accept(tag, io, now_ns);
            count += 1;
        }
        count
    }

    fn hand_over(&mut self, number: Option<u64>, fresh: Box<Tally>) {
        let gauges = self.hands.gauges(self.floor, self.dilate);
        let mut tally = std::mem::replace(&mut self.hands.tally, fresh);
        tally.gauges = gauges;
        self.post.hand_over(number, tally);
    }
}

/// Whether a request reads or writes bytes that are in its buffer.
fn moves_bytes(op: Op) -> bool {
    matches!(op, Op::Read | Op::Write { .. })
}
