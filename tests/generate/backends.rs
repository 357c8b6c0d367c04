//! Each protocol as its stand-in takes it.

use super::painter::{Fault, Painter, picture};
use super::{Daemon, notes};
use serde_json::{Value, json};

/// A daemon with one backend, declared by a file.
async fn daemon(declaration: &str) -> Daemon {
    Daemon::start(|config, folder| {
        let file = folder.join("backends.toml");
        std::fs::write(&file, format!("[[backend]]\nname = \"b\"\n{declaration}\n")).unwrap();
        std::fs::write(folder.join("flow.json"), FLOW).unwrap();
        config.generate.backends = Some(file);
    })
    .await
}

const FLOW: &str = r#"{"1": {"class_type": "Painter", "inputs":
    {"text": "{{prompt}}", "width": "{{width}}", "height": "{{height}}", "seed": "{{seed}}", "steps": "{{steps}}"}}}"#;

fn wanted() -> Value {
    json!({"prompt": "a lake", "width": 96, "height": 64, "seed": 11, "num_inference_steps": 20, "guidance_scale": 4})
}

async fn fetched(daemon: &Daemon, made: &Value) -> Vec<u8> {
    assert_eq!(made["success"], true, "{made}");
    daemon.get(made["url"].as_str().unwrap()).await.body
}

