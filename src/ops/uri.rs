//! Resource addresses of pictures: `gimp://images/{id}/bitmap?…`, `gimp://layers/{id}/bitmap?…`.
//!
//! The query is get_image_bitmap's parameters, so that reading the address gives the picture that was linked.

use super::catalogue::Catalogue;
use crate::error::{Error, Kind, Result};
use serde_json::{Map, Value};

/// What cannot stand in a query: these are not part of the picture.
const NOT_IN_QUERY: [&str; 4] = ["image", "layer", "as", "timeout"];

/// The address of a picture of `image`, or of the `layer` in the arguments.
pub fn bitmap(image: u64, arguments: &Map<String, Value>) -> String {
    let mut uri = match arguments.get("layer").and_then(Value::as_u64) {
        Some(layer) => format!("gimp://layers/{layer}/bitmap"),
        None => format!("gimp://images/{image}/bitmap"),
    };
    let mut separator = '?';
    for (name, value) in arguments.iter().filter(|(name, value)| is_written(name, value)) {
        uri.push(separator);
        uri.push_str(name);
        uri.push('=');
        match value {
            Value::String(text) => push_encoded(text, &mut uri),
            other => uri.push_str(&other.to_string()),
        }
        separator = '&';
    }
    uri
}

/// Defaults are left out: they are filled in again when the address is read.
fn is_written(name: &str, value: &Value) -> bool {
    let bitmap = Catalogue::get().find("get_image_bitmap");
    let default = bitmap.and_then(|operation| operation.input_schema()["properties"][name].get("default"));
    !NOT_IN_QUERY.contains(&name) && default != Some(value)
}

/// The get_image_bitmap arguments that an address stands for; `None` if it is no picture's address.
///
/// Values stay text: the parameter check converts what the query can only write as text.
pub fn bitmap_arguments(uri: &str) -> Option<Result<Map<String, Value>>> {
    let rest = uri.strip_prefix("gimp://")?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (kind, rest) = path.split_once('/')?;
    let name = match kind {
        "images" => "image",
        "layers" => "layer",
        _ => return None,
    };
    let id = rest.strip_suffix("/bitmap")?;
    Some(arguments(name, id, query).ok_or_else(|| {
        Error::new(Kind::InvalidArgument, format!("`{}` is no address of a picture", super::params::shorten(uri)))
            .hint("write gimp://images/ID/bitmap?max_width=1024, with the parameters of get_image_bitmap")
    }))
}

fn arguments(name: &str, id: &str, query: &str) -> Option<Map<String, Value>> {
    let mut arguments = Map::new();
    arguments.insert(name.into(), id.parse::<u64>().ok()?.into());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=')?;
        let key = decode(key)?;
        if arguments.contains_key(&key) || NOT_IN_QUERY.contains(&key.as_str()) {
            return None;
        }
        arguments.insert(key, decode(value)?.into());
    }
    Some(arguments)
}

fn push_encoded(text: &str, uri: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                (digit()? * 16 + digit()?) as u8
            }
            b'+' => b' ',
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_address_gives_its_arguments_back() {
        let arguments = json!({"max_width": 256, "format": "jpeg", "instance": "12-9877 &ü", "as": "link", "image": 3,
            "enlarge": false});
        let uri = bitmap(3, arguments.as_object().unwrap());
        assert_eq!(uri, "gimp://images/3/bitmap?max_width=256&format=jpeg&instance=12-9877%20%26%C3%BC");
        let back = bitmap_arguments(&uri).unwrap().unwrap();
        assert_eq!(
            Value::from(back),
            json!({"image": 3, "max_width": "256", "format": "jpeg", "instance": "12-9877 &ü"})
        );
        let layer = bitmap(3, json!({"layer": 7}).as_object().unwrap());
        assert_eq!(layer, "gimp://layers/7/bitmap");
        assert_eq!(Value::from(bitmap_arguments(&layer).unwrap().unwrap()), json!({"layer": 7}));
    }

    #[test]
    fn other_addresses_are_not_pictures() {
        for uri in ["gimp://images", "gimp://images/3", "gimp://docs/python", "http://images/3/bitmap"] {
            assert!(bitmap_arguments(uri).is_none(), "{uri}");
        }
        for uri in [
            "gimp://images/x/bitmap",
            "gimp://images/3/bitmap?a",
            "gimp://images/3/bitmap?a=%f",
            "gimp://images/3/bitmap?image=4",
        ] {
            assert!(bitmap_arguments(uri).unwrap().is_err(), "{uri}");
        }
    }
}
