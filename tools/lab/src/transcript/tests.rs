//! What guests say, read from canned text.

use super::*;

const LIMIT: Stopped = Stopped::AtLimit(Duration::from_secs(9));

fn outcome(script: &str, console: &str, stopped: Stopped) -> Outcome {
    Transcript::read(script, console).outcome(stopped, "")
}

#[test]
fn the_six_outcomes_are_told_apart() {
    let begin = "LAB-BEGIN kernel=k cpus=2 uptime=3.1\n";
    let with = |rest: &str| format!("{begin}{rest}");
    let itself = Stopped::ByItself;
    assert_eq!(outcome(&with("LAB-END rc=0 uptime=4\n"), "", itself), Outcome::Pass);
    assert_eq!(outcome(&with("LAB-END rc=7 uptime=4\n"), "", itself), Outcome::Fail(7));
    assert_eq!(
        outcome(&with("LAB-SKIP no such device\nLAB-END rc=0 uptime=4\n"), "", itself),
        Outcome::Skip("no such device".to_owned())
    );
    assert_eq!(
        outcome(&with(""), "[ 1.0] Kernel panic - not syncing: why\r\n", itself),
        Outcome::Panic("[ 1.0] Kernel panic - not syncing: why".to_owned())
    );
    assert_eq!(outcome(&with("x\n"), "", LIMIT), Outcome::Hang(Duration::from_secs(9)));
    assert!(matches!(outcome("", "booting", LIMIT), Outcome::NeverStarted(_)));
    assert!(matches!(outcome("", "", itself), Outcome::NeverStarted(_)));
}

#[test]
fn a_machine_that_goes_without_a_word_did_not_pass() {
    assert!(matches!(
        outcome("LAB-BEGIN k\nCHECK a ok\n", "", Stopped::ByItself),
        Outcome::Panic(_)
    ));
}

#[test]
fn an_alarm_fails_a_script_that_said_zero() {
    for alarm in [
        "BUG: unable to handle",
        "Oops: 0000 [#1]",
        "Call Trace:",
        "general protection fault",
        "INFO: task x blocked for more than 120 seconds.",
    ] {
        let script = format!("LAB-BEGIN k\nLAB-ALARM [ 2.0] {alarm}\nLAB-END rc=0 uptime=4\n");
        let found = outcome(&script, "", Stopped::ByItself);
        assert_eq!(found, Outcome::Panic(format!("[ 2.0] {alarm}")));
        let console = format!("x\n[ 2.0] {alarm}\r\n");
        let transcript = Transcript::read(&script, &console);
        assert_eq!(transcript.alarms.len(), 1, "the same line on both streams counts once");
    }
}

#[test]
fn a_last_line_without_an_end_does_not_hide_the_status() {
    let transcript = Transcript::read("LAB-BEGIN k\nno newlineLAB-END rc=3 uptime=4\r\n", "");
    assert_eq!(transcript.ended, Some(3));
}

#[test]
fn checks_and_figures_are_read() {
    let transcript = Transcript::read(
        "CHECK mount ok\nCHECK fsck fail two errors found\nCHECK x skip why\n\
         FIGURE iops 1234.5 1/s\nFIGURE iops 1200 1/s\nCHECKED nothing\nFIGURES\n",
        "",
    );
    let verdicts: Vec<(&str, Verdict, &str)> =
        transcript.checks.iter().map(|c| (c.name.as_str(), c.verdict, c.text.as_str())).collect();
    assert_eq!(
        verdicts,
        [
            ("mount", Verdict::Ok, ""),
            ("fsck", Verdict::Fail, "two errors found"),
            ("x", Verdict::Skip, "why")
        ]
    );
    assert_eq!(transcript.values("iops"), [1234.5, 1200.0]);
    assert_eq!(transcript.values("none"), [0.0; 0]);
    assert_eq!(transcript.malformed, [""; 0]);
}

#[test]
fn what_is_malformed_is_kept_and_not_guessed() {
    let text = "CHECK a good\nCHECK a\nFIGURE f one 1/s\nFIGURE f 1\nFIGURE f inf s\n";
    let transcript = Transcript::read(text, "");
    assert_eq!(transcript.malformed.len(), 5);
    assert!(transcript.checks.is_empty() && transcript.figures.is_empty());
}

#[test]
fn the_emulators_own_words_say_why_nothing_began() {
    let outcome = Transcript::default().outcome(Stopped::ByItself, "qemu: no such file\n");
    assert!(outcome.to_string().ends_with("booted: qemu: no such file"), "{outcome}");
}
