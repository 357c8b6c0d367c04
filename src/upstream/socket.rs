//! Messages that a server sends while it works, over a WebSocket.
//!
//! The same client asks for it as for all else, so that address, trust and token are the same.

use super::{CONNECTING, Upstream};
use crate::error::{Error, Kind, Result};
use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONNECTION, UPGRADE};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Bytes of a message; previews may come between the texts.
const LARGEST: usize = 4 << 20;

pub struct Socket {
    stream: WebSocketStream<reqwest::Upgraded>,
}

impl Socket {
    /// The next text; `None` once the connection has ended, well or not.
    pub async fn text(&mut self) -> Option<String> {
        loop {
            let message = self.stream.next().await?.ok()?;
            if message.is_text() {
                return message.into_text().ok().map(|text| text.as_str().to_owned());
            }
        }
    }
}

impl Upstream {
    /// Opens one. It is no sign of the server's health: some have none.
    ///
    /// # Errors
    /// `timeout`; `io_error` where the server does not switch to it.
    pub async fn socket(&self, path: &str) -> Result<Socket> {
        let opened = tokio::time::timeout(CONNECTING, self.switch(path)).await;
        opened
            .unwrap_or_else(|_| Err(Error::new(Kind::Timeout, format!("{} opened no WebSocket in time", self.shown()))))
    }

    async fn switch(&self, path: &str) -> Result<Socket> {
        let failed = |why: &str| Error::new(Kind::IoError, format!("{} opened no WebSocket: {why}", self.shown()));
        let key = generate_key();
        let mut asked = self.client.get(format!("{}{path}", self.settings.url));
        if let Some(token) = &self.settings.token {
            asked = asked.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let asked = asked
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", &key);
        let answer = asked.send().await.map_err(|error| failed(&error.to_string()))?;
        let accepted = answer.headers().get("sec-websocket-accept").map(|value| value.as_bytes());
        if answer.status().as_u16() != 101 || accepted != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(failed(&format!("it answers {}", answer.status().as_u16())));
        }
        let connection = answer.upgrade().await.map_err(|error| failed(&error.to_string()))?;
        let limits = WebSocketConfig::default()
            .max_message_size(Some(LARGEST))
            .max_frame_size(Some(LARGEST))
            .read_buffer_size(1 << 14);
        let stream = WebSocketStream::from_raw_socket(connection, Role::Client, Some(limits)).await;
        Ok(Socket { stream })
    }
}
