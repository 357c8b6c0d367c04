//! The suite's tools that end in one round.

#![expect(deprecated, reason = "the suite tests sampling and log messages")]

use crate::rounds;
use crate::server::Shared;
use rmcp::model::*;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};
use std::time::Duration;

/// A red pixel as PNG.
pub const IMAGE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8/5+hHgAHggJ/PchI7wAAAABJRU5ErkJggg==";
/// Silence as WAV.
const AUDIO: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

const PLAIN: [&str; 25] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_tool_with_logging",
    "test_error_handling",
    "test_tool_with_progress",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_reconnection",
    "test_trigger_tool_change",
    "test_trigger_prompt_change",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_logging_tool",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
    "test_headers",
];

pub fn all() -> Vec<Tool> {
    let tool = |name: &'static str, schema: Value| match schema {
        Value::Object(schema) => Tool::new(name, "A fixture of the conformance suite", schema),
        _ => unreachable!("schemas are objects"),
    };
    let text = |name: &str| {
        let properties: serde_json::Map<String, Value> =
            [(name.to_owned(), json!({"type": "string"}))].into_iter().collect();
        json!({"type": "object", "properties": properties, "required": [name]})
    };
    let mut tools: Vec<Tool> =
        PLAIN.iter().map(|name| tool(name, json!({"type": "object", "properties": {}}))).collect();
    tools.push(tool("test_sampling", text("prompt")));
    tools.push(tool("test_elicitation", text("message")));
    let header = json!({"type": "string", "x-mcp-header": "Value"});
    tools.push(tool(
        "test_custom_header",
        json!({"type": "object", "properties": {"value": header}, "required": ["value"]}),
    ));
    tools.push(tool(
        "json_schema_2020_12_tool",
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {
                "street": {"type": "string"}, "city": {"type": "string"}}}},
            "properties": {
                "name": {"type": "string"}, "address": {"$ref": "#/$defs/address"},
                "contactMethod": {"type": "string", "enum": ["phone", "email"]},
                "phone": {"type": "string"}, "email": {"type": "string"}},
            "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
            "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
            "then": {"required": ["phone"]},
            "else": {"required": ["email"]},
            "additionalProperties": false
        }),
    ));
    tools
}

