//! Outcomes and errors as tool results.

use super::attachments::Attachments;
use super::bound::{MOST, bound};
use crate::error::Error;
use crate::ops::{Link, Outcome};
use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde_json::{Map, Value, json};

/// Pictures first, then the result as JSON text for clients that read no structured content, then links. `most`
/// bounds the result's bytes.
pub fn success(outcome: Outcome, attachments: &Attachments, most: usize) -> CallToolResult {
    let mut structured = Map::new();
    structured.insert("status".into(), "success".into());
    structured.extend(outcome.result);
    bound(&mut structured, most);
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
    let mut error = error.clone();
    bound(&mut error.details, MOST);
    let error = &error;
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
