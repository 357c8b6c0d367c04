//! Who asks, and under which address: the peer of the connection, or what a trusted proxy says of the client behind it
//! (`Forwarded` of RFC 7239, or `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`).
//!
//! From any other peer such headers are not believed, but they tell that somebody else stands behind it: then this
//! machine's word is no proof of who asks, and a key is needed.

use super::rules::Live;
use crate::config::Network;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Uri, Version};
use axum::middleware::{Next, from_fn_with_state};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes of a path that the daemon stands under at its proxy.
const LONGEST_PREFIX: usize = 256;
/// Proxies in a row; more are no chain.
const MOST_HOPS: usize = 32;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Whether the daemon itself speaks TLS to it.
    pub tls: bool,
}

/// Where a request comes from and how its sender names this daemon; in each request's extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub address: IpAddr,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// As the client wrote it, with the port if it is an unusual one.
    pub host: Option<String>,
    /// The path that the proxy serves this daemon under, such as `/gimp`; without a slash at its end.
    pub prefix: String,
    pub way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The peer is the client.
    Direct,
    /// A trusted proxy says who it is.
    Trusted,
    /// Somebody who is not trusted forwards it.
    Unknown,
}

impl Client {
    /// Whether it is known who sent it: a program on this machine where only this machine is listened to, or whom a
    /// trusted proxy lets in.
    pub fn is_known(&self) -> bool {
        self.way != Way::Unknown
    }

    /// The link to a path of this daemon: whole where a trusted proxy says under which name clients see it.
    pub fn link(&self, path: &str) -> String {
        match (&self.host, self.way) {
            (Some(host), Way::Trusted) => format!("{}://{host}{}{path}", self.scheme, self.prefix),
            _ => format!("{}{path}", self.prefix),
        }
    }

    /// The same with a name in any case: the one that the client used.
    pub fn url(&self, path: &str) -> String {
        let host = self.host.as_deref().unwrap_or("localhost");
        format!("{}://{host}{}{path}", self.scheme, self.prefix)
    }

    /// The origin of a page that this daemon itself would serve.
    pub fn origin(&self) -> Option<String> {
        Some(format!("{}://{}", self.scheme, self.host.as_ref()?.to_ascii_lowercase()))
    }
}

/// Gives each request its [`Client`].
pub fn layer(routes: Router, live: Live) -> Router {
    routes.layer(from_fn_with_state(live, |State(live): State<Live>, mut request: Request, next: Next| async move {
        let nobody = Peer { address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)), tls: false };
        let peer = request.extensions().get::<Peer>().copied().unwrap_or(nobody);
        let client = read(peer, request.headers(), request.uri(), request.version(), &live.get().proxies);
        request.extensions_mut().insert(client);
        next.run(request).await
    }))
}

/// What the headers say, as far as the peer is to be believed.
fn read(peer: Peer, headers: &HeaderMap, uri: &Uri, version: Version, proxies: &[Network]) -> Client {
    let mut client = Client {
        address: peer.address.ip().to_canonical(),
        scheme: if peer.tls { "https" } else { "http" },
        host: headers
            .get(HOST)
            .map(|host| host.to_str().unwrap_or_default())
            .or(uri.authority().map(|it| it.as_str()))
            .map(str::to_owned),
        prefix: String::new(),
        way: Way::Direct,
    };
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    // nginx speaks HTTP/1.0 to what is behind it unless told otherwise, and then adds no header either; no client of
    // today does.
    if !headers.keys().any(is_of_a_proxy) && version >= Version::HTTP_11 {
        return client;
    }
    if !trusted(client.address) {
        client.way = Way::Unknown;
        return client;
    }
    // A proxy sets the one and passes on what a client wrote into the other.
    let (hops, others) = (forwarded(headers), x_forwarded(headers));
    let (hops, others) = if hops.is_empty() { (others, hops) } else { (hops, others) };
    let sides = [&hops, &others].map(|hops| sender(hops, trusted));
    client.way = match sides {
        [Some(first), Some(second)] if first.address != second.address => Way::Unknown,
        [Some(_), None] if !others.is_empty() => Way::Unknown,
        [Some(_), _] => Way::Trusted,
        // It says that it forwards, and not for whom.
        [None, _] => Way::Unknown,
    };
    if client.way == Way::Unknown {
        return client;
    }
    if let Some(hop) = sides[0] {
        client.address = hop.address.unwrap_or(client.address);
        client.scheme = hop.scheme.unwrap_or(client.scheme);
        client.host = hop.host.clone().or(client.host);
    }
    client.prefix = last(headers, "x-forwarded-prefix").and_then(|text| prefix(&text)).unwrap_or_default();
    client
}

