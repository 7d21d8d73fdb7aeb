//! The command: arguments in, exit code out.

fn main() -> std::process::ExitCode {
    llmagentos::app::main_with(std::env::args_os()).into()
}
