//! The command line's entry: parse, run, exit code. Everything else is in the library.

fn main() -> std::process::ExitCode {
    // ONNX Runtime gathers telemetry of its own, in files of the user's, unless this says otherwise when it loads.
    // SAFETY: no other thread runs yet that could read the environment.
    unsafe { std::env::set_var("ORT_DISABLE_TELEMETRY", "1") };
    gimp_bridge::cli::main()
}
