//! What a request for a file asks for: all of it, a part, or whether it has changed (RFC 9110: ETag, If-None-Match, Range,
//! If-Range).

use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use std::ops::Range;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    NotModified,
    /// The part lies outside.
    Outside,
    Part(Range<u64>),
    Whole(u64),
}

/// Reads it from the headers; `tag` is the ETag without its quotes, `bytes` the file's size.
pub fn asked(headers: &HeaderMap, tag: &str, bytes: u64) -> Asked {
    let tag = format!("\"{tag}\"");
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let known = text(IF_NONE_MATCH).is_some_and(|list| {
        list.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
    });
    if known {
        return Asked::NotModified;
    }
    // Without If-Range, or with the present one, the range holds.
    let valid = headers.get(IF_RANGE).is_none_or(|value| value.as_bytes() == tag.as_bytes());
    match text(RANGE).filter(|_| valid).and_then(|range| parse(range, bytes)) {
        Some(Ok((first, last))) => Asked::Part(first..last + 1),
        Some(Err(())) => Asked::Outside,
        None => Asked::Whole(bytes),
    }
}

impl Asked {
    /// The bytes to send; `None`: only headers.
    pub fn bytes(&self) -> Option<Range<u64>> {
        match self {
            Asked::Part(range) => Some(range.clone()),
            Asked::Whole(bytes) => Some(0..*bytes),
            Asked::NotModified | Asked::Outside => None,
        }
    }

    /// Sets status and headers of the answer.
    pub fn head(&self, response: &mut Response, tag: &str, bytes: u64) {
        match self {
            Asked::NotModified => *response.status_mut() = StatusCode::NOT_MODIFIED,
            Asked::Outside => {
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                insert(response, CONTENT_RANGE, &format!("bytes */{bytes}"));
            }
            Asked::Part(range) => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                insert(response, CONTENT_RANGE, &format!("bytes {}-{}/{bytes}", range.start, range.end - 1));
            }
            Asked::Whole(_) => {}
        }
        if let Some(range) = self.bytes() {
            insert(response, CONTENT_LENGTH, &(range.end - range.start).to_string());
        }
        insert(response, ETAG, &format!("\"{tag}\""));
        insert(response, ACCEPT_RANGES, "bytes");
    }
}

/// A header whose value is ours.
pub fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// The first and last byte of a single range; `None` where it is no such range and the whole file is sent, as HTTP
/// allows; an error where it lies outside.
fn parse(range: &str, bytes: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = range.strip_prefix("bytes=")?.trim().split_once('-')?;
    let end = bytes.checked_sub(1);
    Some(match (first.is_empty(), last.is_empty()) {
        (true, true) => return None,
        (true, false) => {
            let count: u64 = last.parse().ok()?;
            end.filter(|_| count > 0).map(|end| (bytes.saturating_sub(count), end)).ok_or(())
        }
        (false, _) => {
            let first: u64 = first.parse().ok()?;
            let last: u64 = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
            if last < first {
                return None;
            }
            end.filter(|end| first <= *end).map(|end| (first, last.min(end))).ok_or(())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-4", Some(Ok((0, 4)))),
            ("bytes=5-", Some(Ok((5, 9)))),
            ("bytes=-3", Some(Ok((7, 9)))),
            ("bytes=-30", Some(Ok((0, 9)))),
            ("bytes=8-20", Some(Ok((8, 9)))),
            ("bytes=10-", Some(Err(()))),
            ("bytes=-0", Some(Err(()))),
            ("bytes=4-2", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("lines=1-2", None),
        ] {
            assert_eq!(parse(range, 10), expected, "{range}");
        }
        assert_eq!(parse("bytes=0-", 0), Some(Err(())));
    }

    #[test]
    fn a_tag_that_is_known_and_a_part_of_an_old_file() {
        let with = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()));
            asked(&HeaderMap::from_iter(pairs), "a", 10)
        };
        assert_eq!(with(&[]), Asked::Whole(10));
        for list in ["\"a\"", "W/\"a\"", "\"x\", \"a\"", "*"] {
            assert_eq!(with(&[("if-none-match", list), ("range", "bytes=0-1")]), Asked::NotModified, "{list}");
        }
        assert_eq!(with(&[("range", "bytes=2-3"), ("if-range", "\"a\"")]), Asked::Part(2..4));
        assert_eq!(with(&[("range", "bytes=2-3"), ("if-range", "\"b\"")]), Asked::Whole(10));
        assert_eq!(with(&[("range", "bytes=20-")]), Asked::Outside);
    }
}
