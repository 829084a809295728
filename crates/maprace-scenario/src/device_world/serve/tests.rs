//! Rounds without a block device: requests by hand, on threads of their own.

use super::*;
use crate::config::Config;
use crate::device_world::{BlockKind, express};
use crate::format::Scenario;
use crate::plan::Plan;
use crate::virtual_world::Media;
use crate::vocabulary::Vocabulary;
use maprace_fs::ext4::Ext4Kind;
use maprace_fs::{Order, Planted};

fn job(name: &str, protocol: &str) -> OnDevice {
    let scenario = Scenario::open(name, &Vocabulary::builtin()).unwrap();
    job_in(scenario, Config::ext4(protocol, Order::Iomap))
}

/// Two tasks over a file of two blocks.
fn scenario(one: &str, two: &str) -> String {
    format!(
        "format = 1\nname = \"two\"\ntitle = \"t\"\nsource = \"t\"\n[file]\nblocks = 2\n\
         [[task]]\nname = \"one\"\nops = {one}\n[[task]]\nname = \"two\"\nops = {two}\n\
         [after]\nops = [\"fsync\", \"evict\"]\n"
    )
}

fn job_of(text: &str, order: Order) -> OnDevice {
    let scenario = Scenario::parse("two.toml", text, &Vocabulary::builtin()).unwrap();
    job_in(scenario, Config::ext4("v6.12", order))
}

fn job_in(scenario: Scenario, config: Config) -> OnDevice {
    let plan = Plan::new(&scenario, &config).unwrap();
    let expressed = express(&scenario, &plan).unwrap();
    OnDevice { plan, expressed, name: scenario.name, config, media: Media::Instantly, seed: 1 }
}

