//! The journal, as far as locks go: handles, their credits, and a commit that waits for them.
//!
//! What is written to the journal, and what a crash would find there, is not here. To lockdep a handle
//! is a shared hold of the transaction (`jbd2_handle`) and a commit wants it alone; while a commit
//! waits, nobody new may join (`T_LOCKED`), which is how a lock can be part of a deadlock that nobody
//! ever takes exclusively for long.

use crate::places::Kind;
use crate::setup::Setup;
use maprace_runtime::{Runtime, RwSem, SemSteps, Step};

static HANDLE: SemSteps = SemSteps {
    down_read: Step::new("jbd2__journal_start"),
    down_write: Step::new("jbd2_journal_wait_updates"),
};
static LOCKED: SemSteps =
    SemSteps { down_read: Step::new("wait_transaction_locked"), down_write: Step::new("T_LOCKED") };

type Hold<'a, R> = <<R as Runtime>::RwSem<()> as RwSem<R, ()>>::Read<'a>;

/// `journal_t`.
pub(crate) struct Journal<R: Runtime> {
    /// The running transaction; held shared by each handle.
    running: R::RwSem<()>,
    /// `T_LOCKED`: held exclusively while a commit waits for the handles of its transaction.
    locked: R::RwSem<()>,
    credits: Option<u32>,
    commits: bool,
}

impl<R: Runtime> Journal<R> {
    pub(crate) fn new(rt: &R, setup: &Setup) -> Journal<R> {
        Journal {
            running: RwSem::new(rt, Kind::Jbd2Handle.key(), &HANDLE, ()),
            locked: RwSem::new(rt, Kind::TransactionLocked.key(), &LOCKED, ()),
            credits: setup.journal_credits,
            commits: setup.commits,
        }
    }

    /// `ext4_journal_start`, `start_this_handle` in `fs/jbd2/transaction.c`, v6.8: joins the running
    /// transaction, once no commit waits for it any more.
    pub(crate) async fn start(&self) -> Handle<'_, R> {
        Handle { journal: self, held: Some(self.join().await), credits: self.credits }
    }

    /// `ext4_journal_start_reserved`, at the end of an I/O: joins the running transaction even while a
    /// commit waits for its handles, which may wait for the I/O.
    pub(crate) async fn start_reserved(&self) -> Handle<'_, R> {
        let held = if self.commits { self.running.down_read().await } else { self.running.share() };
        Handle { journal: self, held: Some(held), credits: self.credits }
    }

    /// Where nobody ever commits, nobody has to wait, and joining is no step.
    async fn join(&self) -> Hold<'_, R> {
        if !self.commits {
            return self.running.share();
        }
        let _open = self.locked.down_read().await;
        self.running.down_read().await
    }

    /// `jbd2_journal_commit_transaction`, `fs/jbd2/commit.c`, v6.8, up to where the next transaction
    /// may begin: locks the running one, and waits for its handles.
    ///
    /// # Divergence from Linux
    /// Nothing is written. Data is not waited for either, as allocation is always unwritten and
    /// converted when its data is on the medium (dioread_nolock), so nothing is on the ordered list.
    pub(crate) async fn commit(&self) {
        let _locked = self.locked.down_write().await;
        let _alone = self.running.down_write().await;
    }
}

/// `handle_t`: a part of the running transaction, until it is dropped (`ext4_journal_stop`).
pub struct Handle<'a, R: Runtime> {
    journal: &'a Journal<R>,
    held: Option<Hold<'a, R>>,
    credits: Option<u32>,
}

impl<R: Runtime> std::fmt::Debug for Handle<'_, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("credits", &self.credits).finish_non_exhaustive()
    }
}

impl<R: Runtime> Handle<'_, R> {
    /// Takes what changing one extent costs. False when there is not so much left: then whoever asks
    /// drops `i_data_sem` and [restarts](Handle::restart) first, as `ext4_datasem_ensure_credits`.
    ///
    /// # Divergence from Linux
    /// One credit is one extent taken away or moved; the kernel counts blocks of metadata, and extends
    /// the handle where the transaction has room.
    #[must_use]
    pub fn take_credit(&mut self) -> bool {
        match &mut self.credits {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    /// `jbd2__journal_restart`: leaves the transaction, and joins the one that runs then.
    pub async fn restart(&mut self) {
        self.held = None;
        self.held = Some(self.journal.join().await);
        self.credits = self.journal.credits;
    }
}
