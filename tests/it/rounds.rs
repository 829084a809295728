//! The device world without a device: threads bring the requests that a block layer would. What can be
//! expressed, and that a safe protocol is clean however they meet. That damage is found is proved by a planted
//! bug in `maprace-scenario`, and on a real block device by the lab.

use crate::support::{ORDERS, plan, scenario};
use maprace_fs::ext4::Ext4Kind;
use maprace_scenario::device_world::{Arrival, BATCH, OnDevice, RoundServer, express};
use maprace_scenario::{AnyLayer, Config, Media, catalogue};
use std::sync::Barrier;

/// One task's requests, round by round, each round begun together with the other tasks.
fn bring(server: &dyn RoundServer, job: &OnDevice, task: usize, together: &Barrier) {
    server.attend(task);
    for place in 0..usize::try_from(BATCH).expect("it is 64") {
        together.wait();
        for number in 0.. {
            let Some(asked) = job.expressed.request(task, number, place) else { break };
            let mut buffer = vec![7; usize::try_from(asked.len).expect("it fits")];
            let arrival = server.request(task, asked, &mut buffer);
            assert!(matches!(arrival, Arrival::Ran(_)), "{}: {asked:?}", job.name);
        }
    }
}

/// The job of a scenario, if block requests express it.
fn job(name: &str, config: &Config) -> Option<OnDevice> {
    let scenario = scenario(name);
    let plan = plan(&scenario, config);
    let expressed = express(&scenario, &plan).ok()?;
    let (name, config) = (scenario.name, config.clone());
    Some(OnDevice { plan, expressed, name, config, media: Media::Instantly, seed: 1 })
}

#[test]
fn what_is_safe_is_clean_in_rounds_that_threads_bring() {
    let mut ran = Vec::new();
    for entry in catalogue::all() {
        for order in ORDERS {
            let config = Config::ext4("v6.12", order);
            let Some(job) = job(entry.name, &config) else { continue };
            let server = Ext4Kind.serve_rounds(job.clone());
            server.begin(BATCH);
            let tasks = job.plan.tasks.len();
            let together = Barrier::new(tasks);
            std::thread::scope(|scope| {
                for task in 0..tasks {
                    let (server, job, together) = (&*server, &job, &together);
                    scope.spawn(move || bring(server, job, task, together));
                }
            });
            let rounds = server.end().unwrap_or_else(|why| panic!("{}: {why}", entry.name));
            assert_eq!((rounds.len(), server.strays()), (64, 0), "{}", entry.name);
            let damaged = rounds.iter().find(|round| !round.broken.is_empty());
            assert_eq!(damaged, None, "{} in {order} order", entry.name);
            ran.push(entry.name);
        }
    }
    // Of 37 scenarios, and each of these is safe in that release.
    assert_eq!(ran.len(), 2 * 19, "{ran:?}");
}
