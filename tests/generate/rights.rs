//! Who may make, see and delete images.

use super::Daemon;
use super::painter::Painter;
use serde_json::json;

const MAKER: &str = "maker-key-0123456789";
const READER: &str = "reader-key-0123456789";

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_enough_for_a_picture_and_all_else_takes_a_key_that_may_generate() {
    let painter = Painter::start().await;
    for public in [true, false] {
        let daemon = Daemon::start(|config, _| {
            config.kserve.endpoint = Some(painter.kserve());
            config.server.api_keys = vec![format!("maker:generate:{MAKER}"), format!("reader:read+edit:{READER}")];
            config.server.public_url = Some("https://images.example".into());
            config.images.public = public;
        })
        .await;
        let body = json!({"prompt": "a lake", "width": 64, "height": 64});
        let ask = async |key: Option<&str>, method: &str, path: &str| {
            let headers: Vec<(&str, &str)> = key.map(|key| ("x-api-key", key)).into_iter().collect();
            daemon.ask(method, path, &headers, (method == "POST").then(|| body.clone())).await
        };
        let tool = "/mcp/v1/tools/generate_image";
        assert_eq!(ask(None, "POST", tool).await.status, 401);
        assert_eq!(ask(Some(READER), "POST", tool).await.status, 403);
        let made = ask(Some(MAKER), "POST", tool).await.json();
        let path = format!("/images/{}", made["image_id"].as_str().unwrap());
        assert_eq!(made["url"], format!("https://images.example{path}"));
        assert_eq!(ask(None, "GET", &path).await.status, if public { 200 } else { 401 });
        assert_eq!(ask(Some("a-wrong-key-0123456789"), "GET", &path).await.status, 401);
        assert_eq!(ask(Some(READER), "GET", &path).await.status, if public { 200 } else { 403 });
        assert_eq!(ask(Some(MAKER), "GET", &path).await.status, 200);
        for (method, path) in
            [("GET", "/images".to_owned()), ("GET", format!("{path}/metadata")), ("DELETE", path.clone())]
        {
            assert_eq!(ask(None, method, &path).await.status, 401, "{method} {path}");
            assert_eq!(ask(Some(READER), method, &path).await.status, 403, "{method} {path}");
        }
        assert_eq!(ask(Some(MAKER), "GET", "/images").await.json()["total"], 1);
        assert_eq!(ask(Some(MAKER), "DELETE", &path).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_key_may_generate_where_that_is_set_and_nothing_else() {
    let painter = Painter::start().await;
    let daemon = Daemon::start(|config, _| {
        config.kserve.endpoint = Some(painter.kserve());
        config.server.host = "0.0.0.0".parse().unwrap();
        config.server.anonymous = vec!["generate".into()];
    })
    .await;
    let wanted = json!({"prompt": "a lake", "width": 64, "height": 64});
    let made = daemon.generate(wanted.clone()).await;
    let path = format!("/images/{}", made["image_id"].as_str().unwrap_or_else(|| panic!("{made}")));
    assert_eq!(daemon.get(&path).await.status, 200);
    for (method, path) in [("GET", "/images"), ("GET", &format!("{path}/metadata")), ("DELETE", &path)] {
        let refused = daemon.ask(method, path, &[], None).await;
        assert_eq!((refused.status, &refused.json()["error"]["kind"]), (403, &json!("forbidden")), "{method} {path}");
    }
    let mut into = wanted;
    into["into"] = "new_image".into();
    assert_eq!(daemon.generate(into).await["error"]["kind"], "forbidden");
    for (operation, arguments) in [
        ("list_images", json!({})),
        ("call_api", json!({"code": "1"})),
        ("run_ai_filter", json!({"filter": "denoise", "style_path": "/etc/passwd"})),
    ] {
        let refused = daemon.mcp(operation, arguments).await;
        assert_eq!(refused["structuredContent"]["kind"], "forbidden", "{operation}: {refused}");
    }
    // A wrong key is wrong, though none is needed.
    let wrong = daemon.ask("GET", "/images", &[("x-api-key", "a-wrong-key-0123456789")], None).await;
    assert_eq!(wrong.status, 401);
    // Jobs of others are not listed.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": {"prompt": "x", "width": 64, "height": 64}});
    let job = daemon.ask("POST", "/jsonrpc", &[("prefer", "respond-async")], Some(body)).await;
    assert_eq!(job.status, 202);
    assert_eq!(daemon.get("/jobs").await.json()["jobs"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn prompts_are_refused_by_rules_before_anybody_is_asked() {
    let painter = Painter::start().await;
    let daemon = Daemon::start(|config, folder| {
        config.kserve.endpoint = Some(painter.kserve());
        let file = folder.join("patterns");
        std::fs::write(&file, "# no trade marks\n\\bacme\\b\n").unwrap();
        config.generate.prompt_patterns = Some(file);
    })
    .await;
    let refused = daemon.generate(json!({"prompt": "The ACME tower"})).await;
    assert_eq!(refused["error"]["kind"], "forbidden");
    assert!(refused["message"].as_str().unwrap().contains("no trade marks"), "{refused}");
    assert!(painter.requests().is_empty());
}
