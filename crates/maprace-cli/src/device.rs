//! `device`: block devices on this machine's kernel, with a medium's latency.
//!
//! What the kernel does is `maprace-ublk`'s affair. Here is what stands around it: the daemon that
//! serves a device, the registry that knows which there are, the sockets between commands and daemons.
//! Built with the feature `ublk`; without it, every command says so.

pub(crate) mod args;
pub(crate) mod values;

#[cfg(feature = "ublk")]
mod add;
#[cfg(feature = "ublk")]
mod backend;
#[cfg(feature = "ublk")]
mod clock;
#[cfg(feature = "ublk")]
mod commands;
#[cfg(feature = "ublk")]
mod control;
#[cfg(feature = "ublk")]
mod daemon;
#[cfg(feature = "ublk")]
pub mod devices;
#[cfg(feature = "ublk")]
mod entry;
#[cfg(feature = "ublk")]
mod floor;
#[cfg(feature = "ublk")]
mod fs_backend;
#[cfg(feature = "ublk")]
mod gc;
#[cfg(feature = "ublk")]
pub(crate) mod kernel;
#[cfg(feature = "ublk")]
mod page;
#[cfg(feature = "ublk")]
mod prober;
#[cfg(feature = "ublk")]
mod process;
#[cfg(feature = "ublk")]
mod registry;
#[cfg(feature = "ublk")]
pub(crate) mod rounds;
#[cfg(feature = "ublk")]
mod rounds_backend;
#[cfg(feature = "ublk")]
mod spec;
#[cfg(feature = "ublk")]
mod start;

pub(crate) use args::DeviceArgs;

use crate::answer::{Answer, Context};
use crate::failure::Failure;

/// Says how to build what this program was built without.
#[cfg(not(feature = "ublk"))]
pub(crate) fn run(_: &Context<'_>, _: DeviceArgs) -> Result<Answer, Failure> {
    Err(Failure::Device(
        "device: this program was built without the feature `ublk`, which needs the package libclang-dev: \
         install it, then `cargo run --release --features ublk -- device ...`"
            .to_owned(),
    ))
}

/// What commands and daemons work with.
#[cfg(feature = "ublk")]
fn host<'a>(context: &Context<'a>, ends_at_hangup: bool) -> Result<daemon::Host<'a>, Failure> {
    let surroundings = &context.terminal.surroundings;
    Ok(daemon::Host {
        layers: context.layers,
        devices: &*surroundings.devices,
        registry: std::sync::Arc::new(registry::Registry::open(surroundings)?),
        die_at: surroundings.die_at.as_deref(),
        ends_at_hangup,
    })
}

/// Does it.
#[cfg(feature = "ublk")]
pub(crate) fn run(context: &Context<'_>, args: DeviceArgs) -> Result<Answer, Failure> {
    use args::{DeviceCommand, JsonArgs};

    let host = host(context, !matches!(args.command, DeviceCommand::Serve))?;
    let registry = std::sync::Arc::clone(&host.registry);
    match args.command {
        DeviceCommand::Add(args) => add::add(context, &host, &args),
        DeviceCommand::List { json: JsonArgs { json } } => page::list(&registry, json),
        DeviceCommand::Show { id, json: JsonArgs { json } } => {
            page::shown(&registry, &registry.entry(id.id)?, json)
        }
        DeviceCommand::Stats { id, watch, json: JsonArgs { json } } => {
            commands::stats(context, &host, id.id, watch, json)
        }
        DeviceCommand::Set(args) => commands::set(context, &host, &args),
        DeviceCommand::Fault(args) => commands::fault(&host, args.id.id, &args.command, args.json),
        DeviceCommand::Del(args) => gc::del(&host, &args),
        DeviceCommand::Recover(args) => add::recover(&host, &args),
        DeviceCommand::Gc { all, json: JsonArgs { json } } => gc::gc(&host, all, json),
        DeviceCommand::Features { json: JsonArgs { json } } => commands::features(&host, json),
        DeviceCommand::Doctor { json: JsonArgs { json } } => commands::doctor(&host, json),
        DeviceCommand::Serve => daemon::main(&host).map(|()| Answer::default()),
        DeviceCommand::Measure { target } => prober::main(&target).map(|()| Answer::default()),
    }
}
