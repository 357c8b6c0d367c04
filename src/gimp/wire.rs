//! JSON-RPC messages inside frames: reading them strictly, writing them. Knows no socket and no operation.

use crate::error::{Error, Kind};
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use std::time::Duration;

/// Levels of arrays and objects in one message.
pub const MAX_DEPTH: usize = 128;
/// The greatest request id, 2^53 - 1: what every JSON reader keeps exact.
pub const MAX_ID: u64 = (1 << 53) - 1;

/// Why a frame's body is no message; the connection is over.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("a message that is not UTF-8")]
    NotUtf8,
    #[error("a message nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("a message that is not JSON")]
    NotJson,
    #[error("a message that is not a JSON object")]
    NotObject,
}

/// One message from the peer. Parameters and results stay bytes until somebody needs them.
#[derive(Debug)]
pub enum Message {
    Request {
        id: u64,
        method: String,
        params: Bytes,
    },
    Notification {
        method: String,
        params: Bytes,
    },
    /// `id` is `None` when the peer speaks of the connection.
    Response {
        id: Option<u64>,
        outcome: Result<Bytes, Error>,
    },
    /// Well-framed, but no JSON-RPC: answered with the error under the id, if it had one.
    Invalid {
        id: Option<u64>,
        error: Error,
    },
}

/// The keys of a message that mean something; others are checked and dropped.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
}

/// Reads a message frame's body: UTF-8, then depth, then JSON, then whether it is an object.
pub fn parse(body: &Bytes) -> Result<Message, MessageError> {
    let text = std::str::from_utf8(body).map_err(|_| MessageError::NotUtf8)?;
    if deeper_than(body, MAX_DEPTH) {
        return Err(MessageError::TooDeep);
    }
    match serde_json::from_str::<Envelope>(text) {
        Ok(envelope) => Ok(envelope.classify(body)),
        Err(_) if text.trim_ascii_start().starts_with('{') => Err(MessageError::NotJson),
        Err(_) if serde_json::from_str::<&RawValue>(text).is_ok() => Err(MessageError::NotObject),
        Err(_) => Err(MessageError::NotJson),
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(key) = map.next_key::<String>()? {
                    let value = map.next_value::<&RawValue>()?;
                    // serde_json skims raw values: it lets half surrogate pairs and numbers out of range through.
                    serde_json::from_str::<Checked>(value.get()).map_err(serde::de::Error::custom)?;
                    match key.as_str() {
                        "jsonrpc" => envelope.jsonrpc = Some(value),
                        "id" => envelope.id = Some(value),
                        "method" => envelope.method = Some(value),
                        "params" => envelope.params = Some(value),
                        "result" => envelope.result = Some(value),
                        "error" => envelope.error = Some(value),
                        _ => {}
                    }
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// Any JSON value, read strictly and kept nowhere.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked, A::Error> {
        while entries.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

impl Envelope<'_> {
    fn classify(self, body: &Bytes) -> Message {
        let slice = |raw: Option<&RawValue>| raw.map_or_else(Bytes::new, |raw| body.slice_ref(raw.get().as_bytes()));
        let id = self.id.and_then(|raw| serde_json::from_str::<u64>(raw.get()).ok());
        let id = id.filter(|id| (1..=MAX_ID).contains(id));
        let invalid = |message: String| Message::Invalid { id, error: Error::new(Kind::ProtocolError, message) };
        if self.jsonrpc.map(RawValue::get) != Some("\"2.0\"") {
            return invalid("a message without `jsonrpc: \"2.0\"`".into());
        }
        if let Some(method) = self.method {
            let Ok(method) = serde_json::from_str::<String>(method.get()) else {
                return invalid(format!("`method` must be a string, not `{}`", short(method.get())));
            };
            return match (self.id, id) {
                (None, _) => Message::Notification { method, params: slice(self.params) },
                (Some(_), Some(id)) => Message::Request { id, method, params: slice(self.params) },
                (Some(raw), None) => invalid(format!(
                    "a request's `id` must be an integer from 1 to {MAX_ID}, not `{}`",
                    short(raw.get())
                )),
            };
        }
        let outcome = match (self.result, self.error) {
            (Some(_), None) => Ok(slice(self.result)),
            (None, Some(error)) => match serde_json::from_str(error.get()) {
                Ok(error) => Err(Error::from_json_rpc(&error)),
                Err(_) => return invalid("a response whose `error` cannot be read".into()),
            },
            _ => return invalid("a message needs `method`, `result` or `error`".into()),
        };
        Message::Response { id, outcome }
    }
}

/// The first 60 characters of a peer's text, for an error.
fn short(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Whether arrays and objects nest deeper than `limit`; brackets in strings do not count.
fn deeper_than(json: &[u8], limit: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[derive(Serialize)]
struct Outgoing<'a, P: Serialize> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    method: &'a str,
    params: P,
}

/// A request's body.
pub fn request(id: u64, method: &str, params: impl Serialize) -> Bytes {
    encode(&Outgoing { jsonrpc: "2.0", id: Some(id), method, params })
}

/// A notification's body.
pub fn notification(method: &str, params: impl Serialize) -> Bytes {
    encode(&Outgoing { jsonrpc: "2.0", id: None, method, params })
}

/// A response's body; `id: None` speaks of the connection.
pub fn response(id: Option<u64>, outcome: Result<serde_json::Value, Error>) -> Bytes {
    encode(&match outcome {
        Ok(result) => serde_json::json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => serde_json::json!({"jsonrpc": "2.0", "id": id, "error": error.to_json_rpc()}),
    })
}

fn encode(message: &impl Serialize) -> Bytes {
    let mut writer = BytesMut::with_capacity(512).writer();
    serde_json::to_writer(&mut writer, message).expect("our messages have string keys only, and memory does not fail");
    writer.into_inner().freeze()
}

/// The parameters of `call`.
#[derive(Serialize)]
pub struct CallParams<'a> {
    pub operation: &'a str,
    pub arguments: &'a serde_json::Map<String, serde_json::Value>,
    pub client: ClientParams<'a>,
    pub timeout: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upload: Option<UploadParams>,
}

#[derive(Serialize)]
pub struct ClientParams<'a> {
    pub id: &'a str,
    pub name: &'a str,
}

#[derive(Serialize)]
pub struct UploadParams {
    pub bytes: usize,
}

/// `$/progress`.
#[derive(Deserialize)]
pub struct ProgressParams {
    pub id: u64,
    pub progress: f64,
    #[serde(default)]
    pub total: Option<f64>,
    #[serde(default)]
    pub message: Option<String>,
}

/// `$/cancel`.
#[derive(Deserialize)]
pub struct CancelParams {
    pub id: u64,
}

/// `$/stream`.
#[derive(Deserialize)]
pub struct StreamParams {
    pub id: u64,
    pub header: serde_json::Map<String, serde_json::Value>,
}

/// What the plug-in answers to `$/ping`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Pong {
    #[serde(default)]
    pub busy: Option<Busy>,
}

