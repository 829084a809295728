//! What a shell and a pager want: completions and manual pages, made from the definition of the
//! command line.

use crate::answer::{Answer, Context, command};
use crate::failure::Failure;
use clap_mangen::Man;
use std::io::Write;
use std::path::Path;

/// `completions`.
pub(crate) fn completions(context: &Context<'_>, shell: clap_complete::Shell) -> Answer {
    let mut text = Vec::new();
    let program = &context.terminal.program;
    clap_complete::generate(shell, &mut command(context.terminal), program.as_str(), &mut text);
    Answer { text: String::from_utf8_lossy(&text).into_owned(), ..Answer::default() }
}

/// `man`.
pub(crate) fn man(context: &Context<'_>, dir: Option<&Path>) -> Result<Answer, Failure> {
    let mut root = command(context.terminal).display_name(context.terminal.program.clone());
    root.build();
    let Some(dir) = dir else {
        let text = rendered(&root, &context.terminal.program, dir)?;
        return Ok(Answer { text, ..Answer::default() });
    };
    let mut written = String::new();
    let commands = root.get_subcommands().filter(|command| command.get_name() != "help");
    let pages = [&root].into_iter().chain(commands);
    for (i, page) in pages.enumerate() {
        let name = match i {
            0 => context.terminal.program.clone(),
            _ => format!("{}-{}", context.terminal.program, page.get_name()),
        };
        let path = dir.join(format!("{name}.1"));
        let text = rendered(page, &name, Some(dir))?;
        let put = std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
        put.map_err(|error| Failure::File { path: path.clone(), error })?;
        written += &format!("{}\n", path.display());
    }
    Ok(Answer { text: written, ..Answer::default() })
}

fn rendered(page: &clap::Command, name: &str, dir: Option<&Path>) -> Result<String, Failure> {
    let mut text = Vec::new();
    let page = page.clone().display_name(name.to_owned());
    let source = format!("maprace {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(page).title(name.to_uppercase()).source(source).manual("maprace");
    man.render(&mut text).map_err(|error| {
        let path = dir.unwrap_or(Path::new("man")).to_owned();
        Failure::File { path, error }
    })?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
