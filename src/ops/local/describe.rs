//! describe_operation: what one has to know of an operation to call it, in few words; or all of it.

use super::super::Outcome;
use super::super::call::Call;
use super::super::catalogue::{Access, Catalogue, Operation};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value, json};

pub async fn describe_operation(mut call: Call<'_>) -> Result<Outcome> {
    let names: Vec<String> = match (call.take_text("name"), call.arguments.remove("names")) {
        (Some(name), None) => vec![name],
        (None, Some(names)) => serde_json::from_value(names).map_err(Error::internal)?,
        _ => {
            return Err(Error::new(Kind::InvalidArgument, "describe_operation takes `name` or `names`, one of them")
                .hint("`name` for one operation, `names` for up to 10"));
        }
    };
    let full = call.arguments.get("full") == Some(&Value::Bool(true));
    let operations =
        names.iter().map(|name| Catalogue::get().find_public(name)).collect::<Result<Vec<&'static Operation>>>()?;
    let described: Vec<Value> =
        operations.iter().map(|operation| if full { whole(operation) } else { brief(operation) }).collect();
    let mut result = Map::from_iter([("operations".to_owned(), Value::from(described))]);
    if !full {
        let mut common = Map::new();
        for operation in operations {
            for (name, schema) in operation.common_parameters() {
                common.entry(name.to_owned()).or_insert_with(|| line(schema, false).into());
            }
        }
        result.insert("common_parameters".into(), common.into());
    }
    Ok(Outcome { result, ..Outcome::default() })
}

/// What it takes to call it.
fn brief(operation: &Operation) -> Value {
    let schema = operation.input_schema();
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let parameters: Map<String, Value> = operation
        .own_parameters()
        .map(|(name, schema)| (name.to_owned(), line(schema, required.contains(&name)).into()))
        .collect();
    let mut described = json!({
        "name": operation.name, "description": operation.description, "access": access(operation),
        "parameters": parameters, "result": fields(operation),
    });
    if let Some(example) = operation.examples.first() {
        described["example"] = example.clone().into();
    }
    described
}

fn whole(operation: &Operation) -> Value {
    json!({
        "name": operation.name, "title": operation.title, "description": operation.description,
        "pack": operation.pack, "access": access(operation), "undoable": operation.takes_checkpoint(),
        "time_limit": operation.timeout().as_secs_f64(),
        "parameters": operation.input_schema(), "result": operation.output_schema(), "examples": operation.examples,
    })
}

fn access(operation: &Operation) -> &'static str {
    match operation.access {
        Access::Read => "read",
        Access::Change => "change",
        Access::Destroy => "destroy",
    }
}

/// A schema in a line: "number from -127 to 127, default 0. Above 0 brighter".
fn line(schema: &Value, required: bool) -> String {
    let mut line = kind(schema);
    if required {
        line.push_str(", required");
    } else if let Some(default) = schema.get("default").filter(|default| !default.is_object()) {
        line.push_str(&format!(", default {default}"));
    }
    if let Some(description) = schema["description"].as_str() {
        line.push_str(&format!(". {description}"));
    }
    line
}

/// The type, its choices or its range.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    if let Some(ways) = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array) {
        return ways.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        one => one.as_str().unwrap_or("any value").to_owned(),
    };
    let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number());
    match types.as_str() {
        "array" => {
            let items = schema.get("items").map_or_else(|| "any value".to_owned(), kind);
            let count = match (bound("minItems"), bound("maxItems")) {
                (Some(least), Some(most)) if least == most => format!("{least} "),
                (_, Some(most)) => format!("up to {most} "),
                _ => String::new(),
            };
            format!("array of {count}({items})")
        }
        "object" => match schema["properties"].as_object().filter(|properties| !properties.is_empty()) {
            Some(properties) => format!(
                "object {{{}}}",
                properties
                    .iter()
                    .map(|(name, schema)| format!("{name}: {}", kind(schema)))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            None => types,
        },
        _ => match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!("{types} from {least} to {most}"),
            (Some(least), None) => format!("{types} from {least}"),
            (None, Some(most)) => format!("{types} up to {most}"),
            (None, None) => types,
        },
    }
}

/// The result's own fields in a line.
fn fields(operation: &Operation) -> String {
    operation.own_fields().map(|(name, schema)| format!("{name}: {}", kind(schema))).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_in_a_line() {
        for (schema, required, expected) in [
            (
                json!({"type": "number", "minimum": -1, "maximum": 1, "default": 0, "description": "How"}),
                false,
                "number from -1 to 1, default 0. How",
            ),
            (json!({"enum": ["a", "b"]}), true, "\"a\" | \"b\", required"),
            (
                json!({"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}),
                false,
                "array of 2 (number)",
            ),
            (
                json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1}]}),
                false,
                "string or integer from 1",
            ),
            (json!({"type": "object", "properties": {"x": {"type": "number"}}}), false, "object {x: number}"),
        ] {
            assert_eq!(line(&schema, required), expected);
        }
    }

    #[test]
    fn brief_is_a_fraction_of_the_whole() {
        let size = |describe: fn(&Operation) -> Value| -> usize {
            Catalogue::get().public().map(|operation| describe(operation).to_string().len()).sum()
        };
        let (brief, whole) = (size(brief), size(whole));
        println!("brief {brief}, whole {whole} bytes of {} operations", Catalogue::get().public().count());
        assert!(10 * brief < 3 * whole, "{brief} of {whole}");
    }
}
