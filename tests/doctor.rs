//! The doctor: on a machine without anything, and before and after an installation.

use gimp_bridge::cli::doctor::{Finding, Patient, Status, examine};
use gimp_bridge::cli::install::machine::{Machine, Os};
use gimp_bridge::cli::install::payload;
use gimp_bridge::cli::install::profiles::Packaging;
use gimp_bridge::config::Config;
use std::collections::BTreeMap;
use std::path::Path;

/// A machine whose home, system folders and cache all lie below `at`.
async fn look(at: &Path, config: &Config) -> Vec<Finding> {
    let text = |path: &str| at.join(path).to_string_lossy().into_owned();
    let variables = BTreeMap::from([("HOME".to_owned(), text("home")), ("PATH".to_owned(), text("bin"))]);
    let machine = Machine { os: Os::Linux, variables, root: at.join("root") };
    let patient = Patient { config, machine, state_dir: at.join("state") };
    examine(&patient).await
}

fn find<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("no `{check}` in {findings:?}"))
}

/// Ports that nobody holds, so that other programs on the test machine do not matter.
fn config() -> Config {
    let mut config = Config::default();
    config.plugin.port = 0;
    config.server.port = 0;
    // The machine that runs the tests may have one.
    config.filters.runtime = Some("/nowhere/libonnxruntime.so".into());
    config
}

#[tokio::test]
async fn an_empty_machine_is_broken_and_every_line_has_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    let findings = look(folder.path(), &config()).await;
    for (check, status) in [
        ("gimp", Status::Fail),
        ("profile", Status::Fail),
        ("secret", Status::Warn),
        ("instances", Status::Warn),
        ("onnx runtime", Status::Warn),
        ("plug-in port", Status::Ok),
    ] {
        let finding = find(&findings, check);
        assert_eq!(finding.status, status, "{finding:?}");
        assert_eq!(finding.mend.is_some(), status != Status::Ok, "{finding:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the doctor changed something");
}

#[tokio::test]
async fn a_private_gimp_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("home/.cache/gimp-bridge/gimp-3.0");
    for file in ["usr/bin/gimp", "usr/lib/python3/dist-packages/gi/__init__.py"] {
        std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        std::fs::write(root.join(file), "").unwrap();
    }
    let findings = look(folder.path(), &config()).await;
    // `install` says of it that it needs nothing.
    assert_eq!((find(&findings, "gimp").status, find(&findings, "profile").status), (Status::Ok, Status::Ok));
    assert_eq!(find(&findings, "python").status, Status::Fail, "the typelib is missing");
    let typelibs = root.join("usr/lib/x86_64-linux-gnu/girepository-1.0");
    std::fs::create_dir_all(&typelibs).unwrap();
    std::fs::write(typelibs.join("Gimp-3.0.typelib"), "").unwrap();
    let findings = look(folder.path(), &config()).await;
    assert_eq!(find(&findings, "python").status, Status::Ok);
    assert!(findings.iter().all(|finding| finding.status != Status::Fail), "{findings:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn an_installation_is_well_until_something_breaks() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let private = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    std::fs::create_dir_all(at.join("bin")).unwrap();
    let gimp = at.join("bin/gimp");
    std::fs::write(&gimp, "#!/bin/sh\necho 'GNU Image Manipulation Program version 3.0.4'\n").unwrap();
    private(&gimp, 0o755);
    let plug_ins = at.join("home/.config/GIMP/3.0/plug-ins");
    std::fs::create_dir_all(&plug_ins).unwrap();
    assert_eq!(find(&look(at, &config()).await, "plug-in").status, Status::Fail);

    let state = at.join("state");
    payload::ensure_state(&state, &config().plugin).unwrap();
    payload::write(&plug_ins, &state, Packaging::Native).unwrap();
    let findings = look(at, &config()).await;
    for check in ["gimp", "profile", "plug-in", "secret"] {
        assert_eq!(find(&findings, check).status, Status::Ok, "{findings:?}");
    }
    assert!(find(&findings, "gimp").message.starts_with("GIMP 3.0.4 at "));

    private(&state.join("secret"), 0o644);
    private(&plug_ins.join("gimp-bridge/gimp-bridge.py"), 0o644);
    let findings = look(at, &config()).await;
    assert_eq!(find(&findings, "secret").status, Status::Fail);
    let plug_in = find(&findings, "plug-in");
    assert_eq!(plug_in.status, Status::Fail);
    assert!(plug_in.message.contains("not executable"), "{plug_in:?}");

    payload::write(&plug_ins, &at.join("elsewhere"), Packaging::Native).unwrap();
    let message = &find(&look(at, &config()).await, "plug-in").message.clone();
    assert!(message.contains("looks into"), "{message}");
}

