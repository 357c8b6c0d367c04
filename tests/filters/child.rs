//! Models that a user added run in a process of their own: what they do there is an error of the run, and no more.

use super::{Installed, job, manifest, picture, rectangle};
use gimp_bridge::error::{Error, Kind};
use gimp_bridge::filters::inspect::inspect;
use gimp_bridge::filters::runtime::Cache;
use gimp_bridge::filters::{Filters, Job, Output, Samples, Value, Watch};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const DYNAMIC: &str = "policy = \"dynamic\"";
const PATIENCE: Duration = Duration::from_secs(120);

fn blocking<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(work)
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Processes of models that the process `parent` started.
fn workers(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, of) = (fields.next(), fields.next().and_then(|of| of.parse::<u32>().ok()));
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        state != Some("Z") && of == Some(parent) && line.contains("model-worker")
    })
    .collect()
}

fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn signal(pid: u32, name: &str) {
    assert!(try_signal(pid, name));
}

/// Whether there was still such a process.
fn try_signal(pid: u32, name: &str) -> bool {
    Command::new("kill").args([format!("-{name}"), pid.to_string()]).output().unwrap().status.success()
}

/// The most memory that this process ever held, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Filters of the mocks `graphs`, each called as its file is.
fn added(graphs: &[&str]) -> Installed {
    let installed = Installed::new();
    for graph in graphs {
        let file = format!("{graph}.onnx");
        let scale = if *graph == "double" { "scale = 2" } else { "" };
        let text = manifest(&file, DYNAMIC, "", scale, "").replace("id = \"test\"", &format!("id = \"{graph}\""));
        installed.add(graph, &text, &[&file]);
    }
    installed
}

/// 300x200 through `double`: right, whatever happened before.
async fn goes_on(filters: &Filters) {
    let source = picture(300, 200);
    let output = filters.run("double", job(source.clone()), Watch::silent()).await.unwrap();
    let image = output.image.unwrap();
    assert_eq!((image.width, image.height), (600, 400));
    let (Samples::U8(before), Samples::U8(after)) = (&source.samples, &image.samples) else { panic!() };
    for (x, y) in [(0, 0), (299, 199), (131, 77)] {
        let (from, to) = ((y * 300 + x) * 3, (2 * y * 600 + 2 * x) * 3);
        assert_eq!(before[from..from + 3], after[to..to + 3]);
    }
}

#[test]
fn what_asks_for_all_memory_is_an_error_and_ours_stays_flat() {
    let installed = added(&["double", "huge", "hungry", "hungry-at-load", "another-size"]);
    blocking(async {
        let filters = Filters::new(&installed.config);
        goes_on(&filters).await;
        let before = peak();
        for name in ["huge", "hungry", "hungry-at-load"] {
            let error = filters.run(name, job(picture(300, 200)), Watch::silent()).await.unwrap_err();
            assert!(error.kind == Kind::TooLarge && error.hint.is_some(), "{name}: {error:?}");
            assert!(error.message.contains("needs more memory than the"), "{name}: {error:?}");
        }
        let error = filters.run("another-size", job(picture(300, 200)), Watch::silent()).await.unwrap_err();
        assert!(error.message.contains("2000x2000") && error.message.contains("300x200 was expected"), "{error:?}");
        // The answer of 48 MB never came here, nor anything of 14 GB.
        let grown = peak() - before;
        assert!(grown < 32, "{grown} MiB");
        goes_on(&filters).await;
    });
}

#[test]
fn what_never_ends_is_ended_with_its_process() {
    let installed = added(&["double", "endless"]);
    blocking(async {
        let filters = Filters::new(&installed.config);
        goes_on(&filters).await;
        let own = workers(std::process::id());
        let endless = |cancel: &CancellationToken| {
            filters.run("endless", job(picture(300, 200)), Watch::new(cancel.clone(), |_, _| ()))
        };
        let cancel = CancellationToken::new();
        let limit = Duration::from_secs(2);
        let error = Filters::within("endless", limit, &cancel, endless(&cancel)).await.unwrap_err();
        assert!(error.kind == Kind::Timeout && error.message.contains("time limit of 2 s"), "{error:?}");
        assert_eq!(workers(std::process::id()), own);

        let cancel = CancellationToken::new();
        let asked = cancel.clone();
        let stop = tokio::task::spawn_blocking(move || {
            until("its process", || workers(std::process::id()).into_iter().find(|pid| !own.contains(pid)));
            asked.cancel();
            own
        });
        assert_eq!(endless(&cancel).await.unwrap_err().kind, Kind::Cancelled);
        let own = stop.await.unwrap();
        assert_eq!(workers(std::process::id()), own);
        goes_on(&filters).await;
    });
}

