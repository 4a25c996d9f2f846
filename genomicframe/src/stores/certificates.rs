//! Whom to trust: the machine's certificates, read when a server shows one for the first time in a process.
//!
//! A client of `reqwest` reads some 140 files of them when it is made, 5 to 8 ms each time, also for a server that speaks no TLS.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// What connections begin with, of servers that the machine's certificates vouch for. `protocols` are those of ALPN.
pub(super) fn config(protocols: &[&str]) -> Result<ClientConfig, Error> {
    let provider = CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(ring::default_provider()));
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous() // The verifier is rustls' own, made late.
        .with_custom_certificate_verifier(Arc::new(Machine { provider }))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Ok(config)
}

/// The verifier of certificates by the machine's roots.
#[derive(Debug)]
struct Machine {
    provider: Arc<CryptoProvider>,
}

impl Machine {
    fn verifier(&self) -> Result<&'static WebPkiServerVerifier, Error> {
        static VERIFIER: OnceLock<Result<Arc<WebPkiServerVerifier>, String>> = OnceLock::new();
        let made = VERIFIER.get_or_init(|| {
            let roots = Arc::new(roots()?);
            let builder = WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone());
            builder.build().map_err(|e| e.to_string())
        });
        made.as_deref().map_err(|why| Error::General(format!("the machine's certificates: {why}")))
    }
}

/// Those that can be read: stores often hold a few that are older than today's rules.
fn roots() -> Result<RootCertStore, String> {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if !roots.is_empty() {
        return Ok(roots);
    }
    let failed: Vec<String> = loaded.errors.iter().map(ToString::to_string).collect();
    Err(if failed.is_empty() { "there are none (are they installed?)".into() } else { failed.join("; ") })
}

impl ServerCertVerifier for Machine {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
