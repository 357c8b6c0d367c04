//! What a folder or a bucket refuses, in plain words, with what to set.

use super::place::{Place, Where};
use crate::error::{Error, Kind};
use std::time::Duration;

impl Place {
    /// A store that says nothing.
    pub(super) fn silent(&self, limit: Duration) -> Error {
        let message = format!("{} does not answer within {} s", self.shown, limit.as_secs());
        let hint = match &self.kind {
            Where::Folder { .. } => "the folder may be on a file system that is away: set another STORAGE_PATH",
            Where::Bucket { .. } => "check S3_ENDPOINT_URL and the network",
        };
        Error::new(Kind::Config, message).hint(hint)
    }

    /// What happened, and what to set.
    pub(super) fn failed(&self, error: &object_store::Error, doing: &str) -> Error {
        let why = innermost(error);
        // Not the error's own text, which names the object: any letters and digits may stand in that.
        let said = why.to_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        let made = |kind, what: String, hint: &str| Error::new(kind, what).hint(hint);
        match &self.kind {
            Where::Folder { .. } => {
                let full = has(&["no space", "quota exceeded", "os error 28", "os error 122"]);
                let message = format!("`{}` cannot be {doing}: {why}", self.shown);
                let hint = if full {
                    "make room, or lower storage.quota_mb or IMAGE_TTL"
                } else {
                    "let the user of gimp-bridge write there, or set another STORAGE_PATH"
                };
                made(Kind::IoError, message, hint)
            }
            Where::Bucket { name, .. } => {
                if has(&["nosuchbucket", "invalidbucketname"]) || matches!(error, object_store::Error::NotFound { .. })
                {
                    return made(
                        Kind::IoError,
                        format!("there is no bucket `{name}` ({})", self.shown),
                        "make it, or set S3_BUCKET; S3_ENDPOINT_URL says at which server",
                    );
                }
                if has(&["requesttimetooskewed", "requestexpired"]) {
                    return made(
                        Kind::IoError,
                        format!("{} refuses this machine's clock", self.shown),
                        "mend the clock of this machine (NTP)",
                    );
                }
                let elsewhere = ["permanentredirect", "authorizationheadermalformed", "incorrectly configured region"];
                if has(&elsewhere) {
                    return made(
                        Kind::IoError,
                        format!("{} is asked in the wrong region: {why}", self.shown),
                        "set AWS_REGION to the bucket's, and S3_ENDPOINT_URL if it is not AWS",
                    );
                }
                if has(&[
                    "invalidaccesskeyid",
                    "notsignedup",
                    "signaturedoesnotmatch",
                    "unauthenticated",
                    "invalidtoken",
                    "expiredtoken",
                ]) || matches!(error, object_store::Error::Unauthenticated { .. })
                {
                    return made(
                        Kind::IoError,
                        format!("{} does not take these credentials: {why}", self.shown),
                        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN for temporary ones), and AWS_REGION",
                    );
                }
                if has(&["accessdenied", "403 forbidden"])
                    || matches!(error, object_store::Error::PermissionDenied { .. })
                {
                    return made(
                        Kind::IoError,
                        format!("{} may not be {doing} with these credentials: {why}", self.shown),
                        "allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket on it",
                    );
                }
                made(
                    Kind::Busy,
                    format!("{} cannot be {doing}: {why}", self.shown),
                    "it may be away: try again; check S3_ENDPOINT_URL and the network",
                )
            }
        }
    }
}

/// The cause that says most: the innermost; of what a server answers in XML its code and message.
fn innermost(error: &object_store::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        let (inside, _) = rest.split_once(&format!("</{name}>"))?;
        Some(inside.trim().trim_start_matches("<![CDATA[").trim_end_matches("]]>"))
    };
    let said = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) if !message.is_empty() => format!("{code}: {message}"),
        (Some(code), _) => code.to_owned(),
        _ => text.clone(),
    };
    said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}
