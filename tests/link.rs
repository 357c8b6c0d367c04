//! The connection to the plug-in: calls, streams, uploads, and every fault; each call ends, with the right error.

use crate::fake_plugin::{Conn, Fake, kind, request, with_plugin};
use bytes::Bytes;
use gimp_bridge::error::Kind;
use gimp_bridge::gimp::frame::Frame;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn a_call_is_answered_with_progress() {
    let fake = Fake::new().await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let mut call = request("echo", 7);
    call.progress = Some(Arc::new(move |report| sink.lock().unwrap().push((report.progress, report.message))));
    let gimp = fake.gimp();
    let answer = with_plugin(&fake, gimp.call(call), async |conn: &mut Conn| {
        let call = conn.next().await.unwrap();
        assert_eq!(call["params"]["operation"], "echo");
        assert_eq!(call["params"]["client"], json!({"id": "c", "name": "test"}));
        assert_eq!(call["params"]["timeout"], 30.0);
        conn.send(json!({"jsonrpc": "2.0", "method": "$/progress", "params": {"id": call["id"], "progress": 0.5, "message": "half"}})).await;
        conn.answer(&call, call["params"]["arguments"].clone()).await;
    });
    assert_eq!(answer.await.unwrap()["n"], 7);
    assert_eq!(*seen.lock().unwrap(), [(0.5, Some("half".to_owned()))]);
}

#[tokio::test]
async fn thirty_two_calls_find_their_answers_in_any_order() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let calls = futures_util::future::join_all((0..32).map(|n| gimp.call(request("echo", n))));
    let answers = with_plugin(&fake, calls, async |conn: &mut Conn| {
        let mut calls = Vec::new();
        while calls.len() < 32 {
            calls.push(conn.next().await.unwrap());
        }
        calls.reverse();
        for call in &calls {
            conn.answer(call, call["params"]["arguments"].clone()).await;
        }
    });
    for (n, answer) in answers.await.into_iter().enumerate() {
        assert_eq!(answer.unwrap()["n"], n);
    }
}

#[tokio::test]
async fn a_stream_arrives_whole_and_its_faults_are_told() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let data: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let plugin = async {
        let mut conn = fake.accept().await;
        for case in ["whole", "error midway", "short", "no stream"] {
            let call = conn.next().await.unwrap();
            let id = call["id"].as_u64().unwrap();
            if case != "no stream" {
                conn.stream(&call, json!({"width": 5})).await;
                for piece in data.chunks(1 << 20) {
                    conn.chunk(id, piece.to_vec()).await;
                }
            }
            match case {
                "whole" => conn.answer(&call, json!({"stream": {"bytes": data.len()}})).await,
                "short" => conn.answer(&call, json!({"stream": {"bytes": data.len() + 1}})).await,
                "error midway" => {
                    let error = json!({"code": -32007, "message": "m", "data": {"kind": "gimp_error"}});
                    conn.send(json!({"jsonrpc": "2.0", "id": id, "error": error})).await;
                }
                _ => conn.answer(&call, json!({})).await,
            }
        }
        conn
    };
    let caller = async {
        let mut results = Vec::new();
        for _ in 0..3 {
            let mut stream = gimp.stream(request("read_pixels", 0)).await.unwrap();
            assert_eq!(stream.header["width"], 5);
            let mut got = Vec::new();
            while let Some(chunk) = stream.chunks.recv().await {
                got.extend_from_slice(&chunk);
            }
            assert!(got == data, "{} bytes", got.len());
            results.push(stream.result.await.unwrap());
        }
        assert!(results[0].is_ok());
        assert_eq!(results[1].as_ref().unwrap_err().kind, Kind::GimpError);
        assert_eq!(results[2].as_ref().unwrap_err().kind, Kind::ProtocolError);
        assert_eq!(gimp.stream(request("read_pixels", 0)).await.err().unwrap().kind, Kind::Internal);
    };
    tokio::join!(plugin, caller);
}

#[tokio::test]
async fn a_reader_that_stalls_loses_its_stream_and_nobody_else_does() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let mut slow = request("read_pixels", 0);
    slow.timeout = Duration::from_secs(1);
    let (stream, answer) = with_plugin(
        &fake,
        async { tokio::join!(gimp.stream(slow), gimp.call(request("echo", 3))) },
        async |conn: &mut Conn| {
            let mut calls = [conn.next().await.unwrap(), conn.next().await.unwrap()];
            calls.sort_by_key(|call| call["params"]["operation"].to_string());
            let [echo, stream] = calls;
            conn.stream(&stream, json!({})).await;
            for _ in 0..20 {
                conn.chunk(stream["id"].as_u64().unwrap(), vec![0; 1000]).await;
            }
            conn.answer(&echo, json!({"n": 3})).await;
            let cancel = conn.next().await.unwrap();
            assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("$/cancel"), &stream["id"]));
        },
    )
    .await;
    assert_eq!(answer.unwrap()["n"], 3);
    assert_eq!(kind(stream.unwrap().result.await.unwrap()), Kind::Timeout);
}

