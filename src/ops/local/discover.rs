//! search_operations and describe_operation: the catalogue for those who see only a part of it as tools.

use super::super::call::Call;
use super::super::catalogue::{Access, Catalogue};
use super::super::{Outcome, search};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value, json};

pub async fn search_operations(mut call: Call<'_>) -> Result<Outcome> {
    let query = call.take_text("query").unwrap_or_default();
    let pack = call.take_text("pack");
    let packs = Catalogue::get().packs();
    if let Some(unknown) = pack.as_deref().filter(|pack| packs.iter().all(|(name, _)| name != pack)) {
        return Err(unknown_pack(unknown));
    }
    let number = |name| call.number(name).unwrap_or_default() as usize;
    let (limit, offset) = (number("limit"), number("offset"));
    let found = search::search(&query, pack.as_deref());
    let page = found.iter().skip(offset).take(limit);
    let rows: Vec<Value> = page
        .map(|operation| json!({"name": operation.name, "summary": operation.summary(), "pack": operation.pack}))
        .collect();
    let mut result = Map::new();
    result.insert("total".into(), found.len().into());
    if offset + rows.len() < found.len() && !rows.is_empty() {
        result.insert("next_offset".into(), (offset + rows.len()).into());
    }
    if found.is_empty() {
        result.insert("note".into(), "nothing matches: try other words, or an empty query with a pack".into());
    }
    if query.trim().is_empty() && pack.is_none() || found.is_empty() {
        result.insert("packs".into(), packs.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect());
    }
    result.insert("operations".into(), rows.into());
    Ok(Outcome { result, ..Outcome::default() })
}

/// The error for a pack that there is not.
pub fn unknown_pack(name: &str) -> Error {
    let packs: Vec<&str> = Catalogue::get().packs().iter().map(|(name, _)| *name).collect();
    Error::new(Kind::NotFound, format!("no pack `{}`", super::super::params::shorten(name)))
        .hint(format!("the packs are {}", packs.join(", ")))
        .detail("packs", packs)
}

pub async fn describe_operation(mut call: Call<'_>) -> Result<Outcome> {
    let name = call.take_text("name").unwrap_or_default();
    let operation = Catalogue::get().find_public(&name)?;
    let access = match operation.access {
        Access::Read => "read",
        Access::Change => "change",
        Access::Destroy => "destroy",
    };
    let Value::Object(result) = json!({
        "name": operation.name, "title": operation.title, "description": operation.description,
        "pack": operation.pack, "access": access, "undoable": operation.takes_checkpoint(),
        "time_limit": operation.timeout().as_secs_f64(),
        "parameters": operation.input_schema(), "result": operation.output_schema(), "examples": operation.examples,
    }) else {
        return Err(Error::internal("an object was expected"));
    };
    Ok(Outcome { result, ..Outcome::default() })
}
