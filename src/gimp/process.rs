//! What can be told of another process by its number.

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Runs,
    /// By a signal, such as SIGSTOP or a terminal's ctrl-z.
    Stopped,
    /// No such process, or a zombie.
    Gone,
    /// It may exist; this system tells no more.
    #[cfg_attr(target_os = "linux", expect(dead_code))]
    Unknown,
}

/// Looks at process `pid`.
#[cfg(target_os = "linux")]
pub fn life(pid: u32) -> Life {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return Life::Gone };
    // The state follows the name, which is in parentheses and may hold some itself.
    match stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()) {
        Some('T') => Life::Stopped,
        Some('Z' | 'X') => Life::Gone,
        _ => Life::Runs,
    }
}

/// Looks at process `pid`.
#[cfg(all(unix, not(target_os = "linux")))]
pub fn life(pid: u32) -> Life {
    let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return Life::Gone };
    match rustix::process::test_kill_process(pid) {
        Err(rustix::io::Errno::SRCH) => Life::Gone,
        _ => Life::Unknown,
    }
}

/// Looks at process `pid`.
#[cfg(not(unix))]
pub fn life(_pid: u32) -> Life {
    Life::Unknown
}

/// Whether `pid`, or the child of it that runs our plug-in, is stopped or gone.
#[cfg(target_os = "linux")]
pub fn plugin_stopped(pid: u32) -> bool {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let ours = |child: &u32| {
        std::fs::read(format!("/proc/{child}/cmdline"))
            .is_ok_and(|line| line.windows(b"gimp-bridge.py".len()).any(|part| part == b"gimp-bridge.py"))
    };
    life(pid) != Life::Runs
        || children
            .split_ascii_whitespace()
            .filter_map(|child| child.parse().ok())
            .filter(ours)
            .any(|child| life(child) != Life::Runs)
}

/// Whether `pid`, or the child of it that runs our plug-in, is stopped or gone.
#[cfg(not(target_os = "linux"))]
pub fn plugin_stopped(_pid: u32) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn stopped_and_gone_processes_are_told_apart() {
        use rustix::process::{Pid, Signal, kill_process};
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert_eq!(life(pid), Life::Runs);
        kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        while life(pid) != Life::Stopped {
            std::thread::yield_now();
        }
        assert!(plugin_stopped(pid));
        child.kill().unwrap();
        while life(pid) != Life::Gone {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
