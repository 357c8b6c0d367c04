//! GIMP's command line and process: environment, sandbox, output, process group.

use super::{How, Launch, Mode, Profile, Program};
use crate::error::{Error, Kind, Result};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Lines of GIMP's output that are kept for an error.
const TAIL: usize = 20;
/// Characters of one line that are kept, and bytes that are read of it.
const LINE: usize = 500;
const MAX_LINE: u64 = 64 << 10;
/// How the plug-in begins the line that says why it does not listen.
const REFUSAL: &str = "gimp-bridge does not listen: ";
/// Top-level folders that belong to the system itself: a private root brings its own.
const SYSTEM: [&str; 17] = [
    "bin",
    "boot",
    "dev",
    "etc",
    "lib",
    "lib32",
    "lib64",
    "libx32",
    "lost+found",
    "proc",
    "run",
    "sbin",
    "sys",
    "usr",
    "var",
    "snap",
    "nix",
];
/// Variables of the host that would make a GIMP in a private root load the host's libraries.
const FOREIGN: [&str; 8] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "PYTHONPATH",
    "PYTHONHOME",
    "GI_TYPELIB_PATH",
    "GTK_PATH",
    "GEGL_PATH",
    "BABL_PATH",
];

/// How many steps babl, GIMP's library for pixel formats, may put together to a conversion. With its own choice the search
/// takes longer with each colour space and palette that GIMP has seen, and those of closed images stay: after twelve
/// profiles a picture with another one takes seconds. Of a single step is what the usual conversions are; pixels are the
/// same (scripts/bench-colors).
const PATH_LENGTH: &str = "BABL_PATH_LENGTH";
/// Whether babl may replace a conversion by a table of its results once it has been used for a while, where it measures that
/// this is faster. Those from 8 to 16 bits with alpha are wrong (babl 0.1.126). The plug-in has it off in its own process.
const TABLES: &str = "BABL_LUT";

/// A started GIMP, its plug-ins included.
pub struct Process {
    child: Child,
    /// Of the group's leader, and the group.
    pub pid: u32,
    tail: Arc<Mutex<VecDeque<String>>>,
    /// Why the plug-in does not listen, if it said so.
    refusal: watch::Receiver<Option<String>>,
    /// Read the output until its end.
    readers: Vec<JoinHandle<()>>,
}

/// Starts GIMP in a process group of its own, so that a terminal's ctrl-c reaches only us.
/// `restarted`: why the GIMP before this one ended, for the plug-in to tell.
pub fn spawn(launch: &Launch, program: &Program, profile: &Path, restarted: Option<&str>) -> Result<Process> {
    let mut command = command(launch, program, profile, restarted);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    // Windows with a user's unsaved work outlive a daemon that was killed; a GIMP that nobody sees does not.
    #[cfg(target_os = "linux")]
    if launch.mode == Mode::Headless {
        // SAFETY: between fork and exec only this one system call is made.
        unsafe {
            command.pre_exec(|| {
                rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
                    .map_err(Into::into)
            });
        }
    }
    let mut child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        Error::new(Kind::NoGimp, format!("`{program}` could not be started: {error}")).hint(match &program[..] {
            "bwrap" => "install bubblewrap, or a GIMP 3 of your system",
            _ => "check `gimp.executable`",
        })
    })?;
    let tail = Arc::default();
    let (refused, refusal) = watch::channel(None);
    let readers = [
        child.stdout.take().map(|pipe| tokio::spawn(keep_tail(pipe, Arc::clone(&tail), refused.clone()))),
        child.stderr.take().map(|pipe| tokio::spawn(keep_tail(pipe, Arc::clone(&tail), refused))),
    ];
    let pid = child.id().unwrap_or_default();
    Ok(Process { child, pid, tail, refusal, readers: readers.into_iter().flatten().collect() })
}

