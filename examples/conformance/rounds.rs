//! The suite's multi-round requests: a result that asks for input, and the request that comes again with it.

use rmcp::ErrorData;
use rmcp::model::*;
use serde_json::{Value, json};

/// Asks for one property by a form.
pub fn elicitation(message: &str, property: &str, kind: &str) -> InputRequest {
    let mut properties = serde_json::Map::new();
    properties.insert(property.into(), json!({"type": kind}));
    let schema = json!({"type": "object", "properties": properties, "required": [property]});
    InputRequest::Elicitation(ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.into(),
        requested_schema: serde_json::from_value(schema).expect("a valid schema"),
    }))
}

fn name() -> InputRequest {
    elicitation("What is your name?", "name", "string")
}

#[expect(deprecated, reason = "the suite tests sampling")]
fn sampling(text: &str) -> InputRequest {
    let messages = vec![SamplingMessage::user_text(text)];
    InputRequest::CreateMessage(CreateMessageRequest::new(CreateMessageRequestParams::new(messages, 100)))
}

#[expect(deprecated, reason = "the suite tests roots")]
fn roots() -> InputRequest {
    InputRequest::ListRoots(ListRootsRequest::default())
}

fn ask<const N: usize>(requests: [(&str, InputRequest); N], state: Option<String>) -> InputRequiredResult {
    let mut all = InputRequests::new();
    for (key, request) in requests {
        all.insert(key.into(), request);
    }
    InputRequiredResult::new(Some(all), state)
}

/// A usable answer; anything but an object counts as missing and is asked for again.
fn answer<'a>(responses: Option<&'a InputResponses>, key: &str) -> Option<&'a Value> {
    responses?.get(key).filter(|value| value.is_object())
}

fn done(text: String) -> Result<CallToolResponse, ErrorData> {
    Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
}

pub fn call(
    seal: &RequestStateCodec,
    request: &CallToolRequestParams,
    meta: &RequestMetaObject,
) -> Result<CallToolResponse, ErrorData> {
    let answer = |key| answer(request.input_responses.as_ref(), key);
    let sealed =
        |state: Value| seal.seal_json(&state).map_err(|error| ErrorData::internal_error(error.to_string(), None));
    // State comes back through the client, so it is untrusted until it opens.
    let state: Option<Value> = match request.request_state.as_deref() {
        None => None,
        Some(state) => Some(
            seal.open_json(state).map_err(|_| ErrorData::invalid_params("requestState failed verification", None))?,
        ),
    };
    let text = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or("nothing").to_owned();
    let kind = request.name.trim_start_matches("test_input_required_result_");
    match kind {
        "elicitation" => match answer("user_name") {
            Some(given) => done(format!("Hello, {}!", text(given, "/content/name"))),
            None => Ok(ask([("user_name", name())], None).into()),
        },
        "sampling" => match answer("capital_question") {
            Some(given) => done(format!("Sampled: {}", text(given, "/content/text"))),
            None => Ok(ask([("capital_question", sampling("What is the capital of France?"))], None).into()),
        },
        "list_roots" => match answer("client_roots") {
            Some(given) => done(format!("Roots: {}", given["roots"])),
            None => Ok(ask([("client_roots", roots())], None).into()),
        },
        "request_state" | "tampered_state" => match state {
            Some(_) => done("state-ok".into()),
            None => {
                let confirm = elicitation("Please confirm", "ok", "boolean");
                Ok(ask([("confirm", confirm)], Some(sealed(json!({"stage": "confirm"}))?)).into())
            }
        },
        "multiple_inputs" => {
            let all = ["user_name", "greeting", "client_roots"].iter().all(|key| answer(key).is_some());
            if all && state.is_some() {
                return done("All inputs received".into());
            }
            let requests =
                [("user_name", name()), ("greeting", sampling("Generate a greeting")), ("client_roots", roots())];
            Ok(ask(requests, Some(sealed(json!({"stage": "gather"}))?)).into())
        }
        "multi_round" => match state.as_ref().and_then(|state| state["round"].as_u64()) {
            None => Ok(ask([("step1", name())], Some(sealed(json!({"round": 1}))?)).into()),
            Some(1) => {
                let color = elicitation("What is your favorite color?", "color", "string");
                Ok(ask([("step2", color)], Some(sealed(json!({"round": 2}))?)).into())
            }
            Some(_) => done("Both rounds are complete".into()),
        },
        "capabilities" => {
            if request.input_responses.is_some() {
                return done("Input received".into());
            }
            let declared = meta.client_capabilities().unwrap_or_default();
            let mut requests = InputRequests::new();
            for (is_declared, key, request) in [
                (declared.elicitation.is_some(), "user_name", name()),
                (declared.sampling.is_some(), "greeting", sampling("Generate a greeting")),
                (declared.roots.is_some(), "client_roots", roots()),
            ] {
                if is_declared {
                    requests.insert(key.into(), request);
                }
            }
            match requests.is_empty() {
                true => done("The client can give no input".into()),
                false => Ok(InputRequiredResult::new(Some(requests), None).into()),
            }
        }
        _ => Err(ErrorData::invalid_params(format!("no tool `{}`", request.name), None)),
    }
}

pub fn prompt(request: &GetPromptRequestParams) -> GetPromptResponse {
    match answer(request.input_responses.as_ref(), "user_context") {
        Some(given) => {
            let text = format!("Context: {}", given["content"]["context"]);
            GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).into()
        }
        None => ask([("user_context", elicitation("Which context?", "context", "string"))], None).into(),
    }
}
