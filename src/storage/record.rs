//! What is known of a generated image: the object beside it.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub image_id: Uuid,
    pub created: DateTime<Utc>,
    /// From then on it is not there.
    pub expires: DateTime<Utc>,
    pub bytes: u64,
    pub mime_type: String,
    pub width: u32,
    pub height: u32,
    /// The fallback, where it took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_in: Option<String>,
    /// What it was made with: prompt, model, backend, seed, …
    pub parameters: Map<String, Value>,
}

impl Record {
    /// What clients get to see: the parameters, and what is known of the file.
    pub fn metadata(&self) -> Map<String, Value> {
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut metadata = self.parameters.clone();
        let known = json!({
            "width": self.width, "height": self.height, "format": self.ending(), "mime_type": self.mime_type,
            "bytes": self.bytes, "created": time(self.created), "expires": time(self.expires),
        });
        if let Value::Object(known) = known {
            metadata.extend(known);
        }
        if let Some(place) = &self.stored_in {
            metadata.insert("stored_in".into(), place.clone().into());
        }
        metadata
    }

    /// The file's ending.
    pub fn ending(&self) -> &'static str {
        match self.mime_type.as_str() {
            "image/jpeg" => "jpg",
            "image/webp" => "webp",
            "image/gif" => "gif",
            "image/bmp" => "bmp",
            "image/tiff" => "tif",
            _ => "png",
        }
    }

    /// The name of the object that holds the image.
    pub(super) fn object(&self) -> String {
        format!("{}.{}", self.image_id, self.ending())
    }
}