/// The hop that saw the client. `None`: it is not told, or not by an address.
fn sender(hops: &[Hop], trusted: impl Fn(IpAddr) -> bool) -> Option<&Hop> {
    // The last was added by the peer, the one before it by the last's `for`, and so on as long as these are proxies
    // that we know: what stands further left is what the client itself may have written.
    let mut found = None;
    for hop in hops.iter().rev().take(MOST_HOPS) {
        // `unknown` or a name of the proxy's own is nobody that could be told from others.
        let address = hop.address?;
        found = Some(hop);
        if !trusted(address) {
            break;
        }
    }
    found
}

fn is_of_a_proxy(name: &HeaderName) -> bool {
    const NAMES: [&str; 8] = [
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-host",
        "x-original-url",
        "x-proxyuser-ip",
        "true-client-ip",
        "cf-connecting-ip",
    ];
    let text = name.as_str();
    name == FORWARDED || name == VIA || text.starts_with("x-forwarded") || NAMES.contains(&text)
}

/// What one proxy says of the side that its request came from.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hop {
    address: Option<IpAddr>,
    scheme: Option<&'static str>,
    host: Option<String>,
}

/// The elements of `Forwarded`, in order.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let text = joined(headers, FORWARDED.as_str());
    split(&text, ',')
        .into_iter()
        .map(|element| {
            let mut hop = Hop::default();
            for pair in split(element, ';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop.address = node(value),
                    "proto" => hop.scheme = scheme(value),
                    "host" => hop.host = host(value),
                    _ => {}
                }
            }
            hop
        })
        .collect()
}

/// The same of the `X-Forwarded-` headers. Each is a list of its own: `Proto` and `Host` are told by hop where they are
/// as long as `For`, and by the last proxy, which is the trusted one, where they are not.
fn x_forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let list = |name: &str| -> Vec<String> {
        joined(headers, name).split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
    };
    let (addresses, schemes, hosts) = (list("x-forwarded-for"), list("x-forwarded-proto"), list("x-forwarded-host"));
    let of = |all: &[String], at: usize| {
        if all.len() == addresses.len() { all.get(at).cloned() } else { all.last().cloned() }
    };
    let hop = |at: usize, address: Option<IpAddr>| Hop {
        address,
        scheme: of(&schemes, at).and_then(|text| scheme(&text)),
        host: of(&hosts, at).and_then(|text| host(&text)),
    };
    addresses.iter().enumerate().map(|(at, text)| hop(at, node(text))).collect()
}

/// All lines of a header as one list.
fn joined(headers: &HeaderMap, name: &str) -> String {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("unknown")).collect();
    lines.join(",")
}

fn last(headers: &HeaderMap, name: &str) -> Option<String> {
    joined(headers, name).rsplit(',').next().map(|item| item.trim().to_owned()).filter(|item| !item.is_empty())
}

/// Splits outside of quotes.
fn split(text: &str, mark: char) -> Vec<&str> {
    let (mut parts, mut from, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if c == '"' {
            quoted = !quoted;
        } else if c == mark && !quoted {
            parts.push(text[from..at].trim());
            from = at + 1;
        }
    }
    parts.push(text[from..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// `192.0.2.4`, `192.0.2.4:47011`, `2001:db8::1`, `[2001:db8::1]:4711`; anything else tells no address.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address: IpAddr = text.parse().ok().or_else(with_port).or_else(bare)?;
    Some(address.to_canonical())
}

fn scheme(text: &str) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|known| text.eq_ignore_ascii_case(known))
}

fn host(text: &str) -> Option<String> {
    text.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@')).map(|it| it.to_string())
}

