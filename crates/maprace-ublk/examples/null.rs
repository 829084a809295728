//! A raw device, to try the kernel's side by itself; `maprace device` is what people use.
//!
//! `null add CONTENT [queues] [depth] [wait_us]` and `null recover CONTENT ID [queues]` serve until the
//! device is deleted; CONTENT is `null`, or a file for memory. `null del ID` deletes it, `null cycles N`
//! adds and stops N of them, `null doctor` and `null list` look around.
#![allow(clippy::print_stdout, reason = "an example talks to who starts it")]

use maprace_media::Profile;
use maprace_ublk::prober::{self, Prober, Target};
use maprace_ublk::raw::{Memory, Null};
use maprace_ublk::{Attributes, Backend, Partitions, Plan, Timing, Waiting, device, doctor};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

const SIZE: u64 = 1 << 30;

fn plan(id: Option<u32>, queues: u16, depth: u16, wait_us: u16) -> Result<Plan, Failure> {
    let wait_ns = u32::from(wait_us) * 1000;
    let text = format!(
        "name = \"fixed\"\n[geometry]\nunits = 64\nstripe = 4096\n\
         [read]\nlat_ns = {{ rand = {wait_ns}, seq = {wait_ns} }}\n"
    );
    let profile = if wait_us > 0 { Some(Profile::parse("fixed", &text)?) } else { None };
    Ok(Plan {
        id,
        queues,
        depth,
        buffer_bytes: 512 << 10,
        attributes: Attributes {
            size: SIZE,
            logical_block: 512,
            physical_block: 4096,
            volatile_cache: true,
            fua: true,
            rotational: false,
            discard_granularity: 4096,
        },
        recoverable: true,
        partitions: Partitions::Ignored,
        waiting: Waiting::Hybrid,
        timing: Timing { profile, seed: 1, dilate: 1 },
        floor: None,
        prober: Prober { program: std::env::current_exe()?, arguments: vec!["measure".into()] },
    })
}

fn content(name: &str) -> Result<Arc<dyn Backend>, Failure> {
    let path = Path::new(name);
    Ok(match name {
        "null" => Arc::new(Null::new(SIZE)),
        _ if path.exists() => Arc::new(Memory::open(path, SIZE)?),
        _ => Arc::new(Memory::create(path, SIZE)?),
    })
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |place: usize, or: u16| arguments.get(place).map_or(Ok(or), |text| text.parse());
    let mut told = |step, id| println!("{step:?} {id:?}");
    let running = match arguments.first().map_or("", String::as_str) {
        "add" => {
            let plan = plan(None, number(2, 1)?, number(3, 128)?, number(4, 0)?)?;
            device::add(plan, content(&arguments[1])?, &mut told)
        }
        "recover" => {
            let plan = plan(Some(number(2, 0)?.into()), number(3, 1)?, 128, 0)?;
            device::recover(plan, content(&arguments[1])?, &mut told)
        }
        "measure" => {
            let target =
                Target::from_arguments(&arguments[1..]).ok_or("measure PATH SIZE STATE")?;
            return Ok(prober::main(&target, std::io::stdin().lock(), std::io::stdout())?);
        }
        "del" => return Ok(doctor::remove(number(1, 0)?.into(), Duration::from_secs(10))?),
        "cycles" => {
            for _ in 0..number(1, 10)? {
                device::add(plan(None, 2, 64, 0)?, content("null")?, &mut |_, _| {})?.stop()?;
            }
            return Ok(());
        }
        "doctor" => {
            doctor::check().iter().for_each(|found| println!("{found:?}"));
            println!("{:?}", doctor::features());
            return Ok(());
        }
        "list" => {
            doctor::devices()?.iter().for_each(|device| println!("{device:?}"));
            return Ok(());
        }
        _ => return Err("null add|recover|del|cycles|doctor|list".into()),
    }?;
    println!("{:?}", running.facts());
    running.wait();
    let failure = running.failure();
    println!("{:#?}\nstopped {failure:?}", running.stop()?);
    Ok(())
}
