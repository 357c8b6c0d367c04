//! The command line's entry: parse, run, exit code. Everything else is in the library.

fn main() -> std::process::ExitCode {
    gimp_bridge::cli::main()
}
