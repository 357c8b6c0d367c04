//! GIMPs that run without the plug-in: mostly because they were started before it was installed.

use super::{Finding, Patient};
use crate::cli::install::payload;
use crate::cli::install::profiles;
use crate::gimp::{Instance, process};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One GIMP's process.
struct Running {
    pid: u32,
    name: String,
    started: Option<SystemTime>,
}

/// Linux only: elsewhere the list of processes is not to be had so simply, and nothing is said.
pub fn without_plug_in(patient: &Patient<'_>, instances: &[Instance]) -> Vec<Finding> {
    let installed = profiles::existing(&patient.machine)
        .iter()
        .filter_map(|profile| {
            let script = profile.plug_ins().join(payload::FOLDER).join("gimp-bridge.py");
            std::fs::metadata(script).ok()?.modified().ok()
        })
        .min();
    let announced = |pid: u32| instances.iter().any(|instance| process::descends(instance.pid, pid));
    gimps(&patient.machine.system("proc"))
        .into_iter()
        .filter(|gimp| !announced(gimp.pid))
        .map(|gimp| {
            let title = format!("{} (pid {})", gimp.name, gimp.pid);
            match (installed, gimp.started) {
                (Some(installed), Some(started)) if started < installed => Finding::warn(
                    "running",
                    format!("{title} was started before the plug-in was installed"),
                    "restart that GIMP",
                ),
                (Some(_), _) => Finding::warn(
                    "running",
                    format!("{title} runs without the plug-in"),
                    "look for gimp-bridge in its Filters menu, and for errors in its Error Console; then restart it",
                ),
                (None, _) => Finding::warn(
                    "running",
                    format!("{title} runs, and no plug-in is installed"),
                    "run `gimp-bridge install`, then restart that GIMP",
                ),
            }
        })
        .collect()
}

/// This user's GIMP 3 processes, from the `proc` file system.
fn gimps(proc: &Path) -> Vec<Running> {
    let boot = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    let mut found: Vec<Running> = std::fs::read_dir(proc)
        .into_iter()
        .flatten()
        .flatten()
        .filter(is_mine)
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = String::from_utf8_lossy(&std::fs::read(entry.path().join("stat")).ok()?).into_owned();
            let (head, rest) = stat.rsplit_once(") ")?;
            let name = head.split_once('(')?.1.to_owned();
            let zombie = rest.starts_with('Z');
            let ticks: u64 = rest.split(' ').nth(19)?.parse().ok()?;
            let started = boot.map(|boot| UNIX_EPOCH + Duration::from_secs(boot + ticks / ticks_per_second()));
            (is_gimp_3(&name) && !zombie).then_some(Running { pid, name, started })
        })
        .collect();
    found.sort_by_key(|gimp| gimp.pid);
    found
}

#[cfg(unix)]
fn is_mine(entry: &std::fs::DirEntry) -> bool {
    use std::os::unix::fs::MetadataExt;
    entry.metadata().is_ok_and(|about| about.uid() == rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn is_mine(_entry: &std::fs::DirEntry) -> bool {
    false
}

#[cfg(unix)]
fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

#[cfg(not(unix))]
fn ticks_per_second() -> u64 {
    100
}

/// By the name that the system keeps, which has 15 letters at most.
fn is_gimp_3(name: &str) -> bool {
    name == "gimp" || name == "gimp-3" || name.starts_with("gimp-3.") || name.starts_with("gimp-console-3")
}
