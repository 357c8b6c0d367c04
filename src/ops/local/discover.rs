//! search_operations: the catalogue for those who see only a part of it as tools.

use super::super::call::Call;
use super::super::catalogue::{Catalogue, Operation};
use super::super::search::{self, Found, Hit};
use super::super::{Outcome, params};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value, json};

/// Most bytes of a filter's summary.
const SUMMARY: usize = 220;

pub async fn search_operations(mut call: Call<'_>) -> Result<Outcome> {
    let query = call.take_text("query").unwrap_or_default();
    let pack = call.take_text("pack");
    let packs = Catalogue::get().packs();
    if let Some(unknown) = pack.as_deref().filter(|pack| packs.iter().all(|(name, _)| name != pack)) {
        return Err(unknown_pack(unknown));
    }
    let number = |name| call.number(name).unwrap_or_default() as usize;
    let (limit, offset) = (number("limit"), number("offset"));
    let found = search::find(&query, pack.as_deref(), call.ops.filters().list());
    let rows: Vec<Value> = found.hits.iter().skip(offset).take(limit).map(row).collect();
    let mut result = Map::new();
    result.insert("total".into(), found.hits.len().into());
    if offset + rows.len() < found.hits.len() && !rows.is_empty() {
        result.insert("next_offset".into(), (offset + rows.len()).into());
    }
    if let Some(note) = note(&found) {
        result.insert("note".into(), note.into());
    }
    if query.trim().is_empty() && pack.is_none() || found.hits.is_empty() {
        result.insert("packs".into(), packs.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect());
    }
    result.insert("operations".into(), rows.into());
    Ok(Outcome { result, ..Outcome::default() })
}

fn note(found: &Found) -> Option<String> {
    if found.hits.is_empty() {
        return Some("nothing matches: try other words, or an empty query with a pack".into());
    }
    let unknown = found.unknown.iter().take(8).map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    (!found.fits).then(|| {
        format!(
            "no operation is known to do that (nothing says {unknown} of the first); these are the nearest, and call_api \
             reaches everything else that GIMP can do"
        )
    })
}

fn row(hit: &Hit) -> Value {
    let mut row = json!({"name": hit.operation(), "pack": hit.pack()});
    match hit {
        Hit::Operation(operation) => {
            row["summary"] = operation.summary().into();
            row["parameters"] = signature(operation).into();
        }
        Hit::Filter(about) => {
            row["arguments"] = json!({"filter": about.name});
            row["summary"] = params::beginning(&about.help, SUMMARY).into();
            let own = about.params.iter().map(|param| format!("{}={}", param.name, json!(param.default)));
            row["parameters"] = own.collect::<Vec<_>>().join(", ").into();
        }
        Hit::Gegl(name) => {
            row["arguments"] = json!({"operation": name});
            row["summary"] = "A filter of GEGL's; describe_gegl_operation tells its properties".into();
        }
    }
    row
}

/// An operation's own parameters in one line: `*` marks what is required, `=` tells the default.
fn signature(operation: &Operation) -> String {
    let required: Vec<&str> = operation
        .input_schema()
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let parameters = operation.own_parameters().map(|(name, schema)| match schema.get("default") {
        _ if required.contains(&name) => format!("{name}*"),
        Some(default @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => format!("{name}={default}"),
        _ => name.to_owned(),
    });
    parameters.collect::<Vec<_>>().join(", ")
}

/// The error for a pack that there is not.
pub fn unknown_pack(name: &str) -> Error {
    let packs: Vec<&str> = Catalogue::get().packs().iter().map(|(name, _)| *name).collect();
    Error::new(Kind::NotFound, format!("no pack `{}`", super::super::params::shorten(name)))
        .hint(format!("the packs are {}", packs.join(", ")))
        .detail("packs", packs)
}
