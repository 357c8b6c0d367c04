//! Reads the sources in order and lays them over the defaults. Refuses the first unknown key or bad value it meets,
//! naming place, value, what is allowed, and the nearest known key.

use super::foreign;
use super::value::Value;
use super::{Config, KEYS, Key, OTHER_NAMES, Origin};
use crate::error::{Error, Kind, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

const PREFIX: &str = "GIMP_BRIDGE_";
const FILE: &str = "gimp-bridge.toml";

/// A setting given on the command line: flag, key, value.
pub type Flag = (&'static str, &'static str, String);

/// All that a configuration is read from; an argument, so that tests need no global state.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Named by `--config`; replaces the user's and the working folder's file.
    pub file: Option<PathBuf>,
    /// The user's configuration folder for this program.
    pub user_folder: Option<PathBuf>,
    /// Where `gimp-bridge.toml` and `.env` are looked for.
    pub working_folder: PathBuf,
    pub environment: BTreeMap<String, String>,
    /// Whether names without our prefix count, such as `PORT`. They belong to whoever sets them: `serve` and `generate`
    /// alone read them, and `config` and `doctor`, which tell what these would do.
    pub shared_names: bool,
    pub flags: Vec<Flag>,
}

impl Sources {
    /// This process's folders and environment.
    pub fn of_process(file: Option<PathBuf>, shared_names: bool, flags: Vec<Flag>) -> Sources {
        Sources {
            file,
            user_folder: dirs::config_dir().map(|folder| folder.join("gimp-bridge")),
            working_folder: std::env::current_dir().unwrap_or_default(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    let name = name.into_string().ok().filter(|name| is_ours(name))?;
                    Some((name, value.to_string_lossy().into_owned()))
                })
                .collect(),
            shared_names,
            flags,
        }
    }
}

impl Config {
    /// The effective configuration. Errors are of kind `config`.
    pub fn load(sources: &Sources) -> Result<Config> {
        let mut config = Config::default();
        let named = sources.environment.get("GIMP_BRIDGE_CONFIG").filter(|path| !path.is_empty());
        if let Some(file) = sources.file.clone().or_else(|| named.map(PathBuf::from)) {
            let hint = "give a file that exists with --config or GIMP_BRIDGE_CONFIG";
            let text = read(&file)?.ok_or_else(|| bad(format!("no configuration file `{}`", file.display()), hint))?;
            config.apply_toml(&file, &text, false)?;
        } else {
            let user = sources.user_folder.as_ref().map(|folder| folder.join(FILE));
            let local = sources.working_folder.join(FILE);
            for (file, guard) in user.into_iter().map(|file| (file, false)).chain([(local, true)]) {
                if let Some(text) = read(&file)? {
                    config.apply_toml(&file, &text, guard)?;
                }
            }
        }
        config.apply_dotenv(&sources.working_folder.join(".env"), sources.shared_names)?;
        let environment = sources.environment.iter();
        let named = environment.map(|(name, value)| (name.clone(), value.clone(), Origin::Environment(name.clone())));
        config.apply_names(named, sources.shared_names)?;
        for (flag, name, text) in &sources.flags {
            let key = KEYS.iter().find(|key| key.name == *name).expect("a flag names a key of the table");
            config.apply_text(key, text, Origin::Flag(flag))?;
        }
        config.bind_exec();
        Ok(config)
    }

    /// Python knows no folders: whoever sets them means to limit what clients reach, so that code is off unless the
    /// same place says otherwise.
    fn bind_exec(&mut self) {
        let (folders, exec) = (self.origin("plugin.folders"), self.origin("plugin.exec"));
        if self.plugin.folders.is_some() && self.plugin.exec && !folders.same_place(&exec) {
            self.plugin.exec = false;
            self.origins.insert("plugin.exec", Origin::Because("plugin.folders", Box::new(folders)));
        }
    }

