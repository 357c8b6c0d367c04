//! save_image: to a path GIMP writes itself; without one the file's bytes come back as a stream.

use super::super::Outcome;
use super::super::call::Call;
use super::path;
use crate::error::{Error, Kind, Result};
use crate::gimp::Streamed;
use crate::images::Base64Text;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

/// Most bytes of a file that come back in an answer.
const MAX_BYTES: u64 = 256 << 20;

pub async fn save_image(mut call: Call<'_>) -> Result<Outcome> {
    let arguments = std::mem::take(&mut call.arguments);
    let mut request = call.request("write_file", arguments);
    if let Some(path) = request.arguments.get("path").and_then(Value::as_str) {
        path::check(path)?;
        return Ok(Outcome { result: call.ops.gimp().call(request).await?, ..Outcome::default() });
    }
    let stop = call.context.cancel.child_token();
    request.cancel = stop.clone();
    let streamed = call.ops.gimp().stream(request).await?;
    // A client that refuses long answers is told here what to do instead.
    let most = call.pictures.max_bytes.unwrap_or(MAX_BYTES).min(MAX_BYTES);
    Ok(Outcome { result: collect(streamed, &stop, most).await?, ..Outcome::default() })
}

/// The reply's result with the streamed bytes as `image_data`; `stop` ends a stream that is over `limit`.
async fn collect(mut streamed: Streamed, stop: &CancellationToken, limit: u64) -> Result<Map<String, Value>> {
    let mut text = Base64Text::default();
    while let Some(chunk) = streamed.chunks.recv().await {
        if text.bytes() + chunk.len() as u64 > limit {
            stop.cancel();
            return Err(Error::new(
                Kind::TooLarge,
                format!("the file is larger than {limit} bytes, too large to send back"),
            )
            .hint(
                "give `path` to write it to a file, a larger `max_bytes` (0: no bound), or a smaller format or quality",
            ));
        }
        text.push(&chunk);
    }
    let mut result = streamed.result.await.map_err(Error::internal)??;
    // The wire's own check; the bytes are here instead.
    result.remove("stream");
    result.insert("path".into(), Value::Null);
    result.insert("bytes".into(), text.bytes().into());
    result.insert("encoding".into(), "base64".into());
    result.insert("image_data".into(), text.finish().into());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use serde_json::json;
    use tokio::sync::{mpsc, oneshot};

    fn stream(chunks: &[&'static [u8]], result: Value) -> Streamed {
        let (send, receive) = mpsc::channel(chunks.len().max(1));
        for chunk in chunks {
            send.try_send(Bytes::from_static(chunk)).unwrap();
        }
        let (done, answer) = oneshot::channel();
        done.send(Ok(result.as_object().unwrap().clone())).unwrap();
        Streamed { header: Map::new(), chunks: receive, result: answer }
    }

    #[tokio::test]
    async fn streamed_bytes_become_base64() {
        let streamed = stream(&[b"a", b"bc", b"defg"], json!({"format": "png", "stream": {"bytes": 7}}));
        let result = collect(streamed, &CancellationToken::new(), 7).await.unwrap();
        assert_eq!(result["image_data"], "YWJjZGVmZw==");
        assert!(!result.contains_key("stream"));
        assert_eq!((&result["bytes"], &result["format"]), (&json!(7), &json!("png")));
    }

    #[tokio::test]
    async fn a_file_over_the_limit_is_refused_and_the_stream_ended() {
        let stop = CancellationToken::new();
        let error = collect(stream(&[b"abcd", b"efgh"], json!({})), &stop, 7).await.unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert!(stop.is_cancelled());
    }
}
