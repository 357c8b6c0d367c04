//! Who may call: Host and Origin (so that no web page but the daemon's own can), and a known key. A probe and a public image
//! need neither: their addresses tell nothing, or cannot be guessed. The gallery's files tell nothing and need no key.

use super::forwarded::{Client, Way};
use super::keys::has_key;
use super::rules::{Live, Rules};
use crate::ops::{BaseUrl, KeyName};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HOST, ORIGIN, VARY, WWW_AUTHENTICATE,
};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::net::IpAddr;

/// Puts the checks in front of all routes. Behind them each request has its [`Identity`](super::keys::Identity), and
/// the caller's rights and the key's name for those who know no keys; but for a probe of `/health`, which strangers may send.
pub fn layer(routes: Router, live: Live) -> Router {
    routes.layer(from_fn_with_state(live, check))
}

async fn check(State(live): State<Live>, mut request: Request, next: Next) -> Response {
    let rules = live.get();
    let headers = request.headers();
    let Some(client) = request.extensions().get::<Client>() else {
        return refuse(StatusCode::FORBIDDEN, "the request has no sender", "this is a fault of gimp-bridge");
    };
    let probe = is_probe(&request) || rules.images_public && super::generated::is_image(&request);
    let base_url = rules.public_url.clone().unwrap_or_else(|| client.url(""));
    let base_url = BaseUrl(base_url.into());
    // Where a key is needed, no name leads a browser in; a trusted proxy passes on the name that it serves.
    let vouched = client.way == Way::Trusted && rules.keys.are_set();
    if !vouched && !rules.host_is_allowed(asked_host(&request)) {
        if probe {
            return next.run(request).await;
        }
        return refuse(StatusCode::FORBIDDEN, "the Host header is not allowed", "add it to server.allowed_hosts");
    }
    let origin = match headers.get(ORIGIN) {
        None => None,
        Some(origin) if rules.origin_is_allowed(origin) => Some(origin.clone()),
        // The daemon's own page. A name that may lead here by rebinding is no name of its own.
        Some(origin) if (vouched || rules.host_is_allowed(client.host.as_deref())) && is_own(client, origin) => {
            Some(origin.clone())
        }
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
    } else if let Some(mut identity) = rules.keys.identify(headers, client.is_known()) {
        identity.base_url = Some(base_url.clone());
        request.extensions_mut().insert(identity.rights);
        request.extensions_mut().insert(KeyName(identity.name.clone()));
        request.extensions_mut().insert(base_url);
        request.extensions_mut().insert(identity);
        next.run(request).await
    } else if probe && !has_key(headers) || super::gallery::is_page(&request) {
        next.run(request).await
    } else {
        let mut refused = unauthorized(&rules);
        refused.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        refused
    };
    match origin {
        Some(origin) => with_cors(response, origin),
        None => response,
    }
}

fn is_own(client: &Client, origin: &HeaderValue) -> bool {
    client.origin().is_some_and(|own| origin.as_bytes() == own.as_bytes())
}

/// What an orchestrator asks, without a key and under any name.
fn is_probe(request: &Request) -> bool {
    request.uri().path() == super::health::PATH && matches!(*request.method(), Method::GET | Method::HEAD)
}

/// The name that the request itself carries.
fn asked_host(request: &Request) -> Option<&str> {
    match request.headers().get(HOST) {
        Some(host) => host.to_str().ok(),
        None => request.uri().authority().map(Authority::as_str),
    }
}

fn unauthorized(rules: &Rules) -> Response {
    if rules.keys.are_set() {
        let hint = "send `Authorization: Bearer KEY` or `X-API-Key: KEY`";
        return refuse(StatusCode::UNAUTHORIZED, "the API key is missing or wrong", hint);
    }
    let hint = "somebody behind a proxy asks, who may be anybody: set server.api_key, and name the proxy in \
                server.trusted_proxies";
    refuse(StatusCode::UNAUTHORIZED, "a forwarded request needs an API key, and none is set", hint)
}

impl Rules {
    fn host_is_allowed(&self, host: Option<&str>) -> bool {
        let authority = host.and_then(|host| host.parse::<Authority>().ok());
        authority.is_some_and(|authority| {
            let host = authority.host().trim_matches(['[', ']']).to_ascii_lowercase();
            let whole = authority.as_str().to_ascii_lowercase();
            // A page that rebinds a name to this address still sends the name; an address cannot be rebound.
            host == "localhost"
                || host.parse::<IpAddr>().is_ok()
                || self.hosts.iter().any(|allowed| *allowed == host || *allowed == whole)
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
    use crate::config::Config;

    fn rules() -> std::sync::Arc<Rules> {
        let mut config = Config::default();
        config.server.allowed_hosts = vec!["gimp.example".into(), "with.port:8443".into()];
        config.server.allowed_origins = vec!["https://app.example/".into()];
        Live::new(&config).unwrap().get()
    }

    #[test]
    fn hosts() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:9",
            "127.9.9.9",
            "[::1]:8000",
            "gimp.example:1",
            // An address is no name that could be rebound.
            "10.0.0.5",
            "192.168.1.20:8000",
            "[2001:db8::7]:8000",
            "with.port:8443",
        ] {
            assert!(rules().host_is_allowed(Some(host)), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "10.0.0.6.evil.example",
            "2130706433",
            "0x7f.1",
            "with.port:1",
            "",
            "a b",
        ] {
            assert!(!rules().host_is_allowed(Some(host)), "{host}");
        }
        assert!(!rules().host_is_allowed(None));
    }

    #[test]
    fn origins() {
        let allowed = |origin: &str| rules().origin_is_allowed(&origin.parse().unwrap());
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