#[tokio::test(flavor = "multi_thread")]
async fn open_inference_protocol_in_json_and_in_binary() {
    let painter = Painter::start().await;
    for model in ["sd", "plain"] {
        let daemon = daemon(&format!("kind = \"oip-v2\"\nurl = \"{}\"\nmodel = \"{model}\"", painter.url)).await;
        let made = daemon.generate(wanted()).await;
        assert!(fetched(&daemon, &made).await == picture("a lake", 11, 96, 64));
        assert_eq!((&made["metadata"]["seed"], &made["metadata"]["model"]), (&json!(11), &json!(model)), "{made}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openai_gets_only_what_it_knows_and_the_token_goes_nowhere_else() {
    let painter = Painter::start().await;
    let daemon =
        daemon(&format!("kind = \"openai\"\nurl = \"{}/v1\"\nextra = {{quality = \"high\"}}", painter.url)).await;
    let made = daemon.generate(wanted()).await;
    assert!(fetched(&daemon, &made).await == picture("a lake", 5, 96, 64));
    assert!(made["metadata"]["seed"].is_null() && notes(&made).contains("takes no seed"), "{made}");
    let sent = json!({"quality": "high", "prompt": "a lake", "n": 1, "size": "96x64"});
    assert_eq!(painter.requests()[0].1, sent);
    let mut linked = wanted();
    linked["model"] = "links".into();
    let made = daemon.generate(linked).await;
    assert!(fetched(&daemon, &made).await == picture("a lake", 5, 96, 64));
    assert!(notes(&made).contains("a nicer lake"), "{made}");
    let told = daemon.mcp("list_generation_backends", json!({})).await["structuredContent"]["backends"][0].clone();
    assert_eq!(
        (&told["ready"], &told["models"], &told["can"]["seed"]),
        (&json!(true), &json!(["dall-e-2"]), &json!("ignored")),
        "{told}"
    );
}

#[test]
fn a_token_comes_from_the_environment_and_goes_to_its_backend_alone() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let painter = runtime.block_on(Painter::with(Some("secret-token-of-the-test"), false, None));
    let folder = tempfile::tempdir().unwrap();
    let declared =
        format!("[[backend]]\nname = \"my-own\"\nkind = \"openai\"\nurl = \"{}/v1\"\nmodel = \"links\"\n", painter.url);
    std::fs::write(folder.path().join("backends.toml"), declared).unwrap();
    std::fs::write(
        folder.path().join("own.toml"),
        "[generate]\nbackends = \"backends.toml\"\n[storage]\npath = \"images\"\n",
    )
    .unwrap();
    let run = |token: Option<&str>| {
        let _ = std::fs::remove_file(folder.path().join("lake.png"));
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
        command.args([
            "--config", "own.toml", "generate", "a lake", "--width", "64", "--height", "64", "--out", "lake.png",
        ]);
        command.current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command.envs(token.map(|token| ("GIMP_BRIDGE_TOKEN_MY_OWN", token)));
        command.output().unwrap()
    };
    let without = run(None);
    let said = String::from_utf8_lossy(&without.stderr).into_owned();
    assert!(!without.status.success() && said.contains("GIMP_BRIDGE_TOKEN_MY_OWN"), "{said}");
    let with = run(Some("secret-token-of-the-test"));
    assert!(with.status.success(), "{}", String::from_utf8_lossy(&with.stderr));
    // The stand-in refuses the file's address with a token.
    assert!(std::fs::read(folder.path().join("lake.png")).unwrap() == picture("a lake", 5, 64, 64));
    let whole = [with.stdout, with.stderr].concat();
    assert!(!String::from_utf8_lossy(&whole).contains("secret-token"));
    // Or from a file beside the declaration, which nobody else may read
    let declared = std::fs::read_to_string(folder.path().join("backends.toml")).unwrap();
    std::fs::write(folder.path().join("backends.toml"), declared + "token_file = \"own.token\"\n").unwrap();
    let missing = run(None);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("own.token"), "{said}");
    let token = folder.path().join("own.token");
    std::fs::write(&token, "secret-token-of-the-test\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o640)).unwrap();
        let exposed = run(None);
        let said = String::from_utf8_lossy(&exposed.stderr).into_owned();
        assert!(
            !exposed.status.success() && said.contains("others can read it") && said.contains("chmod 600"),
            "{said}"
        );
        std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let with = run(None);
    assert!(with.status.success(), "{}", String::from_utf8_lossy(&with.stderr));
    assert!(std::fs::read(folder.path().join("lake.png")).unwrap() == picture("a lake", 5, 64, 64));
    let other = run(Some("another"));
    assert!(!other.status.success(), "the environment's comes first");
    let whole = [with.stdout, with.stderr, other.stdout, other.stderr].concat();
    assert!(!String::from_utf8_lossy(&whole).contains("secret-token"));
}

#[tokio::test(flavor = "multi_thread")]
async fn automatic1111_tells_its_seed_and_is_interrupted() {
    let painter = Painter::start().await;
    let daemon = daemon(&format!("kind = \"a1111\"\nurl = \"{}\"\nmodel = \"dreamer\"", painter.url)).await;
    let mut unseeded = wanted();
    unseeded.as_object_mut().unwrap().remove("seed");
    let made = daemon.generate(unseeded).await;
    assert!(fetched(&daemon, &made).await == picture("a lake", 4242, 96, 64));
    assert_eq!(made["metadata"]["seed"], 4242);
    let sent = painter.requests().remove(0).1;
    assert_eq!((sent["steps"].as_u64(), sent["cfg_scale"].as_f64()), (Some(20), Some(4.0)));
    assert_eq!(sent["override_settings"]["sd_model_checkpoint"], "dreamer");
    assert!(painter.shared.seen.lock().unwrap().stops.is_empty(), "a picture that came is not interrupted");
    painter.fail([Fault::Hang]);
    cancelled(&daemon, &painter).await;
    assert_eq!(painter.shared.seen.lock().unwrap().stops, ["interrupt"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn comfyui_runs_the_users_workflow() {
    let painter = Painter::start().await;
    let daemon = daemon(&format!("kind = \"comfyui\"\nurl = \"{}\"\nworkflow = \"flow.json\"", painter.url)).await;
    let made = daemon.generate(wanted()).await;
    assert!(fetched(&daemon, &made).await == picture("a lake", 11, 96, 64));
    assert_eq!(made["metadata"]["seed"], 11);
    assert_eq!(painter.requests()[0].1["prompt"]["1"]["inputs"]["steps"], 20);
    painter.fail([Fault::Execution]);
    let failed = daemon.generate(wanted()).await;
    assert!(failed["message"].as_str().unwrap().contains("KSampler: out of memory"), "{failed}");
    painter.requests();
    painter.fail([Fault::Hang]);
    cancelled(&daemon, &painter).await;
    let stops = painter.shared.seen.lock().unwrap().stops.join(" ");
    assert!(stops.contains("delete") && stops.contains("job-"), "{stops}");
}

/// Begins a picture, cancels it once the backend has it, and waits until the backend was told.
async fn cancelled(daemon: &Daemon, painter: &Painter) {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": wanted()});
    let job = daemon.ask("POST", "/jsonrpc", &[("prefer", "respond-async")], Some(body)).await.json();
    let job = format!("/jobs/{}", job["job"].as_str().unwrap());
    painter.until(|seen| !seen.requests.is_empty()).await;
    daemon.ask("DELETE", &job, &[], None).await;
    painter.until(|seen| !seen.stops.is_empty()).await;
}
