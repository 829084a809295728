//! `load`: a device, a file, a medium or nothing under load; what is kept after a crash; two runs compared.
//!
//! How a load is run is `maprace-load`'s affair. Here is what was typed, what a target's name means, and
//! how a result is shown. Built with and without the feature `ublk`.

mod args;
mod media;
mod page;
mod plan;
mod run;
mod values;

pub(crate) use args::LoadArgs;

use crate::answer::{Answer, Context, DAMAGE};
use crate::failure::Failure;
use args::{CompareArgs, LoadCommand, VerifyArgs};
use maprace_load::{
    Access, AckLog, Record, compare as compared, open_target, recheck_target, records,
};
use std::path::Path;
use std::sync::Arc;

/// Does it.
pub(crate) fn run(context: &Context<'_>, args: LoadArgs) -> Result<Answer, Failure> {
    match args.command {
        LoadCommand::Run(args) => run::run(context, &args),
        LoadCommand::Verify(args) => verify(&args),
        LoadCommand::Compare(args) => compare(&args),
    }
}

fn json(value: &impl serde::Serialize) -> Result<String, Failure> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn verify(args: &VerifyArgs) -> Result<Answer, Failure> {
    let (header, acks) = AckLog::read(&args.ack_log)?;
    let access = Access { writes: false, direct: args.direct, size: None, destroys: None };
    let target = Arc::new(open_target(&args.target, access)?);
    let report = recheck_target(&target, &header, &acks)?;
    let code = if report.wrong == 0 { 0 } else { DAMAGE };
    let name = args.target.display().to_string();
    let text = match args.json {
        true => json(&page::Rechecked::of(&name, &header, &report))?,
        false => page::rechecked(&name, &header, &report),
    };
    Ok(Answer { text, code, ..Answer::default() })
}

fn read(path: &Path) -> Result<Vec<Record>, Failure> {
    let failed = |error| Failure::File { path: path.to_owned(), error };
    Ok(records(path, &std::fs::read_to_string(path).map_err(failed)?)?)
}

fn compare(args: &CompareArgs) -> Result<Answer, Failure> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let aa = args.aa.as_deref().map(read).transpose()?;
    let comparison = compared(&a, &b, aa.as_deref())?;
    let text = match args.json {
        true => json(&comparison)?,
        false => page::comparison(&comparison),
    };
    Ok(Answer { text, ..Answer::default() })
}
