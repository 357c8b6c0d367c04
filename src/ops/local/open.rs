//! open_image: a path is GIMP's to open; bytes travel to it as an upload.

use super::super::Outcome;
use super::super::call::Call;
use super::path;
use crate::error::{Error, Kind, Result};
use crate::images::sniff;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::Value;

/// Standard base64, padded or not: some clients strip the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub async fn open_image(mut call: Call<'_>) -> Result<Outcome> {
    let path = call.take_text("path");
    let data = call.take_text("image_data");
    let mut arguments = std::mem::take(&mut call.arguments);
    let request = match (path, data) {
        (Some(_), Some(_)) => {
            return Err(Error::new(Kind::InvalidArgument, "open_image: `path` and `image_data` were both given")
                .hint("give `path` for a file where GIMP runs, or `image_data` for bytes, not both"));
        }
        (None, None) => {
            return Err(Error::new(Kind::InvalidArgument, "open_image: `path` or `image_data` is missing")
                .hint("give `path` for a file where GIMP runs, or `image_data` for bytes in base64"));
        }
        (Some(path), None) => {
            path::check(&path)?;
            arguments.insert("path".into(), path.into());
            call.request("open_file", arguments)
        }
        (None, Some(text)) => {
            // Tens of megabytes of base64 are work for a thread that may block.
            let (bytes, suffix) =
                tokio::task::spawn_blocking(move || decode(&text)).await.map_err(Error::internal)??;
            arguments.insert("suffix".into(), Value::from(suffix));
            call.upload("open_file", arguments, bytes)
        }
    };
    Ok(Outcome { result: call.ops.gimp().call(request).await?, ..Outcome::default() })
}

/// The bytes of a base64 text or data: URL, and the file ending that tells GIMP their format.
pub fn decode(text: &str) -> Result<(Bytes, String)> {
    let bad = |message: String| {
        Error::new(Kind::InvalidArgument, message)
            .hint("send the file's bytes in standard base64, or a data: URL with ;base64, or use `path`")
    };
    let text = text.trim();
    let (mime_type, text) = match text.strip_prefix("data:") {
        Some(rest) => match rest.split_once(',') {
            Some((head, body)) if head.ends_with(";base64") => (head.split(';').next().unwrap_or_default(), body),
            _ => return Err(bad("`image_data` is a data: URL without `;base64,`".into())),
        },
        None => ("", text),
    };
    // Line breaks are usual in base64 (MIME, shell tools); the copy is made only when there are some.
    let compact: std::borrow::Cow<[u8]> = if text.bytes().any(|byte| byte.is_ascii_whitespace()) {
        text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>().into()
    } else {
        text.as_bytes().into()
    };
    let bytes = BASE64.decode(&compact).map_err(|error| bad(format!("`image_data` is not base64: {error}")))?;
    if bytes.is_empty() {
        return Err(bad("`image_data` holds no bytes".into()));
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
            assert_eq!(&decode(text).unwrap().0[..], b"PNG", "{text}");
        }
        assert_eq!(&decode("UE4").unwrap().0[..], b"PN");
        assert_eq!(decode("data:image/svg+xml;base64,UE5H").unwrap().1, "svg");
        assert_eq!(decode("iVBORw0KGgo=").unwrap().1, "png");
    }

    #[test]
    fn what_is_not_base64_is_named() {
        for (text, message) in [
            ("UE5!", "`image_data` is not base64: Invalid symbol 33, offset 3."),
            ("data:image/png,abc", "`image_data` is a data: URL without `;base64,`"),
            ("data:image/png;base64,", "`image_data` holds no bytes"),
        ] {
            assert_eq!(decode(text).unwrap_err().message, message);
        }
    }
}