fn command(launch: &Launch, program: &Program, profile: &Path, restarted: Option<&str>) -> Command {
    let (major, minor, _) = program.version;
    let mut variables: Vec<(OsString, OsString)> =
        vec![("GIMP_BRIDGE_STATE_DIR".into(), launch.state_dir.clone().into())];
    if launch.profile != Profile::User {
        variables.push(("GIMP3_DIRECTORY".into(), profile.into()));
    }
    // For this GIMP alone: plugin.json is for all of them.
    if let Some(port) = launch.port {
        variables.push(("GIMP_BRIDGE_PORT".into(), port.to_string().into()));
    }
    if let Some(why) = restarted {
        variables.push(("GIMP_BRIDGE_RESTARTED".into(), why.into()));
    }
    if launch.mode == Mode::Headless {
        for (name, usual) in [(PATH_LENGTH, "1"), (TABLES, "0")] {
            variables.push((name.into(), std::env::var_os(name).unwrap_or_else(|| usual.into())));
        }
    }
    let mut command = match &program.how {
        How::Native(path) => {
            let mut command = Command::new(path);
            command.envs(variables);
            command
        }
        How::Flatpak => {
            let mut command = Command::new("flatpak");
            command.args(["run", "--share=network", "--die-with-parent"]);
            for folder in [&launch.state_dir, &profile.to_owned()] {
                command.arg(concat("--filesystem=", folder));
            }
            command.args(variables.iter().map(|(name, value)| {
                let mut argument = concat("--env=", name);
                argument.push("=");
                argument.push(value);
                argument
            }));
            command.arg(super::find::FLATPAK);
            command
        }
        How::Root(root) => {
            let mut command = Command::new("bwrap");
            command.args(sandbox(root, launch, profile));
            for (name, value) in &variables {
                command.arg("--setenv").arg(name).arg(value);
            }
            let stem = if launch.mode == Mode::Headless { "gimp-console" } else { "gimp" };
            command.arg(format!("/usr/bin/{stem}-{major}.{minor}"));
            command
        }
    };
    // An empty one breaks GIMP's search for its profile.
    if std::env::var_os("GIMP3_DIRECTORY").is_some_and(|value| value.is_empty()) && launch.profile == Profile::User {
        command.env_remove("GIMP3_DIRECTORY");
    }
    command.arg("--no-splash");
    match launch.mode {
        Mode::Headless => {
            command.arg("--no-interface");
            for display in ["DISPLAY", "WAYLAND_DISPLAY"] {
                command.env_remove(display);
            }
        }
        // Otherwise a GIMP that runs already would take the files, and this one would end.
        Mode::Gui => {
            command.arg("--new-instance");
        }
    }
    command.args(launch.files.iter().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone())));
    command
}

fn concat(start: &str, end: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut text = OsString::from(start);
    text.push(end);
    text
}

/// bubblewrap's arguments. Process ids are the host's: nothing is unshared but the file tree.
fn sandbox(root: &Path, launch: &Launch, profile: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    if launch.mode == Mode::Headless {
        arguments.push("--die-with-parent".into());
    }
    arguments.extend(["--bind".into(), root.into(), "/".into()]);
    arguments.extend(["--dev", "/dev", "--proc", "/proc", "--dev-bind-try", "/dev/dri", "/dev/dri"].map(Into::into));
    let cwd = std::env::current_dir().ok();
    for folder in shared_folders().into_iter().chain(cwd.clone()).chain([launch.state_dir.clone(), profile.to_owned()])
    {
        arguments.extend(["--bind-try".into(), folder.clone().into(), folder.into()]);
    }
    for name in FOREIGN {
        arguments.extend(["--unsetenv", name].map(Into::into));
    }
    arguments.extend(["--setenv", "PATH", "/usr/bin:/bin"].map(Into::into));
    if launch.profile == Profile::User {
        arguments.extend(["--unsetenv", "GIMP3_DIRECTORY"].map(Into::into));
    }
    if let Some(cwd) = cwd {
        arguments.extend(["--chdir".into(), cwd.into()]);
    }
    arguments
}

/// The host's folders that hold users' files, which GIMP in a private root has to reach by the same paths.
fn shared_folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/").map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let own = |name: &std::ffi::OsStr| SYSTEM.iter().any(|system| name == *system);
    let mut folders: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| !own(&entry.file_name()))
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders.push("/var/tmp".into());
    folders.extend(dirs::home_dir());
    // Where a desktop's display and its keys are.
    folders.extend(std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from));
    folders
}

