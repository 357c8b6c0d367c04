//! The operation catalogue: `protocol/ops/*.json`, embedded and completed with the common parameters and fields.
//!
//! Owns what an entry may say; a key that it does not know is refused when the catalogue loads, and a test loads it.

use crate::error::{Error, Kind, Result};
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

/// Every file in `protocol/ops`: a debug build reads the folder when it starts, a release build holds the files.
#[derive(RustEmbed)]
#[folder = "protocol/ops"]
#[include = "*.json"]
struct Files;

/// The schemas that several operations use by name, beside the files of operations.
const SHARED: &str = "shared.json";

/// The longest time limit that a caller may ask for, in seconds.
pub const MAX_TIMEOUT: u32 = 3600;

/// The longest side of a `preview`, in pixels.
pub const MAX_PREVIEW: u32 = 2048;

/// Most bytes of a description that stand for a summary.
const SUMMARY: usize = 220;

/// How many names an error for an unknown one offers.
const OFFERED: usize = 5;

/// Where an operation's code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runs {
    Gimp,
    Daemon,
}

/// Who may call an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    #[default]
    Public,
    /// Only the daemon's own operations.
    Internal,
}

/// What an operation does to what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Read,
    Change,
    /// May lose what cannot be brought back.
    Destroy,
}

/// Whether an operation is about an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageUse {
    None,
    Optional,
    Required,
}

/// One entry, as `protocol/ops/README.md` describes it. After loading, `params` and `result` are the full schemas.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    pub name: String,
    pub title: String,
    /// What else people and other programs call it, for searches.
    #[serde(default)]
    pub keywords: Vec<String>,
    pub description: String,
    /// What a list of tools says; left out in an entry: see [`Operation::summary`].
    #[serde(default)]
    summary: Option<String>,
    pub runs: Runs,
    #[serde(default)]
    pub audience: Audience,
    pub access: Access,
    pub idempotent: bool,
    pub image: ImageUse,
    /// Left out in an entry: see [`Operation::takes_checkpoint`].
    pub checkpoint: Option<bool>,
    /// The group of operations it belongs to; left out in an entry: its file's.
    #[serde(default)]
    pub pack: String,
    /// Whether it is in the set of tools that a client sees unless it asks for others.
    #[serde(default)]
    pub core: bool,
    /// Its parameters that hold places in the image: `units` and `from_preview` are added.
    #[serde(default)]
    places: Vec<String>,
    /// Those that are lengths without a place, in pixels whatever `units` says: `from_preview` is added.
    #[serde(default)]
    lengths: Vec<String>,
    /// Default time limit in seconds.
    timeout: f64,
    params: Value,
    result: Value,
    pub examples: Vec<Map<String, Value>>,
    /// The parameters that the loader added.
    #[serde(skip)]
    common: Vec<String>,
}

impl Operation {
    /// The arguments' JSON Schema, common parameters included; closed.
    pub fn input_schema(&self) -> &Map<String, Value> {
        self.params.as_object().expect("the loader checks that params is an object")
    }

    /// The result's JSON Schema, common fields included; open, so that a newer plug-in may say more.
    pub fn output_schema(&self) -> &Map<String, Value> {
        self.result.as_object().expect("the loader checks that result is an object")
    }

