//! The one integration binary: each module is a family of tests that cross crates.

mod catalogue;
mod cross_checks;
mod footprints;
mod generated;
mod large;
mod planted;
mod rounds;
mod support;
mod tasks;
mod threads;
mod virtual_time;
mod windows;
mod worlds;
