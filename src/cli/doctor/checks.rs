//! The checks, but Python's.

use super::socket::{Holder, holder};
use super::{Finding, Patient};
use crate::cli::install::found::{Found, flatpak_lacks, flatpak_permissions};
use crate::cli::install::payload;
use crate::cli::install::profiles::{self, Packaging, Profile};
use crate::config::Config;
use crate::error::Kind;
use crate::gimp::{Gimp, Instance, Settings, secret};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub fn gimps(found: &[Found], private: &[PathBuf]) -> Vec<Finding> {
    let usable = found.iter().any(Found::is_version_3) || !private.is_empty();
    let mut findings = Vec::new();
    for gimp in found {
        let title = gimp.title();
        findings.push(match gimp.version {
            Some([major, ..]) if major >= 3 => Finding::ok("gimp", title),
            Some(_) if usable => Finding::ok("gimp", format!("{title} is older than 3.0 and is not used")),
            Some(_) => Finding::fail("gimp", format!("{title} is older than 3.0"), "install GIMP 3.0 or newer"),
            None => {
                Finding::warn("gimp", format!("{title} does not tell its version"), "check that it is 3.0 or newer")
            }
        });
    }
    for root in private {
        findings.push(Finding::ok("gimp", format!("private GIMP in `{}`", root.display())));
    }
    if findings.is_empty() {
        let mend = "install GIMP 3.0 or newer, or run scripts/setup-gimp from a clone of this project";
        findings.push(Finding::fail("gimp", "no GIMP was found", mend));
    }
    findings
}

/// The profile folders and the plug-in in each.
pub fn profiles(patient: &Patient<'_>, private: &[PathBuf]) -> Vec<Finding> {
    let profiles = profiles::existing(&patient.machine);
    if profiles.is_empty() {
        let mend = "run `gimp-bridge install`";
        // A private GIMP gets its own profile from `gimp-bridge gimp`, plug-in included.
        return vec![match private {
            [] => Finding::fail("profile", "there is no GIMP 3 profile folder", mend),
            _ => Finding::warn("profile", "there is no GIMP 3 profile folder of yours", mend),
        }];
    }
    profiles.iter().flat_map(|profile| plug_in(patient, profile)).collect()
}

fn plug_in(patient: &Patient<'_>, profile: &Profile) -> Vec<Finding> {
    let plug_ins = profile.plug_ins();
    let script = plug_ins.join(payload::FOLDER).join("gimp-bridge.py");
    let mut findings = vec![Finding::ok("profile", format!("`{}`", profile.folder.display()))];
    let shown = script.display();
    let install = "run `gimp-bridge install`, then restart GIMP";
    findings.push(match payload::installed_version(&plug_ins) {
        None => Finding::fail("plug-in", format!("there is no plug-in at `{shown}`"), install),
        Some(version) if version != payload::VERSION => {
            let message = format!("`{shown}` is version {version}, this gimp-bridge has {}", payload::VERSION);
            Finding::fail("plug-in", message, install)
        }
        Some(_) if !executable(&script) => {
            Finding::fail("plug-in", format!("`{shown}` is not executable, so GIMP does not start it"), install)
        }
        Some(_) if !payload::is_current(&plug_ins) => {
            Finding::fail("plug-in", format!("files in `{}` were changed or are missing", plug_ins.display()), install)
        }
        Some(version) => match payload::location(&plug_ins) {
            Some(dir) if dir != patient.state_dir => {
                let message =
                    format!("`{shown}` looks into `{}`, not into `{}`", dir.display(), patient.state_dir.display());
                Finding::fail("plug-in", message, install)
            }
            _ => Finding::ok("plug-in", format!("version {version} in `{}`", plug_ins.display())),
        },
    });
    findings
}

#[cfg(unix)]
fn executable(script: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(script).is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
}

/// Windows tells programs by their ending.
#[cfg(not(unix))]
fn executable(_script: &Path) -> bool {
    true
}

