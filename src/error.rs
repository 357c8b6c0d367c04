//! The one error that crosses rooms and reaches clients: a closed kind, a message, a hint.
//!
//! Rooms have their own error enums where callers tell cases apart; at the edge they become this. Internals go to
//! the log, never into `message`.

mod reason;

pub use reason::Reason;
use serde_json::{Map, Value, json};
use std::fmt;

/// What went wrong, as `protocol/errors.json` lists it; a test holds the two together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    InvalidArgument,
    UnknownOperation,
    ProtocolError,
    Internal,
    NotFound,
    NoImage,
    AmbiguousImage,
    UnsavedChanges,
    Forbidden,
    Timeout,
    Cancelled,
    Busy,
    TooLarge,
    PythonError,
    GimpError,
    IoError,
    Unsupported,
    NoGimp,
    ConnectionLost,
    PluginOutdated,
    VersionMismatch,
    Unauthorized,
    Config,
    ImageGone,
}

/// One row per kind: name on the wire, JSON-RPC code, HTTP status.
const KINDS: [(Kind, &str, i32, u16); 24] = [
    (Kind::InvalidArgument, "invalid_argument", -32602, 400),
    (Kind::UnknownOperation, "unknown_operation", -32601, 404),
    (Kind::ProtocolError, "protocol_error", -32600, 400),
    (Kind::Internal, "internal", -32603, 500),
    (Kind::NotFound, "not_found", -32001, 404),
    (Kind::NoImage, "no_image", -32002, 409),
    (Kind::AmbiguousImage, "ambiguous_image", -32003, 409),
    (Kind::UnsavedChanges, "unsaved_changes", -32004, 409),
    (Kind::Forbidden, "forbidden", -32005, 403),
    (Kind::Timeout, "timeout", -32006, 504),
    (Kind::Cancelled, "cancelled", -32007, 499),
    (Kind::Busy, "busy", -32008, 503),
    (Kind::TooLarge, "too_large", -32009, 413),
    (Kind::PythonError, "python_error", -32010, 422),
    (Kind::GimpError, "gimp_error", -32011, 422),
    (Kind::IoError, "io_error", -32012, 422),
    (Kind::Unsupported, "unsupported", -32013, 422),
    (Kind::NoGimp, "no_gimp", -32014, 503),
    (Kind::ConnectionLost, "connection_lost", -32015, 502),
    (Kind::PluginOutdated, "plugin_outdated", -32016, 409),
    (Kind::VersionMismatch, "version_mismatch", -32017, 409),
    (Kind::Unauthorized, "unauthorized", -32018, 401),
    (Kind::Config, "config", -32019, 500),
    (Kind::ImageGone, "image_gone", -32020, 404),
];

impl Kind {
    fn row(self) -> &'static (Kind, &'static str, i32, u16) {
        // The table is in the enum's order; the test below holds that.
        &KINDS[self as usize]
    }

    /// The name on the wire, such as `not_found`.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The JSON-RPC error code.
    pub fn code(self) -> i32 {
        self.row().2
    }

    /// The HTTP status for APIs that use one.
    pub fn http_status(self) -> u16 {
        self.row().3
    }

    /// The kind with this name on the wire; an unknown name (a newer peer) is `Internal`.
    pub fn from_name(name: &str) -> Kind {
        KINDS.iter().find(|row| row.1 == name).map_or(Kind::Internal, |row| row.0)
    }
}

/// The edge error. `message` says what happened with the value and the limit, `hint` what to do.
#[derive(Clone, Debug)]
pub struct Error {
    pub kind: Kind,
    pub message: String,
    pub hint: Option<String>,
    /// What a program can use, such as the list of open images.
    pub details: Map<String, Value>,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a hint; add one with [`Error::hint`] wherever the reader can do something.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), hint: None, details: Map::new() }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Adds one fact for programs.
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Error {
        self.details.insert(key.into(), value.into());
        self
    }

    /// Tells what stands in the way, for GIMP's windows.
    pub fn because(self, reason: Reason) -> Error {
        self.detail("reason", reason.name())
    }

    /// A fault of ours: the cause goes to the log, the client gets a plain sentence.
    pub fn internal(cause: impl fmt::Display) -> Error {
        tracing::error!(%cause, "internal error");
        Error::new(Kind::Internal, "gimp-bridge met an internal error").hint("see the daemon's log on stderr")
    }

    /// The JSON-RPC `error` object, with kind, hint and details in `data`.
    pub fn to_json_rpc(&self) -> Value {
        json!({"code": self.kind.code(), "message": self.message, "data": self.data()})
    }

    /// `{kind, message, hint?, details?}`, as tools answer it.
    pub fn to_json(&self) -> Value {
        let mut data = self.data();
        data["message"] = Value::from(self.message.clone());
        data
    }

    fn data(&self) -> Value {
        let mut data = json!({"kind": self.kind.name()});
        if let Some(hint) = &self.hint {
            data["hint"] = Value::from(hint.clone());
        }
        if !self.details.is_empty() {
            data["details"] = Value::from(self.details.clone());
        }
        data
    }

    /// Reads the `error` object of a peer's response.
    pub fn from_json_rpc(error: &Value) -> Error {
        let data = &error["data"];
        Error {
            kind: Kind::from_name(data["kind"].as_str().unwrap_or_default()),
            message: error["message"].as_str().unwrap_or("the peer gave no message").to_owned(),
            hint: data["hint"].as_str().map(str::to_owned),
            details: data["details"].as_object().cloned().unwrap_or_default(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_match_the_committed_table() {
        let file: Value = serde_json::from_str(include_str!("../protocol/errors.json")).unwrap();
        let rows = file["kinds"].as_array().unwrap();
        assert_eq!(rows.len(), KINDS.len());
        for (index, (row, (kind, name, code, http))) in rows.iter().zip(KINDS).enumerate() {
            assert_eq!(kind as usize, index);
            assert_eq!(
                (row["kind"].as_str(), row["code"].as_i64(), row["http"].as_u64()),
                (Some(name), Some(code.into()), Some(http.into()))
            );
        }
    }

    #[test]
    fn an_error_survives_the_wire() {
        let error = Error::new(Kind::ImageGone, "no image `7`").hint("call list_images").detail("open", vec![1, 2]);
        let back = Error::from_json_rpc(&error.to_json_rpc());
        assert_eq!((back.kind, back.message, back.hint), (error.kind, error.message, error.hint));
        assert_eq!(back.details, error.details);
    }
}
