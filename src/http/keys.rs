//! API keys: who a caller is, and what it may do.
//!
//! Without any key only this machine is served, with all rights. Keys are compared by their hashes, all of them every
//! time, so that neither a key's letters nor its place in the list can be timed.

use crate::config;
use crate::error::{Error, Kind, Result};
use crate::ops::{Right, Rights};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// Characters; what is shorter can be guessed.
const SHORTEST_KEY: usize = 16;

/// The caller's name where no key is configured.
const LOCAL: &str = "local";

/// Who a request is from; in the request's extensions behind the guard.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The key's name: whose the sessions, uploads and jobs are.
    pub name: String,
    pub rights: Rights,
}

struct Key {
    name: String,
    rights: Rights,
    hash: [u8; 32],
}

/// The configured keys.
pub struct Keys(Vec<Key>);

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
        if keys.is_empty() && !server.host.is_loopback() {
            let message = format!("`{}` is open to other machines, and there is no API key", server.host);
            return Err(Error::new(Kind::Config, message)
                .hint("whoever reaches the port can work in GIMP: set server.api_key, or use --host 127.0.0.1"));
        }
        Ok(Keys(keys))
    }

    /// Who sends these headers; `None`: nobody that is known.
    pub fn identify(&self, headers: &HeaderMap) -> Option<Identity> {
        if self.0.is_empty() {
            return Some(Identity { name: LOCAL.into(), rights: Rights::default() });
        }
        let bearer = headers.get(AUTHORIZATION).map(|value| value.as_bytes()).and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let given = hash(bearer.or_else(|| headers.get("x-api-key").map(|value| value.as_bytes()))?);
        let mut found = u32::MAX;
        for (index, key) in self.0.iter().enumerate() {
            let same: Choice = key.hash.ct_eq(&given);
            found.conditional_assign(&(index as u32), same);
        }
        let key = self.0.get(found as usize)?;
        Some(Identity { name: key.name.clone(), rights: key.rights })
    }
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
            keys.identify(&headers(name, value)).map(|found| (found.name, found.rights.names().join("+")))
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
        assert_eq!(keys.identify(&HeaderMap::new()).map(|found| found.name), None);
    }

    #[test]
    fn without_keys_only_this_machine_is_served() {
        assert_eq!(
            Keys::read(&config("127.0.0.1", &[]), false).unwrap().identify(&HeaderMap::new()).unwrap().name,
            "local"
        );
        assert!(Keys::read(&config("0.0.0.0", &[]), false).is_err());
    }

    #[test]
    fn other_machines_run_no_python_and_name_no_files_unless_allowed() {
        let mut config = config("0.0.0.0", &["all:read+edit+exec+generate:0123456789abcdef"]);
        let rights = |config: &config::Server, folders: bool| {
            Keys::read(config, folders).unwrap().identify(&headers("x-api-key", "0123456789abcdef")).unwrap().rights
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
