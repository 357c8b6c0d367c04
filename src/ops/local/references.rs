//! `{"$ref": "0.layer"}`: what an earlier step of a batch answered, as an argument of a later one.

use super::super::Operation;
use super::super::catalogue::Catalogue;
use super::super::params::{nearest, shorten};
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

const REFERENCE: &str = "$ref";
const LITERAL: &str = "$literal";

const HINT: &str =
    "write {\"$ref\": \"0.layer\"}: an earlier step's number (from 0) or id, then the fields of its result";

/// An earlier step, as references see it.
pub struct Answered {
    pub id: Option<String>,
    pub name: String,
    /// `None`: it failed, or has not run yet.
    pub result: Option<Map<String, Value>>,
}

/// Whether a value is itself a reference.
pub fn is_reference(value: &Value) -> bool {
    value.as_object().is_some_and(|members| single(members, REFERENCE).is_some())
}

/// The value with every literal replaced by what it holds.
pub fn without_literals(value: Value) -> Value {
    match value {
        Value::Object(mut members) if single(&members, LITERAL).is_some() => {
            members.remove(LITERAL).unwrap_or_default()
        }
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, without_literals(member))).collect(),
        Value::Array(items) => items.into_iter().map(without_literals).collect(),
        other => other,
    }
}

/// Checks that what a reference stands for can be the parameter that it is given as, where the catalogue tells both
/// types.
pub fn check_types(operation: &Operation, arguments: &Map<String, Value>, steps: &[Answered]) -> Result<()> {
    for (name, value) in arguments {
        let Some(path) = value.as_object().and_then(|members| single(members, REFERENCE)) else { continue };
        let (at, step, rest) = find(path, steps)?;
        let wanted = types(&operation.input_schema()["properties"][name]);
        let given = Catalogue::get().find(&step.name).and_then(|earlier| declared(earlier.output_schema(), rest));
        let given = given.map(types).unwrap_or_default();
        let fits = |given: &&str| wanted.contains(given) || *given == "integer" && wanted.contains(&"number");
        if !wanted.is_empty() && !given.is_empty() && !given.iter().any(fits) {
            let (wanted, given) = (wanted.join(" or "), given.join(" or "));
            let message = format!(
                "`{name}` must be of type {wanted}, and `$ref` {path} of step {at} (`{}`) is {given}",
                step.name
            );
            return Err(Error::new(Kind::InvalidArgument, message).hint(HINT));
        }
    }
    Ok(())
}

/// The schema of a result's field, where the catalogue has it.
fn declared<'a>(schema: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.').filter(|part| !part.is_empty());
    let mut found = schema.get("properties")?.get(parts.next()?)?;
    for part in parts {
        found = match part.parse::<usize>() {
            Ok(_) => found.get("items")?,
            Err(_) => found.get("properties")?.get(part)?,
        };
    }
    Some(found)
}

/// The JSON types that a schema admits; none: it does not say.
fn types(schema: &Value) -> Vec<&str> {
    if let Some(alternatives) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let all: Vec<Vec<&str>> = alternatives.iter().map(types).collect();
        return if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() };
    }
    match &schema["type"] {
        Value::String(only) => vec![only],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        // Enumerations of the catalogue are words.
        _ if schema["enum"].as_array().is_some_and(|choices| choices.iter().all(Value::is_string)) => vec!["string"],
        _ => Vec::new(),
    }
}

/// Checks that every reference names an earlier step.
pub fn check(value: &Value, steps: &[Answered]) -> Result<()> {
    match value {
        Value::Object(members) if single(members, LITERAL).is_some() => Ok(()),
        Value::Object(members) => match single(members, REFERENCE) {
            Some(path) => find(path, steps).map(|_| ()),
            None => members.values().try_for_each(|member| check(member, steps)),
        },
        Value::Array(items) => items.iter().try_for_each(|item| check(item, steps)),
        _ => Ok(()),
    }
}

/// The value with every reference replaced by what it stands for.
pub fn resolve(value: Value, steps: &[Answered]) -> Result<Value> {
    match value {
        Value::Object(mut members) => {
            if let Some(path) = single(&members, REFERENCE) {
                return follow(path, steps);
            }
            if single(&members, LITERAL).is_some() {
                return Ok(members.remove(LITERAL).unwrap_or_default());
            }
            let resolved = members.into_iter().map(|(name, member)| Ok((name, resolve(member, steps)?)));
            Ok(Value::Object(resolved.collect::<Result<_>>()?))
        }
        Value::Array(items) => {
            Ok(Value::Array(items.into_iter().map(|item| resolve(item, steps)).collect::<Result<_>>()?))
        }
        other => Ok(other),
    }
}

/// The value under `key` if it is the only one.
fn single<'a>(members: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    members.get(key).filter(|_| members.len() == 1)
}

