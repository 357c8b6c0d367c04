//! The checks, but Python's.

use super::socket::{Holder, holder};
use super::{Finding, Patient};
use crate::cli::install::found::{Found, flatpak_lacks, flatpak_permissions};
use crate::cli::install::payload;
use crate::cli::install::profiles::{self, Packaging, Profile};
use crate::config::Config;
use crate::error::Kind;
use crate::filters::child;
use crate::gimp::launch::gimprc;
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

/// The profile folders and the plug-in in each, as `install` would use them.
pub fn profiles(patient: &Patient<'_>, found: &[Found], private: &[PathBuf]) -> Vec<Finding> {
    let plan = profiles::plan(&patient.machine, found);
    let mut findings: Vec<Finding> = plan
        .profiles
        .iter()
        .flat_map(|profile| match profile.exists {
            true => plug_in(patient, profile),
            false => {
                let message = format!("`{}` is not there yet: its GIMP has never run", profile.folder.display());
                vec![Finding::fail("profile", message, "run `gimp-bridge install`, which makes it with the plug-in")]
            }
        })
        .collect();
    let later = "start that GIMP once, then run `gimp-bridge install`";
    findings.extend(plan.notes.iter().map(|note| Finding::warn("profile", note, later)));
    if findings.is_empty() {
        findings.push(match private {
            [] => Finding::fail(
                "profile",
                "there is no GIMP 3 profile folder",
                "install GIMP 3, then run `gimp-bridge install`",
            ),
            _ => Finding::ok(
                "profile",
                "none is needed: `gimp-bridge gimp` gives the private GIMP its own, plug-in included",
            ),
        });
    }
    findings
}

fn plug_in(patient: &Patient<'_>, profile: &Profile) -> Vec<Finding> {
    let plug_ins = profile.plug_ins();
    let script = plug_ins.join(payload::FOLDER).join("gimp-bridge.py");
    let mut findings = vec![match gimprc::other_plug_ins(&profile.folder) {
        None => Finding::ok("profile", format!("`{}`", profile.folder.display())),
        Some(paths) => {
            let gimprc = profile.folder.join("gimprc");
            let message =
                format!("`{}` has the plug-in-path `{paths}`, so GIMP never finds the bridge", gimprc.display());
            Finding::fail("profile", message, gimprc::MEND)
        }
    }];
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

/// What the policies bind, and where they bind less than they seem to.
pub fn policies(config: &Config) -> Vec<Finding> {
    let of = |binding: crate::config::Binding| match binding.loose {
        true => Finding::warn("policies", binding.text, "see docs/security.md"),
        false => Finding::ok("policies", binding.text),
    };
    config.bindings().into_iter().map(of).collect()
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
    let settings = Settings {
        state_dir: patient.state_dir.clone(),
        port: patient.config.gimp.port,
        label: "doctor".into(),
        policy: patient.config.plugin.clone(),
    };
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
    findings.extend(stopped_profiles(&patient.state_dir));
    findings.extend(super::running::without_plug_in(patient, &instances));
    findings
}

/// Profiles whose user has stopped GIMP Bridge: it stays so when their GIMP is started again.
fn stopped_profiles(state_dir: &Path) -> Vec<Finding> {
    #[derive(serde::Deserialize)]
    struct Stopped {
        profile: String,
    }
    let files = std::fs::read_dir(state_dir.join("stopped")).into_iter().flatten().flatten();
    let stopped = files.filter_map(|file| serde_json::from_slice::<Stopped>(&std::fs::read(file.path()).ok()?).ok());
    let finding = |Stopped { profile }| {
        let mend = "in a GIMP with that profile, choose Tools > GIMP Bridge > Start Listening";
        Finding::warn("stopped", format!("the user has stopped GIMP Bridge for the profile `{profile}`"), mend)
    };
    stopped.map(finding).collect()
}

fn answer(instance: &Instance) -> Finding {
    let Instance { id, port, pid, gimp_version, .. } = instance;
    let title = format!("GIMP {gimp_version}, pid {pid}, port {port}: {}", instance.state);
    match instance.state.as_str() {
        "laxer" => Finding::fail(
            "instances",
            format!("{title} than the configured policies: its calls are refused"),
            "run `gimp-bridge install`, then restart GIMP",
        ),
        "outdated" => Finding::fail("instances", title, "run `gimp-bridge install`, then restart GIMP"),
        "unreachable" => Finding::fail("instances", title, "restart that GIMP"),
        "unresponsive" => Finding::warn("instances", title, "a request holds GIMP: wait until it ends"),
        "stopped" => Finding::warn(
            "instances",
            format!("GIMP {gimp_version}, pid {pid}: the user has stopped GIMP Bridge"),
            "choose Tools > GIMP Bridge > Start Listening in that GIMP if AI clients may work in it again",
        ),
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

/// What binds the processes of models that a user adds.
pub fn models() -> Finding {
    match child::lacking(child::available()) {
        None => {
            Finding::ok("models", "those that you add run in a process without network and files, with limited memory")
        }
        Some(lacks) => Finding::warn(
            "models",
            lacks,
            "add models that you trust only; Linux 5.13 or newer with Landlock limits all of it",
        ),
    }
}

/// Optional: only AI filters with a model need it.
pub fn onnx_runtime(config: &Config) -> Finding {
    match crate::filters::runtime::find(config) {
        Ok(path) => Finding::ok("onnx runtime", format!("`{}`", path.display())),
        Err(error) => Finding::warn("onnx runtime", error.message, error.hint.unwrap_or_default()),
    }
}
