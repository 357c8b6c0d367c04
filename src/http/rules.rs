//! What the configuration says of callers: keys, Host and Origin, proxies, limits. All of it can change while the
//! daemon runs.

use super::keys::Keys;
use crate::config::{Config, Host, Network, Server};
use crate::error::Result;
use std::sync::{Arc, PoisonError, RwLock};

/// One reading of the configuration.
pub struct Rules {
    pub(super) keys: Keys,
    /// Host header values beside the loopback names and addresses.
    pub(super) hosts: Vec<String>,
    /// Origin header values beside loopback origins.
    pub(super) origins: Vec<String>,
    pub(super) proxies: Vec<Network>,
    /// Requests a second for each client.
    pub(super) rate: Option<f64>,
    /// Requests at once.
    pub(super) at_once: usize,
    /// Under which address clients reach this daemon, if that is configured.
    pub(super) public_url: Option<String>,
    /// Whether a generated image's address is enough to get it.
    pub(super) images_public: bool,
}

impl Rules {
    /// # Errors
    /// Those of [`Keys::read`].
    fn read(server: &Server, images_public: bool, folders_set: bool) -> Result<Rules> {
        let keys = Keys::read(server, folders_set)?;
        if !keys.are_set() && !server.trusted_proxies.is_empty() {
            tracing::warn!(
                "there is no API key: whoever server.trusted_proxies let in can work in GIMP; set server.api_key unless \
                 these proxies ask who comes"
            );
        }
        let lower = |list: &[String]| list.iter().map(|item| item.trim_end_matches('/').to_ascii_lowercase()).collect();
        Ok(Rules {
            keys,
            hosts: lower(&server.allowed_hosts),
            origins: lower(&server.allowed_origins),
            proxies: server.trusted_proxies.clone(),
            rate: server.rate_limit.map(|rate| rate as f64),
            at_once: server.max_requests,
            public_url: server.public_url.clone(),
            images_public,
        })
    }
}

/// The rules that count now; cheap to clone.
#[derive(Clone)]
pub struct Live {
    rules: Arc<RwLock<Arc<Rules>>>,
    /// Where the daemon listens and whether files are bounded: as it was begun, whatever the configuration says since.
    host: Host,
    folders_set: bool,
}

impl Live {
    /// # Errors
    /// Those of `Rules::read`.
    pub fn new(config: &Config) -> Result<Live> {
        let (host, folders_set) = (config.server.host, config.plugin.folders.is_some());
        let rules = Arc::new(RwLock::new(Arc::new(Rules::read(&config.server, config.images.public, folders_set)?)));
        Ok(Live { rules, host, folders_set })
    }

    /// Requests from now on follow `config`. What it cannot be is refused, and the old rules stay.
    ///
    /// # Errors
    /// Those of `Rules::read`.
    pub fn replace(&self, config: &Config) -> Result<()> {
        let server = Server { host: self.host, ..config.server.clone() };
        let rules = Arc::new(Rules::read(&server, config.images.public, self.folders_set)?);
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = rules;
        Ok(())
    }

    pub(super) fn get(&self) -> Arc<Rules> {
        self.rules.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_opens_no_address_that_is_listened_to() {
        let mut config = Config::default();
        config.server.host = "0.0.0.0".parse().unwrap();
        config.server.api_key = Some("0123456789abcdef".into());
        let live = Live::new(&config).unwrap();
        // For 127.0.0.1 no key is needed, but that is not where it listens until it is started again.
        let mut edited = Config::default();
        assert!(live.replace(&edited).is_err() && live.get().keys.are_set());
        edited.server.api_key = Some("fedcba9876543210".into());
        edited.plugin.folders = Some(vec!["/srv".into()]);
        live.replace(&edited).unwrap();
        let headers =
            axum::http::HeaderMap::from_iter([("x-api-key".parse().unwrap(), "fedcba9876543210".parse().unwrap())]);
        let rights = live.get().keys.identify(&headers, false).unwrap().rights;
        assert!(!rights.has(crate::ops::Right::Exec) && !rights.files);
    }
}
