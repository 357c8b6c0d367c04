//! The gallery: a page for people at `/`, its scripts and styles at `/gallery/{file}`; all of it in the binary.
//!
//! The page is a client like any other: what it shows and does goes through the routes beside this one, with the key that
//! its user gives it. Its own files tell nothing, so that they need no key, and run no script but their own.

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const FOLDER: &str = "/gallery/";

/// Nothing from elsewhere, nothing inline, no text that becomes markup, and no frame of another page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

struct File {
    name: &'static str,
    text: &'static str,
    /// Of all files together: one that is new makes all of them new.
    tag: &'static str,
}

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("gallery/", $name)))
    };
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let files = [
        file!("page.html"),
        file!("style.css"),
        file!("icon.svg"),
        file!("main.js"),
        file!("api.js"),
        file!("dom.js"),
        file!("state.js"),
        file!("form.js"),
        file!("jobs.js"),
        file!("pictures.js"),
        file!("files.js"),
        file!("detail.js"),
        file!("around.js"),
    ];
    let mut hash = Sha256::new();
    files.iter().for_each(|(_, text)| hash.update(text));
    let hash: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let tag: &str = format!("\"{hash}\"").leak();
    files.into_iter().map(|(name, text)| File { name, text, tag }).collect()
});

pub fn routes() -> Router {
    Router::new().route("/", get(root)).route("/gallery/{file}", get(asset))
}

/// Whether somebody asks for the page itself.
pub fn is_page(request: &Request) -> bool {
    let path = request.uri().path();
    matches!(*request.method(), Method::GET | Method::HEAD) && (path == "/" || path.starts_with(FOLDER))
}

/// The page for browsers, the ways in for programs.
async fn root(headers: HeaderMap) -> Response {
    let wanted = |kind: &HeaderValue| kind.to_str().is_ok_and(|kind| kind.to_ascii_lowercase().contains("text/html"));
    let mut response = if headers.get_all(ACCEPT).iter().any(wanted) {
        serve("page.html", &headers)
    } else {
        let ways = json!({
            "gallery": "/", "mcp": "/mcp", "jsonrpc": "/jsonrpc", "websocket": "/ws", "openrpc": "/openrpc.json",
            "images": "/images", "jobs": "/jobs", "health": "/health",
        });
        let hint = "a browser gets the gallery here; programs use the other addresses";
        axum::Json(json!({"name": "gimp-bridge", "endpoints": ways, "hint": hint})).into_response()
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    serve(&name, &headers)
}

fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(file) = FILES.iter().find(|file| file.name == name) else {
        let body = json!({"kind": "not_found", "message": "the gallery has no such file", "hint": "its page is at /"});
        return (StatusCode::NOT_FOUND, axum::Json(body)).into_response();
    };
    let has = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == file.tag.as_bytes());
    let kind = match file.name.rsplit_once('.') {
        Some((_, "html")) => "text/html; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "text/javascript; charset=utf-8",
    };
    let mut response = match has {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => file.text.into_response(),
    };
    let own = [
        (CONTENT_TYPE, kind),
        (ETAG, file.tag),
        // A new daemon's page goes with its new scripts.
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in own {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
