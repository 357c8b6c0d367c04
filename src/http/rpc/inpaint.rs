//! ai_inpainting with a prompt: an image generator paints what it says where something is selected, or where `mask_data` or
//! `region` say.
//!
//! In a session it is fill_selection_with_prompt, as one undo step; a picture that comes along needs no GIMP.

use super::ai::{DEFAULT_SECONDS, mask, png};
use super::in_session::{self, Session, Steps, Within};
use super::{Rpc, answer, wrong};
use crate::error::{Error, Result};
use crate::filters::{Depth, Picture, Plane, Samples};
use crate::http::keys::Identity;
use crate::ops::{Context, Given, given_picture};
use serde_json::{Map, Value, json};

/// What fill_selection_with_prompt takes of the method's parameters.
pub(super) const PARAMETERS: [&str; 10] = [
    "prompt",
    "negative_prompt",
    "strength",
    "context_margin",
    "num_inference_steps",
    "guidance_scale",
    "seed",
    "model",
    "backend",
    "timeout",
];

/// # Errors
/// For what does not go with a prompt; the operation's own.
pub(super) async fn inpaint(
    rpc: &Rpc,
    mut given: Map<String, Value>,
    identity: &Identity,
    context: Context,
) -> Result<Value> {
    let has_parameters = given.get("parameters").and_then(Value::as_object).is_some_and(|given| !given.is_empty());
    if given.contains_key("filter") || has_parameters {
        return Err(wrong(
            "a prompt is for an image generator, and `filter` and `parameters` are not",
            "leave one of them out",
        ));
    }
    let own = |name: &&str| given.get(*name).map(|value| ((*name).to_owned(), value.clone()));
    let mut arguments: Map<String, Value> = PARAMETERS.iter().filter_map(own).collect();
    arguments.entry("timeout").or_insert_with(|| DEFAULT_SECONDS.into());
    if given.contains_key("session_id") {
        let fill = ("fill_selection_with_prompt", arguments);
        let done = in_session::run(rpc, given, fill, identity, context, through_selection).await;
        return Ok(done.unwrap_or_else(|failed| failed));
    }
    let Some(bytes) = rpc.about(&mut given, identity, None).await?.into_bytes() else {
        return Err(wrong("no picture is given", "give image_data, upload or session_id"));
    };
    let Given { picture, complete, mut notes } = given_picture(bytes, "image_data").await?;
    let (width, height) = (picture.width, picture.height);
    let Some(mask) = mask(&given, width, height).await? else {
        return Err(wrong("what to fill is not said", "give `mask_data` or `region`"));
    };
    let filled = rpc.ops.fill_picture(picture, mask, arguments, &context).await?;
    notes.extend(filled.notes);
    let picture = filled.picture;
    let encoded = tokio::task::spawn_blocking(move || png(picture)).await.map_err(Error::internal)??;
    let mut message = notes.iter().fold(filled.message, |text, note| format!("{text}; {note}"));
    if !complete {
        message.push_str("; the picture that was sent is incomplete");
    }
    let mut answer = json!({
        "success": true, "message": message, "image_data": encoded,
        "image_dimensions": {"width": width, "height": height}, "notes": notes, "complete": complete,
    });
    for name in ["image_id", "url", "metadata"] {
        answer[name] = filled.image[name].clone();
    }
    Ok(answer)
}

/// The steps of a run within a mask: it becomes the selection, and the old one comes back.
async fn through_selection(session: &Session<'_>, within: Within) -> std::result::Result<Steps, Value> {
    let selection = session.ask("get_selection", Map::new()).await?;
    let is_selected = selection["result"]["empty"] == false;
    let Within { arguments: mut fill, mask, selected } = within;
    let mask = mask_png(mask).await.map_err(|error| answer::failed(&error))?;
    if let [only] = selected.as_slice() {
        fill.insert("layer".into(), only.clone());
    }
    let (layer, kept) = (json!({"$ref": "mask.layers.0"}), json!({"$ref": "kept.channel"}));
    let mut steps = Vec::new();
    if is_selected {
        steps.push(json!({"id": "kept", "name": "save_selection_to_channel", "arguments": {}}));
    }
    steps.extend([
        json!({"id": "mask", "name": "open_image", "arguments": {"image_data": mask, "as": "layer", "name": "mask"}}),
        json!({"name": "select_from", "arguments": {"source": "alpha", "item": layer}}),
        json!({"name": "delete_layer", "arguments": {"layer": layer}}),
        json!({"name": "fill_selection_with_prompt", "arguments": fill}),
    ]);
    let at = steps.len() - 1;
    if is_selected {
        steps.push(json!({"name": "select_from", "arguments": {"source": "channel", "item": kept}}));
        steps.push(json!({"name": "delete_channel", "arguments": {"channel": kept}}));
    } else {
        steps.push(json!({"name": "select_none", "arguments": {}}));
    }
    Ok((steps.into(), at))
}

/// White, and as opaque as the mask is white.
async fn mask_png(mask: Plane) -> Result<String> {
    let work = move || {
        let values: Vec<f32> = mask.data.iter().flat_map(|value| [1.0, *value]).collect();
        let mut samples = Samples::zeroed(Depth::U8, values.len());
        samples.write(0, &values);
        png(Picture { width: mask.width, height: mask.height, channels: 2, samples })
    };
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)?
}
