//! The mutual proof of the secret, from the connecting side. The secret never travels and is never logged.

use super::frame::{Frame, FrameCodec, FrameError};
use super::instances::Record;
use super::secret::Secret;
use super::wire::{self, Message};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::Sha256;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;

/// The wire protocol that this daemon speaks.
pub const PROTOCOL: u64 = 1;
/// From connecting to the last proof.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(5);

/// Who proved to be at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    pub instance: Record,
    pub plugin_version: String,
    /// `plugin.json`'s policies as the plug-in applies them.
    pub policy: Map<String, Value>,
}

#[derive(Deserialize)]
struct Hello {
    protocol: u64,
    nonce: String,
}

#[derive(Deserialize)]
struct Proved {
    software: Software,
    instance: Record,
    #[serde(default)]
    policy: Map<String, Value>,
}

#[derive(Deserialize)]
struct Software {
    version: String,
}

/// Lower-case hex of the HMAC that `role` (`daemon` or `plugin`) sends.
pub fn proof(secret: &Secret, role: &str, port: u16, daemon_nonce: &str, plugin_nonce: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("gimp-bridge/{PROTOCOL} {role} {port} {daemon_nonce} {plugin_nonce}").as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// Runs the handshake on a fresh connection to `port` and lifts the frame limit.
///
/// # Errors
/// `version_mismatch`; `unauthorized` when either side lacks the secret; `no_gimp` when the peer is no plug-in.
pub async fn run<S>(wire: &mut Framed<S, FrameCodec>, port: u16, secret: &Secret, label: &str) -> Result<Peer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(Error::internal)?;
    let nonce = hex(&random);
    tokio::time::timeout(HANDSHAKE_TIME, steps(wire, port, secret, label, &nonce)).await.unwrap_or_else(|_| {
        let limit = HANDSHAKE_TIME.as_secs();
        Err(Error::new(Kind::NoGimp, format!("port {port} did not finish the handshake within {limit} s"))
            .hint("another program may hold the port, or GIMP hangs; `gimp-bridge doctor` tells"))
    })
}

/// [`run`] with a given nonce and no time limit, for the vectors.
#[doc(hidden)]
pub async fn steps<S>(
    wire: &mut Framed<S, FrameCodec>,
    port: u16,
    secret: &Secret,
    label: &str,
    ours: &str,
) -> Result<Peer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    send(wire, wire::request(1, "hello", json!({"protocol": PROTOCOL, "nonce": ours})), port).await?;
    let hello: Hello = answer(wire, 1, port).await?.ok_or_else(|| {
        Error::new(Kind::NoGimp, format!("the process on port {port} closed the connection"))
            .hint("GIMP may be closing, or another program holds the port; `gimp-bridge doctor` tells")
    })?;
    if hello.protocol != PROTOCOL {
        return Err(mismatch(hello.protocol));
    }
    if hello.nonce.len() != 64 || !hello.nonce.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(stranger(port));
    }
    let prove = json!({
        "proof": proof(secret, "daemon", port, ours, &hello.nonce),
        "software": {"name": "gimp-bridge", "version": env!("CARGO_PKG_VERSION")},
        "label": label,
    });
    send(wire, wire::request(2, "prove", prove), port).await.map_err(|_| refused(port))?;
    // A wrong proof is answered with a closed connection.
    let proved: Value = answer(wire, 2, port).await?.ok_or_else(|| refused(port))?;
    let expected = proof(secret, "plugin", port, ours, &hello.nonce);
    let given = proved["proof"].as_str().unwrap_or_default();
    if !bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), given.as_bytes())) {
        return Err(impostor(port));
    }
    // Only now is what it says of itself worth reading.
    let proved: Proved = serde_json::from_value(proved).map_err(|_| stranger(port))?;
    wire.codec_mut().open();
    Ok(Peer { instance: proved.instance, plugin_version: proved.software.version, policy: proved.policy })
}

async fn send<S>(wire: &mut Framed<S, FrameCodec>, body: Bytes, port: u16) -> Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    wire.send(Frame::Message(body)).await.map_err(|error| {
        Error::new(Kind::NoGimp, format!("the process on port {port} closed the connection: {error}"))
            .hint("GIMP may be closing, or another program holds the port; `gimp-bridge doctor` tells")
    })
}

