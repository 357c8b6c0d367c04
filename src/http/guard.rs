//! Who may call: Host and Origin (so that no web page can), and a known key.

use super::keys::Keys;
use crate::config;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;

struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
    keys: Keys,
}

/// Puts the checks in front of all routes. Behind them each request has its [`Identity`](super::keys::Identity), and
/// the caller's rights for those who know no keys.
pub fn layer(routes: Router, settings: &config::Server, keys: Keys) -> Router {
    let mut hosts: Vec<String> = settings.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
    if !settings.host.is_unspecified() {
        hosts.push(settings.host.to_string());
    }
    let origins =
        settings.allowed_origins.iter().map(|origin| origin.trim_end_matches('/').to_ascii_lowercase()).collect();
    let guard = Arc::new(Guard { hosts, origins, keys });
    routes.layer(from_fn_with_state(guard, check))
}

async fn check(State(guard): State<Arc<Guard>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !guard.host_is_allowed(headers, request.uri()) {
        return refuse(StatusCode::FORBIDDEN, "the Host header is not allowed", "add it to server.allowed_hosts");
    }
    let origin = match headers.get(ORIGIN) {
        None => None,
        Some(origin) if guard.origin_is_allowed(origin) => Some(origin.clone()),
        Some(_) => {
            return refuse(
                StatusCode::FORBIDDEN,
                "the Origin header is not allowed",
                "add it to server.allowed_origins",
            );
        }
    };
    // Browsers ask first, without credentials.
    let response = if request.method() == Method::OPTIONS && origin.is_some() {
        StatusCode::NO_CONTENT.into_response()
    } else if let Some(identity) = guard.keys.identify(headers) {
        request.extensions_mut().insert(identity.rights);
        request.extensions_mut().insert(identity);
        next.run(request).await
    } else {
        let hint = "send `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        let mut refused = refuse(StatusCode::UNAUTHORIZED, "the API key is missing or wrong", hint);
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        refused
    };
    match origin {
        Some(origin) => with_cors(response, origin),
        None => response,
    }
}

impl Guard {
    fn host_is_allowed(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let authority = match headers.get(HOST) {
            Some(host) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
            None => uri.authority().cloned(),
        };
        authority.is_some_and(|authority| {
            let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
            is_loopback(&host)
                || self
                    .hosts
                    .iter()
                    .any(|allowed| *allowed == host || *allowed == authority.as_str().to_ascii_lowercase())
        })
    }

    fn origin_is_allowed(&self, origin: &HeaderValue) -> bool {
        let Ok(origin) = origin.to_str().map(str::to_ascii_lowercase) else { return false };
        let loopback = origin.parse::<Uri>().ok().is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| is_loopback(host.trim_matches(['[', ']'])))
        });
        loopback || self.origins.contains(&origin)
    }
}

/// Names and addresses that only this machine can mean.
fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn refuse(status: StatusCode, message: &str, hint: &str) -> Response {
    let kind = if status == StatusCode::UNAUTHORIZED { "unauthorized" } else { "forbidden" };
    (status, axum::Json(json!({"kind": kind, "message": message, "hint": hint}))).into_response()
}

fn with_cors(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS"));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "authorization, content-range, content-type, last-event-id, mcp-method, mcp-name, mcp-protocol-version, \
             mcp-session-id, prefer, range, x-api-key, x-gimp-bridge-client",
        ),
    );
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("mcp-session-id, location, retry-after, content-range, etag"),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard {
            hosts: vec!["gimp.example".into(), "10.0.0.5".into(), "with.port:8443".into()],
            origins: vec!["https://app.example".into()],
            keys: Keys::read(&config::Server::default(), false).unwrap(),
        }
    }

    fn headers(name: &str, value: &str) -> HeaderMap {
        let name: axum::http::HeaderName = name.parse().unwrap();
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn hosts() {
        let allowed = |host: &str| guard().host_is_allowed(&headers("host", host), &Uri::from_static("/mcp"));
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:9",
            "127.9.9.9",
            "[::1]:8000",
            "gimp.example:1",
            "10.0.0.5",
            "with.port:8443",
        ] {
            assert!(allowed(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "10.0.0.6", "with.port:1", "", "a b"]
        {
            assert!(!allowed(host), "{host}");
        }
        assert!(!guard().host_is_allowed(&HeaderMap::new(), &Uri::from_static("/mcp")));
    }

    #[test]
    fn origins() {
        let allowed = |origin: &str| guard().origin_is_allowed(&origin.parse().unwrap());
        for origin in [
            "http://localhost:6274",
            "http://127.0.0.1",
            "https://[::1]:5",
            "https://app.example",
            "HTTPS://APP.example",
        ] {
            assert!(allowed(origin), "{origin}");
        }
        for origin in [
            "null",
            "",
            "http://app.example",
            "https://app.example:444",
            "http://evil.example",
            "http://localhost.evil.example",
            "file://localhost",
        ] {
            assert!(!allowed(origin), "{origin}");
        }
    }
}
