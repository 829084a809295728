//! Timelines for a trace viewer: Chrome's JSON trace events, which Perfetto reads.
//!
//! A run is a process, a task a thread; functions and steps are nested slices, locks, waits and windows
//! are asynchronous ones, what is broken is an instant. Times are microseconds: a step of the explorer,
//! which has no time, is one microsecond. The page is `report`'s affair.

use crate::report::timeline::{Timeline, Unit};
use serde_json::{Value, json};

/// Microseconds of a moment on a timeline's axis.
#[expect(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 ns")]
fn us(timeline: &Timeline, at: u64) -> f64 {
    match timeline.unit {
        Unit::Step => at as f64,
        Unit::Ns => at as f64 / 1_000.0,
    }
}

/// The trace of all of them, one process each.
pub(crate) fn json(timelines: &[Timeline]) -> String {
    let mut events = Vec::new();
    for (i, timeline) in timelines.iter().enumerate() {
        let mut track = Track { timeline, pid: i + 1, ids: 0, events: Vec::new() };
        track.names();
        track.slices();
        track.spans();
        track.instants();
        events.append(&mut track.events);
    }
    json!({ "displayTimeUnit": "ns", "traceEvents": events }).to_string() + "\n"
}

/// The events of one process.
struct Track<'a> {
    timeline: &'a Timeline,
    pid: usize,
    ids: usize,
    events: Vec<Value>,
}

/// A function that has not returned.
struct Call<'a> {
    name: &'a str,
    from: u64,
    to: u64,
}

/// A slice, to be sorted: by its begin, the longer first, the outer first.
type Slice = (u64, std::cmp::Reverse<u64>, usize, Value);

