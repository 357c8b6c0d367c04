//! HTTPS by configuration: a certificate chain and a key in PEM files, TLS 1.2 and 1.3.

use crate::config;
use crate::error::{Error, Kind, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// The acceptor for the configured files; `None` without any.
///
/// # Errors
/// `config` when only one file is named, or one holds not what it should.
pub fn acceptor(settings: &config::Server) -> Result<Option<TlsAcceptor>> {
    let (certificate, key) = match (&settings.tls_certificate, &settings.tls_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => {
            return Err(Error::new(Kind::Config, "only one of server.tls_certificate and server.tls_key is set")
                .hint("TLS needs both; leave both out for plain HTTP"));
        }
    };
    let bad = |path: &Path, what: &str, error: String| {
        Error::new(Kind::Config, format!("`{}` is no {what}: {error}", path.display()))
            .hint("give PEM files, readable by this user: the certificate chain and its private key")
    };
    let chain: Vec<CertificateDer> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| bad(certificate, "certificate chain", error.to_string()))?;
    if chain.is_empty() {
        return Err(bad(certificate, "certificate chain", "it holds no certificate".into()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, "private key", error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(Error::internal)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(|error| bad(key, "key for that certificate", error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
