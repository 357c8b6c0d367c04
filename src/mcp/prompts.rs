//! Prompts that a person picks in the client's menu: ways of working that get good results out of the tools.

use crate::error::{Error, Kind, Result};
use rmcp::model::{GetPromptResult, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::{Map, Value};

/// One prompt: its arguments, and its text with `{name}` for each of them.
struct Template {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    arguments: &'static [Argument],
    text: &'static str,
}

struct Argument {
    name: &'static str,
    description: &'static str,
    /// What stands in the text if the argument is left out; without it the argument is required.
    default: Option<&'static str>,
}

const LONGEST_ARGUMENT: usize = 10_000;

const TEMPLATES: [Template; 2] = [
    Template {
        name: "edit-step-by-step",
        title: "Edit the image step by step",
        description: "Reaches a goal in small steps, looking at the picture after each one.",
        arguments: &[Argument { name: "goal", description: "What the image should become", default: None }],
        text: "\
Work on the image that is open in GIMP until this is reached:

{goal}

How to work:
1. Call get_image_metadata for size, mode and layers, then get_image_bitmap with max_width 1024 to see it.
2. Say in a few lines which steps you plan.
3. Take a checkpoint with a label, so that all of it can be taken back.
4. Do one step at a time with call_api. Give `preview: 768`, so that the answer shows the result. Keep the original \
pixels where you can: work on a new or a duplicated layer, use masks and layer effects.
5. After each step look at the preview and at `effect`. If `changed` is false, the step did nothing: find out why \
before you go on. If the result is worse, call undo and try another way.
6. To judge details, look at a region with origin_x, origin_y, width and height instead of guessing.
7. At the end look at the whole image once more, compare it with the goal, and say what you did and on which layers. \
Save only if the goal says so.

Read the resource gimp://docs/python before you write code for GIMP.",
    },
    Template {
        name: "retouch-photo",
        title: "Retouch a photo",
        description: "Opens a photo or takes the open one, corrects it gently, and shows before and after.",
        arguments: &[
            Argument { name: "wishes", description: "What to improve, and what to leave alone", default: Some("Make it look its best, and natural: correct exposure, white balance and contrast where they are off.") },
            Argument { name: "path", description: "The photo's file; left out: the image that is open", default: Some("") },
        ],
        text: "\
Retouch {photo}.

Wishes: {wishes}

How to work:
1. Look first: get_image_metadata, then get_image_bitmap with max_width 1024, then two or three regions at full size \
(faces, the brightest and the darkest part). Say what you see: exposure, white balance, contrast, noise, sharpness, \
horizon, spots.
2. Take a checkpoint labelled \"before retouching\".
3. Correct in this order, each only if the photo needs it: horizon and crop, exposure and white balance, contrast, \
colour, spots and distractions, noise, and sharpening last. Global corrections go on a copy of the photo's layer or \
as layer effects, local ones on a layer of their own with a mask, so that everything can be changed later. Name the layers.
4. Use moderate values. Give `preview: 1024` with every change and look at it: skin stays skin, highlights keep their \
detail, no halos. Use undo when a step is not clearly better.
5. At the end compare with the checkpoint: tell what changed, in the order of layers, and what you left alone on purpose.
6. Ask before you save. Never overwrite the original file: export beside it, and keep the layers as xcf if wanted.

Read the resource gimp://docs/python before you write code for GIMP.",
    },
];

/// All prompts.
pub fn list() -> Vec<Prompt> {
    let argument = |argument: &Argument| {
        PromptArgument::new(argument.name)
            .with_description(argument.description)
            .with_required(argument.default.is_none())
    };
    let prompt = |template: &Template| {
        let arguments = template.arguments.iter().map(argument).collect();
        Prompt::new(template.name, Some(template.description), Some(arguments)).with_title(template.title)
    };
    TEMPLATES.iter().map(prompt).collect()
}

/// A prompt with its arguments filled in.
pub fn get(name: &str, arguments: &Map<String, Value>) -> Result<GetPromptResult> {
    let invalid = |message: String| Error::new(Kind::InvalidArgument, message);
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let template = template.ok_or_else(|| {
        invalid(format!("no prompt `{name}`")).hint("the prompts are edit-step-by-step and retouch-photo")
    })?;
    if let Some(other) = arguments.keys().find(|key| template.arguments.iter().all(|known| known.name != *key)) {
        return Err(invalid(format!("prompt `{name}` has no argument `{other}`")));
    }
    let mut text = template.text.to_owned();
    for argument in template.arguments {
        let given = match arguments.get(argument.name) {
            None | Some(Value::Null) => None,
            Some(Value::String(value)) if value.len() > LONGEST_ARGUMENT => {
                let limit = format!(
                    "argument `{}` is {} bytes long, the limit is {LONGEST_ARGUMENT}",
                    argument.name,
                    value.len()
                );
                return Err(invalid(limit));
            }
            Some(Value::String(value)) => Some(value.trim()).filter(|value| !value.is_empty()),
            Some(_) => return Err(invalid(format!("argument `{}` must be a string", argument.name))),
        };
        let value = given.or(argument.default).ok_or_else(|| {
            invalid(format!("prompt `{name}` needs the argument `{}`", argument.name)).hint(argument.description)
        })?;
        if argument.name == "path" {
            let photo = match value {
                "" => "the photo that is open in GIMP".to_owned(),
                path => format!("the photo `{path}`; open it with open_image"),
            };
            text = text.replacen("{photo}", &photo, 1);
        } else {
            text = text.replacen(&format!("{{{}}}", argument.name), value, 1);
        }
    }
    let message = PromptMessage::new_text(Role::User, text);
    Ok(GetPromptResult::new(vec![message]).with_description(template.description))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(name: &str, arguments: Value) -> Result<String> {
        let result = get(name, arguments.as_object().unwrap())?;
        Ok(result.messages[0].content.as_text().unwrap().text.clone())
    }

    #[test]
    fn arguments_are_filled_in() {
        let edit = text("edit-step-by-step", json!({"goal": "a {wishes} sky"})).unwrap();
        assert!(edit.contains("\n\na {wishes} sky\n\n") && !edit.contains("{goal}"));
        let open = text("retouch-photo", json!({})).unwrap();
        assert!(open.starts_with("Retouch the photo that is open in GIMP.") && open.contains("Make it look its best"));
        let file = text("retouch-photo", json!({"path": "/a b.jpg", "wishes": "warmer"})).unwrap();
        assert!(file.contains("`/a b.jpg`") && file.contains("Wishes: warmer\n"));
        assert!(![edit, open, file].iter().any(|text| text.contains("{photo}")));
    }

    #[test]
    fn bad_arguments_are_named() {
        for (name, arguments, part) in [
            ("edit-step-by-step", json!({}), "`goal`"),
            ("edit-step-by-step", json!({"goal": " "}), "`goal`"),
            ("edit-step-by-step", json!({"goal": 3}), "`goal`"),
            ("edit-step-by-step", json!({"goal": "x".repeat(10_001)}), "10000"),
            ("edit-step-by-step", json!({"goal": "x", "gaol": "x"}), "`gaol`"),
            ("no-such", json!({}), "`no-such`"),
        ] {
            let error = text(name, arguments).unwrap_err();
            assert!(error.kind == Kind::InvalidArgument && error.message.contains(part), "{error}");
        }
    }
}
