//! Which operations a client sees as tools, and the short form in which it sees them.
//!
//! A model carries the list with it all the time, so it costs on every turn: the default set stays under
//! [`DEFAULT_SET_BYTES`]. What a listed schema leaves out (limits of texts, the result's fields, the rest of long
//! descriptions) describe_operation tells, and the check of each call knows anyway. Every operation can be called by
//! its name, listed or not.

use crate::error::{Error, Kind, Result};
use crate::ops::catalogue::{Access, Catalogue, Operation, beginning};
use crate::ops::params::nearest;
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The bound on the default set, as JSON; a test holds the catalogue's `core` entries to it.
pub const DEFAULT_SET_BYTES: usize = 24_000;

/// What a client sees unless it asks for others.
pub const DEFAULT: &str = "core";

/// Most bytes of a parameter's description.
const PARAMETER: usize = 90;

/// Limits above this are GIMP's own, which no call comes near: they are not listed.
const FAR: f64 = 65_536.0;

/// Parameters that nearly every operation has and few calls need: the server's instructions tell of them, every call
/// takes them (listed schemas are open), and only run_operation lists them.
const UNLISTED: [&str; 3] = ["verify", "timeout", "instance"];

/// How everything else is reached; part of every set.
const ALWAYS: [&str; 3] = ["search_operations", "describe_operation", "run_operation"];

/// All operations as tools, made once.
pub struct Tools {
    all: Vec<Tool>,
    by_name: HashMap<String, usize>,
}

/// The operations that one client or daemon has chosen to see, in the catalogue's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set(Vec<usize>);

impl Tools {
    pub fn new(catalogue: &Catalogue) -> Tools {
        let all: Vec<Tool> = catalogue.public().map(tool).collect();
        let by_name = all.iter().enumerate().map(|(at, tool)| (tool.name.to_string(), at)).collect();
        Tools { all, by_name }
    }

    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|at| &self.all[*at])
    }

    pub fn listed(&self, set: &Set) -> Vec<Tool> {
        set.0.iter().filter_map(|at| self.all.get(*at)).cloned().collect()
    }
}

impl Set {
    /// Reads `core`, `all`, names of packs and of operations, separated by commas.
    ///
    /// # Errors
    /// `config` names what is none of these.
    pub fn parse(list: &str) -> Result<Set> {
        let operations: Vec<&Operation> = Catalogue::get().public().collect();
        let packs: Vec<&str> = Catalogue::get().packs().into_iter().map(|(name, _)| name).collect();
        let wanted: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        for name in &wanted {
            let is_operation = || operations.iter().any(|operation| operation.name == *name);
            if !["core", "all"].contains(name) && !packs.contains(name) && !is_operation() {
                return Err(unknown(name, &packs));
            }
        }
        if wanted.is_empty() {
            return Err(Error::new(Kind::Config, "the list of tools is empty")
                .hint(format!("give core, all, or packs: {}", packs.join(", "))));
        }
        let listed = |operation: &Operation| {
            let named = |name: &&str| match *name {
                "all" => true,
                "core" => operation.core,
                name => name == operation.pack || name == operation.name,
            };
            ALWAYS.contains(&operation.name.as_str()) || wanted.iter().any(named)
        };
        Ok(Set((0..operations.len()).filter(|at| listed(operations[*at])).collect()))
    }
}

fn unknown(name: &str, packs: &[&str]) -> Error {
    let mut message = format!("no pack of tools `{}`", crate::ops::params::shorten(name));
    if let Some(nearest) = nearest(name, packs.iter().copied()) {
        message.push_str(&format!("; did you mean `{nearest}`?"));
    }
    Error::new(Kind::Config, message)
        .hint(format!("give core, all, names of operations, or packs: {}", packs.join(", ")))
}

fn tool(operation: &Operation) -> Tool {
    let annotations = ToolAnnotations::with_title(operation.title.clone()).open_world(false);
    // For what only reads, MCP gives the other two no meaning.
    let annotations = match operation.access {
        Access::Read => annotations.read_only(true),
        access => annotations.read_only(false).destructive(access == Access::Destroy).idempotent(operation.idempotent),
    };
    Tool::new(operation.name.clone(), operation.summary().into_owned(), input_schema(operation))
        .with_raw_output_schema(Arc::new(output_schema()))
        .with_annotations(annotations)
}

/// What every structured answer is, an error's too: clients check against it, so it admits both.
fn output_schema() -> Map<String, Value> {
    let schema =
        json!({"type": "object", "properties": {"status": {"enum": ["success", "error"]}}, "required": ["status"]});
    schema.as_object().cloned().unwrap_or_default()
}