    /// Where the value of this key came from.
    pub fn origin(&self, name: &str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default)
    }

    fn apply(&mut self, key: &'static Key, value: Value, origin: Origin) {
        key.set(self, value);
        self.origins.insert(key.name, origin);
    }

    fn apply_text(&mut self, key: &'static Key, text: &str, origin: Origin) -> Result<()> {
        let value = key.kind.from_text(text).ok_or_else(|| bad_value(key, text, &origin))?;
        self.apply(key, value, origin);
        Ok(())
    }

    /// Variables of one source. The derived name of a key wins over its aliases, which may belong to others.
    fn apply_names(&mut self, names: impl Iterator<Item = (String, String, Origin)>, shared: bool) -> Result<()> {
        let mut given: BTreeMap<String, (String, Origin)> = BTreeMap::new();
        for (name, value, origin) in names {
            if foreign::is_of_a_service(&name, &value) || value.trim().is_empty() && is_known(&name) {
                continue;
            }
            if !is_known(&name) {
                return Err(unknown_name(&name, &origin));
            }
            given.insert(name, (value, origin));
        }
        for key in KEYS {
            for name in key.env_names() {
                let Some((text, origin)) = given.get(&name) else { continue };
                if !is_shared(&name) {
                    self.apply_text(key, text, origin.clone())?;
                    break;
                }
                // Somebody else's variable stops nothing, and the next name may be meant for us.
                if shared {
                    match self.apply_text(key, text, origin.clone()) {
                        Ok(()) => break,
                        Err(error) => self.warn(&error),
                    }
                }
            }
        }
        Ok(())
    }

    /// Something that is not meant for us was left out.
    fn warn(&mut self, why: &Error) {
        let hint = why.hint.as_deref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        self.warnings.push(format!("{}{hint}; it is left alone", why.message));
    }

    /// Only lines that set one of our names are parsed: the file may belong to another program.
    fn apply_dotenv(&mut self, file: &Path, shared: bool) -> Result<()> {
        let text = match std::fs::read(file) {
            // Another program's file may hold any bytes: only lines with our names matter.
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // A folder of that name is Python's doing, as likely as not.
            Err(_) if !file.is_file() => return Ok(()),
            Err(error) => {
                self.warn(&bad(format!("cannot read `{}`: {error}", file.display()), "mend its permissions"));
                return Ok(());
            }
        };
        let mut names = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let name = line.trim_start().trim_start_matches("export ").split('=').next().unwrap_or("").trim();
            if !is_ours(name) || (is_shared(name) && !shared) {
                continue;
            }
            let origin = Origin::File(file.to_owned(), index + 1);
            let Some(Ok((name, value))) = dotenvy::from_read_iter(line.as_bytes()).next() else {
                let error = bad(format!("{origin}: the line is not `NAME=VALUE`"), "quote a value that has spaces");
                if is_shared(name) {
                    self.warn(&error);
                    continue;
                }
                return Err(error);
            };
            let key = KEYS.iter().find(|key| key.guarded && key.env_names().any(|known| known == name));
            match key {
                // An application's own settings, as likely as not.
                Some(key) if !name.starts_with(PREFIX) => self.warn(&guarded(key, &origin)),
                Some(key) if !value.is_empty() && !foreign::is_of_a_service(&name, &value) => {
                    return Err(guarded(key, &origin));
                }
                _ => names.push((name, value, origin)),
            }
        }
        self.apply_names(names.into_iter(), shared)
    }

    fn apply_toml(&mut self, file: &Path, text: &str, guard: bool) -> Result<()> {
        let line_at = |offset: usize| text[..offset.min(text.len())].matches('\n').count() + 1;
        let place = |offset| Origin::File(file.to_owned(), line_at(offset));
        let root = DeTable::parse(text).map_err(|error| {
            let place = place(error.span().map_or(0, |span| span.start));
            bad(format!("{place}: {}", error.message().trim_end_matches('.')), "mend the TOML syntax on that line")
        })?;
        for (name, value, offset) in leaves(root.get_ref(), "") {
            let origin = place(offset);
            let Some(key) = KEYS.iter().find(|key| key.name == name) else {
                let hint = match nearest(&name, KEYS.iter().map(|key| key.name.to_owned())) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "docs/configuration.md lists the keys".into(),
                };
                return Err(bad(format!("{origin}: unknown key `{name}`"), hint));
            };
            if guard && key.guarded {
                return Err(guarded(key, &origin));
            }
            let line = text.lines().nth(line_at(offset) - 1).unwrap_or("");
            let shown = line.split_once('=').map_or(line, |(_, value)| value).trim();
            let mut value = key.kind.from_toml(value).ok_or_else(|| bad_value(key, shown, &origin))?;
            if let (super::Type::Path, Value::Text(path)) = (key.kind, &mut value) {
                *path = file.parent().unwrap_or(Path::new("")).join(&path).to_string_lossy().into_owned();
            }
            self.apply(key, value, origin);
        }
        Ok(())
    }
}

