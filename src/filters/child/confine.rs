//! What binds the process that a user's model runs in: memory, files, network.
//!
//! Files and network are Linux's alone, by Landlock and seccomp; each kernel holds what it can, and [`Confined`] says what
//! that is. Landlock names what is allowed, so it is what counts; seccomp takes what Landlock does not know, such as
//! sockets that are not TCP.

use super::wire::Confined;
use std::path::Path;

/// Binds this process for good: to `readable` files, without network, with `most` bytes of memory at any time.
/// `device`: a graphics card's driver and libraries stay within reach.
pub fn confine(readable: &[&Path], device: bool, most: u64) -> Confined {
    let memory = limit_memory(most, most);
    #[cfg(target_os = "linux")]
    {
        // Where memory runs out all the same, it is this process that ends.
        let _ = std::fs::write("/proc/self/oom_score_adj", "900");
        // Landlock binds the thread that asks for it, and those that it starts: there must be no other yet.
        let alone = std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1);
        let (files, tcp) = linux::landlock(readable, device).unwrap_or((false, false));
        let sockets = linux::program().is_some_and(|program| seccompiler::apply_filter_all_threads(&program).is_ok());
        Confined { files: files && alone, network: sockets || tcp && alone, memory }
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (readable, device);
        Confined { memory, ..Confined::default() }
    }
}

/// Sets the working memory of this process: what it writes to and no file lies behind. Whether the system keeps it.
pub fn limit_memory(now: u64, most: u64) -> bool {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // A crash leaves no copy of the picture on the disk.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        setrlimit(Resource::Data, Rlimit { current: Some(now), maximum: Some(most) }).is_ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (now, most);
        false
    }
}

/// What this system would hold: for `doctor`, on a thread that ends with it.
pub fn available() -> Confined {
    #[cfg(target_os = "linux")]
    {
        let tried = std::thread::spawn(|| linux::landlock(&[], false).unwrap_or((false, false))).join();
        let (files, tcp) = tried.unwrap_or((false, false));
        Confined { files, network: tcp || linux::program().is_some(), memory: true }
    }
    #[cfg(not(target_os = "linux"))]
    Confined::default()
}

#[cfg(target_os = "linux")]
mod linux {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, Ruleset, RulesetAttr, RulesetCreatedAttr,
        RulesetError, Scope, path_beneath_rules,
    };
    use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
    use std::path::Path;

    /// What was vetted; older kernels keep what they know of it.
    const VETTED: ABI = ABI::V7;
    /// What the threads of ONNX Runtime ask about the processor.
    const PROCESSOR: [&str; 3] = ["/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"];
    /// Where the providers for graphics cards and what they load are. Nothing of the user's lies there.
    const LIBRARIES: [&str; 7] = ["/usr", "/lib", "/lib64", "/opt", "/etc/ld.so.cache", "/etc/vulkan", "/etc/OpenCL"];
    const DRIVERS: [&str; 5] = ["/sys", "/proc/driver", "/proc/devices", "/proc/modules", "/proc/self"];

    /// Whether files are bound, and whether TCP is.
    pub fn landlock(readable: &[&Path], device: bool) -> Result<(bool, bool), RulesetError> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(VETTED))?
            .handle_access(AccessNet::from_all(VETTED))?
            .scope(Scope::from_all(VETTED))?
            .create()?
            .add_rules(path_beneath_rules(readable, BitFlags::from(AccessFs::ReadFile)))?
            .add_rules(path_beneath_rules(PROCESSOR, read))?;
        if device {
            let use_device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::ReadDir | AccessFs::IoctlDev;
            let own = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
            rules = rules
                .add_rules(path_beneath_rules(LIBRARIES, read | AccessFs::Execute))?
                .add_rules(path_beneath_rules(
                    own.split(':').filter(|path| !path.is_empty()),
                    read | AccessFs::Execute,
                ))?
                .add_rules(path_beneath_rules(DRIVERS, read))?
                .add_rules(path_beneath_rules(["/dev"], use_device))?;
        }
        let status = rules.restrict_self()?;
        Ok(match status.landlock {
            LandlockStatus::Available { effective_abi, .. } => (true, effective_abi >= ABI::V4),
            _ => (false, false),
        })
    }

    /// Calls that neither ONNX Runtime nor a card's driver needs once it is loaded. A socket of any kind is among them, and
    /// so are other ways to one.
    const REFUSED: &[libc::c_long] = &[
        libc::SYS_socket,
        libc::SYS_io_uring_setup,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_unshare,
        libc::SYS_setns,
    ];

    /// The filter, where the processor is one that it can be made for.
    pub fn program() -> Option<BpfProgram> {
        let rules = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
        let refuse = SeccompAction::Errno(libc::EPERM as u32);
        let arch = std::env::consts::ARCH.try_into().ok()?;
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).ok()?.try_into().ok()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::ErrorKind::PermissionDenied;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixListener, UnixStream};

    /// On a thread, which alone is bound.
    #[test]
    fn what_is_bound_reads_its_model_alone_and_connects_to_nobody() {
        assert_eq!(
            available(),
            Confined { files: true, network: true, memory: true },
            "a kernel with Landlock is needed"
        );
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["model", "secret"] {
            std::fs::write(path(name), name).unwrap();
        }
        let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(path("socket")).unwrap());
        let (model, secret, made, socket) = (path("model"), path("secret"), path("made"), path("socket"));
        let bound = std::thread::spawn(move || {
            linux::landlock(&[&model], false).unwrap();
            seccompiler::apply_filter(&linux::program().unwrap()).unwrap();
            assert_eq!(std::fs::read_to_string(&model).unwrap(), "model");
            let kind = |done: std::io::Result<()>| done.unwrap_err().kind();
            for other in [secret.as_path(), Path::new("/etc/passwd"), Path::new("/proc/self/environ")] {
                assert_eq!(kind(File::open(other).map(drop)), PermissionDenied, "{}", other.display());
            }
            assert_eq!(kind(File::create(&made).map(drop)), PermissionDenied);
            assert_eq!(kind(File::options().append(true).open(&model).map(drop)), PermissionDenied);
            assert_eq!(kind(std::fs::remove_file(&model)), PermissionDenied);
            assert_eq!(kind(TcpStream::connect(tcp.local_addr().unwrap()).map(drop)), PermissionDenied);
            assert_eq!(kind(UdpSocket::bind("127.0.0.1:0").map(drop)), PermissionDenied);
            assert_eq!(kind(UnixStream::connect(&socket).map(drop)), PermissionDenied);
            assert!(std::process::Command::new("/bin/true").status().is_err());
        });
        bound.join().unwrap();
        drop(unix);
        // Others are not.
        assert_eq!(std::fs::read_to_string(path("secret")).unwrap(), "secret");
    }
}