/// A plain path: it becomes a part of links.
fn prefix(text: &str) -> Option<String> {
    let path = text.trim_end_matches('/');
    let tame = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let sound = path.starts_with('/') && path.len() <= LONGEST_PREFIX && path.chars().all(tame);
    (sound && !path.contains("//") && !path.split('/').any(|part| part == "..")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, proxies: &[&str], headers: &[(&str, &str)]) -> Client {
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 5), tls: false };
        let proxies: Vec<Network> = proxies.iter().map(|text| text.parse().unwrap()).collect();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        read(peer, &map, &Uri::from_static("/x"), Version::HTTP_11, &proxies)
    }

    fn address(client: &Client) -> String {
        client.address.to_string()
    }

    #[test]
    fn an_unknown_forwarder_is_seen_and_not_believed() {
        for (name, value) in [
            ("forwarded", "for=127.0.0.1"),
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "localhost"),
            ("x-forwarded-server", "a"),
            ("x-forwarded", "127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("via", "1.1 nginx"),
        ] {
            let client = ask("127.0.0.1", &["10.0.0.0/8"], &[("host", "localhost:8000"), (name, value)]);
            assert_eq!((client.way, address(&client).as_str()), (Way::Unknown, "127.0.0.1"), "{name}");
            assert!(!client.is_known() && client.scheme == "http" && client.prefix.is_empty(), "{name}");
        }
        let direct = ask("127.0.0.1", &["127.0.0.1"], &[("host", "localhost:8000")]);
        assert!(direct.is_known() && direct.way == Way::Direct && direct.link("/jobs/1") == "/jobs/1");
        assert_eq!(direct.url("/jsonrpc"), "http://localhost:8000/jsonrpc");
    }

    #[test]
    fn http_1_0_is_what_a_proxy_speaks() {
        let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 5)), tls: false };
        let ask =
            |proxies: &[Network]| read(peer, &HeaderMap::new(), &Uri::from_static("/x"), Version::HTTP_10, proxies);
        assert_eq!(ask(&[]).way, Way::Unknown);
        assert_eq!(ask(&["127.0.0.1".parse().unwrap()]).way, Way::Unknown);
    }

    #[test]
    fn a_trusted_proxy_tells_address_scheme_host_and_prefix() {
        let client = ask(
            "127.0.0.1",
            &["127.0.0.0/8"],
            &[
                ("host", "127.0.0.1:8000"),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "pictures.example"),
                ("x-forwarded-prefix", "/gimp/"),
            ],
        );
        assert_eq!((client.way, address(&client).as_str()), (Way::Trusted, "203.0.113.9"));
        assert_eq!(client.link("/jobs/7"), "https://pictures.example/gimp/jobs/7");
        assert!(client.is_known());
        let client = ask(
            "::1",
            &["::1"],
            &[
                ("forwarded", "for=\"[2001:db8:cafe::17]:4711\";proto=https;host=\"g.example:8443\";by=203.0.113.43"),
                ("x-forwarded-for", "2001:db8:cafe::17"),
            ],
        );
        assert_eq!(address(&client), "2001:db8:cafe::17");
        assert_eq!(client.link("/x"), "https://g.example:8443/x");
    }

    /// A proxy sets the one and passes on what a client wrote into the other: which is which, nobody can tell.
    #[test]
    fn two_headers_that_disagree_are_not_believed() {
        for other in ["127.0.0.1", "198.51.100.1", "unknown"] {
            let headers =
                [("forwarded", "for=203.0.113.9;host=a"), ("x-forwarded-for", other), ("x-forwarded-prefix", "/a")];
            let client = ask("127.0.0.1", &["127.0.0.1"], &headers);
            assert_eq!(
                (client.way, address(&client).as_str(), client.prefix.as_str()),
                (Way::Unknown, "127.0.0.1", "")
            );
        }
        for alone in ["x-forwarded-proto", "x-real-ip", "via"] {
            assert!(!ask("127.0.0.1", &["127.0.0.1"], &[(alone, "127.0.0.1")]).is_known(), "{alone}");
        }
    }

    #[test]
    fn the_client_is_the_last_that_no_trusted_proxy_is() {
        let proxies = ["127.0.0.1", "10.0.0.0/8"];
        for (sent, expected) in [
            ("203.0.113.9", "203.0.113.9"),
            ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
            ("127.0.0.1, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
            ("10.9.9.9, 10.1.2.3", "10.9.9.9"),
            ("203.0.113.9:55000", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ] {
            assert_eq!(address(&ask("127.0.0.1", &proxies, &[("x-forwarded-for", sent)])), expected, "{sent}");
            let elements: Vec<String> = sent.split(", ").map(|address| format!("for=\"{address}\"")).collect();
            assert_eq!(
                address(&ask("127.0.0.1", &proxies, &[("forwarded", &elements.join(", "))])),
                expected,
                "{sent}"
            );
        }
        // The scheme of the hop that saw the client, not what the client wrote before it.
        let lists = [
            ("x-forwarded-for", "127.0.0.1, 203.0.113.9, 10.1.2.3"),
            ("x-forwarded-proto", "http, https, http"),
            ("x-forwarded-host", "evil.example, good.example"),
        ];
        let client = ask("127.0.0.1", &proxies, &lists);
        assert_eq!((client.scheme, client.host.as_deref()), ("https", Some("good.example")));
        for hidden in ["unknown", "_hidden", "203.0.113.9 evil", "localhost"] {
            let client = ask("127.0.0.1", &proxies, &[("forwarded", &format!("for={hidden}"))]);
            assert!(!client.is_known(), "{hidden}");
        }
    }

    #[test]
    fn links_are_made_of_plain_parts() {
        for bad in ["gimp", "//evil.example", "/a//b", "/../x", "/a?b", "/a b", "/a\\b", "/ü"] {
            assert_eq!(prefix(bad), None, "{bad}");
        }
        assert_eq!(prefix("/a/b-c_d.e~f/"), Some("/a/b-c_d.e~f".into()));
        assert_eq!((host("a@b"), host("a b"), scheme("javascript")), (None, None, None));
    }
}
