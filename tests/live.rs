//! The link against a real GIMP: calls, streams, crashes, restarts, several at once.

use crate::live_gimp::{Live, how, live_request, shared};
use gimp_bridge::error::Kind;
use gimp_bridge::gimp::launch::{self, Launch};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const LOOP: &str = "while True: pass";

fn console(line: &str) -> Value {
    json!({"api_path": "exec", "args": ["pyGObject-console", [line]], "kwargs": {}, "max_output": 1000})
}

#[cfg(unix)]
fn kill_9(pid: u64) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn calls_and_errors_come_from_gimp() {
    let live = shared().await;
    assert_eq!(live.eval("2 + 2").await.unwrap(), 4);
    assert_eq!(live.eval("Gimp.version()").await.unwrap().as_str().unwrap()[..3], crate::live_gimp::version());
    let error = live.call("call_api", console("1 / 0")).await.unwrap_err();
    assert_eq!(error.kind, Kind::PythonError);
    assert_eq!(live.call("nonsense", json!({})).await.unwrap_err().kind, Kind::UnknownOperation);
}

#[tokio::test]
async fn pixels_stream() {
    let live = shared().await;
    let made = live.call("create_new_image", json!({"width": 1500, "height": 1000, "color": "#204060"})).await.unwrap();
    let arguments = json!({"image": made["image"], "depth": 8});
    let mut stream = live.gimp.stream(live_request("read_pixels", arguments)).await.unwrap();
    let mut pixels = Vec::new();
    while let Some(chunk) = stream.chunks.recv().await {
        pixels.extend_from_slice(&chunk);
    }
    let channels = stream.header["channels"].as_u64().unwrap() as usize;
    assert_eq!(stream.result.await.unwrap().unwrap()["stream"]["bytes"], pixels.len());
    assert_eq!((stream.header["width"].as_u64(), pixels.len()), (Some(1500), 1500 * 1000 * channels));
    assert!(pixels.chunks(channels).all(|pixel| pixel[..3] == [0x20, 0x40, 0x60]), "{:?}", &pixels[..channels]);
    live.call("close_image", json!({"image": made["image"], "discard_changes": true})).await.unwrap();
}

#[tokio::test]
async fn a_loop_ends_at_its_time_limit_and_on_cancel() {
    let live = shared().await;
    let mut limited = live_request("call_api", console(LOOP));
    limited.timeout = Duration::from_secs(1);
    assert_eq!(live.gimp.call(limited).await.unwrap_err().kind, Kind::Timeout);
    let cancelled = live_request("call_api", console(LOOP));
    let token = cancelled.cancel.clone();
    let (answer, ended) = tokio::join!(
        async {
            let answer = live.gimp.call(cancelled).await;
            (answer, Instant::now())
        },
        async {
            wait_until_busy(&live).await;
            token.cancel();
            Instant::now()
        }
    );
    assert_eq!(answer.0.unwrap_err().kind, Kind::Cancelled);
    // After 5 s the daemon would answer in the plug-in's place.
    assert!(answer.1 - ended < Duration::from_secs(4), "{:?}", answer.1 - ended);
    assert_eq!(live.eval("6 * 7").await.unwrap(), 42);
}

/// Returns when GIMP says that it runs something.
async fn wait_until_busy(live: &Live) {
    while !live.gimp.instances().await.iter().any(|instance| instance.state == "busy") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_killed_gimp_is_told_at_once_and_comes_back() {
    let state = tempfile::tempdir().unwrap();
    let live = Live::in_folder(state.path().into());
    // Files that GIMP is started with are open when it is ready, after a restart too.
    let photo = state.path().join("photo.png");
    image::RgbImage::from_pixel(20, 10, image::Rgb([200, 100, 0])).save(&photo).unwrap();
    let started = Launch { files: vec![photo], ..how(state.path().into()) };
    let running = launch::start(started, CancellationToken::new()).await.unwrap();
    assert_eq!(live.eval("[i.get_width() for i in Gimp.get_images()]").await.unwrap(), json!([20]));
    let before = running.instance().unwrap();
    let gimp = live.eval("__import__('os').getppid()").await.unwrap().as_u64().unwrap();
    let (answer, killed) = tokio::join!(
        async {
            let answer = live.call("call_api", console(LOOP)).await;
            (answer, Instant::now())
        },
        async {
            wait_until_busy(&live).await;
            kill_9(gimp);
            Instant::now()
        }
    );
    assert_eq!(answer.0.unwrap_err().kind, Kind::ConnectionLost);
    // The call itself has 30 s.
    assert!(answer.1 - killed < Duration::from_secs(15), "{:?}", answer.1 - killed);
    // The supervisor starts it again, and the link finds it.
    let began = Instant::now();
    let value = loop {
        match live.eval("3 + 4").await {
            Ok(value) => break value,
            Err(error) => assert!(matches!(error.kind, Kind::NoGimp | Kind::ConnectionLost), "{error}"),
        }
        assert!(began.elapsed() < Duration::from_secs(240), "as long as a GIMP may take to start");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(value, 7);
    assert_ne!(running.ready().await.unwrap().pid, before.pid);
    assert_eq!(live.eval("[i.get_width() for i in Gimp.get_images()]").await.unwrap(), json!([20]));
    running.shutdown().await.unwrap();
    // The socket's end is read by another task.
    let ended = Instant::now();
    while !live.gimp.instances().await.is_empty() {
        assert!(ended.elapsed() < Duration::from_secs(60), "an ended GIMP is still listed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_second_gimp_on_a_taken_port_takes_another() {
    let state = tempfile::tempdir().unwrap();
    let first = launch::start(how(state.path().into()), CancellationToken::new()).await.unwrap();
    let port = first.instance().unwrap().port;
    let taken = Launch { port: Some(port), ..how(state.path().into()) };
    let second = launch::start(taken, CancellationToken::new()).await.unwrap();
    assert_ne!(second.instance().unwrap().port, port);
    let live = Live::in_folder(state.path().into());
    let listed = live.gimp.probe().await;
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|instance| instance.state == "connected"), "{listed:?}");
    // Each call reaches the one that it names.
    for instance in &listed {
        let arguments = json!({"api_path": "exec", "args": ["pyGObject-eval", ["__import__('os').getpid()"]]});
        let mut call = live_request("call_api", arguments);
        call.instance = Some(instance.id.clone());
        assert_eq!(live.gimp.call(call).await.unwrap()["value"], instance.pid);
    }
    let (one, two) = tokio::join!(first.shutdown(), second.shutdown());
    one.and(two).unwrap();
}

#[tokio::test]
async fn a_gimp_that_cannot_start_says_why() {
    let state = tempfile::tempdir().unwrap();
    let mut launch = how(state.path().into());
    // The plug-in does not listen with a policy that it cannot read; the launcher does not wait for it.
    launch.plugin.checkpoint_memory_mb = 1;
    let error = launch::start(launch, CancellationToken::new()).await.err().unwrap();
    assert_eq!(error.kind, Kind::NoGimp);
    assert!(error.message.contains("`checkpoint_memory_mb` must be"), "{}", error.message);
}
