//! What an operation did, as one sentence for `message`, where its result has none of its own.
//!
//! Made of what the result says, so that it holds for operations that are added later too.

use serde_json::{Map, Value};

/// The sentence; without a full stop, as messages are.
pub fn of(name: &str, result: &Map<String, Value>) -> String {
    let number = |place: &[&str]| {
        let mut keys = place.iter();
        let first = result.get(*keys.next()?)?;
        keys.try_fold(first, |value, key| value.get(*key))?.as_u64()
    };
    let size = number(&["width"]).zip(number(&["height"])).or_else(|| {
        let basic = result.get("basic")?;
        basic["width"].as_u64().zip(basic["height"].as_u64())
    });
    let image = number(&["image"]).map(|image| format!(" `{image}`")).unwrap_or_default();
    let (width, height) = size.unwrap_or_default();
    let text = |key: &str| result.get(key).and_then(Value::as_str).unwrap_or("?");
    match name {
        "get_image_metadata" => {
            let layers = number(&["structure", "num_layers"]).unwrap_or_default();
            return format!("Image{image} is {width}x{height} pixels and has {}", counted(layers, "layers"));
        }
        "get_image_properties" => return format!("These are the properties of image{image}"),
        "get_file_metadata" => {
            return format!(
                "The metadata of image{image} has {}",
                counted(number(&["count"]).unwrap_or_default(), "tags")
            );
        }
        "select_image" => return format!("Image{image} (`{}`), {width}x{height} pixels, is chosen", text("name")),
        "select_instance" => return "Calls go to this GIMP from now on".into(),
        "get_context_state" => return "This is what GIMP's tools are set to".into(),
        "get_text_layer" => return format!("The text layer is {width}x{height} pixels"),
        "measure_text" => return format!("The text takes {width}x{height} pixels"),
        "analyze_image" => return format!("Image{image} was analysed"),
        "get_generated_image_metadata" => return format!("This is how image `{}` was generated", text("image_id")),
        "describe_procedure" => {
            let count = result.get("arguments").and_then(Value::as_array).map_or(0, Vec::len) as u64;
            return format!("Procedure `{}` takes {}", text("procedure"), counted(count, "arguments"));
        }
        "get_selection" if result.get("empty") == Some(&Value::Bool(true)) => return "Nothing is selected".into(),
        "get_selection" => return "Measured the selection".into(),
        "get_image_bitmap" => {
            return format!("The picture has {width}x{height} pixels");
        }
        _ => {}
    }
    let list = result.iter().find(|(key, value)| value.is_array() && !["notes", "effects"].contains(&key.as_str()));
    if let Some((key, Value::Array(items))) = list {
        let total = number(&["total"]).unwrap_or(items.len() as u64);
        let shown = if total > items.len() as u64 { format!(", {} of them here", items.len()) } else { String::new() };
        return format!("Found {}{shown}", counted(total, &key.replace('_', " ")));
    }
    let unchanged = result.get("effect").is_some_and(|effect| effect["changed"] == false);
    match (unchanged, size) {
        (true, _) => format!("`{name}` ran, and nothing in the image changed"),
        (false, Some((width, height))) => format!("`{name}` ran: {width}x{height} pixels"),
        (false, None) => format!("`{name}` ran to its end"),
    }
}

/// `2 layers`, `1 layer`, `no layers`.
fn counted(count: u64, things: &str) -> String {
    match count {
        0 => format!("no {things}"),
        1 => format!("1 {}", things.strip_suffix('s').unwrap_or(things)),
        _ => format!("{count} {things}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Catalogue;
    use serde_json::json;

    fn of(name: &str, result: Value) -> String {
        super::of(name, result.as_object().unwrap())
    }

    #[test]
    fn a_sentence_says_what_was_found_or_done() {
        let facts = json!({"image": 3, "basic": {"width": 640, "height": 480}, "structure": {"num_layers": 1}});
        assert_eq!(of("get_image_metadata", facts), "Image `3` is 640x480 pixels and has 1 layer");
        assert_eq!(of("list_images", json!({"images": [1, 2], "selected": 1})), "Found 2 images");
        assert_eq!(of("list_fonts", json!({"fonts": [1], "total": 90})), "Found 90 fonts, 1 of them here");
        assert_eq!(
            of("flip_image", json!({"effect": {"changed": false}})),
            "`flip_image` ran, and nothing in the image changed"
        );
        assert_eq!(of("get_selection", json!({"empty": true})), "Nothing is selected");
        for operation in Catalogue::get().public() {
            let said = of(&operation.name, json!({}));
            assert!(!said.ends_with('.') && said.len() > 8, "{said}");
            assert!(!said.starts_with(&operation.title), "a title is no sentence: {said}");
        }
    }
}
