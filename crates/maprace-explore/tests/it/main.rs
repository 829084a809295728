//! The explorer on programs whose every number is known, or can be found by trying everything.
//!
//! `counts` and `rules` stay with the little model; the others take `programs` of a few steps, in the
//! language of `small`, and compare with `brute`, which enumerates interleavings by replay alone.

mod agree;
mod brute;
mod counts;
mod ends;
mod independence;
mod least;
mod programs;
mod rules;
mod small;
