//! Tasks of one thread that make each other wait, tasks of several threads that wake each other, timers.

use super::*;
use crate::{BitLock, RwSem, SemSteps};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

static STEP: Step = Step::new("test");
static STEPS: SemSteps = crate::sem_steps!("test");

fn bit(rt: &Tasks) -> TaskBit {
    BitLock::new(rt, Key::only("test"))
}

fn sem<T: State>(rt: &Tasks, value: T) -> TaskSem<T> {
    RwSem::new(rt, Key::only("test"), &STEPS, value)
}

/// A worker whose bell is counted.
fn counted() -> (Worker, Arc<AtomicU64>) {
    let rings = Arc::new(AtomicU64::new(0));
    let told = rings.clone();
    let worker = Worker::new(Arc::new(move || {
        told.fetch_add(1, Ordering::SeqCst);
    }));
    (worker, rings)
}

/// A wake-up that has not come after this long never will.
const NEVER: Duration = Duration::from_secs(60);

/// Runs what `start` starts on this thread to its end; sleeps where only others can go on.
fn run_thread(start: impl FnOnce(&Worker)) {
    // One ring is kept, however often it rings.
    let (bell, rung) = sync_channel(1);
    let worker = Worker::new(Arc::new(move || {
        let _ = bell.try_send(());
    }));
    start(&worker);
    while !worker.run_ahead() {
        let woken = rung.recv_timeout(NEVER);
        assert!(woken.is_ok(), "{} tasks wait for ever", worker.live());
    }
}

/// Eight tasks on each of four threads, which take turns.
fn crowd(task: impl Fn(u64) -> std::pin::Pin<Box<dyn Future<Output = ()>>> + Sync) {
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let task = &task;
            scope.spawn(move || {
                seed(thread + 1);
                run_thread(|worker| (0..8).for_each(|i| worker.spawn(task(8 * thread + i))));
            });
        }
    });
}

#[test]
fn a_bit_locks_out_tasks_of_all_threads_and_all_get_in() {
    let rt = Tasks::yielding(3);
    let (bit, inside) = (Arc::new(bit(&rt)), Arc::new(AtomicU64::new(0)));
    let total = Arc::new(AtomicU64::new(0));
    crowd(|_| {
        let (rt, bit, inside, total) = (rt.clone(), bit.clone(), inside.clone(), total.clone());
        Box::pin(async move {
            for _ in 0..200 {
                bit.lock(&STEP, || Foot::NONE, || ()).await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                rt.pass(&STEP).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                total.fetch_add(1, Ordering::SeqCst);
                bit.unlock(&STEP, || Foot::NONE, || ()).await;
                bit.wait(&STEP).await;
            }
        })
    });
    assert_eq!(total.load(Ordering::SeqCst), 32 * 200);
    assert!(!bit.is_set());
}

#[test]
fn a_semaphore_keeps_writers_alone_and_loses_nobody() {
    let rt = Tasks::yielding(3);
    let sem = Arc::new(sem(&rt, (0u64, 0u64)));
    crowd(|number| {
        let (rt, sem) = (rt.clone(), sem.clone());
        Box::pin(async move {
            for turn in 0..200 {
                if (number + turn) % 3 == 0 {
                    let mut pair = sem.down_write().await;
                    pair.0 += 1;
                    rt.pass(&STEP).await;
                    pair.1 += 1;
                } else {
                    let pair = sem.down_read().await;
                    rt.pass(&STEP).await;
                    assert_eq!(pair.0, pair.1, "a writer is in the middle");
                }
                sem.peek(|pair| assert_eq!(pair.0, pair.1));
            }
        })
    });
    let writes = (0..32).map(|n| (0..200).filter(|turn| (n + turn) % 3 == 0).count() as u64);
    assert_eq!(sem.peek(|pair| pair.0), Some(writes.sum()));
}

#[test]
fn only_a_wake_from_another_thread_rings_and_once() {
    let rt = Tasks::new();
    let (worker, rings) = counted();
    let bits: Vec<Arc<TaskBit>> = (0..3).map(|_| Arc::new(bit(&rt))).collect();
    for bit in &bits {
        bit.set();
        let bit = bit.clone();
        worker.spawn(async move { bit.wait(&STEP).await });
    }
    assert_eq!((worker.run(0), worker.live()), (None, 3));
    bits[0].clear();
    assert_eq!((worker.run(0), worker.live()), (None, 2));
    assert_eq!(rings.load(Ordering::SeqCst), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| bits[1..].iter().for_each(|bit| bit.clear()));
    });
    assert_eq!(rings.load(Ordering::SeqCst), 1, "both are ready before the worker looks");
    assert_eq!((worker.run(0), worker.live()), (None, 0));
}