#[test]
fn what_crashes_is_an_error_and_the_next_run_starts_anew() {
    let installed = added(&["double", "endless"]);
    blocking(async {
        let filters = Filters::new(&installed.config);
        for (name, kind, said) in [
            ("FPE", Kind::Unsupported, "the model's process ended by signal 8"),
            ("ABRT", Kind::Unsupported, "the model's process ended by signal 6"),
            ("KILL", Kind::TooLarge, "the system ended its process"),
        ] {
            let done = Arc::new(AtomicBool::new(false));
            let over = done.clone();
            // One that is struck between loading and running is replaced without a word: again until the run ends.
            let kill = tokio::task::spawn_blocking(move || {
                until("its end", || {
                    workers(std::process::id()).first().map(|&pid| try_signal(pid, name));
                    over.load(Ordering::Acquire).then_some(())
                });
            });
            let cancel = CancellationToken::new();
            let run = filters.run("endless", job(picture(300, 200)), Watch::new(cancel.clone(), |_, _| ()));
            let error = Filters::within("endless", PATIENCE, &cancel, run).await.unwrap_err();
            done.store(true, Ordering::Release);
            kill.await.unwrap();
            assert!(error.kind == kind && error.message.contains(said) && error.hint.is_some(), "{name}: {error:?}");
        }
        // One that ends between two runs is not even noticed.
        goes_on(&filters).await;
        let pid = workers(std::process::id())[0];
        signal(pid, "KILL");
        until("its end", || (!alive(pid)).then_some(()));
        goes_on(&filters).await;
    });
}

#[test]
fn a_process_is_kept_warm_and_ends_when_idle_or_when_ours_does() {
    let mut installed = added(&["double", "endless"]);
    installed.config.filters.idle = 1;
    blocking(async {
        let filters = Filters::new(&installed.config);
        goes_on(&filters).await;
        until("its end", || workers(std::process::id()).is_empty().then_some(()));
    });
    installed.config.filters.idle = 300;
    blocking(async {
        let filters = Filters::new(&installed.config);
        goes_on(&filters).await;
        let first = workers(std::process::id());
        goes_on(&filters).await;
        assert_eq!(workers(std::process::id()), first);
    });
    // A program that is killed in the middle leaves none behind, although it computes.
    let folder = installed.config.filters.folder.clone().unwrap();
    let home = folder.parent().unwrap();
    let samples = picture(300, 200);
    let Samples::U8(samples) = samples.samples else { panic!() };
    image::save_buffer(home.join("in.png"), &samples, 300, 200, image::ExtendedColorType::Rgb8).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
        .args(["filters", "run", "endless", "in.png", "out.png"])
        .current_dir(home)
        .env("GIMP_BRIDGE_FILTERS_FOLDER", &folder)
        .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
        .spawn()
        .unwrap();
    let pid = until("its process", || workers(run.id()).first().copied());
    run.kill().unwrap();
    run.wait().unwrap();
    until("its end", || (!alive(pid)).then_some(()));
}

