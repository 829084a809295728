//! A kernel that is not there: a transport that checks whoever uses it, and what every backend has to do.
//!
//! [`Fake`] brings the requests of a [`Guest`] on a virtual clock, or on the machine's, and writes down
//! each breach of the protocol. [`integrity`] asks a backend for what was written to it.

mod fake;
mod guest;
mod integrity;
#[cfg(test)]
mod tests;

pub use fake::{Clock, Due, Fake};
pub use guest::{Answer, Closed, Guest, Script};
pub use integrity::{Suite, integrity};