/// A GIMP that prints this version.
#[cfg(unix)]
fn program(path: &Path, version: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, format!("#!/bin/sh\necho 'GNU Image Manipulation Program version {version}'\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn the_doctor_and_the_installer_agree_about_a_missing_profile() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    program(&at.join("bin/gimp"), "3.0.4");
    let missing = look(at, &config()).await;
    let profile = find(&missing, "profile");
    assert!(
        profile.status == Status::Fail && profile.mend.as_deref().unwrap().contains("`gimp-bridge install`"),
        "{profile:?}"
    );
    // A GIMP that will import the settings of 2.10 must run first: the installer makes no profile for it.
    std::fs::create_dir_all(at.join("home/.config/GIMP/2.10")).unwrap();
    let importing = look(at, &config()).await;
    let profile = find(&importing, "profile");
    assert!(
        profile.status == Status::Warn && profile.mend.as_deref().unwrap().starts_with("start that GIMP once"),
        "{profile:?}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn gimp_may_be_named_by_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    program(&at.join("opt/gimp/bin/gimp-3.2"), "3.2.6");
    for named in ["opt/gimp/bin/gimp-3.2", "opt/gimp/bin", "opt/gimp"] {
        let mut config = config();
        config.gimp.executable = Some(at.join(named));
        let findings = look(at, &config).await;
        assert!(find(&findings, "gimp").message.starts_with("GIMP 3.2.6 at "), "{named}: {findings:?}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_gimp_that_was_started_before_the_plug_in_is_told_to_restart() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let proc = at.join("root/proc");
    let process = |pid: &str, name: &str, ticks: u64| {
        std::fs::create_dir_all(proc.join(pid)).unwrap();
        let rest = "S 1 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0";
        std::fs::write(proc.join(pid).join("stat"), format!("{pid} ({name}) {rest} {ticks} 0 0")).unwrap();
    };
    process("4194399", "gimp-3.0", 100);
    process("4194398", "gimp-2.10", 100);
    process("4194397", "cat", 100);
    std::fs::write(proc.join("stat"), "cpu 1 2 3\nbtime 1700000000\n").unwrap();
    let without = look(at, &config()).await;
    let running: Vec<&Finding> = without.iter().filter(|finding| finding.check == "running").collect();
    assert_eq!(running.len(), 1, "{without:?}");
    assert!(running[0].message.contains("no plug-in is installed"), "{running:?}");
    let plug_ins = at.join("home/.config/GIMP/3.0/plug-ins");
    payload::ensure_state(&at.join("state"), &config().plugin).unwrap();
    payload::write(&plug_ins, &at.join("state"), Packaging::Native).unwrap();
    let findings = look(at, &config()).await;
    let running = find(&findings, "running");
    assert!(
        running.message.contains("pid 4194399") && running.message.contains("before the plug-in was installed"),
        "{running:?}"
    );
    assert_eq!(running.mend.as_deref(), Some("restart that GIMP"));
    // Started later, and still without: something else is wrong.
    process("4194399", "gimp-3.0", 100_000_000_000);
    assert!(find(&look(at, &config()).await, "running").message.ends_with("runs without the plug-in"));
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = config();
    config.plugin.port = held.local_addr().unwrap().port();
    let findings = look(folder.path(), &config).await;
    let port = find(&findings, "plug-in port");
    assert_eq!(port.status, Status::Warn);
    if cfg!(target_os = "linux") {
        assert!(port.message.contains(&format!("(pid {})", std::process::id())), "{port:?}");
    }
    drop(held);
    assert_eq!(find(&look(folder.path(), &config).await, "plug-in port").status, Status::Ok);
}