#[test]
fn only_the_model_s_own_files_are_read() {
    let installed = added(&["reads-outside"]);
    let filters = installed.config.filters.folder.clone().unwrap();
    for place in [filters.join("secret"), filters.parent().unwrap().join("secret")] {
        std::fs::write(place, 1f32.to_le_bytes()).unwrap();
    }
    let error = installed.run("reads-outside", job(picture(300, 200))).unwrap_err();
    assert!(error.kind == Kind::Unsupported && error.message.contains("xternal data"), "{error:?}");

    // Weights beside the model are its own.
    let text = manifest("beside.onnx", DYNAMIC, "", "", "").replace("id = \"test\"", "id = \"beside\"");
    let folder = installed.add("beside", &text, &["beside.onnx", "beside.weights"]);
    let inverted = installed.run("beside", job(picture(300, 200))).unwrap().image.unwrap();
    let (Samples::U8(before), Samples::U8(after)) = (picture(300, 200).samples, inverted.samples) else { panic!() };
    assert!(before.iter().zip(&after).all(|(before, after)| before.abs_diff(255 - after) <= 1));
    std::fs::rename(folder.join("beside.weights"), filters.join("beside.weights")).unwrap();
    std::os::unix::fs::symlink(filters.join("beside.weights"), folder.join("beside.weights")).unwrap();
    let error = installed.run("beside", job(picture(300, 200))).unwrap_err();
    assert!(error.kind == Kind::Forbidden && error.message.contains("leaves"), "{error:?}");
}

/// The bundled model, and the same as a user's own.
fn both() -> Installed {
    let installed = Installed::new();
    let bundled = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters/denoise");
    let text = std::fs::read_to_string(bundled.join("manifest.toml")).unwrap();
    let folder = installed.add("mine", &text.replace("id = \"denoise\"", "id = \"mine\""), &[]);
    std::fs::copy(bundled.join("denoise.onnx"), folder.join("denoise.onnx")).unwrap();
    installed
}

#[test]
fn a_good_model_gives_the_same_bits_there_as_here() {
    let installed = both();
    blocking(async {
        let filters = Filters::new(&installed.config);
        let run = async |name: &str, mut job: Job| -> Result<Output, Error> {
            job.params.set("strength", Value::Float(20.0));
            filters.run(name, job, Watch::silent()).await
        };
        let (mut selected, plain) = (job(picture(420, 300)), job(picture(301, 203)));
        selected.selection = Some(rectangle(420, 300, 31..222, 17..205));
        for job in [selected, plain] {
            let here = run("denoise", job.clone()).await.unwrap();
            assert!(workers(std::process::id()).is_empty());
            let there = run("mine", job).await.unwrap();
            assert_eq!(here.tiles, there.tiles);
            assert_eq!(here.image.unwrap().samples, there.image.unwrap().samples);
            let workers = workers(std::process::id());
            assert_eq!(workers.len(), 1);
            let status = std::fs::read_to_string(format!("/proc/{}/status", workers[0])).unwrap();
            for line in ["NoNewPrivs:\t1", "Seccomp:\t2"] {
                assert!(status.contains(line), "{line} is not in {status}");
            }
            let limits = std::fs::read_to_string(format!("/proc/{}/limits", workers[0])).unwrap();
            let data = limits.lines().find(|line| line.starts_with("Max data size")).unwrap();
            assert!(!data.contains("unlimited"), "{data}");
            let environment = std::fs::read_to_string(format!("/proc/{}/environ", workers[0])).unwrap();
            assert!(!environment.contains("HOME="), "{environment}");
            signal(workers[0], "KILL");
            until("its end", || (!alive(workers[0])).then_some(()));
        }
    });
}

#[test]
fn an_unknown_file_is_looked_at_there_too() {
    let installed = Installed::new();
    let mock = |name: &str| -> PathBuf { super::here().join("mocks").join(name) };
    let before = peak();
    for (name, said) in [
        ("huge.onnx", "needs more memory"),
        ("hungry-at-load.onnx", "needs more memory"),
        ("another-size.onnx", "[1, 3, 2000, 2000]"),
    ] {
        let cache = Arc::new(Cache::new(installed.config.clone()));
        let error = inspect(&cache, &mock(name), "x", &Watch::silent()).err().unwrap();
        assert!(error.message.contains(said) && error.hint.is_some(), "{name}: {error:?}");
    }
    assert!(peak() - before < 32);
    let run = Command::new(env!("CARGO_BIN_EXE_gimp-bridge"))
        .args(["filters", "add", mock("endless.onnx").to_str().unwrap(), "--yes", "--timeout", "2"])
        .env("GIMP_BRIDGE_FILTERS_FOLDER", installed.config.filters.folder.as_ref().unwrap())
        .env("ORT_DYLIB_PATH", installed.config.filters.runtime.as_ref().unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(!run.status.success() && text.contains("time limit of 2 s") && text.contains("--timeout"), "{text}");
}
