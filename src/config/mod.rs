//! One struct; defaults < user's `gimp-bridge.toml` < `./gimp-bridge.toml` < `./.env` < environment < flags.
//!
//! `settings.rs` declares every setting once; the structs, loading, `gimp-bridge config` and `docs/configuration.md`
//! derive from it. Refuses: unknown keys, bad values, and from the working folder, which may be a stranger's repository,
//! all but the settings that the table allows it.

mod bindings;
mod choices;
mod field;
mod foreign;
mod key;
mod load;
mod network;
mod place;
pub mod private;
mod reference;
mod settings;
mod value;

pub use bindings::Binding;
pub use choices::{GimpMode, Provider, Rotate, StorageBackend};
pub use key::Key;
pub use load::{Flag, Sources};
pub use network::{Host, Network};
pub use place::Origin;
pub use reference::markdown;
pub use settings::{
    Assistant, Filters, Generate, Gimp, Images, KEYS, Kserve, Log, OTHER_NAMES, Pictures, Plugin, Server, Service,
    Sessions, Storage,
};
pub use value::{Type, Value};

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The effective configuration.
#[derive(Clone, Default)]
pub struct Config {
    pub server: Server,
    pub sessions: Sessions,
    pub gimp: Gimp,
    pub plugin: Plugin,
    pub log: Log,
    pub service: Service,
    pub storage: Storage,
    pub kserve: Kserve,
    pub generate: Generate,
    pub images: Images,
    pub pictures: Pictures,
    pub filters: Filters,
    pub assistant: Assistant,
    /// Where each key's value came from; a key that is not in it has its default.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What was left out because it is not meant for us, as whole sentences.
    pub warnings: Vec<String>,
    /// The program that runs models which a user added, instead of this one; for tests, which are another program.
    pub worker: Option<PathBuf>,
}

/// Prints keys with secrets masked, as each section does, so that a logged configuration tells nobody anything.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fmt_section("", f)
    }
}

impl Config {
    fn fmt_section(&self, prefix: &str, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = KEYS.iter().filter(|key| key.name.starts_with(prefix));
        f.debug_map().entries(keys.map(|key| (key.name, key.shown(self)))).finish()
    }
}

impl Filters {
    /// Threads that compute: one processor stays free for GIMP.
    pub fn threads_or_default(&self) -> usize {
        let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        if self.threads == 0 { (all - 1).max(1) } else { self.threads }
    }
}