impl Track<'_> {
    fn names(&mut self) {
        let pid = self.pid;
        let name = |what: &str, tid: usize, name: &str| json!({ "ph": "M", "name": what, "pid": pid, "tid": tid, "args": { "name": name } });
        self.events.push(name("process_name", 0, &self.timeline.name()));
        for (task, lane) in self.timeline.tasks.iter().enumerate() {
            self.events.push(name("thread_name", task + 1, &lane.name));
        }
    }

    /// Functions with the steps in them.
    fn slices(&mut self) {
        for task in 0..self.timeline.tasks.len() {
            let mut slices: Vec<Slice> = Vec::new();
            let mut open: Vec<Call<'_>> = Vec::new();
            let mut op = None;
            for step in self.timeline.steps.iter().filter(|step| step.task == task) {
                let same = |(call, name): &(&Call<'_>, &String)| call.name == name.as_str();
                let common = open.iter().zip(&step.calls).take_while(same).count();
                let kept = if op == Some(step.op) { common } else { 0 };
                op = Some(step.op);
                self.returned(task, &mut open, kept, &mut slices);
                for name in &step.calls[kept..] {
                    open.push(Call { name, from: step.from, to: step.to });
                }
                open.iter_mut().for_each(|call| call.to = step.to);
                let args = json!({ "found": step.saw.join("; ") });
                let value = self.slice(task, &step.name, step.from, step.to, args);
                slices.push((step.from, std::cmp::Reverse(step.to), usize::MAX, value));
            }
            self.returned(task, &mut open, 0, &mut slices);
            slices.sort_by_key(|(from, to, depth, _)| (*from, *to, *depth));
            self.events.extend(slices.into_iter().map(|(.., value)| value));
        }
    }

    /// Ends all functions but the outermost `kept`.
    fn returned(
        &self,
        task: usize,
        open: &mut Vec<Call<'_>>,
        kept: usize,
        slices: &mut Vec<Slice>,
    ) {
        for (depth, call) in open.drain(kept..).enumerate() {
            let value = self.slice(task, call.name, call.from, call.to, json!({}));
            slices.push((call.from, std::cmp::Reverse(call.to), kept + depth, value));
        }
    }

    fn slice(&self, task: usize, name: &str, from: u64, to: u64, args: Value) -> Value {
        let (ts, end) = (us(self.timeline, from), us(self.timeline, to));
        json!({
            "ph": "X", "cat": "step", "name": name, "pid": self.pid, "tid": task + 1,
            "ts": ts, "dur": end - ts, "args": args
        })
    }

    /// Locks, waits and windows, each on a track of its own.
    fn spans(&mut self) {
        let timeline = self.timeline;
        for held in &timeline.locks {
            let how = if held.exclusive { "exclusive" } else { "shared" };
            self.span(held.task, "lock", &format!("{} {how}", held.lock), (held.from, held.to));
        }
        for wait in &timeline.waits {
            self.span(wait.task, "wait", &format!("waits for {}", wait.lock), (wait.from, wait.to));
        }
        for window in &timeline.windows {
            let name = format!("{} {}", window.name, window.what);
            self.span(window.task, "window", &name, (window.from, window.to));
        }
    }

    fn span(&mut self, task: usize, category: &str, name: &str, (from, to): (u64, u64)) {
        self.ids += 1;
        let (pid, id) = (self.pid, format!("{}.{}", self.pid, self.ids));
        let name = format!("{}: {name}", self.timeline.tasks[task].name);
        for (ph, at) in [("b", from), ("e", to)] {
            self.events.push(json!({
                "ph": ph, "cat": category, "name": name, "pid": pid, "tid": task + 1, "id": id,
                "ts": us(self.timeline, at)
            }));
        }
    }

    /// What is broken, where it was found.
    fn instants(&mut self) {
        let end = self.timeline.steps.iter().map(|step| step.to).max().unwrap_or(0);
        for wrong in &self.timeline.wrong {
            let step = wrong.step.map(|step| &self.timeline.steps[step]);
            let (scope, tid) = step.map_or(("p", 0), |step| ("t", step.task + 1));
            let at = step.map_or(end, |step| step.to);
            self.events.push(json!({
                "ph": "i", "cat": "damage", "name": wrong.checker, "s": scope, "pid": self.pid,
                "tid": tid, "ts": us(self.timeline, at),
                "args": { "found": wrong.words, "when": wrong.when }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::timeline::tests::{of, stale_map};
    use std::collections::BTreeMap;

    fn events() -> Vec<Value> {
        let timelines = [of("mkwrite-fallocate", "buffer_head", "v6.8"), stale_map()];
        let text = json(&timelines);
        let value: Value = serde_json::from_str(&text).unwrap();
        value["traceEvents"].as_array().unwrap().clone()
    }

    #[test]
    fn every_begin_has_its_end_and_every_thread_its_name() {
        let events = events();
        let mut open: BTreeMap<String, f64> = BTreeMap::new();
        for event in events.iter().filter(|e| e["ph"] == "b" || e["ph"] == "e") {
            let key = format!("{} {} {}", event["cat"], event["id"], event["name"]);
            let ts = event["ts"].as_f64().unwrap();
            match event["ph"].as_str() {
                Some("b") => assert!(open.insert(key, ts).is_none()),
                _ => assert!(open.remove(&key).unwrap() < ts),
            }
        }
        assert!(open.is_empty(), "{open:?}");
        let named: Vec<(&Value, &Value)> = events
            .iter()
            .filter(|e| e["name"] == "thread_name")
            .map(|e| (&e["pid"], &e["tid"]))
            .collect();
        for event in events.iter().filter(|e| e["ph"] == "X") {
            assert!(named.contains(&(&event["pid"], &event["tid"])), "{event}");
        }
        let processes = events.iter().filter(|e| e["name"] == "process_name");
        assert_eq!(processes.count(), 2);
    }

    #[test]
    fn slices_of_a_thread_nest_and_damage_is_marked() {
        let events = events();
        let mut open: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for event in events.iter().filter(|e| e["ph"] == "X") {
            let ends = open.entry(format!("{} {}", event["pid"], event["tid"])).or_default();
            let ts = event["ts"].as_f64().unwrap();
            let end = ts + event["dur"].as_f64().unwrap();
            ends.retain(|outer| *outer > ts);
            assert!(ends.iter().all(|outer| *outer >= end), "{event}");
            ends.push(end);
        }
        let broken: Vec<&Value> =
            events.iter().filter(|e| e["ph"] == "i").map(|e| &e["name"]).collect();
        assert!(broken.contains(&&json!("delayed_not_allocated")), "{broken:?}");
    }

    #[test]
    fn nothing_at_all_is_a_trace_too() {
        let value: Value = serde_json::from_str(&json(&[])).unwrap();
        assert_eq!(value["traceEvents"], json!([]));
    }

    #[test]
    fn nanoseconds_become_microseconds_with_a_fraction() {
        let timeline =
            Timeline { unit: Unit::Ns, ..of("mkwrite-fallocate", "buffer_head", "v6.8") };
        assert!((us(&timeline, 1_234) - 1.234).abs() < 1e-9);
    }
}