/// Passes GIMP's output on to the log and keeps its end. stdout may belong to MCP, so none of it is inherited.
async fn keep_tail(
    pipe: impl AsyncRead + Unpin,
    tail: Arc<Mutex<VecDeque<String>>>,
    refused: watch::Sender<Option<String>>,
) {
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // Cut where a line has no end, so that no output can fill the memory.
        match (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text: String = String::from_utf8_lossy(&line).trim_end().chars().take(LINE).collect();
        if text.is_empty() {
            continue;
        }
        tracing::debug!(target: "gimp_bridge::gimp::output", "{text}");
        if let Some(why) = text.strip_prefix(REFUSAL) {
            refused.send_replace(Some(why.to_owned()));
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

impl Process {
    /// Waits for the end of GIMP. Can be called again and dropped at any time.
    pub async fn wait(&mut self) -> String {
        match self.child.wait().await {
            // "exit status: 1" or "signal: 9 (SIGKILL)".
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Whether it ended with status 0, as after a quit by hand.
    pub fn ended_well(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some_and(|status| status.success()))
    }

    /// The end of GIMP before it answered: its status, or why its plug-in refuses to listen.
    pub async fn wait_or_refusal(&mut self) -> String {
        let mut refusal = self.refusal.clone();
        let refused = async {
            let why = refusal.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
            match why {
                Some(why) => why,
                // The output ended, and GIMP with it.
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            why = refused => format!("the plug-in does not listen: {why}"),
            status = self.child.wait() => match status {
                Ok(status) => format!("GIMP ended before it answered ({status})"),
                Err(error) => format!("GIMP ended before it answered ({error})"),
            },
        }
    }

    /// The last lines of GIMP's output, once it has ended.
    pub async fn tail(&mut self) -> Vec<String> {
        // What a child of it holds open must not hold us up.
        let all = futures_util::future::join_all(self.readers.drain(..));
        let _ = tokio::time::timeout(Duration::from_millis(500), all).await;
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Sends SIGINT to process `pid`: a GIMP without windows quits by it.
    #[cfg(unix)]
    pub fn interrupt(pid: u32) {
        use rustix::process::{Pid, Signal, kill_process};
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
    }

    #[cfg(not(unix))]
    pub fn interrupt(_pid: u32) {}

    /// Kills what is left of GIMP and its plug-ins, and waits for it.
    pub async fn kill(&mut self) {
        #[cfg(unix)]
        {
            use rustix::process::{Pid, Signal, kill_process_group};
            // A plug-in that loops outlives its GIMP; it is still in the group.
            if let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
        let _ = self.child.start_kill();
        let _ = self.child.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_root_sees_users_files_and_its_own_system() {
        let folders = shared_folders();
        assert!(folders.contains(&PathBuf::from("/tmp")) && folders.contains(&PathBuf::from("/var/tmp")));
        for system in ["/usr", "/etc", "/var", "/proc", "/dev"] {
            assert!(!folders.contains(&PathBuf::from(system)), "{system}");
        }
    }

    #[test]
    fn two_gimps_do_not_share_a_process() {
        let launch = Launch::new(
            &crate::config::Config {
                gimp: crate::config::Gimp { state_dir: Some("/s".into()), ..Default::default() },
                ..Default::default()
            },
            Mode::Gui,
        );
        let launch = Launch { files: vec!["a.png".into()], port: Some(0), ..launch.unwrap() };
        let program = Program { how: How::Native("/usr/bin/gimp".into()), version: (3, 0, 4) };
        let command = command(&launch, &program, Path::new("/p"), None);
        let arguments: Vec<_> =
            command.as_std().get_args().map(|argument| argument.to_string_lossy().into_owned()).collect();
        assert_eq!(arguments[..2], ["--no-splash", "--new-instance"]);
        assert!(arguments[2].ends_with("/a.png") && arguments[2].starts_with('/'));
        let variable =
            |name: &str| command.as_std().get_envs().find(|(key, _)| *key == name).and_then(|(_, value)| value);
        assert_eq!(variable("GIMP3_DIRECTORY").unwrap(), "/p");
        assert_eq!(variable("GIMP_BRIDGE_PORT").unwrap(), "0");
        assert_eq!(variable(PATH_LENGTH), None, "a GIMP with windows is its user's");
        let launch = Launch { mode: Mode::Headless, ..launch };
        let command = super::command(&launch, &program, Path::new("/p"), None);
        for (name, value) in [(PATH_LENGTH, "1"), (TABLES, "0")] {
            let set = command.as_std().get_envs().find(|(key, _)| *key == name);
            assert_eq!(set.and_then(|(_, value)| value).unwrap(), value);
        }
    }
}
