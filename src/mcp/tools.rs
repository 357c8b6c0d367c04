//! Outcomes and errors as tool results.

use super::attachments::Attachments;
use super::bound::{MOST, bound};
use crate::error::Error;
use crate::ops::{Link, Outcome};
use rmcp::model::{CallToolResult, ContentBlock, Resource};
use serde_json::{Map, Value, json};

/// The result as JSON text, then pictures, then links. `most` bounds the text's bytes.
///
/// The same is there as structured content only where there is no picture: a client that reads structured content may
/// show its model nothing else.
pub fn success(outcome: Outcome, attachments: &Attachments, most: usize) -> CallToolResult {
    let mut fields = Map::new();
    fields.insert("status".into(), "success".into());
    fields.extend(outcome.result);
    bound(&mut fields, most);
    let structured = outcome.pictures.is_empty();
    let text = if structured { text(&fields) } else { whole_text(&fields) };
    let mut content: Vec<ContentBlock> = Vec::with_capacity(outcome.pictures.len() + outcome.links.len() + 1);
    content.push(ContentBlock::text(text));
    for picture in outcome.pictures {
        let mime_type = picture.format.mime_type();
        content.push(ContentBlock::image(attachments.put(picture.base64), mime_type));
    }
    content.extend(outcome.links.into_iter().map(link));
    let mut result = CallToolResult::success(content);
    result.structured_content = structured.then_some(Value::Object(fields));
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
        return whole_text(fields);
    };
    let mut fields: Map<String, Value> = fields
        .iter()
        .filter(|(name, _)| *name != "image_data")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let note = format!("{} characters of base64, in the structured content", data.len());
    fields.insert("image_data".into(), note.into());
    whole_text(&fields)
}

fn whole_text(fields: &Map<String, Value>) -> String {
    serde_json::to_string(fields).expect("a JSON value serialises")
}

fn link(link: Link) -> ContentBlock {
    let mut resource = Resource::new(link.uri, link.name).with_mime_type(link.mime_type);
    if let Some(size) = link.size {
        resource = resource.with_size(size);
    }
    ContentBlock::resource_link(resource)
}