/// The result for request `id`; `None` when the peer closed instead.
async fn answer<S, T>(wire: &mut Framed<S, FrameCodec>, id: u64, port: u16) -> Result<Option<T>>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: serde::de::DeserializeOwned,
{
    let body = match wire.next().await {
        None | Some(Err(FrameError::Io(_))) => return Ok(None),
        Some(Ok(Frame::Message(body))) => body,
        Some(_) => return Err(stranger(port)),
    };
    match wire::parse(&body) {
        Ok(Message::Response { id: Some(got), outcome: Ok(result) }) if got == id => {
            serde_json::from_slice(&result).map(Some).map_err(|_| stranger(port))
        }
        Ok(Message::Response { outcome: Err(error), .. }) if error.kind == Kind::VersionMismatch => {
            Err(error.details.get("ours").and_then(Value::as_u64).map_or(error, mismatch))
        }
        _ => Err(stranger(port)),
    }
}

fn stranger(port: u16) -> Error {
    Error::new(Kind::ProtocolError, format!("port {port} is held by a program that is not GIMP's plug-in"))
        .hint("close that program, or give the plug-in another port; `gimp-bridge doctor` tells more")
}

fn refused(port: u16) -> Error {
    Error::new(Kind::Unauthorized, format!("the plug-in on port {port} refused this daemon's proof of the secret"))
        .hint("both sides must read the same `secret`: restart GIMP, and check GIMP_BRIDGE_STATE_DIR on both sides")
}

fn impostor(port: u16) -> Error {
    Error::new(Kind::Unauthorized, format!("the process on port {port} did not prove that it knows the secret"))
        .hint("another program holds the port: close it, or give the plug-in another port")
}

fn mismatch(theirs: u64) -> Error {
    let hint = if theirs < PROTOCOL {
        "run `gimp-bridge install`, then restart GIMP"
    } else {
        "the plug-in is newer than this daemon: update gimp-bridge"
    };
    Error::new(Kind::VersionMismatch, format!("the plug-in speaks protocol {theirs}, this daemon {PROTOCOL}"))
        .hint(hint)
        .detail("ours", PROTOCOL)
        .detail("theirs", theirs)
}

/// The error that calls get when the plug-in is older than this daemon.
pub fn outdated(plugin: &str) -> Option<Error> {
    let ours = env!("CARGO_PKG_VERSION");
    (numbers(plugin) < numbers(ours)).then(|| {
        Error::new(Kind::PluginOutdated, format!("GIMP runs plug-in {plugin}, older than gimp-bridge {ours}"))
            .hint("run `gimp-bridge install`, then restart GIMP")
            .detail("plugin", plugin)
            .detail("daemon", ours)
    })
}

/// The numeric parts of a version; what cannot be read counts as 0.
fn numbers(version: &str) -> [u64; 3] {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().unwrap_or(0));
    std::array::from_fn(|_| parts.next().unwrap_or(0))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(numbers("0.9.0") < numbers("0.10.0"));
        assert!(numbers("1.0.0-rc1") == numbers("1.0.0"));
        assert!(outdated(env!("CARGO_PKG_VERSION")).is_none());
        assert!(outdated("999.0.0").is_none());
        let error = outdated("0.0.1").unwrap();
        assert_eq!(
            (error.kind, error.hint.as_deref()),
            (Kind::PluginOutdated, Some("run `gimp-bridge install`, then restart GIMP"))
        );
    }

    #[test]
    fn proof_is_the_hmac_of_the_documented_text() {
        let secret = Secret::from_bytes([0x0b; 32]);
        let (d, p) = ("d".repeat(64), "e".repeat(64));
        let one = proof(&secret, "daemon", 9877, &d, &p);
        assert_eq!(one.len(), 64);
        assert_ne!(one, proof(&secret, "plugin", 9877, &d, &p));
        assert_ne!(one, proof(&secret, "daemon", 9878, &d, &p));
    }
}
