//! A workflow in ComfyUI's API format, with placeholders in the places of values.

use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};
use std::path::Path;

#[derive(Clone)]
pub struct Workflow {
    nodes: Value,
    text: String,
}

impl Workflow {
    /// # Errors
    /// `config` for a file that cannot be read, or that has no place for one of `needed`.
    pub fn read(file: &Path, needed: &[&str]) -> Result<Workflow> {
        let bad = |why: String| {
            Error::new(Kind::Config, format!("`{}`: {why}", file.display()))
                .hint("save the workflow with ComfyUI's \"Export (API)\", and put {{prompt}}, {{width}}, {{height}}, {{steps}}, … in")
        };
        let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
        let nodes: Value = serde_json::from_str(&text).map_err(|error| bad(format!("it is no JSON: {error}")))?;
        let is_node = |node: &Value| node["class_type"].is_string();
        if !nodes.as_object().is_some_and(|nodes| !nodes.is_empty() && nodes.values().all(is_node)) {
            return Err(bad("it is not in the API format".into()));
        }
        let workflow = Workflow { text: nodes.to_string(), nodes };
        match needed.iter().find(|name| !workflow.has(name)) {
            Some(name) => Err(bad(format!("it has no {{{{{name}}}}}"))),
            None => Ok(workflow),
        }
    }

    pub fn has(&self, placeholder: &str) -> bool {
        self.text.contains(&format!("{{{{{placeholder}}}}}"))
    }

    pub fn nodes(&self) -> usize {
        self.nodes.as_object().map_or(0, Map::len)
    }

    pub fn filled(&self, values: &Map<String, Value>) -> Value {
        let mut filled = self.nodes.clone();
        fill(&mut filled, values);
        filled
    }
}

/// Puts values in the place of texts that are a placeholder, and into texts that hold one.
fn fill(value: &mut Value, values: &Map<String, Value>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, values)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, values)),
        Value::String(text) if text.contains("{{") => {
            let whole = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
            if let Some(found) = whole.and_then(|name| values.get(name)) {
                *value = found.clone();
                return;
            }
            // From left to right, so that a prompt's own braces stay as they are.
            let mut filled = String::new();
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once("{{") {
                filled.push_str(before);
                let found = after.split_once("}}").and_then(|(name, after)| Some((values.get(name)?, after)));
                match found {
                    Some((found, after)) => {
                        filled.push_str(&found.as_str().map_or_else(|| found.to_string(), str::to_owned));
                        rest = after;
                    }
                    None => {
                        filled.push_str("{{");
                        rest = after;
                    }
                }
            }
            filled.push_str(rest);
            *text = filled;
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn placeholders_get_values_of_their_own_type_and_a_prompt_is_not_filled_again() {
        let mut workflow =
            json!({"1": {"inputs": {"seed": "{{seed}}", "text": "photo of {{prompt}}, {{width}} px {{x}}", "n": 4}}});
        let values = json!({"seed": 7, "prompt": "a {{seed}} jar", "width": 512});
        fill(&mut workflow, values.as_object().unwrap());
        assert_eq!(
            workflow,
            json!({"1": {"inputs": {"seed": 7, "text": "photo of a {{seed}} jar, 512 px {{x}}", "n": 4}}})
        );
    }
}
