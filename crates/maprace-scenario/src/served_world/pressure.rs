//! Memory pressure: who writes back, who reclaims, and who has to wait for them.
//!
//! Two roles of the kernel's, each played by one task at a time, on the thread of whoever saw that it was
//! needed: the flusher, from a tenth of the bound dirty on, and `kswapd`, from seven eighths cached on.
//! Whoever brings a request past the bound, or past a fifth of it dirty or under writeback, waits for
//! them before it begins, while it holds nothing.
//!
//! # Divergence from Linux
//! The kernel throttles a task in the middle of its write, by what the medium manages
//! (`balance_dirty_pages`), and reclaims in it (direct reclaim); here it waits at its beginning, and goes
//! on after the first turn that has made room.

use maprace_fs::layer::Layer;
use maprace_fs::{Cached, Inode};
use maprace_runtime::tasks::{TaskBit, Tasks};
use maprace_runtime::{BitLock, Foot, Key, Runtime, Step};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;

static FULL: Step = Step::new("balance_dirty_pages");

/// Folios of one turn.
const TURN: usize = 64;

/// The least bound, in folios: a request of a usual kind has to fit in.
const LEAST: u64 = 256;

/// How often a request waits for a role to be played before it goes on whatever has come of that.
const TRIES: u32 = 4;

/// The bounds, and who plays which role.
#[derive(Debug)]
pub(super) struct Pressure(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rt: Tasks,
    most: u64,
    flusher: Role,
    kswapd: Role,
}

/// Who plays it, and who waits for that.
#[derive(Debug)]
struct Role {
    played: AtomicBool,
    /// Set while somebody may wait.
    awaited: TaskBit,
}

impl Role {
    fn new(rt: &Tasks, kind: &'static str) -> Role {
        let awaited = BitLock::new(rt, Key::only(kind));
        Role { played: AtomicBool::new(false), awaited }
    }

    fn end_wait(&self) {
        if self.awaited.is_set() {
            self.awaited.clear();
        }
    }

    /// Whoever waits from now on has it played again.
    fn end(&self) {
        self.played.store(false, SeqCst);
        self.end_wait();
    }
}

impl Pressure {
    /// For a page cache of at most so many folios, or the least there is.
    pub(super) fn new(rt: &Tasks, most: u64) -> Pressure {
        Pressure(Arc::new(Shared {
            rt: rt.clone(),
            most: most.max(LEAST),
            flusher: Role::new(rt, "flusher"),
            kswapd: Role::new(rt, "kswapd"),
        }))
    }

    /// Has the roles played that are needed, and waits until there is room.
    pub(super) async fn balance<L: Layer<Rt = Tasks>>(&self, inode: &Arc<Inode<L>>) {
        let shared = &self.0;
        let cached = inode.cached();
        if u64::from(cached.dirty) > shared.dirty_from() {
            shared.start_flusher(inode);
        }
        if u64::from(cached.folios) > shared.reclaim_from() {
            shared.start_kswapd(inode);
        }
        for _ in 0..TRIES {
            let cached = inode.cached();
            if shared.is_dirty(cached) {
                shared.wait(&shared.flusher, inode, Shared::is_dirty, Shared::start_flusher).await;
            } else if shared.is_full(cached) {
                shared.wait(&shared.kswapd, inode, Shared::is_full, Shared::start_kswapd).await;
            } else {
                return;
            }
        }
    }
}

impl Shared {
    fn dirty_from(&self) -> u64 {
        self.most / 10
    }

    fn reclaim_from(&self) -> u64 {
        self.most - self.most / 8
    }

    fn is_dirty(&self, cached: Cached) -> bool {
        u64::from(cached.dirty) + u64::from(cached.writeback) > self.most / 5
    }

    fn is_full(&self, cached: Cached) -> bool {
        u64::from(cached.folios) > self.most
    }

    /// Waits until a role has made room, or has ended.
    async fn wait<L: Layer<Rt = Tasks>>(
        self: &Arc<Self>,
        role: &Role,
        inode: &Arc<Inode<L>>,
        is_short: fn(&Shared, Cached) -> bool,
        start: fn(&Arc<Shared>, &Arc<Inode<L>>),
    ) {
        // First the bit, then another look: who makes room afterwards clears it.
        role.awaited.try_lock(&FULL, || Foot::NONE, |_| ()).await;
        if !is_short(self, inode.cached()) {
            return role.end_wait();
        }
        start(self, inode);
        role.awaited.wait(&FULL).await;
    }

    fn start_flusher<L: Layer<Rt = Tasks>>(self: &Arc<Self>, inode: &Arc<Inode<L>>) {
        if !self.flusher.played.swap(true, SeqCst) {
            let (shared, inode) = (self.clone(), inode.clone());
            self.rt.spawn("wb_workfn", async move { shared.flush(&inode).await });
        }
    }

    fn start_kswapd<L: Layer<Rt = Tasks>>(self: &Arc<Self>, inode: &Arc<Inode<L>>) {
        if !self.kswapd.played.swap(true, SeqCst) {
            let (shared, inode) = (self.clone(), inode.clone());
            self.rt.spawn("kswapd", async move { shared.reclaim(&inode).await });
        }
    }

    /// Turns around the file until less than the background bound is dirty, and the rest is not too much
    /// with what is under writeback; or until a whole round has changed nothing: no block is to be had.
    async fn flush<L: Layer<Rt = Tasks>>(&self, inode: &Arc<Inode<L>>) {
        let (mut from, mut before) = (Some(0), u32::MAX);
        loop {
            let cached = inode.cached();
            if u64::from(cached.dirty) > self.dirty_from() {
                if from.is_none() && std::mem::replace(&mut before, cached.dirty) <= cached.dirty {
                    break;
                }
                from = inode.flush_turn(from.unwrap_or(0), TURN).await;
            } else if self.is_dirty(cached) {
                inode.wait_for_writeback().await;
            } else {
                break;
            }
            if !self.is_dirty(inode.cached()) {
                self.flusher.end_wait();
            }
            self.rt.cond_resched().await;
        }
        self.flusher.end();
    }

    /// Turns around the file until a quarter of the bound is free. Where a whole round has freed nothing,
    /// what is there is dirty or under writeback, which is seen to, or in use.
    async fn reclaim<L: Layer<Rt = Tasks>>(&self, inode: &Arc<Inode<L>>) {
        let (mut from, mut before) = (Some(0), u32::MAX);
        loop {
            let cached = inode.cached();
            if u64::from(cached.folios) <= self.most - self.most / 4 {
                break;
            }
            if from.is_none() && std::mem::replace(&mut before, cached.folios) <= cached.folios {
                if cached.dirty + cached.writeback == 0 {
                    break;
                }
                inode.flush_turn(0, TURN).await;
                inode.wait_for_writeback().await;
            }
            from = inode.reclaim_turn(from.unwrap_or(0), TURN).await;
            if !self.is_full(inode.cached()) {
                self.kswapd.end_wait();
            }
            self.rt.cond_resched().await;
        }
        self.kswapd.end();
    }
}