    /// What it is for, in a sentence or two: the entry's `summary`, else the beginning of its description.
    pub fn summary(&self) -> Cow<'_, str> {
        match &self.summary {
            Some(summary) => summary.into(),
            None => super::params::beginning(&self.description, SUMMARY),
        }
    }

    /// Its parameters with their schemas, without those that the loader adds to operations.
    pub fn own_parameters(&self) -> impl Iterator<Item = (&str, &Value)> {
        let properties = self.input_schema().get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), schema))
            .filter(|(name, _)| !self.is_common(name))
    }

    /// The parameters that the loader added, with their schemas.
    pub fn common_parameters(&self) -> impl Iterator<Item = (&str, &Value)> {
        let properties = self.input_schema().get("properties").and_then(Value::as_object);
        properties
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.as_str(), schema))
            .filter(|(name, _)| self.is_common(name))
    }

    /// Its result's fields with their schemas, without those that the loader adds.
    pub fn own_fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        let common = common_fields(self);
        let properties = self.output_schema().get("properties").and_then(Value::as_object);
        let fields = properties.into_iter().flatten().map(|(name, schema)| (name.as_str(), schema));
        fields.filter(move |(name, _)| !common.contains_key(*name))
    }

    /// Whether a parameter is one that the loader adds to operations.
    pub fn is_common(&self, parameter: &str) -> bool {
        self.common.iter().any(|name| name == parameter)
    }

    /// Whether an answer may carry a picture for the client to see.
    pub fn shows(&self) -> bool {
        self.parameter_names().any(|name| ["preview", "max_bytes"].contains(&name))
    }

    /// How long a call runs at most unless the caller says otherwise.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }

    /// Whether a call may change something in GIMP or on disk.
    pub fn changes(&self) -> bool {
        self.access != Access::Read
    }

    /// Whether the dispatcher takes a checkpoint and proves the effect.
    pub fn takes_checkpoint(&self) -> bool {
        self.checkpoint.unwrap_or(self.changes() && self.image == ImageUse::Required)
    }

    /// Whether the common parameter `verify` belongs to it: there is a state before to compare with.
    fn compares(&self) -> bool {
        self.changes() && self.image != ImageUse::None
    }

    /// The parameters' names, those of the entry first.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.params["properties"].as_object().into_iter().flat_map(|properties| properties.keys().map(String::as_str))
    }

    fn complete(mut self, pack: &str, shared: &Map<String, Value>) -> Result<Operation, String> {
        if self.pack.is_empty() {
            self.pack = pack.to_owned();
        }
        for schema in [&mut self.params, &mut self.result] {
            expand(schema, shared).map_err(|unknown| format!("`{}` uses the unknown schema `{unknown}`", self.name))?;
        }
        if self.params["type"] != "object" || self.result["type"] != "object" {
            return Err(format!("`{}`: params and result must have type object", self.name));
        }
        let own = &self.params["properties"];
        if let Some(name) = self.places.iter().chain(&self.lengths).find(|name| own[name.as_str()].is_null()) {
            return Err(format!("`{}` has no parameter `{name}` to be a place or length", self.name));
        }
        let common = common_parameters(&self);
        let properties = section(&mut self.params, "properties");
        for (name, schema) in common {
            if properties.insert(name.clone(), schema).is_some() {
                return Err(format!("`{}` declares the common parameter `{name}`", self.name));
            }
            self.common.push(name);
        }
        self.params["additionalProperties"] = Value::Bool(false);
        let common = common_fields(&self);
        let properties = section(&mut self.result, "properties");
        for (name, schema) in common {
            // An entry may describe a common field more closely.
            properties.entry(name).or_insert(schema);
        }
        Ok(self)
    }
}

/// Puts a shared schema in the place of each `{"use": NAME, …}`; the keys beside `use` win. The error is the name.
fn expand(schema: &mut Value, shared: &Map<String, Value>) -> Result<(), String> {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get("use") {
                let mut merged = shared.get(name).and_then(Value::as_object).ok_or_else(|| name.clone())?.clone();
                members.remove("use");
                merged.append(members);
                *members = merged;
            }
            members.values_mut().try_for_each(|member| expand(member, shared))
        }
        Value::Array(items) => items.iter_mut().try_for_each(|item| expand(item, shared)),
        _ => Ok(()),
    }
}

fn section<'a>(schema: &'a mut Value, key: &str) -> &'a mut Map<String, Value> {
    let schema = schema.as_object_mut().expect("checked by the caller");
    let section = schema.entry(key).or_insert_with(|| json!({}));
    if !section.is_object() {
        *section = json!({});
    }
    section.as_object_mut().expect("made an object above")
}

