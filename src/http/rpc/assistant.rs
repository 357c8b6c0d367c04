//! ai_assistant: a wish in words to the operations that do it, and on request their run as one undoable step.

use super::methods::{flag, text, with_status};
use super::{Answer, Rpc, analysis, wrong};
use crate::assistant::{self, Knowledge, Reply, Suggestion};
use crate::error::Result;
use crate::http::keys::Identity;
use crate::ops::{Context, Right};
use serde_json::{Map, Value, json};

pub(super) async fn ai_assistant(
    rpc: &Rpc,
    given: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Answer {
    Ok(with_status(answer(rpc, given, identity, context).await))
}

async fn answer(rpc: &Rpc, given: Map<String, Value>, identity: &Identity, context: Context) -> Result<Value> {
    let session =
        text(&given, "session_id").or_else(|| given.get("image_state")?["session_id"].as_str()).map(str::to_owned);
    let apply = flag(&given, "apply");
    if apply {
        identity.rights.need(Right::Edit, "`apply`")?;
        if session.is_none() {
            return Err(wrong(
                "`apply` needs a session to run the suggestion in",
                "give session_id, or leave `apply` out",
            ));
        }
    }
    let message = text(&given, "message").unwrap_or_default();
    let history = given.get("conversation_history").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let meant = assistant::taken_up(message, history);
    let measured = match (&session, given.get("analysis_results")) {
        (_, Some(results)) => Some(results.clone()),
        (Some(id), None) => measure(rpc, id, identity, &context).await?,
        (None, None) => None,
    };
    let state = match (&session, given.get("image_state")) {
        (_, Some(state)) => Some(state.clone()),
        (Some(id), None) => {
            let look = Map::from_iter([("session_id".to_owned(), id.as_str().into()), ("limit".to_owned(), 30.into())]);
            Some(rpc.operation("get_image_metadata", look, identity, context.clone()).await["result"].take())
        }
        (None, None) => None,
    };
    let knowledge = Knowledge { image_state: state.as_ref(), analysis: measured.as_ref() };
    let reply = assistant::remote::suggest(&rpc.assistant, meant, history, knowledge).await?;
    let mut body = json!({
        "message": reply.message,
        "suggestion": reply.suggestions.first().map(Suggestion::to_json),
        "status": "success",
    });
    if reply.suggestions.len() > 1 {
        body["suggestions"] = reply.suggestions.iter().map(Suggestion::to_json).collect();
    }
    if apply && !reply.suggestions.is_empty() {
        run(rpc, &reply, session.as_deref().unwrap_or_default(), identity, context, &mut body).await;
    }
    Ok(body)
}

/// The session's image in figures; a wish can be answered without them.
async fn measure(rpc: &Rpc, session: &str, identity: &Identity, context: &Context) -> Result<Option<Value>> {
    let given =
        Map::from_iter([("session_id".to_owned(), session.into()), ("analysis_type".to_owned(), "basic".into())]);
    let mut answer = analysis::image_analysis(rpc, given, identity, context.clone()).await?;
    if answer["status"] == "error" {
        return Err(wrong(answer["message"].as_str().unwrap_or("no analysis"), "give the id of an open session"));
    }
    Ok(Some(answer["analysis"].take()))
}

/// Runs the suggestions in the session: several as a batch, so that one undo takes them back.
async fn run(rpc: &Rpc, reply: &Reply, session: &str, identity: &Identity, context: Context, body: &mut Value) {
    let (operation, mut given) = match reply.suggestions.as_slice() {
        [one] => (one.operation.as_str(), one.parameters.clone()),
        all => {
            let steps: Vec<Value> =
                all.iter().map(|step| json!({"name": step.operation, "arguments": step.parameters})).collect();
            ("batch", Map::from_iter([("operations".to_owned(), steps.into())]))
        }
    };
    given.insert("session_id".into(), session.into());
    let done = rpc.operation(operation, given, identity, context).await;
    body["applied"] = (done["success"] == true).into();
    body["session_id"] = session.into();
    if done["success"] == true {
        let words: Vec<&str> = reply.suggestions.iter().map(|step| step.words.as_str()).collect();
        body["message"] = format!("Done: {}.", words.join(", then ")).into();
        body["image_dimensions"] = done["image_dimensions"].clone();
        body["result"] = done["result"].clone();
    } else {
        body["status"] = "error".into();
        body["message"] = done["message"].clone();
        body["error"] = done["error"].clone();
    }
}