#[tokio::test]
async fn a_dropped_stream_is_cancelled() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let (first, mut conn) = tokio::join!(async { gimp.stream(request("read_pixels", 0)).await.unwrap() }, async {
        let mut conn = fake.accept().await;
        let call = conn.next().await.unwrap();
        conn.stream(&call, json!({})).await;
        conn
    },);
    drop(first);
    conn.chunk(2, "x").await;
    let cancel = conn.next().await.unwrap();
    assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("$/cancel"), &json!(2)));
}

#[tokio::test]
async fn an_upload_travels_in_order_and_stops_when_cancelled() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let data = Bytes::from((0..5_000_000u32).map(|n| (n >> 3) as u8).collect::<Vec<u8>>());
    let mut upload = request("open_file", 0);
    upload.upload = Some(data.clone());
    let cancel = CancellationToken::new();
    let mut second = upload.clone();
    second.cancel = cancel.clone();
    let calls = async { (gimp.call(upload).await, gimp.call(second).await) };
    let (whole, cut) = with_plugin(&fake, calls, async |conn: &mut Conn| {
        let call = conn.next().await.unwrap();
        assert_eq!(call["params"]["upload"]["bytes"], data.len());
        let mut got = Vec::new();
        while got.len() < data.len() {
            match conn.frame().await.unwrap() {
                Frame::RequestChunk { id, data } if id == call["id"] => got.extend_from_slice(&data),
                Frame::Message(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(got == data);
        conn.answer(&call, json!({})).await;

        let call = conn.next().await.unwrap();
        cancel.cancel();
        let mut chunks = 0;
        loop {
            match conn.frame().await.unwrap() {
                Frame::RequestChunk { .. } => chunks += 1,
                Frame::Message(body) if body.windows(8).any(|part| part == b"$/cancel") => break,
                _ => {}
            }
        }
        assert!(chunks <= 5, "{chunks} chunks before the cancel");
        let error = json!({"code": -32007, "message": "cancelled", "data": {"kind": "cancelled"}});
        conn.send(json!({"jsonrpc": "2.0", "id": call["id"], "error": error})).await;
    })
    .await;
    whole.unwrap();
    assert_eq!(kind(cut), Kind::Cancelled);
}

#[tokio::test]
async fn cancelling_and_dropping_reach_the_plugin() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let mut first = request("slow", 1);
    let token = CancellationToken::new();
    first.cancel = token.clone();
    let dropped = tokio::spawn({
        let gimp = gimp.clone();
        async move { gimp.call(request("slow", 2)).await }
    });
    let answer = with_plugin(&fake, gimp.call(first), async |conn: &mut Conn| {
        let calls = [conn.next().await.unwrap(), conn.next().await.unwrap()];
        let id_of = |n: u64| calls.iter().find(|call| call["params"]["arguments"]["n"] == n).unwrap()["id"].clone();
        token.cancel();
        let cancel = conn.next().await.unwrap();
        assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("$/cancel"), &id_of(1)));
        // The result may be first; then it counts.
        conn.send(json!({"jsonrpc": "2.0", "id": id_of(1), "result": {"done": true}})).await;
        dropped.abort();
        let cancel = conn.next().await.unwrap();
        assert_eq!((&cancel["method"], &cancel["params"]["id"]), (&json!("$/cancel"), &id_of(2)));
    })
    .await;
    assert_eq!(answer.unwrap()["done"], true);
    let mut third = request("slow", 3);
    third.cancel = token;
    assert_eq!(kind(gimp.call(third).await), Kind::Cancelled);
}

#[tokio::test]
async fn one_request_too_many_is_busy() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let calls: Vec<_> = (0..256)
        .map(|n| {
            tokio::spawn({
                let gimp = gimp.clone();
                async move { gimp.call(request("slow", n)).await }
            })
        })
        .collect();
    let mut conn = fake.accept().await;
    for _ in 0..256 {
        conn.next().await.unwrap();
    }
    let error = gimp.call(request("slow", 256)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    assert!(error.hint.is_some());
    drop(conn);
    for call in calls {
        assert_eq!(kind(call.await.unwrap()), Kind::ConnectionLost);
    }
}

