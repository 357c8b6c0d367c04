//! Environment names that look like ours and are not.
//!
//! Kubernetes sets variables in every container for each Service of the namespace, by the Service's name: one called
//! `gimp-bridge` gives `GIMP_BRIDGE_SERVICE_HOST` and `GIMP_BRIDGE_PORT=tcp://…`, and one called `gimp-bridge-server`
//! even `GIMP_BRIDGE_SERVER_PORT=tcp://…`. Docker's links do the same.

/// Whether Kubernetes or Docker set this variable about a service, whatever its name means to us.
pub fn is_of_a_service(name: &str, value: &str) -> bool {
    let part = |text: &str| {
        !text.is_empty() && text.bytes().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_')
    };
    let names_host = name.ends_with("_SERVICE_HOST");
    let names_port = name
        .split_once("_SERVICE_PORT")
        .is_some_and(|(_, rest)| rest.is_empty() || rest.strip_prefix('_').is_some_and(part));
    names_host || names_port || is_of_a_port(name) || (name.ends_with("_PORT") && is_an_address(value))
}

/// `…_PORT_8000_TCP`, `…_PORT_8000_TCP_ADDR` and the like.
fn is_of_a_port(name: &str) -> bool {
    name.match_indices("_PORT_").any(|(at, mark)| {
        let mut words = name[at + mark.len()..].split('_');
        let number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        let protocol = words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"));
        let rest = matches!((words.next(), words.next()), (None | Some("PROTO" | "PORT" | "ADDR"), None));
        number && protocol && rest
    })
}

/// `tcp://10.0.0.1:80`.
fn is_an_address(value: &str) -> bool {
    let (protocol, place) = value.trim().split_once("://").unwrap_or_default();
    let port = place.rsplit_once(':').map_or("", |(_, port)| port);
    matches!(protocol, "tcp" | "udp" | "sctp") && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_told_from_settings() {
        for (name, value) in [
            ("GIMP_BRIDGE_SERVICE_HOST", "10.0.0.1"),
            ("GIMP_BRIDGE_SERVICE_PORT", "8000"),
            ("GIMP_BRIDGE_SERVICE_PORT_HTTP", "8000"),
            ("GIMP_BRIDGE_SERVICE_PORT_MCP_HTTP2", "8000"),
            ("GIMP_BRIDGE_PORT", "tcp://10.0.0.1:8000"),
            ("GIMP_BRIDGE_PORT", "udp://[fd00::1]:53"),
            ("GIMP_BRIDGE_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
            ("GIMP_BRIDGE_PORT_8000_TCP_PROTO", "tcp"),
            ("GIMP_BRIDGE_PORT_8000_TCP_PORT", "8000"),
            ("GIMP_BRIDGE_PORT_8000_TCP_ADDR", "10.0.0.1"),
            ("GIMP_BRIDGE_PORT_53_UDP", "udp://10.0.0.1:53"),
            ("GIMP_BRIDGE_PORT_9_SCTP_ADDR", "10.0.0.1"),
            ("GIMP_BRIDGE_METRICS_SERVICE_HOST", "10.0.0.2"),
            ("GIMP_BRIDGE_METRICS_PORT", "tcp://10.0.0.2:9090"),
            ("GIMP_BRIDGE_SERVER_PORT", "tcp://10.0.0.3:80"),
            ("GIMP_BRIDGE_PLUGIN_PORT_80_TCP", "tcp://10.0.0.3:80"),
        ] {
            assert!(is_of_a_service(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("GIMP_BRIDGE_PORT", "9877"),
            ("GIMP_BRIDGE_PORT", "tcp"),
            ("GIMP_BRIDGE_PORT", "tcp://"),
            ("GIMP_BRIDGE_PORT", "http://10.0.0.1:80"),
            ("GIMP_BRIDGE_SERVICE_NAME", "x"),
            ("GIMP_BRIDGE_SERVER_PORT", "80"),
            ("GIMP_BRIDGE_PORT_X_TCP", "1"),
            ("GIMP_BRIDGE_PORT_8000_TLS", "1"),
            ("GIMP_BRIDGE_EXEC", "tcp://10.0.0.1:80"),
        ] {
            assert!(!is_of_a_service(name, value), "{name}={value}");
        }
    }
}
