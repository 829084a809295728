//! Who sends requests to a [`super::Fake`].

use crate::{Io, Tag};
use std::collections::VecDeque;
use std::fmt;

/// Sends requests, and is told how they ended.
pub trait Guest {
    /// When it sends the next request, if there is one before anything else is answered.
    fn next_ns(&self) -> Option<u64>;

    /// Sends it at `now_ns`; what it writes goes into `buffer`.
    fn send(&mut self, now_ns: u64, buffer: &mut [u8]) -> Io;

    /// A request has been answered; `bytes` are those of its buffer.
    fn answered(&mut self, answer: Answer, bytes: &[u8]);

    /// Whether it will send nothing any more.
    fn is_done(&self) -> bool;
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its tag.
    pub tag: Tag,
    /// What was asked.
    pub io: Io,
    /// When the loop took it.
    pub arrived_ns: u64,
    /// When its answer was handed over.
    pub answered_ns: u64,
    /// The answer.
    pub result: i32,
}

/// Sends each request at its time.
#[derive(Clone, Debug, Default)]
pub struct Script {
    rest: VecDeque<(u64, Io)>,
    /// In the order of answers.
    pub answers: Vec<Answer>,
}

impl Script {
    /// By ascending time.
    pub fn new(requests: impl IntoIterator<Item = (u64, Io)>) -> Script {
        Script { rest: requests.into_iter().collect(), answers: Vec::new() }
    }
}

impl Guest for Script {
    fn next_ns(&self) -> Option<u64> {
        self.rest.front().map(|(at_ns, _)| *at_ns)
    }

    fn send(&mut self, _: u64, _: &mut [u8]) -> Io {
        self.rest.pop_front().expect("asked for one that was announced").1
    }

    fn answered(&mut self, answer: Answer, _: &[u8]) {
        self.answers.push(answer);
    }

    fn is_done(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Keeps so many requests in flight.
pub struct Closed<F> {
    depth: u64,
    left: u64,
    in_flight: u64,
    now_ns: u64,
    sent: u64,
    make: F,
    /// Told each answer.
    pub told: Vec<Answer>,
    /// Whether answers are kept.
    pub keeps: bool,
}

impl<F: FnMut(u64) -> Io> Closed<F> {
    /// `count` requests, `depth` at a time; the n-th is what `make` says.
    pub fn new(depth: u64, count: u64, make: F) -> Closed<F> {
        let (in_flight, now_ns, sent) = (0, 0, 0);
        Closed { depth, left: count, in_flight, now_ns, sent, make, told: Vec::new(), keeps: true }
    }
}

impl<F> fmt::Debug for Closed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").field("depth", &self.depth).field("left", &self.left).finish()
    }
}

impl<F: FnMut(u64) -> Io> Guest for Closed<F> {
    fn next_ns(&self) -> Option<u64> {
        (self.left > 0 && self.in_flight < self.depth).then_some(self.now_ns)
    }

    fn send(&mut self, now_ns: u64, _: &mut [u8]) -> Io {
        (self.left, self.in_flight, self.now_ns) = (self.left - 1, self.in_flight + 1, now_ns);
        self.sent += 1;
        (self.make)(self.sent - 1)
    }

    fn answered(&mut self, answer: Answer, _: &[u8]) {
        self.in_flight -= 1;
        self.now_ns = self.now_ns.max(answer.answered_ns);
        if self.keeps {
            self.told.push(answer);
        }
    }

    fn is_done(&self) -> bool {
        self.left == 0
    }
}