/// The step that a reference begins with, and the rest of its path.
fn find<'a>(path: &'a Value, steps: &'a [Answered]) -> Result<(usize, &'a Answered, &'a str)> {
    let bad = |message: String| Error::new(Kind::InvalidArgument, message).hint(HINT);
    let path = path.as_str().ok_or_else(|| bad(format!("`$ref` must be a string, got {path}")))?;
    let (step, rest) = path.split_once('.').unwrap_or((path, ""));
    let at = match step.parse::<usize>() {
        Ok(number) => Some(number).filter(|number| *number < steps.len()),
        Err(_) => steps.iter().position(|known| known.id.as_deref() == Some(step)),
    };
    let at = at.ok_or_else(|| {
        let shown = shorten(path);
        match steps.len() {
            0 => bad(format!("`$ref` `{shown}`: no step comes before the first one")),
            count => bad(format!("`$ref` `{shown}` names no earlier step; those are 0 to {} and their ids", count - 1)),
        }
    })?;
    Ok((at, &steps[at], rest))
}

fn follow(path: &Value, steps: &[Answered]) -> Result<Value> {
    let (at, step, rest) = find(path, steps)?;
    let Some(result) = &step.result else {
        let message = format!("`$ref` {path}: step {at} (`{}`) failed, so it answered nothing", step.name);
        return Err(Error::new(Kind::InvalidArgument, message));
    };
    let whole = Value::Object(result.clone());
    let mut value = &whole;
    for part in rest.split('.').filter(|part| !part.is_empty()) {
        let found = match value {
            Value::Object(members) => members.get(part),
            Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        };
        value = found.ok_or_else(|| missing(path, at, step, part, value))?;
    }
    Ok(value.clone())
}

fn missing(path: &Value, at: usize, step: &Answered, part: &str, value: &Value) -> Error {
    let mut message = format!("`$ref` {path}: step {at} (`{}`) answered no `{}`", step.name, shorten(part));
    let hint = match value {
        Value::Object(members) => {
            if let Some(nearest) = nearest(part, members.keys().map(String::as_str)) {
                message.push_str(&format!("; did you mean `{nearest}`?"));
            }
            format!("there are {}", members.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => format!("there are {} items, counted from 0", items.len()),
        _ => "the path goes on below a plain value".to_owned(),
    };
    Error::new(Kind::InvalidArgument, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn steps() -> Vec<Answered> {
        let result = |value: Value| value.as_object().cloned();
        vec![
            Answered {
                id: Some("sky".into()),
                name: "a".into(),
                result: result(json!({"layer": 7, "layers": [{"id": 3}]})),
            },
            Answered { id: None, name: "b".into(), result: None },
        ]
    }

    #[test]
    fn references_are_replaced_wherever_they_stand() {
        let given = json!({"layer": {"$ref": "0.layer"}, "all": [{"$ref": "sky.layers.0.id"}, 1], "x": {"y": {"$ref": "0"}},
            "same": {"$literal": {"$ref": "0.layer"}}, "text": "$ref 0.layer", "two": {"$ref": "0.layer", "b": 1}});
        assert!(is_reference(&given["layer"]) && !is_reference(&given["same"]) && !is_reference(&given["two"]));
        assert_eq!(without_literals(json!([{"$literal": {"x": 1}}, {"y": 2}])), json!([{"x": 1}, {"y": 2}]));
        check(&given, &steps()).unwrap();
        assert_eq!(
            resolve(given, &steps()).unwrap(),
            json!({"layer": 7, "all": [3, 1], "x": {"y": {"layer": 7, "layers": [{"id": 3}]}},
                "same": {"$ref": "0.layer"}, "text": "$ref 0.layer", "two": {"$ref": "0.layer", "b": 1}})
        );
    }

    #[test]
    fn a_reference_of_another_type_is_found_before_anything_runs() {
        let steps = [Answered { id: None, name: "create_layer".into(), result: None }];
        let operation = Catalogue::get().find("set_layer_properties").unwrap();
        let check = |name: &str, path: &str| {
            let arguments = Map::from_iter([(name.to_owned(), json!({"$ref": path}))]);
            check_types(operation, &arguments, &steps)
        };
        check("layer", "0.layer").unwrap();
        check("layer", "0.something_new").unwrap();
        let error = check("layer", "0.message").unwrap_err();
        assert_eq!(
            error.message,
            "`layer` must be of type integer, and `$ref` \"0.message\" of step 0 (`create_layer`) is string"
        );
        check("name", "0.message").unwrap();
        assert!(check("name", "0.layer").is_err());
    }

    #[test]
    fn wrong_references_say_what_there_is() {
        let error = |path: Value| resolve(json!({"$ref": path}), &steps()).unwrap_err();
        assert_eq!(
            error(json!("0.layr")).message,
            "`$ref` \"0.layr\": step 0 (`a`) answered no `layr`; did you mean `layer`?"
        );
        assert_eq!(error(json!("0.layr")).hint.unwrap(), "there are layer, layers");
        assert_eq!(error(json!("sky.layers.4")).hint.unwrap(), "there are 1 items, counted from 0");
        assert!(error(json!("1.layer")).message.contains("step 1 (`b`) failed"));
        assert!(error(json!("2.layer")).message.contains("those are 0 to 1 and their ids"));
        assert!(error(json!(0)).message.contains("must be a string"));
        assert!(check(&json!([{"$ref": "0.a"}]), &[]).unwrap_err().message.contains("before the first one"));
    }
}
