//! Which AI client a request belongs to. GIMP keeps a Python namespace and a chosen image per client.
//!
//! - stdio: the process is the client.
//! - HTTP, revisions up to 2025-11-25: the MCP session is the client, from `initialize` to its end.
//! - HTTP, revision 2026-07-28 has no sessions. There the client is who it says it is: the header
//!   [`CLIENT_HEADER`] if sent, else the name and version in `_meta`'s clientInfo, together with its key and the
//!   address that it calls from. The connection is no sign, since HTTP clients open several and close idle ones. Two programs with the
//!   same name on the same machine therefore share a namespace, unless they send the header. Such a client is gone
//!   after an hour without a request.

use crate::gimp::{Client, Gimp};
use crate::ops::KeyName;
use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use rmcp::RoleServer;
use rmcp::model::Implementation;
use rmcp::service::RequestContext;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Names a client that has no MCP session: any text, the same on each request.
pub const CLIENT_HEADER: &str = "x-gimp-bridge-client";

const IDLE: Duration = Duration::from_secs(3600);
const MOST: usize = 256;
const LONGEST_NAME: usize = 100;

/// A client that lives as long as this value: GIMP forgets it when it is dropped.
pub struct Session {
    client: Client,
    gimp: Gimp,
}

impl Session {
    /// A new client; `kind` begins its id.
    pub fn new(kind: &str, info: Option<&Implementation>, gimp: Gimp) -> Session {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).expect("the operating system gives random bytes");
        let id = format!("{kind}-{:016x}", u64::from_be_bytes(random));
        Session { client: Client { id, name: name(info).unwrap_or_else(|| kind.to_owned()) }, gimp }
    }

    /// This client, with the name that the request gives where the session began without one.
    pub fn client(&self, info: Option<&Implementation>) -> Client {
        let name = name(info).unwrap_or_else(|| self.client.name.clone());
        Client { id: self.client.id.clone(), name }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.gimp.client_closed(&self.client);
    }
}

/// The clients without a session that called lately.
#[derive(Default)]
pub struct Sessionless {
    last_call: Mutex<HashMap<String, (Client, Instant)>>,
}

impl Sessionless {
    /// The client that sent this request. GIMP forgets the ones that have been idle for an hour.
    pub fn client(&self, context: &RequestContext<RoleServer>, gimp: &Gimp) -> Client {
        let info = context.client_info();
        let parts = context.extensions.get::<Parts>();
        let header = parts.and_then(|parts| parts.headers.get(CLIENT_HEADER));
        let mut hash = Sha256::new();
        match header {
            Some(header) => hash.update(header.as_bytes()),
            None => {
                let version = info.as_ref().map_or("", |info| &info.version);
                hash.update(name(info.as_ref()).unwrap_or_default());
                hash.update([0]);
                hash.update(version);
            }
        }
        hash.update([0, u8::from(header.is_some())]);
        if let Some(KeyName(owner)) = parts.and_then(|parts| parts.extensions.get()) {
            hash.update(owner);
            hash.update([0]);
        }
        if let Some(ConnectInfo(peer)) = parts.and_then(|parts| parts.extensions.get::<ConnectInfo<SocketAddr>>()) {
            hash.update(peer.ip().to_string());
        }
        let digest = hash.finalize();
        let id = format!("http-{:016x}", u64::from_be_bytes(digest[..8].try_into().expect("eight bytes")));
        self.called(Client { id, name: name(info.as_ref()).unwrap_or_else(|| "http".into()) }, gimp, Instant::now())
    }

    fn called(&self, client: Client, gimp: &Gimp, now: Instant) -> Client {
        let mut last_call = self.last_call.lock().unwrap_or_else(PoisonError::into_inner);
        let new = last_call.insert(client.id.clone(), (client.clone(), now)).is_none();
        if new {
            let mut gone: Vec<String> = Vec::new();
            gone.extend(
                last_call.iter().filter(|(_, (_, at))| now.duration_since(*at) > IDLE).map(|(id, _)| id.clone()),
            );
            if gone.is_empty() && last_call.len() > MOST {
                gone.extend(last_call.iter().min_by_key(|(_, (_, at))| *at).map(|(id, _)| id.clone()));
            }
            for id in gone {
                if let Some((client, _)) = last_call.remove(&id) {
                    gimp.client_closed(&client);
                }
            }
        }
        client
    }
}

/// The client's name as it may stand in GIMP's status dialog and in the log.
fn name(info: Option<&Implementation>) -> Option<String> {
    let name: String = info?.name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gimp::Settings;
    use tokio_util::sync::CancellationToken;

    fn gimp() -> Gimp {
        let state =
            Settings { state_dir: "/nowhere".into(), port: None, label: "test".into(), policy: Default::default() };
        Gimp::new(state, CancellationToken::new())
    }

    fn client(id: usize) -> Client {
        Client { id: id.to_string(), name: "test".into() }
    }

    #[tokio::test]
    async fn sessionless_clients_are_bounded_and_end_when_idle() {
        let (clients, gimp, start) = (Sessionless::default(), gimp(), Instant::now());
        for id in 0..MOST + 10 {
            clients.called(client(id), &gimp, start + Duration::from_millis(id as u64));
        }
        assert_eq!(clients.last_call.lock().unwrap().len(), MOST);
        assert!(!clients.last_call.lock().unwrap().contains_key("9"), "the one idle for longest goes first");
        clients.called(client(9999), &gimp, start + IDLE + Duration::from_secs(10));
        assert_eq!(clients.last_call.lock().unwrap().len(), 1);
    }

    #[test]
    fn names_are_cleaned() {
        let named = |name: &str| super::name(Some(&Implementation::new(name, "1")));
        assert_eq!(named("Claude\u{1b}[31m").as_deref(), Some("Claude[31m"));
        assert_eq!(named(&"x".repeat(500)).unwrap().len(), LONGEST_NAME);
        assert_eq!(named("\n"), None);
    }
}
