//! What a tool's structured content is, as clients check it: the catalogue's result schema, without words.

use crate::ops::catalogue::Operation;
use serde_json::{Map, Value, json};

/// Levels of nesting that are shown, by level of shortness; later ones show the fields' types alone.
const DEPTH: [usize; 2] = [3, 1];

/// Lists of choices that are shown.
const CHOICES: usize = 6;

/// `None` for a tool whose answer may carry a picture: that one has no structured content.
///
/// An error is structured content too, so the schema admits both: the one has the operation's fields, the other `kind`
/// and `message`.
pub fn schema(operation: &Operation, level: usize) -> Option<Map<String, Value>> {
    if operation.shows() {
        return None;
    }
    let result = operation.output_schema();
    let depth = DEPTH.get(level).copied().unwrap_or(0);
    let mut properties = Map::from_iter([("status".to_owned(), json!({"enum": ["success", "error"]}))]);
    let fields = result.get("properties").and_then(Value::as_object);
    for (name, field) in fields.into_iter().flatten() {
        properties.insert(name.clone(), bare(field, depth));
    }
    let mut schema = Map::from_iter([
        ("type".to_owned(), "object".into()),
        ("properties".to_owned(), properties.into()),
        ("required".to_owned(), json!(["status"])),
    ]);
    if let Some(required) = result.get("required") {
        schema.insert("anyOf".into(), json!([{"required": required}, {"required": ["kind", "message"]}]));
    }
    Some(schema)
}

/// Types and required members only; several types become alternatives, since some clients take one `type` alone.
fn bare(schema: &Value, depth: usize) -> Value {
    let mut out = Map::new();
    for (key, value) in schema.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("type", Value::Array(types)) => {
                let one = |kind: &Value| {
                    let mut one = schema.clone();
                    one["type"] = kind.clone();
                    let nested = *kind == "object" || *kind == "array";
                    if nested { bare(&one, depth) } else { json!({"type": kind}) }
                };
                return json!({"anyOf": types.iter().map(one).collect::<Vec<_>>()});
            }
            ("enum", Value::Array(choices)) if choices.len() > CHOICES => {
                out.insert("type".into(), "string".into());
            }
            ("type" | "const" | "enum", _) => drop(out.insert(key.clone(), value.clone())),
            ("oneOf", Value::Array(alternatives)) => {
                out.insert("anyOf".into(), alternatives.iter().map(|one| bare(one, depth)).collect());
            }
            ("items", _) if depth > 0 => drop(out.insert(key.clone(), bare(value, depth - 1))),
            ("required", _) if depth > 0 => drop(out.insert(key.clone(), value.clone())),
            ("properties", Value::Object(members)) if depth > 0 => {
                let members = members.iter().map(|(name, member)| (name.clone(), bare(member, depth - 1)));
                out.insert(key.clone(), members.collect::<Map<_, _>>().into());
            }
            _ => {}
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::catalogue::Catalogue;

    #[test]
    fn words_go_and_several_types_become_alternatives() {
        let schema = json!({"type": "object", "required": ["a"], "description": "x", "properties": {
            "a": {"type": ["string", "null"], "description": "y"},
            "b": {"type": "array", "items": {"type": "integer", "minimum": 3}}}});
        let nullable = json!({"anyOf": [{"type": "string"}, {"type": "null"}]});
        let shown = json!({"type": "object", "required": ["a"], "properties": {
            "a": nullable, "b": {"type": "array", "items": {"type": "integer"}}}});
        assert_eq!(bare(&schema, 2), shown);
        assert_eq!(bare(&schema, 0), json!({"type": "object"}));
    }

    #[test]
    fn what_may_show_a_picture_has_none_and_the_others_admit_errors() {
        for operation in Catalogue::get().public() {
            for level in [0, 1, 4] {
                let Some(schema) = schema(operation, level).map(Value::from) else {
                    assert!(operation.changes() || operation.name == "get_image_bitmap", "{}", operation.name);
                    continue;
                };
                assert!(!operation.changes() && operation.name != "get_image_bitmap", "{}", operation.name);
                let validator = jsonschema::validator_for(&schema).unwrap();
                let error = json!({"status": "error", "kind": "no_gimp", "message": "x", "hint": "y"});
                assert!(validator.is_valid(&error), "{}", operation.name);
                assert!(!validator.is_valid(&json!({"image": 3})), "{}", operation.name);
                let required = operation.output_schema().get("required").and_then(Value::as_array);
                assert_eq!(validator.is_valid(&json!({"status": "success"})), required.is_none_or(Vec::is_empty));
            }
        }
    }
}
