//! The page and the table, of rounds that were run by hand.

use super::*;
use crate::layers::Layers;
use maprace_scenario::device_world::{Draw, OnDevice, RoundSeen, device_verdict, express};
use maprace_scenario::{Config, Media, Plan, Scenario};

/// A verdict of one round, with the times that a machine might have shown.
fn verdict(protocol: &str, damaged: bool) -> DeviceVerdict {
    let layers = Layers::builtin();
    let scenario = Scenario::open("mkwrite-fallocate", &layers.vocabulary()).unwrap();
    let config = Config::ext4(protocol, maprace_fs::Order::BufferHead);
    let plan = Plan::new(&scenario, &config).unwrap();
    let expressed = express(&scenario, &plan).unwrap();
    let (name, media) = (scenario.name.clone(), Media::Fixed(200_000));
    let job = OnDevice {
        plan,
        expressed: expressed.clone(),
        name,
        config: config.clone(),
        media,
        seed: 1,
    };
    let server = layers.get("ext4").unwrap().serve_rounds(job);
    server.begin(1);
    for task in 0..2 {
        server.attend(task);
        let request = expressed.request(task, 0, 0).unwrap();
        server.request(task, request, &mut vec![0; usize::try_from(request.len).unwrap()]);
    }
    let mut measured = server.measured();
    (measured.rounds, measured.damaged) = (1000, u64::from(damaged) * 37);
    measured.damage.value = if damaged { 0.037 } else { 0.0 };
    measured.cost.operation.p50 = 60_700;
    if damaged {
        measured.checkers = [("reserved_at_evict".to_owned(), 37)].into();
    }
    let mut verdict = device_verdict(&scenario, &config, &expressed, measured);
    verdict.apart = vec![Apart { p10: -35_000, p50: -1_500, p90: 12_000 }];
    if damaged {
        let broken = maprace_fs::Broken {
            checker: maprace_fs::Checker::ReservedAtEvict,
            values: Some((1, 0)),
            place: None,
        };
        let mut seen = RoundSeen { broken: vec![(&broken).into()], ..RoundSeen::default() };
        seen.tasks = vec![Default::default(); 2];
        seen.tasks[1].began_ns = 2_300;
        verdict.damaged_rounds.extend(DamagedRound::of(
            12,
            &Draw { skew_ns: vec![0, -700] },
            &seen,
        ));
        verdict.log = vec![format!("{} (the first of 37 rounds)", broken.words())];
        verdict.strays = 2;
    }
    verdict
}

#[test]
fn a_page_says_what_became_of_what() {
    let text = page("page_mkwrite against fallocate", &verdict("v5.10", true), Paint::Plain);
    let want = "\
mkwrite-fallocate: page_mkwrite against fallocate
ext4, v5.10, buffer_head order; a block device over fixed 200000 ns
verdict    damaged; the scenario expects damaged
mapping    fault: mmap_write 0..1 as WRITE
           fallocate: fallocate 0..2 as WRITE_ZEROES
rounds     1000, 37 damaged (3.70 %, 0.00..100.00); 2 requests of others came between
apart      task 2 began -1.50 us after task 1; -35.0 us to 12.0 us in eight of ten rounds
damage     reserved_at_evict in 37 of 1000
first      round 12, tasks began at 0 ns, 2.30 us: i_reserved_data_blocks (1) not cleared!
log        i_reserved_data_blocks (1) not cleared! (the first of 37 rounds)

 order        cookie  protocol  window  p50  p99  max  hits  caught   op p50     damaged
 buffer_head  -       v5.10     none      -    -    -     -       -  60.7 us  37 of 1000
rounds on a block device: measured, nothing of it is repeatable; window: its length; hits, caught: bare
counts; op: an operation at the server; damaged: rounds in which a checker failed
";
    assert_eq!(text, want);
}

#[test]
fn rounds_without_damage_prove_nothing() {
    let text = page("t", &verdict("v6.12", false), Paint::Plain);
    assert!(
        text.contains(
            "verdict    incomplete: no damage in these rounds; the scenario expects safe"
        )
    );
    assert!(text.contains("rounds     1000, 0 damaged\n"), "{text}");
}

#[test]
fn a_table_has_a_row_for_each_and_says_what_is_not_as_expected() {
    let all = [verdict("v5.10", true), verdict("v6.11", true), verdict("v6.12", false)];
    let text = table(&all, Paint::Plain);
    assert_eq!(text.matches("a block device\n").count(), 1, "{text}");
    assert_eq!(text.matches("37 of 1000").count(), 2, "{text}");
    assert_eq!(text.matches("fault: mmap_write 0..1 as WRITE").count(), 1, "{text}");
    let line = "v6.11, buffer_head order; a block device over fixed 200000 ns: damaged, not as expected: \
                the scenario expects safe";
    assert!(text.contains(line), "{text}");
    assert_eq!(super::super::code_of(&all), 1);
    assert_eq!(super::super::code_of(&all[..1]), 0);
    let mut cut = verdict("v6.12", false);
    cut.cut = true;
    let text = table(std::slice::from_ref(&cut), Paint::Plain);
    assert!(text.contains(": 1000, 0 damaged; ended early\n"), "{text}");
    assert_eq!(super::super::code_of(&[cut]), 3);
    assert_eq!(table(&[], Paint::Plain), "");
}