/// The operation that runs in GIMP now.
#[derive(Clone, Debug, Deserialize)]
pub struct Busy {
    pub operation: String,
    pub seconds: f64,
    /// It is past its deadline and could not be ended.
    #[serde(default)]
    pub unresponsive: bool,
    /// Seconds until the plug-in starts again if it does not end; `None`: it never does.
    #[serde(default)]
    pub restart_in: Option<f64>,
}

impl Busy {
    /// What the caller can do. Never to end GIMP: what it is busy with may be work that is wanted.
    pub fn hint(&self) -> String {
        match self.restart_in {
            Some(seconds) => {
                format!("try again later; if it has not ended within {seconds:.0} s, GIMP's plug-in is started again")
            }
            None => "try again later; `list_instances` tells whether GIMP is still busy".into(),
        }
    }

    /// "GIMP is still busy with `op` for 12 s".
    pub fn sentence(&self) -> String {
        format!(
            "GIMP is still busy with `{}` for {} s",
            self.operation,
            Duration::from_secs_f64(self.seconds.clamp(0.0, 1e9)).as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Message, MessageError> {
        parse(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn the_deepest_message_is_read_and_one_deeper_is_not() {
        let nested = |levels: usize| {
            let (open, close) = ("[".repeat(levels - 1), "]".repeat(levels - 1));
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{open}{close}}}"#)
        };
        assert!(matches!(read(&nested(128)), Ok(Message::Response { id: Some(1), .. })));
        assert_eq!(read(&nested(129)).unwrap_err(), MessageError::TooDeep);
        // Brackets inside strings are text.
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"\"{}"}}"#, "[".repeat(500));
        assert!(matches!(read(&text), Ok(Message::Response { .. })));
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        assert_eq!(read("[1,2]").unwrap_err(), MessageError::NotObject);
        assert_eq!(read(r#"["2.0",1,"x",{},1,1]"#).unwrap_err(), MessageError::NotObject);
        assert_eq!(read("{").unwrap_err(), MessageError::NotJson);
        assert_eq!(parse(&Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap_err(), MessageError::NotUtf8);
        assert!(matches!(read(r#"{"id":3}"#), Ok(Message::Invalid { id: Some(3), .. })));
        assert!(matches!(read(r#"{"jsonrpc":"2.0","id":0,"method":"x"}"#), Ok(Message::Invalid { id: None, .. })));
    }

    #[test]
    fn a_result_is_a_slice_of_the_frame() {
        let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":9,"result":{"a":[1,2]}}"#);
        let Message::Response { id: Some(9), outcome: Ok(result) } = parse(&body).unwrap() else { panic!() };
        assert_eq!(&result[..], br#"{"a":[1,2]}"#);
        assert!(body.as_ptr_range().contains(&result.as_ptr()));
    }
}
