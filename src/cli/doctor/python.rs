//! Whether GIMP's Python has `gi` with GIMP's typelib: without it a Python plug-in ends before it can say why.

use super::Finding;
use crate::cli::install::found::{Found, output};
use crate::cli::install::machine::{Machine, Os};
use crate::cli::install::profiles::Packaging;
use std::path::{Path, PathBuf};

const PROBE: &str = "import sys, gi; gi.require_version('Gimp', '3.0'); from gi.repository import Gimp; \
                     print('.'.join(map(str, sys.version_info[:3])))";
const MEND: &str = "install PyGObject and GIMP's typelib (Debian: python3-gi and gir1.2-gimp-3.0)";

pub fn check(machine: &Machine, found: &[Found], private: &[PathBuf]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = found
        .iter()
        .filter(|gimp| gimp.is_version_3())
        .map(|gimp| match (gimp.packaging, machine.os) {
            (Packaging::Native, Os::Linux) => native(),
            _ => Finding::ok("python", format!("comes with {}", gimp.title())),
        })
        .collect();
    // Several native GIMPs share one Python.
    findings.dedup_by(|a, b| a.message == b.message);
    findings.extend(private.iter().map(|root| in_root(root)));
    findings
}

fn native() -> Finding {
    match output("python3", ["-c", PROBE]) {
        Some(version) => Finding::ok("python", format!("python3 {} with gi and Gimp 3.0", version.trim())),
        None => Finding::fail("python", "`python3` cannot import gi.repository.Gimp 3.0", MEND),
    }
}

/// A private root is looked at, not entered.
fn in_root(root: &Path) -> Finding {
    let gi = root.join("usr/lib/python3/dist-packages/gi/__init__.py");
    let libraries = std::fs::read_dir(root.join("usr/lib")).into_iter().flatten().flatten();
    let typelib =
        libraries.map(|entry| entry.path().join("girepository-1.0/Gimp-3.0.typelib")).find(|path| path.exists());
    match (gi.exists(), typelib) {
        (true, Some(_)) => Finding::ok("python", format!("gi and Gimp 3.0 in `{}`", root.display())),
        _ => Finding::fail(
            "python",
            format!("`{}` lacks gi or Gimp 3.0", root.display()),
            "remove it and run scripts/setup-gimp",
        ),
    }
}
