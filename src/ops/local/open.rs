//! open_image: a path is GIMP's to open; bytes, and generated images, travel to it as an upload.

use super::super::Outcome;
use super::super::call::Call;
use super::generate::short_name;
use super::path;
use crate::error::{Error, Kind, Result};
use crate::images::sniff;
use crate::storage::parse_id;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use chrono::Utc;
use serde_json::Value;

/// Standard base64, padded or not: some clients strip the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub async fn open_image(mut call: Call<'_>) -> Result<Outcome> {
    let given = ["path", "image_data", "image_id"].map(|name| call.take_text(name));
    let mut arguments = std::mem::take(&mut call.arguments);
    let hint = "give `path` for a file where GIMP runs, `image_data` for bytes in base64, or `image_id` for a generated \
                image, one of them";
    let request = match given {
        [None, None, None] => {
            let message = "open_image: `path`, `image_data` or `image_id` is missing";
            return Err(Error::new(Kind::InvalidArgument, message).hint(hint));
        }
        [Some(path), None, None] => {
            path::check(&path)?;
            arguments.insert("path".into(), path.into());
            call.request("open_file", arguments)
        }
        [None, None, Some(id)] => {
            let store = call.ops.generator()?.store();
            let (record, bytes) = store.bytes(parse_id(&id)?, Utc::now()).await?;
            arguments.insert("suffix".into(), record.ending().into());
            let prompt = record.parameters.get("prompt").and_then(Value::as_str).unwrap_or_default();
            arguments.entry("name").or_insert_with(|| short_name(prompt).into());
            call.upload("open_file", arguments, bytes)
        }
        [None, Some(text), None] => {
            // Tens of megabytes of base64 are work for a thread that may block.
            let (bytes, suffix) =
                tokio::task::spawn_blocking(move || decode(&text, "image_data")).await.map_err(Error::internal)??;
            arguments.insert("suffix".into(), Value::from(suffix));
            call.upload("open_file", arguments, bytes)
        }
        _ => {
            let message = "open_image: `path`, `image_data` and `image_id` stand for one image each";
            return Err(Error::new(Kind::InvalidArgument, message).hint(hint));
        }
    };
    Ok(Outcome { result: call.ops.gimp().call(request).await?, ..Outcome::default() })
}

/// The bytes of a base64 text or data: URL that came as `name`, and the file ending that tells GIMP their format.
pub fn decode(text: &str, name: &str) -> Result<(Bytes, String)> {
    let bad = |message: String| {
        Error::new(Kind::InvalidArgument, message)
            .hint("send the file's bytes in standard base64, or a data: URL with ;base64, or use `path`")
    };
    let text = text.trim();
    let (mime_type, text) = match text.strip_prefix("data:") {
        Some(rest) => match rest.split_once(',') {
            Some((head, body)) if head.ends_with(";base64") => (head.split(';').next().unwrap_or_default(), body),
            _ => return Err(bad(format!("`{name}` is a data: URL without `;base64,`"))),
        },
        None => ("", text),
    };
    // Line breaks are usual in base64 (MIME, shell tools); the copy is made only when there are some.
    let compact: std::borrow::Cow<[u8]> = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>().into()
    } else {
        text.as_bytes().into()
    };
    let bytes = BASE64.decode(&compact).map_err(|error| bad(format!("`{name}` is not base64: {error}")))?;
    if bytes.is_empty() {
        return Err(bad(format!("`{name}` holds no bytes")));
    }
    let suffix = sniff::suffix(&bytes).or_else(|| sniff::suffix_of_mime_type(mime_type)).unwrap_or_default();
    Ok((bytes.into(), suffix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_data_urls_are_read() {
        for text in ["UE5H", " UE5\nH ", "data:image/x-icon;base64,UE5H"] {
            assert_eq!(&decode(text, "image_data").unwrap().0[..], b"PNG", "{text}");
        }
        assert_eq!(&decode("UE4", "image_data").unwrap().0[..], b"PN");
        assert_eq!(decode("data:image/svg+xml;base64,UE5H", "image_data").unwrap().1, "svg");
        assert_eq!(decode("iVBORw0KGgo=", "image_data").unwrap().1, "png");
    }

    #[test]
    fn what_is_not_base64_is_named() {
        for (text, message) in [
            ("UE5!", "`image_data` is not base64: Invalid symbol 33, offset 3."),
            ("data:image/png,abc", "`image_data` is a data: URL without `;base64,`"),
            ("data:image/png;base64,", "`image_data` holds no bytes"),
        ] {
            assert_eq!(decode(text, "image_data").unwrap_err().message, message);
        }
    }
}
