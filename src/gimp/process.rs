//! What can be told of another process by its number.

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    Runs,
    /// By a signal, such as SIGSTOP or a terminal's ctrl-z.
    Stopped,
    /// No such process, or a zombie.
    Gone,
    /// It may exist; the system tells no more, or not at the moment (for want of file descriptors, say).
    Unknown,
}

/// Looks at process `pid`.
#[cfg(target_os = "linux")]
pub fn life(pid: u32) -> Life {
    let stat = match std::fs::read(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        Err(error) => return life_without(&error),
    };
    // The state follows the name, which is in parentheses and may hold some itself, and any bytes.
    match String::from_utf8_lossy(&stat).rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()) {
        Some('T') => Life::Stopped,
        Some('Z' | 'X') => Life::Gone,
        _ => Life::Runs,
    }
}

/// What a look that failed tells: only "no such file" and "no such process" mean that there is none.
#[cfg(target_os = "linux")]
fn life_without(error: &std::io::Error) -> Life {
    let no_process = error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
    if no_process || error.kind() == std::io::ErrorKind::NotFound { Life::Gone } else { Life::Unknown }
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

/// The parent of `pid`; `None` if there is no such process or the system does not say.
#[cfg(target_os = "linux")]
pub fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// The parent of `pid`; `None` if there is no such process or the system does not say.
#[cfg(not(target_os = "linux"))]
pub fn parent(_pid: u32) -> Option<u32> {
    None
}

/// Whether `pid` is `ancestor` or a descendant of it.
pub fn descends(pid: u32, ancestor: u32) -> bool {
    let line = std::iter::successors(Some(pid), |pid| parent(*pid));
    // No tree of processes is that deep; a table that changes meanwhile must not lead in circles.
    line.take(64).any(|pid| pid == ancestor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,100 half-open connections took all of the daemon's descriptors, and it ended a healthy GIMP.
    #[cfg(target_os = "linux")]
    #[test]
    fn only_no_such_process_is_the_end_of_one() {
        use rustix::io::Errno;
        let with = |errno: Errno| life_without(&std::io::Error::from_raw_os_error(errno.raw_os_error()));
        assert_eq!((with(Errno::NOENT), with(Errno::SRCH)), (Life::Gone, Life::Gone));
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::ACCESS, Errno::PERM, Errno::INTR, Errno::IO] {
            assert_eq!(with(errno), Life::Unknown, "{errno}");
        }
        assert_eq!(life(u32::MAX), Life::Gone);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn stopped_and_gone_processes_are_told_apart() {
        use rustix::process::{Pid, Signal, kill_process};
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert!(descends(pid, std::process::id()) && !descends(std::process::id(), pid));
        assert_eq!(life(pid), Life::Runs);
        kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
        while life(pid) != Life::Stopped {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        while life(pid) != Life::Gone {
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
