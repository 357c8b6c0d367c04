//! What goes wrong behind it: what is tried again, what is told, who takes over, who waits.

use super::painter::{Fault, Painter};
use super::{Daemon, notes};
use serde_json::{Value, json};

fn small() -> Value {
    json!({"prompt": "a lake", "width": 96, "height": 64})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_and_the_rest_is_told() {
    let painter = Painter::start().await;
    let daemon = Daemon::start(|config, _| {
        config.kserve.endpoint = Some(painter.kserve());
        config.images.max_size = 1 << 20;
    })
    .await;
    for (fault, requests, told) in [
        (Fault::Status(503, "loading"), 2, Ok("")),
        (Fault::Status(429, "slow down"), 2, Ok("")),
        (Fault::BrokenOff, 2, Ok("")),
        (Fault::Larger, 1, Ok("made 192 x 128 pixels instead of 96 x 64")),
        (Fault::Status(500, "{\"error\": \"CUDA out of memory\"}"), 1, Err("answers 500: CUDA out of memory")),
        (Fault::Status(400, "{\"error\": \"bad words\"}"), 1, Err("answers 400: bad words")),
        (Fault::Status(404, "{\"error\": \"no such model\"}"), 1, Err("answers 404")),
        (Fault::Body("<html>hello</html>"), 1, Err("answers no JSON")),
        (Fault::Body("{\"predictions\": []}"), 1, Err("without `predictions`")),
        (Fault::Body("{\"predictions\": [{\"x\": 1}]}"), 1, Err("no picture that could be found")),
        (Fault::Body("{\"predictions\": [\"not base64!\"]}"), 1, Err("no base64")),
        (Fault::NoPicture, 1, Err("bytes that are no picture")),
        (Fault::Cut, 1, Err("cut short")),
        (Fault::Endless, 1, Err("answers more than")),
    ] {
        painter.fail([fault.clone()]);
        let answer = daemon.generate(small()).await;
        assert_eq!(painter.requests().len(), requests, "{fault:?}");
        match told {
            Ok(note) => assert!(answer["success"] == true && notes(&answer).contains(note), "{fault:?}: {answer}"),
            Err(what) => {
                assert!(answer["message"].as_str().unwrap().contains(what), "{fault:?}: {answer}");
                assert!(!answer["error"]["hint"].as_str().unwrap_or_default().is_empty(), "{answer}");
            }
        }
        // Between failures one that is well, so that the breaker stays closed.
        assert_eq!(daemon.generate(small()).await["success"], true);
        painter.requests();
    }
    // Twice is once too often with one try more.
    painter.fail([Fault::Status(503, "loading"), Fault::Status(503, "loading")]);
    assert_eq!(daemon.generate(small()).await["error"]["kind"], "busy");
    let listed = std::fs::read_dir(daemon.folder.path().join("images")).unwrap().count();
    let total = daemon.get("/images").await.json()["total"].as_u64().unwrap();
    assert_eq!(listed as u64, 2 * total, "nothing is left of what failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_says_nothing_ends_at_its_time_limit() {
    let painter = Painter::start().await;
    let daemon = Daemon::start(|config, _| {
        config.kserve.endpoint = Some(painter.kserve());
        config.kserve.timeout = 1;
    })
    .await;
    painter.fail([Fault::Hang]);
    let answer = daemon.generate(small()).await;
    assert_eq!(answer["error"]["kind"], "timeout", "{answer}");
    assert!(answer["message"].as_str().unwrap().contains("did not answer within 1 s"), "{answer}");
    assert_eq!(painter.requests().len(), 1, "a time limit that has passed once passes again");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_time_limit_of_a_call_what_came_is_told() {
    let painter = Painter::with(None, false, Some(1)).await;
    let daemon = Daemon::kserve(&painter).await;
    let mut wanted = small();
    (wanted["count"], wanted["timeout"]) = (2.into(), 3.into());
    let made = daemon.generate(wanted.clone()).await;
    assert_eq!((&made["success"], made["images"].as_array().map(Vec::len)), (&json!(true), Some(1)), "{made}");
    assert!(notes(&made).contains("1 of 2 images were not made: the generation was ended at its time limit of 3 s"));
    wanted["timeout"] = 1.into();
    let none = daemon.generate(wanted).await;
    assert_eq!(none["error"]["kind"], "timeout", "{none}");
    assert_eq!(daemon.get("/images").await.json()["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_not_stopped_for_who_gave_up() {
    let painter = Painter::with(None, false, Some(0)).await;
    *painter.shared.slow_to_stop.lock().unwrap() = std::time::Duration::from_millis(500);
    let daemon = Daemon::start(|config, folder| {
        let file = folder.join("backends.toml");
        let text = format!("[[backend]]\nname = \"b\"\nkind = \"a1111\"\nurl = \"{}\"\n", painter.url);
        std::fs::write(&file, text).unwrap();
        config.generate.backends = Some(file);
    })
    .await;
    let begin = async |prompt: &str| {
        let mut params = small();
        params["prompt"] = prompt.into();
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": params});
        let job = daemon.ask("POST", "/jsonrpc", &[("prefer", "respond-async")], Some(body)).await.json();
        format!("/jobs/{}", job["job"].as_str().unwrap())
    };
    let gives_up = begin("given up").await;
    painter.until(|seen| seen.now == 1).await;
    let waits = begin("waits").await;
    daemon.ask("DELETE", &gives_up, &[], None).await;
    painter.until(|seen| !seen.stops.is_empty()).await;
    let asked = painter.requests().len();
    assert_eq!(asked, 1, "the web UI stops whatever it works on then");
    painter.until(|seen| seen.now == 1).await;
    painter.shared.gate.as_ref().unwrap().add_permits(1);
    let events = daemon.get(&format!("{waits}/events")).await;
    assert!(String::from_utf8(events.body).unwrap().contains("\"status\":\"done\""));
    assert_eq!(painter.shared.seen.lock().unwrap().stops.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_given_is_sent_and_what_the_model_does_not_know_is_left_out_once() {
    let painter = Painter::start().await;
    let daemon = Daemon::kserve(&painter).await;
    daemon.generate(small()).await;
    let plain =
        json!({"prompt": "a lake", "width": 96, "height": 64, "num_inference_steps": 50, "guidance_scale": 7.5});
    assert_eq!(painter.requests(), [("kserve".to_owned(), plain)]);
    let mut with_seed = small();
    with_seed["seed"] = 3.into();
    with_seed["negative_prompt"] = "rain".into();
    // A pipeline that takes any key may ignore it: unless the answer says so, nobody knows.
    let made = daemon.generate(with_seed.clone()).await;
    assert_eq!(made["metadata"]["seed"], Value::Null);
    assert!(notes(&made).contains("counts as unknown"), "{made}");
    assert_eq!(painter.requests()[0].1["negative_prompt"], "rain");
    painter.fail([Fault::Unknown("seed")]);
    let made = daemon.generate(with_seed).await;
    assert!(made["metadata"]["seed"].is_null() && notes(&made).contains("does not know `seed`"), "{made}");
    let sent = painter.requests();
    assert_eq!((sent.len(), sent[0].1["seed"].as_u64(), sent[1].1.get("seed")), (2, Some(3), None));
    assert_eq!(sent[1].1["negative_prompt"], "rain");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_backend_takes_over_and_the_answer_says_so() {
    let (first, second) = (Painter::start().await, Painter::start().await);
    let url = second.url.clone();
    let daemon = Daemon::start(|config, folder| {
        let file = folder.join("backends.toml");
        let text = format!("[[backend]]\nname = \"spare\"\nkind = \"openai\"\nurl = \"{url}/v1\"\n[backend.limits]\nwidth = [64, 128]\n");
        std::fs::write(&file, text).unwrap();
        config.generate.backends = Some(file);
        config.generate.order = vec!["kserve".into(), "spare".into()];
        config.kserve.endpoint = Some(first.kserve());
    })
    .await;
    first.fail([Fault::Status(500, "{\"error\": \"no memory\"}")]);
    let made = daemon.generate(small()).await;
    assert_eq!(made["metadata"]["backend"], "spare", "{made}");
    assert!(notes(&made).contains("`spare` took over") && notes(&made).contains("no memory"), "{made}");
    assert!(made["message"].as_str().unwrap().contains("took over"));
    // What is wrong with the request itself goes no further.
    first.fail([Fault::Status(400, "{\"error\": \"bad words\"}")]);
    second.requests();
    assert_eq!(daemon.generate(small()).await["error"]["kind"], "invalid_argument");
    assert!(second.requests().is_empty());
    // Nor does what the other cannot make; named alone, it says what it can.
    first.fail([Fault::Status(500, "{\"error\": \"no memory\"}")]);
    let wide = json!({"prompt": "a lake", "width": 256, "height": 64});
    assert!(daemon.generate(wide.clone()).await["message"].as_str().unwrap().contains("no memory"));
    let mut named = wide;
    named["backend"] = "spare".into();
    let refused = daemon.generate(named).await;
    assert!(refused["message"].as_str().unwrap().contains("`width` must be from 64 to 128"), "{refused}");
    // A backend that failed often is left alone, and says so without being asked.
    first.fail(std::iter::repeat_n(Fault::Status(500, "{\"error\": \"down\"}"), 40));
    let mut left_alone = false;
    // Five would do, unless this machine takes so long that it is tried again in between.
    for _ in 0..30 {
        first.requests();
        let made = daemon.generate(small()).await;
        assert_eq!(made["metadata"]["backend"], "spare", "{made}");
        if notes(&made).contains("left alone") {
            left_alone = first.requests().is_empty();
            break;
        }
    }
    assert!(left_alone);
    assert_eq!(daemon.get("/health").await.json()["generation"]["backends"][0]["state"], "failing");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_bounded_and_none_is_lost() {
    let painter = Painter::with(None, false, Some(0)).await;
    let daemon = Daemon::start(|config, _| {
        config.kserve.endpoint = Some(painter.kserve());
        config.generate.parallel = 3;
    })
    .await;
    let asked =
        (0..40).map(|index| daemon.generate(json!({"prompt": format!("lake {index}"), "width": 64, "height": 64})));
    let all = futures_util::future::join_all(asked);
    let gate = async {
        painter.until(|seen| seen.now == 3).await;
        painter.shared.gate.as_ref().unwrap().add_permits(40);
    };
    let (made, ()) = tokio::join!(all, gate);
    let mut prompts: Vec<String> =
        made.iter().map(|made| made["metadata"]["prompt"].as_str().unwrap().to_owned()).collect();
    prompts.sort();
    prompts.dedup();
    assert_eq!(prompts.len(), 40);
    assert_eq!(painter.shared.seen.lock().unwrap().most, 3);
    let ids: std::collections::HashSet<&str> = made.iter().map(|made| made["image_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 40);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_survives_its_caller_and_a_cancelled_one_stops_at_the_backend() {
    let painter = Painter::with(None, false, Some(0)).await;
    let daemon = Daemon::kserve(&painter).await;
    let begin = async |prompt: &str| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "generate_image", "params": {"prompt": prompt, "width": 64, "height": 64}});
        daemon.ask("POST", "/jsonrpc", &[("prefer", "respond-async")], Some(body)).await.json()["job"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (kept, cancelled) = (begin("kept").await, begin("cancelled").await);
    painter.until(|seen| seen.now == 2).await;
    daemon.ask("DELETE", &format!("/jobs/{cancelled}"), &[], None).await;
    // The connection to the backend is closed: it need not paint to the end.
    painter.until(|seen| seen.now == 1).await;
    painter.shared.gate.as_ref().unwrap().add_permits(9);
    let events = daemon.get(&format!("/jobs/{kept}/events")).await;
    let text = String::from_utf8(events.body).unwrap();
    let last = text.rsplit("data: ").next().unwrap();
    let info: Value = serde_json::from_str(last.trim()).unwrap();
    assert_eq!(info["response"]["result"]["success"], true, "{info}");
    let events = daemon.get(&format!("/jobs/{cancelled}/events")).await;
    assert!(String::from_utf8(events.body).unwrap().contains("\"status\":\"cancelled\""));
    assert_eq!(daemon.get("/images").await.json()["total"], 1);
}
