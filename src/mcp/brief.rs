//! An operation as a tool, in a few hundred bytes: what a model needs to call it right the first time.
//!
//! There are [`LEVELS`] forms, each shorter than the one before. What a form leaves out, limits of texts, the result's
//! fields, the rest of long descriptions, seldom used parameters, describe_operation tells, and the check of each call
//! knows anyway; listed schemas are open, so that a call may have what they do not list.

use super::output;
use crate::ops::catalogue::{Access, Operation};
use crate::ops::params::beginning;
use rmcp::model::{Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// How many forms there are.
pub const LEVELS: usize = 5;

/// Most bytes of a tool's description in the shorter forms.
const DESCRIPTION: usize = 150;

/// Most bytes of a parameter's description, by level; later ones have none for what is optional.
const PARAMETER: [usize; 2] = [90, 45];

/// Optional parameters of its own that a tool shows, by level.
const OPTIONAL: [usize; LEVELS] = [usize::MAX, usize::MAX, usize::MAX, 7, 4];

/// A list of choices that is longer is shown by its beginning, but for level 0.
const CHOICES: usize = 12;
const CHOICES_SHOWN: usize = 6;

/// Limits above this are GIMP's own, which no call comes near: they are not listed.
const FAR: f64 = 65_536.0;

/// Parameters that many operations have and few calls need: the server's instructions tell of them, and only
/// run_operation lists them.
const UNLISTED: [&str; 6] = ["verify", "timeout", "instance", "units", "from_preview", "max_bytes"];

/// What the instructions explain once.
const EXPLAINED: [&str; 4] = ["image", "preview", "layer", "drawable"];

/// The tool in the form of `level`, below [`LEVELS`].
pub fn tool(operation: &Operation, level: usize) -> Tool {
    let annotations = ToolAnnotations::new().read_only(operation.access == Access::Read).open_world(false);
    // For what only reads, MCP gives the other two no meaning.
    let annotations = match operation.access {
        Access::Read => annotations,
        access if operation.idempotent => annotations.destructive(access == Access::Destroy).idempotent(true),
        access => annotations.destructive(access == Access::Destroy),
    };
    let (schema, all) = input_schema(operation, level);
    let mut description = operation.summary().into_owned();
    if level >= PARAMETER.len() {
        description = beginning(&description, DESCRIPTION).into_owned();
    }
    if !all {
        description.push_str(" More parameters: describe_operation.");
    }
    let tool = Tool::new(operation.name.clone(), description, schema).with_annotations(annotations);
    match output::schema(operation, level) {
        Some(schema) => tool.with_raw_output_schema(Arc::new(schema)),
        None => tool,
    }
}

/// The arguments' schema, and whether it has all of the operation's own parameters.
pub fn input_schema(operation: &Operation, level: usize) -> (Map<String, Value>, bool) {
    let full = operation.input_schema();
    let required = full.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|each| each == name));
    let (mut properties, mut optional, mut all) = (Map::new(), 0, true);
    for (name, schema) in full.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let unlisted = UNLISTED.contains(&name.as_str()) && operation.is_common(name);
        if unlisted && (operation.name != "run_operation" || name == "max_bytes") {
            continue;
        }
        if !is_required(name) && !EXPLAINED.contains(&name.as_str()) {
            optional += 1;
            if optional > OPTIONAL[level] {
                all = false;
                continue;
            }
        }
        properties.insert(name.clone(), parameter(name, schema, is_required(name), level));
    }
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    if let Some(required) = full.get("required") {
        schema.insert("required".into(), required.clone());
    }
    (schema, all)
}

fn parameter(name: &str, schema: &Value, required: bool, level: usize) -> Value {
    let longest = PARAMETER.get(level).copied().unwrap_or(if required { PARAMETER[1] } else { 0 });
    let mut short = short(schema, longest, level);
    let Some(members) = short.as_object_mut() else { return short };
    if EXPLAINED.contains(&name) && !required {
        members.retain(|key, _| !["description", "default", "minimum", "maximum"].contains(&key.as_str()));
    } else if level >= PARAMETER.len() && !required {
        members.remove("default");
    }
    // The instructions say what a colour is.
    let is_color =
        members.get("description").is_some_and(|text| text.as_str().unwrap_or_default().starts_with("A CSS name"));
    if is_color {
        members.remove("description");
    }
    short
}

