//! The form of an HTTP reply: one JSON document where the answer is all there is, an event stream where reports come
//! before it.
//!
//! rmcp answers every request of a session with an event stream. Python's client takes events of at most 1 MiB, which
//! a picture easily exceeds, while a JSON document may be of any size; it is also one write instead of three.

use super::attachments::Attachments;
use axum::body::{Body, HttpBody};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

/// A call that takes longer gets its event stream, whose comments keep the connection alive.
pub const HELD: Duration = Duration::from_secs(15);

/// Gives a reply its form, and puts the pictures into it. `held` is usually [`HELD`].
pub async fn shape(response: Response, attachments: &Attachments, held: Duration) -> Response {
    let (mut parts, mut body) = response.into_parts();
    let is_stream = parts.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    if !is_stream || parts.status != StatusCode::OK {
        return Response::from_parts(parts, attachments.fill(Vec::new(), body).await);
    }
    let mut read = Vec::new();
    let answer = tokio::time::timeout(held, first_message(&mut body, &mut read)).await;
    match answer.ok().flatten().filter(|message| is_answer(message)) {
        Some(message) => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            parts.headers.remove(CACHE_CONTROL);
            Response::from_parts(parts, attachments.fill(Vec::new(), Body::from(message)).await)
        }
        None => Response::from_parts(parts, attachments.fill(read, body).await),
    }
}

/// Reads up to the first event with a message; `read` has all that was read.
async fn first_message(body: &mut Body, read: &mut Vec<Bytes>) -> Option<Bytes> {
    loop {
        let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await?.ok()?;
        let Ok(event) = frame.into_data() else { continue };
        read.push(event.clone());
        // An event is one frame, and JSON has no line breaks in it.
        let line = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        if let Some(message) = line.filter(|message| !message.is_empty()) {
            return Some(event.slice_ref(message));
        }
    }
}

/// Whether a message is a response; requests and notifications have a method.
fn is_answer(message: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Message {
        method: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Message>(message).is_ok_and(|message| message.method.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"method":"x"}}"#;
    const REPORT: &str = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{}}"#;

    /// A body that gives each text as a frame, as the event stream does.
    struct Frames(std::vec::IntoIter<String>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.next().map(|text| Ok(http_body::Frame::data(text.into()))))
        }
    }

    async fn shaped(frames: &[&str], attachments: &Attachments) -> (String, String) {
        let frames: Vec<String> = frames.iter().map(|frame| (*frame).to_owned()).collect();
        let body = Body::new(Frames(frames.into_iter()));
        let response = Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap();
        let response = shape(response, attachments, HELD).await;
        let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
        let text = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (kind, String::from_utf8(text.into()).unwrap())
    }

    #[tokio::test]
    async fn an_answer_alone_is_json() {
        let attachments = Attachments::new();
        let event = format!("id: 1\ndata: {ANSWER}\n\n");
        let json = ("application/json".to_owned(), ANSWER.to_owned());
        assert_eq!(shaped(&[&event], &attachments).await, json);
        assert_eq!(shaped(&["id: 0\nretry: 1000\ndata: \n\n", &event], &attachments).await, json);
        let token = attachments.put("QUJD".into());
        let (_, text) = shaped(&[&format!("data: {{\"id\":1,\"result\":\"{token}\"}}\n\n")], &attachments).await;
        assert_eq!(text, r#"{"id":1,"result":"QUJD"}"#);
    }

    #[tokio::test]
    async fn reports_before_the_answer_stay_a_stream() {
        let attachments = Attachments::new();
        let token = attachments.put("QUJD".into());
        let frames =
            ["data: \n\n", &format!("data: {REPORT}\n\n"), &format!("data: {{\"id\":1,\"result\":\"{token}\"}}\n\n")];
        let (kind, text) = shaped(&frames, &attachments).await;
        let expected = format!("data: \n\ndata: {REPORT}\n\ndata: {{\"id\":1,\"result\":\"QUJD\"}}\n\n");
        assert_eq!((kind.as_str(), text), ("text/event-stream", expected));
    }

    #[tokio::test]
    async fn a_long_call_gets_its_stream() {
        /// Never ends.
        struct Silent;
        impl HttpBody for Silent {
            type Data = Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
                std::task::Poll::Pending
            }
        }
        let body = Body::new(Silent);
        let response = Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap();
        let shaped = shape(response, &Attachments::new(), Duration::from_millis(1)).await;
        assert_eq!(shaped.headers()[CONTENT_TYPE], "text/event-stream");
    }
}