/// All requests of a task in so many places, on a thread of its own; how they ended.
fn bring(server: &dyn RoundServer, job: &OnDevice, task: usize, places: usize) -> Vec<Arrival> {
    let work = || {
        server.attend(task);
        let mut all = Vec::new();
        for place in 0..places {
            for number in 0.. {
                let Some(asked) = job.expressed.request(task, number, place) else { break };
                let mut buffer = vec![7; usize::try_from(asked.len).unwrap()];
                all.push(server.request(task, asked, &mut buffer));
            }
        }
        all
    };
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[test]
fn one_task_after_the_other_is_clean_and_every_round_is_measured() {
    let job = job("mkwrite-fallocate", "v5.10");
    let server = round_server(Ext4Kind, job.clone());
    for _ in 0..2 {
        server.begin(3);
        for task in 0..2 {
            let ended = bring(&*server, &job, task, 3);
            assert_eq!(ended, [Arrival::Ran(Ok(())); 3]);
        }
        let rounds = server.end().unwrap();
        assert_eq!(rounds.len(), 3);
        for round in rounds {
            assert_eq!((round.hits, round.broken.len()), (0, 0), "{round:?}");
            assert_eq!(round.tasks[0].began_ns, 0);
            assert!(round.tasks[1].began_ns >= round.tasks[0].took_ns, "{round:?}");
        }
    }
    let measured = server.measured();
    assert_eq!((measured.world, measured.rounds, measured.damaged), ("device", 6, 0));
    assert_eq!((measured.cost.operations, server.strays()), (12, 0));
    assert_eq!(server.broken(), []);
    let text = serde_json::to_string(&measured).unwrap();
    assert_eq!(serde_json::from_str::<Measured>(&text).unwrap(), measured);
}

#[test]
fn a_planted_leak_is_found_in_every_round_and_told_in_the_kernel_s_words() {
    let text = scenario("[\"mmap_write 0..1\"]", "[\"punch_hole 0..1\"]");
    let mut job = job_of(&text, Order::BufferHead);
    job.plan = job.plan.planted(Planted::RemovalKeepsReservation);
    let server = round_server(Ext4Kind, job.clone());
    server.begin(2);
    (0..2).for_each(|task| drop(bring(&*server, &job, task, 2)));
    let rounds = server.end().unwrap();
    let at_evict = |round: &RoundSeen| {
        let mut found =
            round.broken.iter().filter(|finding| finding.checker == "reserved_at_evict");
        found.next().map(|finding| (finding.found.clone(), finding.kernel_visible))
    };
    let told = ("i_reserved_data_blocks (1) not cleared!".to_owned(), true);
    assert_eq!(rounds.iter().map(at_evict).collect::<Vec<_>>(), [Some(told.clone()), Some(told)]);
    assert_eq!(server.measured().damaged, 2);
    assert_eq!(server.measured().checkers["reserved_at_evict"], 2);
    let broken = server.broken();
    assert!(
        broken.iter().any(|(one, rounds)| one.checker == Checker::ReservedAtEvict && *rounds == 2)
    );
}

#[test]
fn what_is_not_the_next_request_changes_nothing_and_is_counted() {
    let job = job("mkwrite-fallocate", "v6.12");
    let server = round_server(Ext4Kind, job.clone());
    let next = job.expressed.request(0, 0, 0).unwrap();
    let mut buffer = vec![0; 4096];
    let mut stray =
        |task, asked| assert_eq!(server.request(task, asked, &mut buffer), Arrival::Stray);
    // No batch, which is not counted; another kind, another place, another task, no task.
    stray(0, next);
    server.begin(2);
    stray(0, BlockRequest { kind: BlockKind::Read, ..next });
    stray(0, job.expressed.request(0, 0, 1).unwrap());
    stray(1, next);
    stray(2, next);
    assert_eq!(server.strays(), 3);
    let told = server.end().unwrap_err();
    assert_eq!(told, "task fault came to operation 1 of round 1 of a batch of 2");
    // A batch that was given up is no part of what was measured.
    server.begin(1);
    (0..2).for_each(|task| drop(bring(&*server, &job, task, 1)));
    assert_eq!(server.end().unwrap().len(), 1);
    assert_eq!((server.measured().rounds, server.strays()), (1, 3));
}

#[test]
fn a_read_brings_the_bytes_that_were_written() {
    let one = "[\"write 0..1\", \"read\", \"mmap_read 0..2\", \"fsync\"]";
    let job = job_of(&scenario(one, "[\"punch_hole 1..2\"]"), Order::BufferHead);
    let server = round_server(Ext4Kind, job.clone());
    server.begin(1);
    server.attend(0);
    let bytes: Vec<u8> = (0..4096_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    let ask = |number, buffer: &mut [u8]| {
        let asked = job.expressed.request(0, number, 0).unwrap();
        assert_eq!(server.request(0, asked, buffer), Arrival::Ran(Ok(())));
    };
    ask(0, &mut bytes.clone());
    for number in [1, 2] {
        let mut got = vec![9; 8192];
        ask(number, &mut got);
        assert!(got[..4096] == bytes[..] && got[4096..].iter().all(|byte| *byte == 0));
    }
    ask(3, &mut []);
    drop(bring(&*server, &job, 1, 1));
    assert_eq!(server.end().unwrap()[0].broken, []);
}

#[test]
fn what_was_given_up_leaves_nothing_in_the_figures_of_its_thread() {
    let two = "[\"write 0..1\", \"fsync\"]";
    let job = job_of(&scenario(two, "[\"punch_hole 1..2\"]"), Order::BufferHead);
    let server = round_server(Ext4Kind, job.clone());
    // One thread throughout, as a queue has it.
    server.attend(0);
    let ask = |number| {
        let asked = job.expressed.request(0, number, 0).unwrap();
        let mut buffer = vec![1; usize::try_from(asked.len).unwrap()];
        assert_eq!(server.request(0, asked, &mut buffer), Arrival::Ran(Ok(())));
    };
    server.begin(1);
    ask(0);
    server.begin(1);
    (0..2).for_each(ask);
    drop(bring(&*server, &job, 1, 1));
    assert_eq!(server.end().unwrap().len(), 1);
    assert_eq!(server.measured().cost.operations, 3);
}
