//! `{"$ref": "0.layer"}`: what an earlier step of a batch answered, as an argument of a later one.

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

/// Whether a value holds a reference.
pub fn has_reference(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            single(members, LITERAL).is_none()
                && (single(members, REFERENCE).is_some() || members.values().any(has_reference))
        }
        Value::Array(items) => items.iter().any(has_reference),
        _ => false,
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
        assert!(has_reference(&given) && !has_reference(&json!({"a": {"$literal": {"$ref": "0"}}})));
        check(&given, &steps()).unwrap();
        assert_eq!(
            resolve(given, &steps()).unwrap(),
            json!({"layer": 7, "all": [3, 1], "x": {"y": {"layer": 7, "layers": [{"id": 3}]}},
                "same": {"$ref": "0.layer"}, "text": "$ref 0.layer", "two": {"$ref": "0.layer", "b": 1}})
        );
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
