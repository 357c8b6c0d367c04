//! Public models that a user can add: the data in `filters/catalogue.toml`, and the manifests beside it.

use super::manifest::{self, File, Manifest};
use crate::error::{Error, Kind, Result};
use rust_embed::RustEmbed;
use serde::{Deserialize, Serialize};

#[derive(RustEmbed)]
#[folder = "filters/"]
#[include = "catalogue.toml"]
#[include = "catalogue/*.toml"]
struct Data;

/// One public model.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub id: String,
    pub purpose: String,
    /// The manifest's, where there is one.
    #[serde(default)]
    pub license: String,
    #[serde(default)]
    pub non_commercial: bool,
    /// Where it comes from, in words.
    pub source: String,
    /// Of all files together, where known.
    #[serde(default)]
    pub bytes: Option<u64>,
    #[serde(default)]
    pub sha256: Option<String>,
    /// For a model that finds a picture's subject: how well, among these; more is better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<u8>,
    /// Offered with the runtime.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recommended: bool,
    /// Whether `filters add ID` fetches it; else its file must be fetched by hand.
    #[serde(skip_deserializing)]
    pub fetched: bool,
    /// Another model's manifest, with `file` in place of its file.
    #[serde(default, skip_serializing)]
    alike: Option<String>,
    #[serde(default, skip_serializing)]
    file: Option<File>,
}

#[derive(Deserialize)]
struct List {
    model: Vec<Entry>,
}

impl Entry {
    /// Such as `28 MB`.
    pub fn shown_size(&self) -> String {
        shown_size(self.bytes)
    }
}

/// Such as `28 MB`; `?` where nobody knows.
pub fn shown_size(bytes: Option<u64>) -> String {
    match bytes {
        None => "?".into(),
        Some(bytes) if bytes < 10_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        Some(bytes) => format!("{} MB", (bytes + 500_000) / 1_000_000),
    }
}

fn text(path: &str) -> Option<String> {
    Data::get(path).map(|file| String::from_utf8_lossy(&file.data).into_owned())
}

/// All models, those that can be fetched first.
///
/// # Errors
/// `config`, which a test keeps from happening.
pub fn entries() -> Result<Vec<Entry>> {
    let text = text("catalogue.toml").unwrap_or_default();
    let list: List = toml::from_str(&text)
        .map_err(|error| Error::new(Kind::Config, format!("`catalogue.toml`: {}", error.message())))?;
    let mut entries = list.model;
    for entry in &mut entries {
        let Some(manifest) = manifest_of(entry)? else { continue };
        if entry.license.is_empty() {
            entry.license.clone_from(&manifest.license);
        }
        let sizes: Option<Vec<u64>> = manifest.file.iter().map(|file| file.bytes).collect();
        entry.bytes = entry.bytes.or(sizes.map(|sizes| sizes.iter().sum()));
        entry.sha256 = entry.sha256.take().or_else(|| manifest.file.first()?.sha256.clone());
        entry.fetched = manifest.file.iter().any(File::fetched);
    }
    entries.sort_by_key(|entry| !entry.fetched);
    Ok(entries)
}

/// The entry of this id.
///
/// # Errors
/// `not_found` with what to do.
pub fn entry(id: &str) -> Result<Entry> {
    entries()?.into_iter().find(|entry| entry.id == id).ok_or_else(|| {
        Error::new(Kind::NotFound, format!("there is no model `{id}` in the catalogue, and no such file"))
            .hint("`gimp-bridge filters catalogue` lists the models; an ONNX file can be added by its path")
    })
}

/// The entry's manifest, if the engine knows one.
///
/// # Errors
/// `config`, which a test keeps from happening.
pub fn manifest_of(entry: &Entry) -> Result<Option<Manifest>> {
    let path = format!("catalogue/{}.toml", entry.alike.as_ref().unwrap_or(&entry.id));
    let Some(text) = text(&path) else { return Ok(None) };
    let mut manifest = manifest::parse(&text, &path)?;
    if let Some(file) = &entry.file {
        manifest.id.clone_from(&entry.id);
        manifest.name.clone_from(&entry.purpose);
        manifest.file = vec![file.clone()];
        if !entry.license.is_empty() {
            manifest.license.clone_from(&entry.license);
        }
    }
    Ok(Some(manifest))
}

/// Whether an installed manifest is the catalogue's own, word for word, with every file pinned: what is then run was chosen by
/// this program, and its checksum verified.
pub fn is_own(installed: &Manifest) -> bool {
    let entry = entries().ok().and_then(|entries| entries.into_iter().find(|entry| entry.id == installed.id));
    let Some(Ok(Some(own))) = entry.as_ref().map(manifest_of) else { return false };
    let pinned = |file: &File| file.sha256.is_some() && file.data.is_some() == file.data_sha256.is_some();
    let text = |manifest: &Manifest| toml::to_string(manifest).ok();
    own.remote.is_none() && own.file.iter().all(pinned) && text(&own).is_some() && text(&own) == text(installed)
}

/// How well an installed model finds a picture's subject; `None`: it is none of the catalogue's.
pub fn subject_rank(installed: &Manifest) -> Option<u8> {
    let sum = installed.file.first()?.sha256.as_deref()?;
    let entry = entries().ok()?.into_iter().find(|entry| entry.id == installed.id)?;
    entry.subject.filter(|_| entry.sha256.is_some_and(|known| known.eq_ignore_ascii_case(sum)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_whole_and_what_is_fetched_is_pinned() {
        let entries = entries().unwrap();
        assert!(entries.len() >= 35, "{}", entries.len());
        let mut ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), entries.len());
        for entry in &entries {
            assert!(!entry.purpose.is_empty() && !entry.license.is_empty() && !entry.source.is_empty(), "{entry:?}");
            let says = entry.license.to_lowercase();
            let limited = says.contains("non-commercial") || says.contains("-nc");
            assert!(!limited || entry.non_commercial, "{} is not marked", entry.id);
            let manifest = manifest_of(entry).unwrap();
            assert_eq!(entry.alike.is_some(), entry.file.is_some());
            if let Some(manifest) = &manifest {
                assert_eq!(manifest.id, entry.id);
                // Read back as it will be written on installing.
                manifest::parse(&toml::to_string(manifest).unwrap(), &entry.id).unwrap();
            }
        }
        assert!(entries.iter().filter(|entry| entry.fetched).count() >= 16);
    }

    #[test]
    fn only_the_catalogue_s_own_word_is_trusted() {
        let own = manifest_of(&entry("u2netp").unwrap()).unwrap().unwrap();
        assert!(is_own(&own));
        let changed = |change: &dyn Fn(&mut Manifest)| {
            let mut manifest = own.clone();
            change(&mut manifest);
            is_own(&manifest)
        };
        assert!(!changed(&|manifest| manifest.file[0].sha256 = Some("0".repeat(64))));
        assert!(!changed(&|manifest| manifest.file[0].sha256 = None));
        assert!(!changed(&|manifest| manifest.file[0].path = "other.onnx".into()));
        assert!(!changed(&|manifest| manifest.size.fixed = Some([16_384, 16_384])));
        assert!(!changed(&|manifest| manifest.id = "mine".into()));
        // No checksum is published: what came is somebody's word.
        let unpinned = manifest_of(&entry("magenta-arbitrary").unwrap()).unwrap().unwrap();
        assert!(!is_own(&unpinned));
    }
}
