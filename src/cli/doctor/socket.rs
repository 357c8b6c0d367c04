//! Who listens on a loopback port.

use std::net::{Ipv4Addr, TcpListener};

/// The process behind a taken port, as far as it can be told.
pub struct Holder {
    pub pid: Option<u32>,
    pub name: Option<String>,
}

/// `None`: the port is free.
pub fn holder(port: u16) -> Option<Holder> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => None,
        Err(_) => {
            let pid = listener_pid(port);
            let name = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
            Some(Holder { pid, name: name.map(|name| name.trim().to_owned()) })
        }
    }
}

/// Linux tells the socket's inode by port, and the process by the inode; elsewhere there are no such files.
fn listener_pid(port: u16) -> Option<u32> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        let text = std::fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening_inode(line, port))
    })?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()).find(|pid| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| std::fs::read_link(file.path()).ok()).any(|link| link.as_os_str() == wanted.as_str())
    })
}

/// A row of `/proc/net/tcp`: number, local address:port, remote, state, …, inode in the tenth column.
fn listening_inode(line: &str, port: u16) -> Option<u64> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (_, hex) = columns.get(1)?.rsplit_once(':')?;
    let listening = *columns.get(3)? == "0A";
    (listening && u16::from_str_radix(hex, 16).ok()? == port).then(|| columns.get(9)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_port_has_no_holder_and_a_taken_one_is_ours() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = holder(port).unwrap();
        if cfg!(target_os = "linux") {
            assert_eq!(held.pid, Some(std::process::id()));
        }
        drop(listener);
        assert!(holder(port).is_none());
    }
}
