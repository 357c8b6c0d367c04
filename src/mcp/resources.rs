//! The `gimp://` resources: a URI is an operation with arguments, so that checks and errors are the operation's own.

use super::attachments::Attachments;
use super::bound::{MOST, bound};
use crate::error::{Error, Kind, Result};
use crate::ops::catalogue::Catalogue;
use crate::ops::params::shorten;
use crate::ops::{Context, Ops, Pictures, uri};
use rmcp::model::{ReadResourceResult, Resource, ResourceContents, ResourceTemplate};
use serde_json::{Map, Value};
use std::time::Duration;

/// How to script GIMP 3, for models; each example in it runs in the test suite.
const PYTHON_GUIDE: &str = include_str!("../../docs/gimp-python.md");
const PYTHON_URI: &str = "gimp://docs/python";
const IMAGES_URI: &str = "gimp://images";

/// A list of resources is shown in menus, which should not wait long for a busy GIMP.
const LISTING: Duration = Duration::from_secs(2);

/// Parameters of get_image_bitmap that the URI's path or its use fixes.
const FIXED: [&str; 4] = ["image", "layer", "as", "timeout"];

/// The fixed resources, and one for each open image if GIMP answers.
pub async fn list(ops: &Ops, context: Context, pictures: Pictures) -> Vec<Resource> {
    let mut resources = vec![
        Resource::new(PYTHON_URI, "python-guide")
            .with_title("Scripting GIMP 3 with Python")
            .with_description(
                "What call_api's exec can do, with tested examples. Read it before writing code for GIMP.",
            )
            .with_mime_type("text/markdown")
            .with_size(PYTHON_GUIDE.len() as u64),
        Resource::new(IMAGES_URI, "images")
            .with_title("Open images")
            .with_description("The images that are open in GIMP, as list_images gives them.")
            .with_mime_type("application/json"),
    ];
    let asked = tokio::time::timeout(LISTING, ops.run("list_images", Map::new(), context)).await;
    // Without a GIMP there are no images: the fixed resources are the true list.
    let Ok(Ok(outcome)) = asked else { return resources };
    for image in outcome.result.get("images").and_then(Value::as_array).into_iter().flatten() {
        let (Some(id), Some(name)) = (image["id"].as_i64(), image["name"].as_str()) else { continue };
        resources.push(
            Resource::new(format!("{IMAGES_URI}/{id}"), name)
                .with_title(format!("{name}: layers and properties"))
                .with_mime_type("application/json"),
        );
        // A client puts it before a model. Its type depends on the picture.
        let bound = pictures.max_bytes.unwrap_or_default();
        let size = "max_width=1024&max_height=1024";
        resources.push(
            Resource::new(format!("{IMAGES_URI}/{id}/bitmap?{size}&format=auto&max_bytes={bound}"), name)
                .with_title(format!("{name}: the picture")),
        );
    }
    resources
}

/// The resources that have an id in their URI.
pub fn templates() -> Vec<ResourceTemplate> {
    let query = format!("{{?{}}}", query_parameters().join(","));
    vec![
        ResourceTemplate::new("gimp://images/{id}", "image")
            .with_title("An image's structure and properties")
            .with_description("What get_image_metadata answers.")
            .with_mime_type("application/json"),
        ResourceTemplate::new(format!("gimp://images/{{id}}/bitmap{query}"), "image-bitmap")
            .with_title("An image as it looks")
            .with_description("What get_image_bitmap answers, with its parameters; PNG unless format says otherwise."),
        ResourceTemplate::new(format!("gimp://layers/{{id}}/bitmap{query}"), "layer-bitmap")
            .with_title("One layer alone")
            .with_description("A layer, channel or mask by id, in its own coordinates."),
    ]
}

fn query_parameters() -> Vec<&'static str> {
    let bitmap = Catalogue::get().find("get_image_bitmap").expect("the catalogue has get_image_bitmap");
    bitmap.parameter_names().filter(|name| !FIXED.contains(name)).collect()
}

/// The contents of one resource.
pub async fn read(uri: &str, ops: &Ops, context: Context, attachments: &Attachments) -> Result<ReadResourceResult> {
    if uri == PYTHON_URI {
        let text = ResourceContents::text(PYTHON_GUIDE, uri).with_mime_type("text/markdown");
        return Ok(ReadResourceResult::new(vec![text]));
    }
    let (operation, arguments) = parse(uri)?;
    let outcome = ops.run(operation, arguments, context).await?;
    let contents = match outcome.pictures.into_iter().next() {
        Some(picture) => {
            let mime_type = picture.format.mime_type();
            ResourceContents::blob(attachments.put(picture.base64), uri).with_mime_type(mime_type)
        }
        None => {
            let mut fields = outcome.result;
            bound(&mut fields, MOST);
            let text = serde_json::to_string(&fields).map_err(Error::internal)?;
            ResourceContents::text(text, uri).with_mime_type("application/json")
        }
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

/// The operation and the arguments that a URI stands for.
fn parse(uri: &str) -> Result<(&'static str, Map<String, Value>)> {
    if uri == IMAGES_URI {
        return Ok(("list_images", Map::new()));
    }
    if let Some(arguments) = uri::bitmap_arguments(uri) {
        return Ok(("get_image_bitmap", arguments?));
    }
    let id = uri.strip_prefix(IMAGES_URI).and_then(|rest| rest.strip_prefix('/')).and_then(|id| id.parse::<u32>().ok());
    let id = id.filter(|id| *id > 0).ok_or_else(|| {
        Error::new(Kind::NotFound, format!("no resource `{}`", shorten(uri)))
            .hint("resources/list and resources/templates/list give the URIs")
    })?;
    Ok(("get_image_metadata", Map::from_iter([("image".to_owned(), id.into())])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn uris_stand_for_operations() {
        let parsed = |uri| parse(uri).map(|(operation, arguments)| (operation, Value::from(arguments)));
        assert_eq!(parsed("gimp://images").unwrap(), ("list_images", json!({})));
        assert_eq!(parsed("gimp://images/7").unwrap(), ("get_image_metadata", json!({"image": 7})));
        assert_eq!(
            parsed("gimp://images/7/bitmap?max_width=64&format=webp").unwrap(),
            ("get_image_bitmap", json!({"image": 7, "max_width": "64", "format": "webp"}))
        );
        assert_eq!(parsed("gimp://layers/9/bitmap").unwrap(), ("get_image_bitmap", json!({"layer": 9})));
    }

    #[test]
    fn other_uris_are_refused() {
        for uri in
            ["", "gimp://", "http://images", "gimp://images/", "gimp://images/x", "gimp://images/0", "gimp://layers/3"]
        {
            assert_eq!(parse(uri).unwrap_err().kind, Kind::NotFound, "{uri}");
        }
    }

    #[test]
    fn templates_name_the_bitmap_parameters() {
        let templates = templates();
        assert!(
            templates[1].uri_template.contains("{?max_width,max_height,origin_x,"),
            "{}",
            templates[1].uri_template
        );
        assert!(!templates[1].uri_template.contains("timeout"));
    }
}
