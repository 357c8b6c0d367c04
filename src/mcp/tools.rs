//! Catalogue entries as MCP tools; outcomes and errors as tool results.

use super::attachments::Attachments;
use crate::error::Error;
use crate::ops::catalogue::{Access, Catalogue, Operation};
use crate::ops::{Link, Outcome};
use rmcp::model::{CallToolResult, ContentBlock, Resource, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The tools, made once.
pub struct Tools {
    all: Vec<Tool>,
    by_name: HashMap<String, usize>,
}

impl Tools {
    pub fn new(catalogue: &Catalogue) -> Tools {
        let all: Vec<Tool> = catalogue.public().map(tool).collect();
        let by_name = all.iter().enumerate().map(|(at, tool)| (tool.name.to_string(), at)).collect();
        Tools { all, by_name }
    }

    pub fn all(&self) -> Vec<Tool> {
        self.all.clone()
    }

    pub fn get(&self, name: &str) -> Option<&Tool> {
        self.by_name.get(name).map(|at| &self.all[*at])
    }
}

fn tool(operation: &Operation) -> Tool {
    let annotations = ToolAnnotations::with_title(operation.title.clone())
        .read_only(operation.access == Access::Read)
        .destructive(operation.access == Access::Destroy)
        .idempotent(operation.idempotent)
        .open_world(false);
    Tool::new(operation.name.clone(), operation.description.clone(), operation.input_schema().clone())
        .with_title(operation.title.clone())
        .with_raw_output_schema(Arc::new(output_schema(operation.output_schema())))
        .with_annotations(annotations)
}

/// The result's schema or an error's. Clients check structured content against it, errors included, so it has to
/// admit both; the root must be a plain object for revisions up to 2025-11-25.
fn output_schema(result: &Map<String, Value>) -> Map<String, Value> {
    let mut schema = result.clone();
    let mut required = vec![Value::from("status")];
    if let Some(Value::Array(names)) = schema.remove("required") {
        required.extend(names.into_iter().filter(|name| name != "status"));
    }
    let mut properties = Map::new();
    properties.insert("status".into(), json!({"enum": ["success", "error"]}));
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own.into_iter().filter(|(name, _)| name != "status"));
    }
    for (name, description) in [
        ("kind", "On an error: which kind, from a fixed list"),
        ("message", "On an error: what happened"),
        ("hint", "On an error: what to do"),
    ] {
        properties.entry(name).or_insert_with(|| json!({"type": "string", "description": description}));
    }
    properties.entry("details").or_insert_with(|| json!({"type": "object"}));
    schema.insert("properties".into(), properties.into());
    schema.insert("anyOf".into(), json!([{"required": required}, {"required": ["status", "kind", "message"]}]));
    schema
}

/// Pictures first, then the result as JSON text for clients that read no structured content, then links.
pub fn success(outcome: Outcome, attachments: &Attachments) -> CallToolResult {
    let mut structured = Map::new();
    structured.insert("status".into(), "success".into());
    structured.extend(outcome.result);
    let mut content: Vec<ContentBlock> = Vec::with_capacity(outcome.pictures.len() + outcome.links.len() + 1);
    for picture in outcome.pictures {
        let mime_type = picture.format.mime_type();
        content.push(ContentBlock::image(attachments.put(picture.base64), mime_type));
    }
    content.push(ContentBlock::text(text(&structured)));
    content.extend(outcome.links.into_iter().map(link));
    let mut result = CallToolResult::success(content);
    result.structured_content = Some(Value::Object(structured));
    result
}

/// The failed call as a model should read it: what happened, what to do, then the details.
pub fn failure(error: &Error) -> CallToolResult {
    let mut content = vec![ContentBlock::text(sentences(error))];
    if !error.details.is_empty() {
        content.push(ContentBlock::text(text(&error.details)));
    }
    let mut structured = json!({"status": "error"});
    if let (Value::Object(structured), Value::Object(fields)) = (&mut structured, error.to_json()) {
        structured.extend(fields);
    }
    let mut result = CallToolResult::error(content);
    result.structured_content = Some(structured);
    result
}

/// Message and hint as prose.
pub fn sentences(error: &Error) -> String {
    match &error.hint {
        Some(hint) => format!("{}. Hint: {hint}", error.message),
        None => error.message.clone(),
    }
}

/// JSON without the bytes of files, which only the structured content carries.
fn text(fields: &Map<String, Value>) -> String {
    let Some(Value::String(data)) = fields.get("image_data") else {
        return serde_json::to_string(fields).expect("a JSON value serialises");
    };
    let mut fields: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| *name != "image_data")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let note = format!("{} characters of base64, in the structured content", data.len());
    fields.insert("image_data".into(), note.into());
    serde_json::to_string(&fields).expect("a JSON value serialises")
}

fn link(link: Link) -> ContentBlock {
    let mut resource = Resource::new(link.uri, link.name).with_mime_type(link.mime_type);
    if let Some(size) = link.size {
        resource = resource.with_size(size);
    }
    ContentBlock::resource_link(resource)
}
