//! Every way in, and every way to the picture.

use super::painter::{Painter, picture};
use super::{Daemon, notes};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_picture_comes_by_every_door_and_lies_at_its_address() {
    let painter = Painter::with(None, true, None).await;
    let daemon = Daemon::kserve(&painter).await;
    let wanted = json!({"prompt": "a mountain lake", "width": 320, "height": 200, "seed": 7});
    let expected = picture("a mountain lake", 7, 320, 200);

    // The plan's own endpoint, in the shape of the JSON-RPC API.
    let made = daemon.generate(wanted.clone()).await;
    assert_eq!((&made["success"], &made["status"]), (&json!(true), &json!("success")), "{made}");
    let metadata = &made["metadata"];
    for (name, value) in [
        ("prompt", json!("a mountain lake")),
        ("width", json!(320)),
        ("height", json!(200)),
        ("num_inference_steps", json!(50)),
        ("guidance_scale", json!(7.5)),
        ("seed", json!(7)),
        ("model", json!("sd-tiny")),
        ("backend", json!("kserve")),
        ("bytes", json!(expected.len())),
        ("mime_type", json!("image/png")),
    ] {
        assert_eq!(metadata[name], value, "{name}");
    }
    assert!(metadata["seconds"].is_number() && made.get("image_data").is_none() && notes(&made).is_empty(), "{made}");
    let lasts = |name: &str| chrono::DateTime::parse_from_rfc3339(metadata[name].as_str().unwrap()).unwrap();
    assert_eq!((lasts("expires") - lasts("created")).num_seconds(), 3600);
    let url = made["url"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("{}/images/{}", daemon.url, made["image_id"].as_str().unwrap()));
    assert!(daemon.get(&url).await.body == expected);

    // JSON-RPC, with the file in the answer if that is asked for.
    let mut with_data = wanted.clone();
    with_data["include_image_data"] = true.into();
    let answer = daemon.rpc("generate_image", with_data).await["result"].clone();
    assert_eq!(answer["success"], true, "{answer}");
    assert!(daemon.get(answer["url"].as_str().unwrap()).await.body == expected);
    assert_eq!(answer["result"]["metadata"]["seed"], 7);
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.decode(answer["image_data"].as_str().unwrap()).unwrap();
    assert!(data == expected);

    // MCP: structured content, a link to the picture, and a small picture where it is asked for.
    let answer = daemon.mcp("generate_image", wanted.clone()).await;
    let structured = &answer["structuredContent"];
    let link = answer["content"].as_array().unwrap().iter().find(|block| block["type"] == "resource_link").unwrap();
    assert_eq!((&link["uri"], &link["size"]), (&structured["url"], &json!(expected.len())));
    assert!(daemon.get(link["uri"].as_str().unwrap()).await.body == expected);
    let mut small = wanted.clone();
    small["preview"] = 64.into();
    let answer = daemon.mcp("generate_image", small).await;
    let seen = answer["content"].as_array().unwrap().iter().find(|block| block["type"] == "image").unwrap();
    let seen = base64::engine::general_purpose::STANDARD.decode(seen["data"].as_str().unwrap()).unwrap();
    let seen = image::load_from_memory(&seen).unwrap();
    assert_eq!((seen.width(), seen.height()), (64, 40));

    // Without a GIMP, what is to go into one is refused before anything is painted.
    painter.requests();
    let mut into = wanted;
    into["into"] = "new_image".into();
    let refused = daemon.generate(into).await;
    assert_eq!(refused["error"]["kind"], "no_gimp", "{refused}");
    assert!(painter.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_told_of_generation_where_there_is_a_backend() {
    let painter = Painter::start().await;
    let instructions = async |daemon: &Daemon| {
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}});
        let headers = [("accept", "application/json, text/event-stream")];
        let reply = daemon.ask("POST", "/mcp", &headers, Some(hello)).await;
        let text = String::from_utf8(reply.body).unwrap();
        let message: Value = serde_json::from_str(text.rsplit("data: ").next().unwrap().trim()).unwrap();
        message["result"]["instructions"].as_str().unwrap().to_owned()
    };
    let with = instructions(&Daemon::kserve(&painter).await).await;
    let without = instructions(&Daemon::start(|_, _| {}).await).await;
    assert!(with.starts_with(&without) && with.contains("fill_selection_with_prompt"), "{with}");
    for name in ["generate_image", "fill_selection_with_prompt", "vary_image"] {
        assert!(!without.contains(name), "{without}");
    }
    assert!(with.len() < 2048, "Claude Code cuts it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_served_in_parts_small_and_until_it_is_deleted() {
    let painter = Painter::start().await;
    let daemon = Daemon::kserve(&painter).await;
    let made = daemon.generate(json!({"prompt": "a lake", "width": 300, "height": 200})).await;
    let id = made["image_id"].as_str().unwrap();
    let path = format!("/images/{id}");
    let whole = daemon.get(&path).await;
    assert_eq!((whole.status, whole.header("content-type")), (200, "image/png"));
    assert_eq!(whole.header("content-length"), whole.body.len().to_string());
    let cache = whole.header("cache-control");
    let age: u64 = cache.split("max-age=").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
    assert!(cache.starts_with("public") && (3000..=3600).contains(&age), "{cache}");
    let tag = whole.header("etag").to_owned();
    let asked = async |headers: &[(&str, &str)]| daemon.ask("GET", &path, headers, None).await;
    let part = asked(&[("range", "bytes=10-19")]).await;
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[10..20]));
    assert_eq!(part.header("content-range"), format!("bytes 10-19/{}", whole.body.len()));
    assert_eq!(asked(&[("if-none-match", &tag)]).await.status, 304);
    assert_eq!(asked(&[("range", "bytes=9999999-")]).await.status, 416);
    assert_eq!(asked(&[("range", "bytes=0-1"), ("if-range", "\"other\"")]).await.body.len(), whole.body.len());
    let head = daemon.ask("HEAD", &path, &[], None).await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, whole.header("content-length"), 0));

    for _ in 0..2 {
        let small = daemon.get(&format!("{path}?width=60")).await;
        let seen = image::load_from_memory(&small.body).unwrap();
        assert_eq!((seen.width(), seen.height()), (60, 40));
        assert_ne!(small.header("etag"), tag);
    }
    assert_eq!(daemon.get(&format!("{path}?width=3")).await.status, 400);

    let other = daemon.generate(json!({"prompt": "a tower", "width": 64, "height": 64})).await;
    let list = daemon.get("/images?limit=1").await.json();
    assert_eq!((&list["total"], &list["next_offset"]), (&json!(2), &json!(1)));
    assert_eq!(list["images"][0]["image_id"], other["image_id"], "newest first");
    let found = daemon.get("/images?prompt=LAKE").await.json();
    assert_eq!((&found["total"], &found["images"][0]["image_id"]), (&json!(1), &json!(id)));
    assert_eq!(daemon.get("/images?limit=x").await.status, 400);
    let told = daemon.get(&format!("{path}/metadata")).await.json();
    assert_eq!((&told["metadata"], &told["url"]), (&made["metadata"], &made["url"]));

    let gone = daemon.ask("DELETE", &path, &[], None).await;
    assert_eq!((gone.status, &gone.json()["image_id"]), (200, &json!(id)));
    for missing in [
        path.clone(),
        format!("{path}/metadata"),
        format!("{path}?width=60"),
        format!("/images/{}", uuid::Uuid::new_v4()),
    ] {
        assert_eq!(daemon.get(&missing).await.status, 404, "{missing}");
    }
    assert_eq!(daemon.get("/images/3").await.status, 400);
    assert_eq!(daemon.ask("POST", "/mcp/v1/tools/close_image", &[], Some(json!({}))).await.status, 404);
    let health = daemon.get("/health").await.json();
    assert_eq!(health["generation"]["backends"][0]["state"], "ok", "{health}");
    let metrics = String::from_utf8(daemon.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("gimp_bridge_generations_total{backend=\"kserve\",outcome=\"ok\"}"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_parameters_are_named_and_nothing_is_painted() {
    let painter = Painter::start().await;
    let daemon = Daemon::kserve(&painter).await;
    let good = || json!({"prompt": "a lake"});
    for (name, value, what) in [
        ("prompt", json!("  \n"), "only blanks"),
        ("prompt", json!(""), "`prompt` is empty"),
        ("prompt", json!("x".repeat(1001)), "has 1001 characters, the most is 1000"),
        ("width", json!(63), "`width` must be from 64 to 2048, got 63"),
        ("height", json!(2049), "`height` must be from 64 to 2048"),
        ("num_inference_steps", json!(0), "from 1 to 200"),
        ("guidance_scale", json!(20.5), "from 1 to 20"),
        ("seed", json!(4294967296u64), "from 0 to 4294967295"),
        ("seed", json!(-1), "`seed` must be"),
        ("count", json!(9), "from 1 to 8"),
        ("backend", json!("other"), "no backend `other`"),
        ("into", json!("layer"), "`into` must be one of"),
        ("stepz", json!(3), "unknown parameter `stepz`"),
    ] {
        let mut wanted = good();
        wanted[name] = value;
        let refused = daemon.generate(wanted).await;
        assert_eq!(
            (&refused["success"], &refused["error"]["kind"]),
            (&json!(false), &json!("invalid_argument")),
            "{refused}"
        );
        assert!(refused["message"].as_str().unwrap().contains(what), "{refused}");
    }
    let none = daemon.generate(json!({})).await;
    assert!(none["message"].as_str().unwrap().contains("`prompt` is missing"));
    assert!(painter.requests().is_empty());
    for (arguments, hint) in [
        (json!({"image_id": 3}), "close_image"),
        (json!({"image_id": "3"}), "close_image"),
        (json!({"image_id": "x"}), "list_generated_images"),
    ] {
        let refused = daemon.mcp("delete_image", arguments).await;
        assert!(refused["structuredContent"]["hint"].as_str().unwrap().contains(hint), "{refused}");
    }
    // The limits are those of the largest and smallest that is allowed.
    let made =
        daemon.generate(json!({"prompt": "é".repeat(1000), "width": 64, "height": 64, "seed": 4294967295u32})).await;
    assert_eq!(made["success"], true, "{made}");
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_have_seeds_in_turn() {
    let painter = Painter::with(None, true, None).await;
    let daemon = Daemon::kserve(&painter).await;
    let made = daemon
        .generate(json!({"prompt": "a lake", "width": 64, "height": 64, "seed": 4294967295u32, "count": 3}))
        .await;
    let seeds: Vec<&Value> =
        made["images"].as_array().unwrap().iter().map(|image| &image["metadata"]["seed"]).collect();
    assert_eq!(seeds, [&json!(4294967295u32), &json!(0), &json!(1)]);
    assert_eq!(made["image_id"], made["images"][0]["image_id"]);
}

#[test]
fn the_shell_makes_a_picture_and_writes_it() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let painter = runtime.block_on(Painter::start());
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_gimp-bridge"));
        command.args(arguments).current_dir(folder.path()).env_clear().env("HOME", folder.path());
        command.env("KSERVE_ENDPOINT", painter.kserve()).env("STORAGE_PATH", folder.path().join("images"));
        command.output().unwrap()
    };
    let done = run(&["generate", "a lake", "--width", "128", "--height", "96", "--out", "lake.png"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(std::fs::read(folder.path().join("lake.png")).unwrap() == picture("a lake", 99, 128, 96));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    // Nobody serves it: its address is the file.
    assert!(answer["url"].as_str().unwrap().starts_with("file:///"), "{answer}");
    let refused = run(&["generate", "a lake", "--width", "5"]);
    assert_eq!(refused.status.code(), Some(2));
    let two = run(&["generate", "two", "--width", "64", "--height", "64", "--count", "2", "--out", "two.png"]);
    assert!(two.status.success());
    assert!(folder.path().join("two-1.png").exists() && folder.path().join("two-2.png").exists());
}
