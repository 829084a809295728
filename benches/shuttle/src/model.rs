//! The little model of `maprace-explore`, a second time: for shuttle, on its locks and threads.
//!
//! Lock by lock what `crates/maprace-explore/src/little.rs` does, so change both or none.

use shuttle::sync::{Arc, Mutex, RwLock};
use shuttle::thread;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Hole,
    Delayed,
    Unwritten,
}

/// Whether a delayed extent is inserted on the answer of an old look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// It is, under `i_data_sem` shared.
    Buggy,
    /// No: it is looked up again under `i_data_sem` exclusive.
    Fixed,
}

struct Model {
    insert: Insert,
    folios: Vec<Mutex<()>>,
    inode: Mutex<()>,
    /// Protects which blocks are allocated.
    data: RwLock<Vec<bool>>,
    es: RwLock<Vec<Status>>,
    reserved: Mutex<u64>,
}

const ALIVE: &str = "no task panics";

impl Model {
    fn new(blocks: usize, insert: Insert) -> Model {
        Model {
            insert,
            folios: (0..blocks).map(|_| Mutex::new(())).collect(),
            inode: Mutex::new(()),
            data: RwLock::new(vec![false; blocks]),
            es: RwLock::new(vec![Status::Hole; blocks]),
            reserved: Mutex::new(0),
        }
    }

    fn fault(&self, block: usize) {
        let _folio = self.folios[block].lock().expect(ALIVE);
        if self.look_up(block) != Status::Hole {
            return;
        }
        match self.insert {
            Insert::Buggy => {
                let _data = self.data.read().expect(ALIVE);
                self.insert_delayed(block);
            }
            Insert::Fixed => {
                let _data = self.data.write().expect(ALIVE);
                if self.look_up(block) == Status::Hole {
                    self.insert_delayed(block);
                }
            }
        }
    }

    fn look_up(&self, block: usize) -> Status {
        self.es.read().expect(ALIVE)[block]
    }

    fn insert_delayed(&self, block: usize) {
        *self.reserved.lock().expect(ALIVE) += 1;
        self.es.write().expect(ALIVE)[block] = Status::Delayed;
    }

    fn fallocate(&self) {
        let _inode = self.inode.lock().expect(ALIVE);
        self.look_up(0);
        drop(self.data.read().expect(ALIVE));
        let mut data = self.data.write().expect(ALIVE);
        data.fill(true);
        let delayed = {
            let mut es = self.es.write().expect(ALIVE);
            let delayed = es.iter().filter(|status| **status == Status::Delayed).count() as u64;
            es.fill(Status::Unwritten);
            delayed
        };
        if delayed > 0 {
            let mut reserved = self.reserved.lock().expect(ALIVE);
            *reserved = reserved.wrapping_sub(delayed);
        }
    }

    fn is_bad(&self) -> bool {
        let (reserved, es) = (self.reserved.lock().expect(ALIVE), self.es.read().expect(ALIVE));
        let delayed = es.iter().filter(|status| **status == Status::Delayed).count() as u64;
        let allocated = self.data.read().expect(ALIVE);
        *reserved != delayed
            || es.iter().zip(&*allocated).any(|(status, on)| *on && *status == Status::Delayed)
    }
}

/// One execution: a fault on each of `tasks - 1` blocks, against one `fallocate`, which the first
/// thread runs itself. Whether it ends in damage.
pub fn execute(tasks: usize, insert: Insert) -> bool {
    let model = Arc::new(Model::new((tasks - 1).max(2), insert));
    let spawn = |block| {
        let model = Arc::clone(&model);
        thread::spawn(move || model.fault(block))
    };
    let faults: Vec<_> = (0..tasks - 1).map(spawn).collect();
    model.fallocate();
    for fault in faults {
        fault.join().expect(ALIVE);
    }
    model.is_bad()
}
