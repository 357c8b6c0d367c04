//! API keys: who a caller is, and what it may do.
//!
//! Without any key only this machine is served, with all rights, and with the rights of `server.anonymous` who comes from
//! elsewhere. Keys are compared by their hashes, all of them every
//! time, so that neither a key's letters nor its place in the list can be timed.

use crate::config;
use crate::error::{Error, Kind, Result};
use crate::ops::{BaseUrl, Right, Rights};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Characters; what is shorter can be guessed.
const SHORTEST_KEY: usize = 16;

/// The caller's name where no key is configured.
const LOCAL: &str = "local";
/// The name of callers without a key where other machines are listened to.
const ANONYMOUS: &str = "anonymous";

/// Who a request is from; in the request's extensions behind the guard.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key's name: whose the sessions, uploads and jobs are.
    pub name: String,
    pub rights: Rights,
    /// Under which address it reaches this daemon; the guard knows.
    pub base_url: Option<BaseUrl>,
}

impl Identity {
    fn new(name: impl Into<String>, rights: Rights) -> Identity {
        Identity { name: name.into(), rights, base_url: None }
    }
}

struct Key {
    name: String,
    rights: Rights,
    hash: [u8; 32],
}

/// The configured keys, and what callers without one may do.
pub struct Keys {
    keys: Vec<Key>,
    anonymous: Option<Rights>,
    /// Whether only this machine is listened to.
    local: bool,
}

impl Keys {
    /// Reads `server.api_key` and `server.api_keys`, and takes from them what the listener's address forbids.
    /// `folders_set`: whether plugin.folders bounds the files that callers can name.
    ///
    /// # Errors
    /// `config` for a key that can be guessed, an unknown right, a name given twice, and for an address that other
    /// machines reach without any key.
    pub fn read(server: &config::Server, folders_set: bool) -> Result<Keys> {
        let mut keys: Vec<Key> = Vec::new();
        for (name, rights, key) in entries(server)? {
            if key.len() < SHORTEST_KEY {
                let message = format!("the API key `{name}` has {} characters, the least is {SHORTEST_KEY}", key.len());
                return Err(Error::new(Kind::Config, message).hint("make one with `openssl rand -hex 32`"));
            }
            if keys.iter().any(|other| other.name == name) {
                let message = format!("two API keys have the name `{name}`");
                return Err(Error::new(Kind::Config, message).hint("give each key in server.api_keys its own name"));
            }
            keys.push(Key { name, rights: limited(rights, server, folders_set), hash: hash(key.as_bytes()) });
        }
        let (anonymous, local) = (anonymous(server)?, server.host.is_loopback());
        if keys.is_empty() && !local && anonymous.is_none() {
            let message = format!("`{}` is open to other machines, and there is no API key", server.host);
            return Err(Error::new(Kind::Config, message).hint(
                "whoever reaches the port can work in GIMP: set server.api_key, or use --host 127.0.0.1; \
                 server.anonymous = [\"generate\"] lets everybody generate images and nothing else",
            ));
        }
        Ok(Keys { keys, anonymous: anonymous.filter(|_| !local), local })
    }

    /// Whether callers need one.
    pub fn are_set(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Who sends these headers; `None`: nobody that is known. Without keys those are whose way here
    /// is `known`: programs on this machine, and whom a trusted proxy lets in.
    pub fn identify(&self, headers: &HeaderMap, known: bool) -> Option<Identity> {
        if self.keys.is_empty() && self.local {
            return known.then(|| Identity::new(LOCAL, Rights::default()));
        }
        let Some(given) = given(headers) else {
            return self.anonymous.map(|rights| Identity::new(ANONYMOUS, rights));
        };
        let given = hash(given);
        let mut found = u32::MAX;
        for (index, key) in self.keys.iter().enumerate() {
            let same: Choice = key.hash.ct_eq(&given);
            found.conditional_assign(&(index as u32), same);
        }
        let key = self.keys.get(found as usize)?;
        Some(Identity::new(&key.name, key.rights))
    }
}

/// The key that these headers carry.
fn given(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
    });
    bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()))
}

/// Whether these headers carry a key, right or wrong.
pub fn has_key(headers: &HeaderMap) -> bool {
    given(headers).is_some()
}

/// On an address that other machines reach: no Python unless allowed, and no file of this machine unless folders are
/// set, since a written file may be a program too.
fn limited(rights: Rights, server: &config::Server, folders_set: bool) -> Rights {
    if server.host.is_loopback() {
        return rights;
    }
    let mut rights = if server.exec_remote { rights } else { rights.without(Right::Exec) };
    rights.files = folders_set || rights.has(Right::Exec);
    rights
}

/// What `server.anonymous` says. Neither Python nor files: nobody knows who asks.
fn anonymous(server: &config::Server) -> Result<Option<Rights>> {
    if server.anonymous.is_empty() {
        return Ok(None);
    }
    let bad = |what: String| {
        Error::new(Kind::Config, format!("server.anonymous {what}")).hint("it takes `generate`, `read` and `edit`")
    };
    let rights = Rights::parse(&server.anonymous.join("+"));
    let mut rights = rights.map_err(|unknown| bad(format!("names the unknown right `{unknown}`")))?;
    if rights.has(Right::Exec) {
        return Err(bad("names the right `exec`, which takes a key".into()));
    }
    (rights.files, rights.anonymous) = (false, true);
    Ok(Some(rights))
}

fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Name, rights and key of each.
fn entries(server: &config::Server) -> Result<Vec<(String, Rights, &str)>> {
    let mut entries = Vec::new();
    if let Some(key) = &server.api_key {
        entries.push(("api-key".to_owned(), Rights::default(), key.as_str()));
    }
    for (index, entry) in server.api_keys.iter().enumerate() {
        // The entry itself is a secret: the message names its place.
        let bad = |what: String| {
            Error::new(Kind::Config, format!("entry {} of server.api_keys {what}", index + 1))
                .hint("write NAME:RIGHTS:KEY, for example ci:read+edit:KEY, with rights read, edit, exec, generate")
        };
        let mut parts = entry.splitn(3, ':');
        let (Some(name), Some(rights), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad("is not NAME:RIGHTS:KEY".into()));
        };
        let tame = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name == ANONYMOUS {
            return Err(bad("has the name of callers without a key".into()));
        }
        if name.is_empty() || name.len() > 40 || !name.chars().all(tame) {
            return Err(bad("has a name that is not 1 to 40 letters, digits, `-` and `_`".into()));
        }
        let rights = Rights::parse(rights).map_err(|unknown| bad(format!("names the unknown right `{unknown}`")))?;
        entries.push((name.to_owned(), rights, key));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str, keys: &[&str]) -> config::Server {
        let mut config = config::Server { host: host.parse().unwrap(), ..Default::default() };
        config.api_keys = keys.iter().map(|key| key.to_string()).collect();
        config
    }

    fn headers(name: &str, value: &str) -> HeaderMap {
        let name: axum::http::HeaderName = name.parse().unwrap();
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn each_key_has_its_name_and_rights() {
        let mut config = config("127.0.0.1", &["ci:read:ci-key-0123456789", "art:read+edit+exec:art-key-012345:6789"]);
        config.api_key = Some("0123456789abcdef".into());
        let keys = Keys::read(&config, false).unwrap();
        let who = |name: &str, value: &str| {
            keys.identify(&headers(name, value), true).map(|found| (found.name, found.rights.names().join("+")))
        };
        assert_eq!(who("authorization", "Bearer ci-key-0123456789"), Some(("ci".into(), "read".into())));
        assert_eq!(who("x-api-key", "art-key-012345:6789"), Some(("art".into(), "read+edit+exec".into())));
        assert_eq!(who("authorization", "bearer 0123456789abcdef").unwrap().0, "api-key");
        for (name, value) in [
            ("authorization", "0123456789abcdef"),
            ("authorization", "Bearer 0123456789abcdeg"),
            ("authorization", "Bearer "),
            ("x-api-key", "0123456789abcde"),
            ("cookie", "0123456789abcdef"),
        ] {
            assert_eq!(who(name, value), None, "{name}: {value}");
        }
        assert_eq!(keys.identify(&HeaderMap::new(), true).map(|found| found.name), None);
    }

    #[test]
    fn without_keys_only_this_machine_is_served() {
        let keys = Keys::read(&config("127.0.0.1", &[]), false).unwrap();
        assert_eq!(keys.identify(&HeaderMap::new(), true).unwrap().name, "local");
        assert!(keys.identify(&HeaderMap::new(), false).is_none());
        assert!(Keys::read(&config("0.0.0.0", &[]), false).is_err());
    }

    #[test]
    fn callers_without_a_key_have_the_rights_that_are_named_and_a_wrong_key_has_none() {
        let mut config = config("0.0.0.0", &[]);
        config.anonymous = vec!["generate".into()];
        let keys = Keys::read(&config, true).unwrap();
        let found = keys.identify(&HeaderMap::new(), false).unwrap();
        assert_eq!((found.name.as_str(), found.rights.names()), ("anonymous", vec!["generate"]));
        assert!(found.rights.anonymous && !found.rights.files);
        assert!(keys.identify(&headers("x-api-key", "0123456789abcdef"), true).is_none());
        config.anonymous = vec!["exec".into()];
        assert!(Keys::read(&config, true).err().unwrap().message.contains("takes a key"));
        config.anonymous = vec!["write".into()];
        assert!(Keys::read(&config, true).err().unwrap().message.contains("`write`"));
        // On loopback the rule is as ever: everything without keys, nothing with them.
        let mut local = super::tests::config("127.0.0.1", &[]);
        local.anonymous = vec!["generate".into()];
        assert_eq!(Keys::read(&local, false).unwrap().identify(&HeaderMap::new(), true).unwrap().name, "local");
        local.api_key = Some("0123456789abcdef".into());
        assert!(Keys::read(&local, false).unwrap().identify(&HeaderMap::new(), true).is_none());
    }

    #[test]
    fn other_machines_run_no_python_and_name_no_files_unless_allowed() {
        let mut config = config("0.0.0.0", &["all:read+edit+exec+generate:0123456789abcdef"]);
        let rights = |config: &config::Server, folders: bool| {
            Keys::read(config, folders)
                .unwrap()
                .identify(&headers("x-api-key", "0123456789abcdef"), false)
                .unwrap()
                .rights
        };
        let found = rights(&config, false);
        assert!(!found.has(Right::Exec) && !found.files && found.has(Right::Edit));
        assert!(!rights(&config, true).has(Right::Exec) && rights(&config, true).files);
        config.exec_remote = true;
        assert!(rights(&config, false).has(Right::Exec));
    }

    #[test]
    fn bad_entries_are_named_by_their_place_and_not_repeated() {
        for (entry, what) in [
            ("secretsecretsecret", "is not NAME:RIGHTS:KEY"),
            ("a b:read:secretsecretsecret", "has a name"),
            ("a:write:secretsecretsecret", "the unknown right `write`"),
            ("a:read:secret", "has 6 characters"),
        ] {
            let error = Keys::read(&config("127.0.0.1", &[entry]), false).err().unwrap();
            assert!(error.message.contains(what) && !error.message.contains("secret"), "{}", error.message);
        }
    }
}