/// `None`: not a fixture.
pub async fn call(
    shared: &Shared,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Option<Result<CallToolResponse, ErrorData>> {
    let argument = |name: &str| {
        request.arguments.as_ref().and_then(|all| all.get(name)).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let resource = |uri: &str, mime: &str, text: &str| {
        ContentBlock::resource(ResourceContents::text(text, uri).with_mime_type(mime))
    };
    let text = |text: &str| vec![ContentBlock::text(text)];
    let content = match request.name.as_ref() {
        "test_simple_text" => text("This is a simple text response for testing."),
        "test_image_content" => {
            // The way of a real picture. The suite gives no arguments; a speed test asks for a large one.
            let bytes = request.arguments.as_ref().and_then(|all| all.get("bytes")).and_then(Value::as_u64);
            let base64 = bytes.map_or_else(|| IMAGE.to_owned(), |bytes| "QUJD".repeat(bytes as usize / 3));
            vec![ContentBlock::image(shared.mcp.attach(base64), "image/png")]
        }
        "test_audio_content" => vec![ContentBlock::audio(AUDIO, "audio/wav")],
        "test_embedded_resource" => {
            vec![resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")]
        }
        "test_multiple_content_types" => vec![
            ContentBlock::text("Multiple content types test:"),
            ContentBlock::image(IMAGE, "image/png"),
            resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#),
        ],
        "test_error_handling" => {
            return Some(
                Ok(CallToolResult::error(text("This tool intentionally returns an error for testing")).into()),
            );
        }
        "test_tool_with_logging" => {
            for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
                log(context, LoggingLevel::Info, message).await;
            }
            text("Logged")
        }
        "test_logging_tool" => {
            // Revision 2026-07-28: only what this very request asked for.
            if let Some(level) = context.meta.log_level() {
                log(context, level, "asked for").await;
            }
            text("Logged if asked")
        }
        "test_tool_with_progress" => {
            progress(context).await;
            text("Progress reported")
        }
        "test_reconnection" => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            text("Reconnection test completed successfully.")
        }
        "test_headers" | "json_schema_2020_12_tool" => text("Called"),
        "test_custom_header" => text(&argument("value")),
        "test_sampling" => {
            let messages = vec![SamplingMessage::user_text(argument("prompt"))];
            match context.peer.create_message(CreateMessageRequestParams::new(messages, 100)).await {
                Ok(answer) => {
                    let first = answer.message.content.first().and_then(|content| content.as_text().cloned());
                    text(&format!("LLM response: {}", first.map_or_else(String::new, |text| text.text)))
                }
                Err(error) => return Some(Ok(CallToolResult::error(text(&error.to_string())).into())),
            }
        }
        "test_elicitation" => {
            elicit(
                context,
                &argument("message"),
                json!({
            "username": {"type": "string", "description": "User's response"},
            "email": {"type": "string", "description": "User's email address"}}),
            )
            .await
        }
        "test_elicitation_sep1034_defaults" => {
            elicit(
                context,
                "Please provide values",
                json!({
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": true}}),
            )
            .await
        }
        "test_elicitation_sep1330_enums" => elicit(context, "Please choose", enums()).await,
        "test_trigger_tool_change" => {
            for sink in shared.listening() {
                let _ = sink.notify_tool_list_changed().await;
            }
            text("Sent")
        }
        "test_trigger_prompt_change" => {
            for sink in shared.listening() {
                let _ = sink.notify_prompt_list_changed().await;
            }
            text("Sent")
        }
        "test_missing_capability" => {
            if context.meta.client_capabilities().unwrap_or_default().sampling.is_none() {
                let needed = ClientCapabilities::builder().enable_sampling().build();
                return Some(Err(ErrorData::missing_required_client_capability(needed)));
            }
            text("The client can sample")
        }
        "test_streaming_elicitation" => {
            let mut requests = InputRequests::new();
            requests.insert("value".into(), rounds::elicitation("Provide a value", "value", "string"));
            return Some(Ok(InputRequiredResult::new(Some(requests), None).into()));
        }
        _ => return None,
    };
    Some(Ok(CallToolResult::success(content).into()))
}

fn enums() -> Value {
    let titled = |word: &str| -> Vec<Value> {
        (1..=3).map(|n| json!({"const": format!("value{n}"), "title": format!("{word} {n}")})).collect()
    };
    json!({
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled("Option")},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["One", "Two", "Three"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice")}}
    })
}

async fn elicit(context: &RequestContext<RoleServer>, message: &str, properties: Value) -> Vec<ContentBlock> {
    let schema = json!({"type": "object", "properties": properties, "required": []});
    let asked = ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.into(),
        requested_schema: serde_json::from_value(schema).expect("a valid schema"),
    };
    let text = match context.peer.create_elicitation(asked).await {
        Ok(answer) => format!("User response: action={:?}, content={:?}", answer.action, answer.content),
        Err(error) => format!("Elicitation failed: {error}"),
    };
    vec![ContentBlock::text(text)]
}

async fn log(context: &RequestContext<RoleServer>, level: LoggingLevel, message: &str) {
    let _ = context.peer.notify_logging_message(LoggingMessageNotificationParam::new(level, json!(message))).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn progress(context: &RequestContext<RoleServer>) {
    let Some(token) = context.meta.get_progress_token() else { return };
    for step in [0.0, 50.0, 100.0] {
        let report = ProgressNotificationParam::new(token.clone(), step).with_total(100.0).with_message("Working");
        let _ = context.peer.notify_progress(report).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