fn common_parameters(operation: &Operation) -> Map<String, Value> {
    let mut common = Map::new();
    if operation.image != ImageUse::None {
        common.insert(
            "image".into(),
            json!({"type": "integer", "minimum": 1, "description": "The image's id, from list_images. Left out: the image that this client last changed, opened or chose, else the only open one"}),
        );
    }
    if !operation.places.is_empty() {
        let places = operation.places.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let mut meaning = format!(
            "What {places} count in: the image's pixels, pixels from the layer's corner, or 0 to 1 of the image"
        );
        if !operation.lengths.is_empty() {
            meaning.push_str("; lengths stay in pixels");
        }
        common.insert(
            "units".into(),
            json!({"enum": ["pixels", "layer", "relative"], "default": "pixels", "description": meaning}),
        );
    }
    if !operation.places.is_empty() || !operation.lengths.is_empty() {
        common.insert(
            "from_preview".into(),
            json!({"type": "object", "description": "The `scale_map` of a picture: places and lengths are then that picture's pixels"}),
        );
    }
    if operation.changes() {
        common.insert(
            "preview".into(),
            json!({"type": "integer", "minimum": 16, "maximum": MAX_PREVIEW, "description": "Also return a picture of the result, its longest side at most this many pixels"}),
        );
        // Of a file that it writes, where an entry has one of that name.
        if operation.parameter_names().all(|name| name != "max_bytes") {
            common.insert(
                "max_bytes".into(),
                json!({"type": "integer", "minimum": 0, "maximum": 1 << 30, "description": "Greatest size of the pictures in the answer, together, in bytes; 0: no bound. Left out: `pictures.max_kb` of the configuration"}),
            );
        }
    }
    if operation.compares() {
        common.insert(
            "verify".into(),
            json!({"enum": ["auto", "full"], "default": "auto", "description": "How `effect` is proved above 24 megapixels: from a reduced level, or in full"}),
        );
    }
    common.insert(
        "timeout".into(),
        json!({"type": "number", "minimum": 0.1, "maximum": MAX_TIMEOUT, "description": format!("Time limit in seconds; {} if left out", operation.timeout)}),
    );
    common.insert(
        "instance".into(),
        json!({"type": "string", "minLength": 1, "maxLength": 64, "description": "The GIMP to use, an id from list_instances. Left out: the chosen one, else the only one"}),
    );
    common
}

fn common_fields(operation: &Operation) -> Map<String, Value> {
    let mut common = Map::new();
    if operation.runs == Runs::Gimp || operation.image != ImageUse::None {
        common.insert(
            "image".into(),
            json!({"type": ["integer", "null"], "description": "The id of the image acted on"}),
        );
    }
    if operation.changes() {
        common.insert("message".into(), json!({"type": "string", "description": "What was done, in words"}));
        common.insert(
            "effect".into(),
            json!({"type": ["object", "null"], "description": "What really changed in the image: changed, region {x, y, width, height} or null, layers_added, layers_removed, …"}),
        );
        common.insert(
            "effects".into(),
            json!({"type": "array", "items": {"type": "object"}, "description": "The same for each image, where a call touched several"}),
        );
        common.insert(
            "next_image".into(),
            json!({"type": "integer", "description": "The image that holds the result, where it is not `image`: calls without `image` go on with it, and `preview` shows it"}),
        );
        common.insert(
            "preview".into(),
            json!({"type": "object", "description": "The picture that `preview` asked for: image, name, format, quality, width, height, original_width, original_height, bytes, scale_map, note"}),
        );
        common.insert(
            "preview_error".into(),
            json!({"type": "object", "description": "Why there is no preview, although the change was made: kind, message, hint"}),
        );
    }
    common
}

/// All operations, in the order of the files.
pub struct Catalogue {
    operations: Vec<Operation>,
}

