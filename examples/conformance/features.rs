//! The suite's resources and prompts.

use crate::tools::IMAGE;
use rmcp::model::*;

pub fn resources() -> Vec<Resource> {
    vec![
        Resource::new("test://static-text", "static-text").with_mime_type("text/plain"),
        Resource::new("test://static-binary", "static-binary").with_mime_type("image/png"),
        Resource::new("test://watched-resource", "watched-resource").with_mime_type("text/plain"),
    ]
}

pub fn template() -> ResourceTemplate {
    ResourceTemplate::new("test://template/{id}/data", "template").with_mime_type("application/json")
}

pub fn read(uri: &str) -> Option<ResourceContents> {
    let text = |text: String, mime: &str| ResourceContents::text(text, uri).with_mime_type(mime);
    Some(match uri {
        "test://static-text" => text("This is the content of the static text resource.".into(), "text/plain"),
        "test://static-binary" => ResourceContents::blob(IMAGE, uri).with_mime_type("image/png"),
        "test://watched-resource" => text("Watched.".into(), "text/plain"),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = serde_json::json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            text(data.to_string(), "application/json")
        }
    })
}

pub fn prompts() -> Vec<Prompt> {
    let argument = |name: &str| PromptArgument::new(name).with_description("A test argument").with_required(true);
    let plain = |name: &str| Prompt::new(name, Some("A test prompt"), None);
    vec![
        plain("test_simple_prompt"),
        Prompt::new(
            "test_prompt_with_arguments",
            Some("A test prompt"),
            Some(vec![argument("arg1"), argument("arg2")]),
        ),
        Prompt::new("test_prompt_with_embedded_resource", Some("A test prompt"), Some(vec![argument("resourceUri")])),
        plain("test_prompt_with_image"),
        plain("test_input_required_result_prompt"),
    ]
}

pub fn prompt(request: &GetPromptRequestParams) -> Option<GetPromptResult> {
    let argument = |name: &str| {
        request.arguments.as_ref().and_then(|all| all.get(name)).and_then(|value| value.as_str()).unwrap_or_default()
    };
    let say = |text: String| PromptMessage::new_text(Role::User, text);
    let messages = match request.name.as_str() {
        "test_simple_prompt" => vec![say("This is a simple prompt for testing.".into())],
        "test_prompt_with_arguments" => {
            vec![say(format!("Prompt with arguments: arg1='{}', arg2='{}'", argument("arg1"), argument("arg2")))]
        }
        "test_prompt_with_embedded_resource" => {
            let contents = ResourceContents::text("Embedded resource content for testing.", argument("resourceUri"));
            let resource = ContentBlock::resource(contents.with_mime_type("text/plain"));
            vec![PromptMessage::new(Role::User, resource), say("Please process the embedded resource above.".into())]
        }
        "test_prompt_with_image" => {
            let image = ContentBlock::image(IMAGE, "image/png");
            vec![PromptMessage::new(Role::User, image), say("Please analyze the image above.".into())]
        }
        _ => return None,
    };
    Some(GetPromptResult::new(messages))
}