#[tokio::test]
async fn broken_bytes_end_the_connection_and_its_calls() {
    let garbage: [(&[u8], &str); 4] = [
        (b"\0\0\0\0", "length 0"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "over the limit"),
        (b"\0\0\0\x03\x01{]", "not JSON"),
        (b"\0\0\0\x02\x07x", "unknown kind"),
    ];
    for (bytes, said) in garbage {
        let fake = Fake::new().await;
        let answer = with_plugin(&fake, fake.gimp().call(request("echo", 0)), async |conn: &mut Conn| {
            conn.next().await.unwrap();
            conn.raw(bytes).await;
            let told = conn.next().await.unwrap();
            assert_eq!(told["error"]["data"]["kind"], "protocol_error");
            assert_eq!(told["id"], Value::Null);
            assert!(conn.next().await.is_none());
        })
        .await;
        let error = answer.unwrap_err();
        assert_eq!(error.kind, Kind::ConnectionLost);
        assert!(error.message.contains(said), "{}", error.message);
    }
}

#[tokio::test]
async fn a_connection_cut_within_a_frame_ends_its_calls_and_comes_back() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let (answer, ()) = tokio::join!(gimp.call(request("echo", 0)), async {
        let mut conn = fake.accept().await;
        conn.next().await.unwrap();
        conn.raw(b"\0\0\x10\0\x01{\"json").await;
    });
    assert_eq!(kind(answer), Kind::ConnectionLost);
    // Nobody calls: the link comes back by itself.
    let mut conn = fake.accept().await;
    let (answer, ()) = tokio::join!(gimp.call(request("echo", 1)), async {
        let call = conn.next().await.unwrap();
        conn.answer(&call, json!({"n": 1})).await;
    });
    assert_eq!(answer.unwrap()["n"], 1);
}

/// A peer whose process is a real one, which the test stops or kills while the connection stays open.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_stopped_or_killed_process_is_noticed_long_before_the_time_limit() {
    use rustix::process::{Pid, Signal, kill_process};
    for signal in [Signal::STOP, Signal::KILL] {
        let mut process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let fake = Fake::with_pid(process.id()).await;
        let gimp = fake.gimp();
        let call = async {
            let answer = gimp.call(request("slow", 0)).await;
            (answer, Instant::now())
        };
        let began = Mutex::new(None);
        let (answer, ended) = with_plugin(&fake, call, async |conn: &mut Conn| {
            conn.next().await.unwrap();
            *began.lock().unwrap() = Some(Instant::now());
            kill_process(Pid::from_child(&process), signal).unwrap();
            // Pings are answered still, as by a plug-in that outlives its GIMP.
            conn.serve_pings().await;
        })
        .await;
        assert_eq!(kind(answer), Kind::ConnectionLost);
        let took = ended - began.into_inner().unwrap().unwrap();
        // Within 1 s where the machine has nothing else to do; the call itself has 30 s.
        assert!(took < Duration::from_secs(15), "{signal:?} was noticed after {took:?}");
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[tokio::test]
async fn a_silent_plugin_in_a_living_process_costs_the_time_limit() {
    let fake = Fake::new().await;
    let mut call = request("slow", 0);
    call.timeout = Duration::from_millis(100);
    let began = Instant::now();
    let answer = with_plugin(&fake, fake.gimp().call(call), async |conn: &mut Conn| {
        while let Some(message) = conn.message().await {
            if message["method"] == "$/cancel" {
                return;
            }
        }
    })
    .await;
    assert_eq!(kind(answer), Kind::Timeout);
    // The limit and the daemon's grace of 5 s; a peer that never answers has nothing else to end it.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_operation_that_cannot_be_ended_is_named() {
    let fake = Fake::new().await;
    let gimp = fake.gimp();
    let mut conn = tokio::join!(fake.accept(), gimp.probe()).0;
    let stuck = json!({"busy": {"operation": "call_api", "seconds": 90.5, "unresponsive": true}, "queued": 0});
    let first = tokio::spawn({
        let gimp = gimp.clone();
        async move { gimp.call(request("slow", 0)).await }
    });
    conn.next().await.unwrap();
    let ping = conn.message().await.unwrap();
    conn.answer(&ping, stuck.clone()).await;
    // The next ping comes after the answer to this one was read.
    let ping = conn.message().await.unwrap();
    conn.answer(&ping, stuck).await;
    let error = gimp.call(request("echo", 0)).await.unwrap_err();
    assert_eq!(error.kind, Kind::Busy);
    assert!(error.message.contains("still busy with `call_api` for 90 s"), "{}", error.message);
    // Nobody is advised to lose work.
    let hint = error.hint.unwrap();
    assert!(!hint.contains("lost") && !hint.contains("end it by hand") && !hint.contains("end GIMP"), "{hint}");
    first.abort();
}