#[test]
fn a_wake_at_home_does_not_swallow_the_ring_of_one_from_elsewhere() {
    let rt = Tasks::new();
    let (worker, rings) = counted();
    let bits = [Arc::new(bit(&rt)), Arc::new(bit(&rt))];
    for bit in &bits {
        bit.set();
        let bit = bit.clone();
        worker.spawn(async move { bit.wait(&STEP).await });
    }
    worker.run(0);
    bits[0].clear();
    std::thread::scope(|scope| {
        scope.spawn(|| bits[1].clear());
    });
    assert_eq!(rings.load(Ordering::SeqCst), 1);
    worker.run(0);
    assert_eq!(worker.live(), 0);
}

#[test]
fn timers_fire_in_their_order_and_time_does_not_go_back() {
    let rt = Tasks::new();
    let (worker, _) = counted();
    let fired: Rc<RefCell<Vec<u64>>> = Rc::default();
    for takes in [30, 10, 20, 10, 0] {
        let (rt, fired) = (rt.clone(), fired.clone());
        worker.spawn(async move {
            let foot = || Foot::NONE;
            rt.io(&STEP, foot, |now| now + takes, || fired.borrow_mut().push(takes)).await;
        });
    }
    assert_eq!(worker.run(100), Some(110));
    assert_eq!(*fired.borrow(), [0]);
    assert_eq!(worker.run(109), Some(110));
    assert_eq!(worker.run(110), Some(120));
    assert_eq!(worker.run(50), Some(120));
    assert_eq!(*fired.borrow(), [0, 10, 10]);
    assert_eq!((worker.run(1_000), worker.live()), (None, 0));
    assert_eq!(*fired.borrow(), [0, 10, 10, 20, 30]);
}

#[test]
fn the_medium_is_asked_in_the_order_of_times_by_workers_that_are_told_different_ones() {
    let rt = Tasks::new();
    let asked: Rc<RefCell<Vec<u64>>> = Rc::default();
    for now in [50, 20, 70] {
        let (worker, _) = counted();
        let (rt, asked) = (rt.clone(), asked.clone());
        worker.spawn(async move {
            let done = |now: u64| {
                asked.borrow_mut().push(now);
                now
            };
            rt.io(&STEP, || Foot::NONE, done, || ()).await;
        });
        assert_eq!((worker.run(now), worker.live()), (None, 0));
    }
    assert_eq!(*asked.borrow(), [50, 50, 70]);
}

/// If any of these waits kept the thread, the one that ends it would never be polled.
#[test]
fn one_thread_has_many_tasks_that_wait_for_each_other() {
    let rt = Tasks::new();
    let (worker, rings) = counted();
    let (folio, tree) = (Arc::new(bit(&rt)), Arc::new(sem(&rt, 0u64)));
    for _ in 0..500 {
        let (rt, folio, tree) = (rt.clone(), folio.clone(), tree.clone());
        worker.spawn(async move {
            folio.lock(&STEP, || Foot::NONE, || ()).await;
            rt.io(&STEP, || Foot::NONE, |now| now + 10, || ()).await;
            let mut changes = tree.down_write().await;
            rt.io(&STEP, || Foot::NONE, |now| now + 10, || ()).await;
            *changes += 1;
            drop(changes);
            folio.unlock(&STEP, || Foot::NONE, || ()).await;
            assert!(*tree.down_read().await > 0);
        });
    }
    assert!(worker.run_ahead());
    assert_eq!(tree.peek(|changes| *changes), Some(500));
    assert_eq!(rings.load(Ordering::SeqCst), 0);
}

// The end of an I/O joins the transaction that its submitter has a handle of, while a commit waits.
#[test]
fn a_task_started_by_another_gets_a_shared_hold_while_a_writer_waits() {
    let rt = Tasks::new();
    let (worker, _) = counted();
    let (sem, order) = (Arc::new(sem(&rt, ())), Rc::new(RefCell::new(Vec::new())));
    let ended = Arc::new(bit(&rt));
    ended.set();
    {
        let (rt, sem, order) = (rt.clone(), sem.clone(), order.clone());
        worker.spawn(async move {
            let _handle = sem.down_read().await;
            let (inner, order, end) = (sem.clone(), order.clone(), ended.clone());
            rt.io(&STEP, || Foot::NONE, |now| now + 10, || ()).await;
            rt.spawn("io_end", async move {
                drop(inner.down_read().await);
                order.borrow_mut().push("inner");
                end.clear();
            });
            ended.wait(&STEP).await;
        });
    }
    for (name, writes) in [("writer", true), ("reader", false)] {
        let (sem, order) = (sem.clone(), order.clone());
        worker.spawn(async move {
            match writes {
                true => drop(sem.down_write().await),
                false => drop(sem.down_read().await),
            }
            order.borrow_mut().push(name);
        });
    }
    assert!(worker.run_ahead(), "{:?}", order.borrow());
    assert_eq!(*order.borrow(), ["inner", "writer", "reader"]);
}
