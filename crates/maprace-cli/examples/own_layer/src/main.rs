//! `maprace` with one more layer: every command knows `--layer mine`.

mod mine;

fn main() -> std::process::ExitCode {
    maprace_cli::Maprace::new().layer("mine", mine::Mine::new).run()
}