/// A schema without what a model does not need; `longest` bounds the bytes of a description.
fn short(schema: &Value, longest: usize, level: usize) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    for (key, value) in schema {
        match key.as_str() {
            "minLength" | "maxLength" | "pattern" | "title" | "maxItems" | "additionalProperties" => (),
            "minimum" | "maximum" if is_far(schema) => (),
            "description" => {
                let text = beginning(value.as_str().unwrap_or_default(), longest);
                // A clause that had to be broken off tells too little for its bytes, but for the first form.
                if level == 0 || (longest > 0 && !text.ends_with('…')) {
                    set(key, text.trim_end_matches('.').into());
                }
            }
            "enum" if level > 0 && value.as_array().is_some_and(|choices| choices.len() > CHOICES) => {
                let shown: Vec<&str> =
                    value.as_array().into_iter().flatten().filter_map(Value::as_str).take(CHOICES_SHOWN).collect();
                set("type", "string".into());
                set("description", format!("{}, …", shown.join(", ")).into());
            }
            "oneOf" => set("anyOf", alternatives(value, level)),
            "items" => set(key, short(value, longest.min(PARAMETER[1]), level)),
            "properties" => {
                let members = value.as_object().into_iter().flatten();
                let members: Map<String, Value> = members
                    .map(|(name, value)| (name.clone(), short(value, longest.min(PARAMETER[1]), level)))
                    .collect();
                set(key, members.into());
            }
            _ => set(key, value.clone()),
        }
    }
    // Some clients take no array without `items`, or with some that say nothing.
    if out.get("type").is_some_and(|kind| kind == "array") && !out.contains_key("items") {
        out.insert("items".into(), anything());
    }
    out.into()
}

/// Any JSON value, in words that the strictest of checks takes.
fn anything() -> Value {
    let simple = ["string", "number", "boolean", "null", "object"].map(|kind| json!({"type": kind}));
    let list = json!({"type": "array", "items": {"anyOf": simple[..2]}});
    json!({"anyOf": simple.iter().chain([&list]).collect::<Vec<_>>()})
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

/// Alternatives, which the catalogue tells apart by their types. Not as one schema with several types: some models'
/// function declarations take no such `type`.
fn alternatives(alternatives: &Value, level: usize) -> Value {
    let shown = alternatives.as_array().into_iter().flatten().map(|alternative| {
        let mut alternative = short(alternative, 0, level);
        if let Some(members) = alternative.as_object_mut() {
            members.retain(|key, _| ["type", "items"].contains(&key.as_str()));
            if let Some(items) = members.get_mut("items").and_then(Value::as_object_mut) {
                items.retain(|key, _| !["minimum", "maximum"].contains(&key.as_str()));
            }
        }
        alternative
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::catalogue::Catalogue;

    #[test]
    fn schemas_are_shortened_and_stay_right() {
        let color = json!({"description": "A colour, #rgb, or numbers", "default": "white", "oneOf": [
            {"type": "string", "maxLength": 64},
            {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 255}, "minItems": 3, "maxItems": 4}]});
        assert_eq!(
            short(&color, 90, 0),
            json!({"description": "A colour, #rgb, or numbers", "default": "white", "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "number"}}]})
        );
        assert_eq!(
            short(&json!({"type": "integer", "minimum": 1, "maximum": 524288}), 90, 0),
            json!({"type": "integer"})
        );
        let percent = json!({"type": "number", "minimum": 0, "maximum": 100});
        assert_eq!(short(&percent, 90, 0), percent);
        assert_eq!(
            short(&json!({"type": "array", "maxItems": 9}), 90, 0),
            json!({"type": "array", "items": anything()})
        );
    }

    #[test]
    fn every_form_is_shorter_and_admits_every_example() {
        let bytes = |operation: &Operation, level: usize| serde_json::to_string(&tool(operation, level)).unwrap().len();
        for operation in Catalogue::get().public() {
            for level in 0..LEVELS {
                let listed = jsonschema::validator_for(&Value::from(input_schema(operation, level).0)).unwrap();
                for example in &operation.examples {
                    assert!(listed.is_valid(&Value::from(example.clone())), "{} {level}: {example:?}", operation.name);
                }
                // The hint at what was left out may cost more than a short parameter.
                assert!(
                    level == 0 || bytes(operation, level) <= bytes(operation, level - 1) + 40,
                    "{} {level}",
                    operation.name
                );
            }
            let required = operation.input_schema().get("required").and_then(Value::as_array);
            let listed = input_schema(operation, LEVELS - 1).0;
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                assert!(listed["properties"].get(name).is_some(), "{}: {name} is not listed", operation.name);
            }
        }
    }
}
