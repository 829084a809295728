//! Makes a damaged scenario small: drops whatever the damage does not need.
//!
//! Greedy, until nothing more can be dropped: tasks, operations, what comes after, blocks of the file,
//! pieces of ranges, settings. Each step makes the scenario strictly simpler, so it ends, and the order
//! of attempts is fixed, so it ends at the same scenario every time. It knows nothing of exploring:
//! whoever shrinks says of each attempt whether the damage is still the same.

mod steps;
#[cfg(test)]
mod tests;

use crate::format::{FileSpec, FsSpec, Scenario, limits};
use crate::range::BlockRange;

/// What whoever shrinks says of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trial {
    /// The damage is the same.
    Same,
    /// It is not, or that is not known.
    Different,
    /// Somebody asked for the end.
    Stop,
}

/// What shrinking comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk {
    /// The scenario, which is the one that was given if nothing could be dropped.
    pub scenario: Scenario,
    /// What was dropped, in words; empty if nothing was.
    pub dropped: Vec<String>,
    /// How many smaller scenarios were tried.
    pub tried: u64,
    /// Whether it ended because nothing more can be dropped.
    pub is_minimal: bool,
}

/// Drops from `scenario` what it can while `trial` says that the damage is the same.
///
/// What the scenario expects is of the whole of it, so a smaller one expects nothing; and it gets a
/// name of its own, since the old one means the old file.
pub fn shrink(scenario: &Scenario, trial: &mut dyn FnMut(&Scenario) -> Trial) -> Shrunk {
    let mut now = Scenario { expect: Vec::new(), ..scenario.clone() };
    let mut tried = 0;
    let mut is_minimal = true;
    'again: loop {
        for step in steps::STEPS {
            let mut taken = false;
            // A step that worked may work again; one that did not may, after others did.
            while let Some(smaller) = first_same(&now, *step, trial, &mut tried, &mut is_minimal) {
                now = smaller;
                taken = true;
            }
            if !is_minimal {
                break 'again;
            }
            if taken {
                continue 'again;
            }
        }
        break;
    }
    let dropped = dropped(scenario, &now);
    if dropped.is_empty() {
        return Shrunk { scenario: scenario.clone(), dropped, tried, is_minimal };
    }
    now.name = shrunk_name(&scenario.name);
    if scenario.title == scenario.name {
        now.title.clone_from(&now.name);
    }
    Shrunk { scenario: now, dropped, tried, is_minimal }
}

/// The first attempt of a step that keeps the damage.
fn first_same(
    now: &Scenario,
    step: steps::Step,
    trial: &mut dyn FnMut(&Scenario) -> Trial,
    tried: &mut u64,
    is_minimal: &mut bool,
) -> Option<Scenario> {
    for smaller in step(now) {
        *tried += 1;
        match trial(&smaller) {
            Trial::Same => return Some(smaller),
            Trial::Different => {}
            Trial::Stop => {
                *is_minimal = false;
                return None;
            }
        }
    }
    None
}

/// `NAME-shrunk`, within the limit of names.
fn shrunk_name(name: &str) -> String {
    let tail = "-shrunk";
    let stem = name.strip_suffix(tail).unwrap_or(name);
    let most = limits::NAME - tail.len();
    let stem: String = stem.chars().take(most).collect();
    stem + tail
}

/// What the smaller scenario no longer has, in words.
fn dropped(whole: &Scenario, small: &Scenario) -> Vec<String> {
    let mut all = Vec::new();
    for task in &whole.tasks {
        let kept = small.tasks.iter().find(|own| own.name == task.name);
        match kept {
            None => all.push(format!("task {}", task.name)),
            Some(own) => {
                all.extend(fewer(task.ops.len(), own.ops.len(), "operations of ", &task.name))
            }
        }
    }
    all.extend(fewer(whole.after.len(), small.after.len(), "operations of ", "[after]"));
    let blocks = |scenario: &Scenario| scenario.file.blocks(scenario.fs.block);
    let (all_blocks, kept) = (blocks(whole), blocks(small));
    if kept < all_blocks {
        all.push(format!("{} of {all_blocks} blocks of the file", all_blocks - kept));
    }
    all.extend(ranges(&whole.file, &small.file, kept == all_blocks));
    if whole.file.es != small.file.es {
        all.push("the setting of es".to_owned());
    }
    all.extend(settings(&whole.fs, &small.fs));
    if all.is_empty() && (&whole.tasks, &whole.after) != (&small.tasks, &small.after) {
        all.push("parts of ranges".to_owned());
    }
    all
}

fn fewer(whole: usize, kept: usize, what: &str, whose: &str) -> Option<String> {
    (kept < whole).then(|| format!("{} of {whole} {what}{whose}", whole - kept))
}

/// The lists of the file that are shorter, other than by the blocks that went.
fn ranges(whole: &FileSpec, small: &FileSpec, same_size: bool) -> Vec<String> {
    let lists = [
        ("written", &whole.written, &small.written),
        ("unwritten", &whole.unwritten, &small.unwritten),
        ("dirty", &whole.dirty, &small.dirty),
        ("prefault", &whole.prefault, &small.prefault),
    ];
    let blocks = |ranges: &[BlockRange]| ranges.iter().map(BlockRange::len).sum::<u64>();
    let mut all = Vec::new();
    for (name, before, after) in lists {
        if after.is_empty() && !before.is_empty() {
            all.push(format!("all of {name}"));
        } else if same_size && blocks(after) < blocks(before) {
            all.push(format!("{} blocks of {name}", blocks(before) - blocks(after)));
        }
    }
    all
}

fn settings(whole: &FsSpec, small: &FsSpec) -> Vec<String> {
    let changed = [
        ("block", whole.block != small.block),
        ("folio_blocks", whole.folio_blocks != small.folio_blocks),
        ("cluster_blocks", whole.cluster_blocks != small.cluster_blocks),
        ("free_blocks", whole.free_blocks != small.free_blocks),
        ("delalloc", whole.delalloc != small.delalloc),
        ("bitmaps", whole.bitmaps != small.bitmaps),
        ("journal_credits", whole.journal_credits != small.journal_credits),
    ];
    let setting = |(name, _): (&str, bool)| format!("the setting of {name}");
    changed.into_iter().filter(|(_, changed)| *changed).map(setting).collect()
}