pub fn flatpak(patient: &Patient<'_>, found: &[Found]) -> Option<Finding> {
    found.iter().find(|gimp| gimp.packaging == Packaging::Flatpak)?;
    let lacks = flatpak_lacks(&flatpak_permissions()?, &patient.state_dir);
    Some(match lacks.join(" ").as_str() {
        "" => Finding::ok("flatpak", "it may use the network and reach the state folder"),
        lacks => {
            let mend = format!("run `flatpak override --user {lacks} org.gimp.GIMP`");
            Finding::fail("flatpak", "the sandbox keeps the plug-in from working", mend)
        }
    })
}

pub fn secret(patient: &Patient<'_>) -> Finding {
    let path = patient.state_dir.join("secret");
    match secret::load(&patient.state_dir) {
        Ok(_) => Finding::ok("secret", format!("`{}`, private", path.display())),
        Err(error) if error.kind == Kind::NoGimp => {
            Finding::warn("secret", format!("there is none at `{}` yet", path.display()), "run `gimp-bridge install`")
        }
        Err(error) => Finding::of_error("secret", &error),
    }
}

/// Running GIMPs, and who holds the two ports.
pub async fn instances_and_ports(patient: &Patient<'_>) -> Vec<Finding> {
    let shutdown = CancellationToken::new();
    let settings =
        Settings { state_dir: patient.state_dir.clone(), port: patient.config.gimp.port, label: "doctor".into() };
    let gimp = Gimp::new(settings, shutdown.clone());
    let instances = tokio::time::timeout(Duration::from_secs(10), gimp.instances()).await.unwrap_or_default();
    shutdown.cancel();
    let mut findings = vec![port("plug-in port", patient.config.plugin.port, &instances)];
    findings.push(port("daemon port", patient.config.server.port, &[]));
    if instances.is_empty() {
        let mend = "start GIMP, or run `gimp-bridge gimp --headless`";
        findings.push(Finding::warn("instances", "no GIMP with the plug-in is running", mend));
    }
    for instance in &instances {
        findings.push(answer(instance));
    }
    findings
}

fn answer(instance: &Instance) -> Finding {
    let Instance { id, port, pid, gimp_version, .. } = instance;
    let title = format!("GIMP {gimp_version}, pid {pid}, port {port}: {}", instance.state);
    match instance.state.as_str() {
        "outdated" => Finding::fail("instances", title, "run `gimp-bridge install`, then restart GIMP"),
        "unreachable" => Finding::fail("instances", title, "restart that GIMP"),
        "unresponsive" => Finding::warn("instances", title, "a request holds GIMP: wait, or restart that GIMP"),
        _ => Finding::ok("instances", format!("{title} (`{id}`)")),
    }
}

fn port(check: &'static str, port: u16, instances: &[Instance]) -> Finding {
    if port == 0 {
        return Finding::ok(check, "any free one");
    }
    if instances.iter().any(|instance| instance.port == port) {
        return Finding::ok(check, format!("{port}, held by GIMP's plug-in"));
    }
    match holder(port) {
        None => Finding::ok(check, format!("{port}, free")),
        Some(Holder { name: Some(name), pid: Some(pid) }) if name.starts_with("gimp-bridge") => {
            Finding::ok(check, format!("{port}, held by `{name}` (pid {pid})"))
        }
        Some(Holder { name, pid }) => {
            let who = match (name, pid) {
                (Some(name), Some(pid)) => format!("`{name}` (pid {pid})"),
                _ => "another program".into(),
            };
            let (key, message) = if check == "plug-in port" {
                ("plugin.port", format!("{port} is taken by {who}; GIMP's plug-in will take a free one"))
            } else {
                ("server.port", format!("{port} is taken by {who}; `gimp-bridge serve` cannot listen there"))
            };
            Finding::warn(check, message, format!("end that program, or set `{key}`"))
        }
    }
}

/// Optional: only AI filters with a model need it.
pub fn onnx_runtime(config: &Config) -> Finding {
    match crate::filters::runtime::find(config) {
        Ok(path) => Finding::ok("onnx runtime", format!("`{}`", path.display())),
        Err(error) => Finding::warn("onnx runtime", error.message, error.hint.unwrap_or_default()),
    }
}