fn input_schema(operation: &Operation) -> Map<String, Value> {
    let full = operation.input_schema();
    let mut properties = Map::new();
    for (name, schema) in full.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if UNLISTED.contains(&name.as_str()) && operation.name != "run_operation" {
            continue;
        }
        let short = if operation.is_common(name) { common(name, schema) } else { short(schema) };
        properties.insert(name.clone(), short);
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if let Some(required) = full.get("required") {
        schema.insert("required".into(), required.clone());
    }
    schema
}

/// The parameters that many tools have are explained once, in the server's instructions.
fn common(name: &str, schema: &Value) -> Value {
    match name {
        "from_preview" => json!({"type": "object"}),
        _ => {
            let mut short = short(schema);
            if let Some(short) = short.as_object_mut() {
                short.retain(|key, _| !["description", "default", "minimum", "maximum"].contains(&key.as_str()));
            }
            short
        }
    }
}

/// A parameter's schema without what a model does not need to call it right the first time.
fn short(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "minLength" | "maxLength" | "pattern" | "title" | "maxItems" | "additionalProperties" => continue,
            "minimum" | "maximum" if is_far(schema) => continue,
            "description" => {
                let text = value.as_str().unwrap_or_default();
                out.insert(key.clone(), beginning(text, PARAMETER).trim_end_matches('.').into());
            }
            "oneOf" => out.extend(merged(value)),
            "items" => {
                out.insert(key.clone(), short(value));
            }
            "properties" => {
                let properties = value.as_object().into_iter().flatten();
                out.insert(key.clone(), properties.map(|(name, value)| (name.clone(), short(value))).collect());
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    // Some clients take no array without `items`.
    if out.get("type").is_some_and(|kind| kind == "array") && !out.contains_key("items") {
        out.insert("items".into(), json!({}));
    }
    out.into()
}

fn is_far(schema: &Map<String, Value>) -> bool {
    let most = schema.get("maximum").and_then(Value::as_f64);
    let least = schema.get("minimum").and_then(Value::as_f64);
    match (least, most) {
        (_, Some(most)) => most >= FAR || least.is_some_and(|least| least <= -FAR),
        // At least 0 or 1 goes without saying.
        (Some(least), None) => least == 0.0 || least == 1.0,
        (None, None) => false,
    }
}

/// Alternatives, which the catalogue tells apart by their types, as one schema with several types.
fn merged(alternatives: &Value) -> Map<String, Value> {
    let mut types: Vec<Value> = Vec::new();
    let mut out = Map::new();
    for alternative in alternatives.as_array().into_iter().flatten() {
        let alternative = short(alternative);
        types.push(alternative["type"].clone());
        if let Some(items) = alternative.get("items") {
            let mut items = items.clone();
            if let Some(items) = items.as_object_mut() {
                items.remove("minimum");
                items.remove("maximum");
            }
            out.insert("items".into(), items);
        }
    }
    out.insert("type".into(), types.into());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_read_and_wrong_names_refused() {
        let tools = Tools::new(Catalogue::get());
        let names = |list: &str| -> Vec<String> {
            tools.listed(&Set::parse(list).unwrap()).iter().map(|tool| tool.name.to_string()).collect()
        };
        assert_eq!(names("all").len(), Catalogue::get().public().count());
        assert!(names("core").len() < names("all").len());
        let history = names("history, get_image_bitmap");
        for name in ["undo", "list_checkpoints", "get_image_bitmap", "run_operation"] {
            assert!(history.iter().any(|listed| listed == name), "{name}");
        }
        assert!(!history.iter().any(|listed| listed == "call_api"));
        let error = Set::parse("core,histroy").unwrap_err();
        assert_eq!(error.message, "no pack of tools `histroy`; did you mean `history`?");
        assert_eq!(Set::parse(" , ").unwrap_err().kind, Kind::Config);
    }

    #[test]
    fn schemas_are_shortened_and_stay_right() {
        let color = json!({"description": "A CSS name, #rgb, or numbers", "default": "white", "oneOf": [
            {"type": "string", "maxLength": 64},
            {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 255}, "minItems": 3, "maxItems": 4}]});
        assert_eq!(
            short(&color),
            json!({"description": "A CSS name, #rgb, or numbers", "default": "white", "type": ["string", "array"], "items": {"type": "number"}})
        );
        assert_eq!(short(&json!({"type": "integer", "minimum": 1, "maximum": 524288})), json!({"type": "integer"}));
        let percent = json!({"type": "number", "minimum": 0, "maximum": 100});
        assert_eq!(short(&percent), percent);
        assert_eq!(short(&json!({"type": "array", "maxItems": 9})), json!({"type": "array", "items": {}}));
        // Everything that a listed schema admits as an example, the full one does too.
        for operation in Catalogue::get().public() {
            let listed = jsonschema::validator_for(&Value::from(input_schema(operation))).unwrap();
            for example in &operation.examples {
                assert!(listed.is_valid(&Value::from(example.clone())), "{}: {example:?}", operation.name);
            }
        }
    }
}
