//! SIGHUP: the configuration is read again, and what can change while a server runs changes. It never ends a server.

use super::log;
use crate::config::{Config, KEYS, Sources};
use crate::daemon::{Daemon, Hangups};
use crate::error::Result;
use std::sync::OnceLock;

/// Settings that count from the next request or line on.
const LIVE: [&str; 9] = [
    "log.level",
    "server.api_key",
    "server.api_keys",
    "server.exec_remote",
    "server.rate_limit",
    "server.max_requests",
    "server.allowed_hosts",
    "server.allowed_origins",
    "server.trusted_proxies",
];

static SOURCES: OnceLock<Sources> = OnceLock::new();

/// Where this process reads its configuration from.
pub fn remember(sources: Sources) {
    let _ = SOURCES.set(sources);
}

/// Reads the configuration again at each SIGHUP until the server ends. `apply` gets the new one, in which `flags` has put
/// what the command line says, and tells what of it cannot be; then the old rules stay.
pub fn on_hangup(
    daemon: &Daemon,
    before: &Config,
    flags: impl Fn(&mut Config) + Send + 'static,
    apply: impl Fn(&Config) -> Result<()> + Send + 'static,
) -> Result<()> {
    let mut hangups = Hangups::new()?;
    let (shutdown, filters) = (daemon.shutdown.clone(), daemon.watch.clone());
    let mut known = before.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = hangups.next() => {}
            }
            filters.look_now();
            let sources = SOURCES.get().cloned().unwrap_or_default();
            let read = Config::load(&sources).and_then(|mut config| {
                flags(&mut config);
                apply(&config)?;
                log::set_level(&config.log.level)?;
                Ok(config)
            });
            match read {
                Ok(config) => {
                    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
                    tell(&known, &config);
                    known = config;
                }
                Err(error) => {
                    let hint = error.hint.unwrap_or_default();
                    tracing::error!(
                        reason = error.message,
                        hint,
                        "the configuration was not reloaded; the old one stays"
                    );
                }
            }
        }
    });
    Ok(())
}

fn tell(before: &Config, now: &Config) {
    let changed = KEYS.iter().filter(|key| key.get(before) != key.get(now)).map(|key| key.name);
    let (live, later): (Vec<&str>, Vec<&str>) = changed.partition(|name| LIVE.contains(name));
    tracing::info!(changed = live.join(", "), "the configuration was reloaded");
    if !later.is_empty() {
        tracing::warn!(settings = later.join(", "), "changed, and in force after a restart");
    }
}