impl Catalogue {
    /// The embedded catalogue.
    pub fn get() -> &'static Catalogue {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
            // The files are part of the binary and a test loads them, so this cannot fail in a released one.
            let files: Vec<(String, String)> = Files::iter()
                .filter_map(|name| {
                    let text = String::from_utf8(Files::get(&name)?.data.into_owned()).unwrap_or_default();
                    Some((name.into_owned(), text))
                })
                .collect();
            let files = files.iter().map(|(name, text)| (name.as_str(), text.as_str()));
            Catalogue::load(files).unwrap_or_else(|error| panic!("the operation catalogue is broken: {error}"))
        });
        &CATALOGUE
    }

    /// Reads `(file name, JSON text)` pairs; the error names the file and the entry.
    pub fn load<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Catalogue, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            pack: String,
            operations: Vec<Operation>,
        }
        let (shared, files): (Vec<_>, Vec<_>) = files.into_iter().partition(|(name, _)| *name == SHARED);
        let shared: Map<String, Value> = match shared.first() {
            Some((name, text)) => serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?,
            None => Map::new(),
        };
        let mut operations: Vec<Operation> = Vec::new();
        for (name, text) in files {
            let file: File = serde_json::from_str(text).map_err(|error| format!("{name}: {error}"))?;
            for operation in file.operations {
                if operations.iter().any(|known| known.name == operation.name) {
                    return Err(format!("{name}: `{}` is declared twice", operation.name));
                }
                let complete = operation.complete(&file.pack, &shared);
                operations.push(complete.map_err(|error| format!("{name}: {error}"))?);
            }
        }
        Ok(Catalogue { operations })
    }

    /// All operations, internal ones included.
    pub fn all(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter()
    }

    /// The operations that clients may call.
    pub fn public(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.audience == Audience::Public)
    }

    /// Any operation by name.
    pub fn find(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// The public operation of that name, or an error that names the nearest ones and how to find others.
    pub fn find_public(&self, name: &str) -> Result<&Operation> {
        self.public().find(|operation| operation.name == name).ok_or_else(|| {
            let mut message = format!("no operation `{}`", super::params::shorten(name));
            let names = self.public().map(|operation| operation.name.as_str());
            if let Some(nearest) = super::params::nearest(name, names) {
                message.push_str(&format!("; did you mean `{nearest}`?"));
            }
            let near: Vec<&str> = self.near(name).into_iter().map(|operation| operation.name.as_str()).collect();
            let hint = match near.as_slice() {
                [] => "search_operations finds operations by what they do".to_owned(),
                near => format!("near are {}; search_operations finds operations by what they do", near.join(", ")),
            };
            Error::new(Kind::UnknownOperation, message).hint(hint).detail("operations", near)
        })
    }

    /// The operations that a wrong name may mean: alike in letters, then alike in meaning.
    fn near(&self, name: &str) -> Vec<&Operation> {
        let mut names: Vec<&str> = self.public().map(|operation| operation.name.as_str()).collect();
        let mut near: Vec<&Operation> = Vec::new();
        while let Some(nearest) = super::params::nearest(name, names.iter().copied()).filter(|_| near.len() < OFFERED) {
            names.retain(|name| *name != nearest);
            near.extend(self.find(nearest));
        }
        let query: String = name.chars().take(100).collect();
        for found in super::search::search(&query) {
            if near.len() < OFFERED && near.iter().all(|operation| operation.name != found.name) {
                near.push(found);
            }
        }
        near
    }

    /// The packs with how many public operations each has, in the order of the catalogue.
    pub fn packs(&self) -> Vec<(&str, usize)> {
        let mut packs: Vec<(&str, usize)> = Vec::new();
        for operation in self.public() {
            match packs.iter_mut().find(|(name, _)| *name == operation.pack) {
                Some((_, count)) => *count += 1,
                None => packs.push((&operation.pack, 1)),
            }
        }
        packs
    }
}
