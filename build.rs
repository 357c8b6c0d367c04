//! Rebuilds when the embedded files change: a file that is only added would not be noticed otherwise.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Debug builds read them from the checkout as they run, so a test run's __pycache__ costs no rebuild there.
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=gimp-plugin/gimp-bridge");
        println!("cargo::rerun-if-changed=protocol");
        println!("cargo::rerun-if-changed=filters");
    }
}