/// Every value that is no table, under its dotted name, with the byte offset of its key.
fn leaves<'t, 'i>(table: &'t DeTable<'i>, path: &str) -> Vec<(String, &'t DeValue<'i>, usize)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let name = if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        match value.get_ref() {
            // Settings have two levels; a deeper table is an unknown key, not a reason to look further.
            DeValue::Table(inner) if path.is_empty() => found.extend(leaves(inner, &name)),
            value => found.push((name, value, key.span().start)),
        }
    }
    found.sort_by_key(|(_, _, offset)| *offset);
    found
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX) || KEYS.iter().any(|key| key.aliases.contains(&name))
}

/// A name that other programs use too.
fn is_shared(name: &str) -> bool {
    // ONNX Runtime's own, which means the same to everybody.
    !name.starts_with(PREFIX) && name != "ORT_DYLIB_PATH"
}

fn is_known(name: &str) -> bool {
    KEYS.iter().any(|key| key.env_names().any(|known| known == name))
        || OTHER_NAMES.iter().any(|(known, _)| match known.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => *known == name,
        })
}

fn read(file: &Path) -> Result<Option<String>> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes)
                .map_err(|_| bad(format!("`{}` is not UTF-8 text", file.display()), "save it as UTF-8"))?;
            Ok(Some(text))
        }
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(bad(format!("cannot read `{}`: {error}", file.display()), "mend its permissions")),
    }
}

fn bad(message: String, hint: impl Into<String>) -> Error {
    Error::new(Kind::Config, message).hint(hint)
}

fn bad_value(key: &Key, value: &str, origin: &Origin) -> Error {
    let value = if key.secret { "********" } else { value };
    let mut error = bad(
        format!("{origin}: `{value}` is not allowed for `{}`", key.name),
        format!("allowed: {}", key.kind.expected()),
    );
    // Shells and hosting platforms set such names for their own purposes.
    if let Origin::Environment(name) = origin
        && is_shared(name)
        && let Some(hint) = &mut error.hint
    {
        *hint += &format!("; {} wins over {name}", key.env_name());
    }
    error
}

fn guarded(key: &Key, origin: &Origin) -> Error {
    bad(
        format!("{origin}: `{}` is not taken from the working folder", key.name),
        format!("set it in your own configuration folder or as {}, or name this file with --config", key.env_name()),
    )
}

fn unknown_name(name: &str, origin: &Origin) -> Error {
    let message = match origin {
        Origin::File(..) => format!("{origin}: unknown variable `{name}`"),
        _ => format!("unknown environment variable `{name}`"),
    };
    let known = KEYS.iter().flat_map(Key::env_names).chain(OTHER_NAMES.iter().map(|(name, _)| name.to_string()));
    match nearest(name, known) {
        Some(known) => bad(message, format!("did you mean `{known}`?")),
        None => bad(message, "docs/configuration.md lists the variables; names that begin with GIMP_BRIDGE_ are ours"),
    }
}

/// The closest name, if it is close enough to be a slip.
fn nearest(name: &str, known: impl Iterator<Item = String>) -> Option<String> {
    let score = |known: &str| {
        // A key given without its table, or under another one, is as near as its last part.
        let tail = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
        strsim::jaro_winkler(name, known).max(0.99 * strsim::jaro_winkler(&tail(name), &tail(known)))
    };
    known
        .map(|known| (score(&known), known))
        .filter(|(score, _)| *score > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
