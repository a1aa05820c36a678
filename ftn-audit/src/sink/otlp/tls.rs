//! Whom to trust. The ring provider is named in each configuration and never installed for the process: that is
//! the application's to do.

use std::{error::Error, io};

use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::OtlpError;

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, OtlpError> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let refused = |reason: String| OtlpError::Certificate { reason };
    let certificates =
        certificates.map_err(|error| refused(format!("{error}; accepted are PEM certificates")))?;
    if certificates.is_empty() {
        return Err(refused("there is none in it; accepted are PEM certificates".to_owned()));
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in &certificates {
        roots.add(certificate.clone()).map_err(|error| refused(error.to_string()))?;
    }
    Ok(certificates)
}

/// For an endpoint without TLS the configuration trusts nobody: the HTTP client wants one in any case, and would
/// look for a provider of the process without it.
#[cfg(feature = "otlp-http")]
pub(super) fn client_config(
    https: bool,
    certificates: Option<Vec<CertificateDer<'static>>>,
) -> Result<rustls::ClientConfig, OtlpError> {
    use std::sync::Arc;

    let mut roots = rustls::RootCertStore::empty();
    if https {
        let certificates = certificates.unwrap_or_else(|| rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(certificates);
        if roots.is_empty() {
            return Err(no_authorities());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OtlpError::Certificate { reason: error.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

pub(super) fn no_authorities() -> OtlpError {
    OtlpError::Certificate {
        reason:
            "this system has no certificate authorities: install them (ca-certificates), or give the sink a \
                 certificate"
                .to_owned(),
    }
}

/// A certificate that is refused stays refused until somebody acts, unlike a connection that breaks.
pub(super) fn is_fault_of_tls(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<rustls::Error>() {
            return true;
        }
        // `source()` of an io error skips the error that it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_refused() {
        for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(certificates(pem), Err(OtlpError::Certificate { .. })));
        }
    }

    #[test]
    fn faults_of_tls_are_found_inside_io_errors() {
        let inner = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::DecryptError);
        assert!(is_fault_of_tls(&io::Error::other(inner)));
        assert!(!is_fault_of_tls(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
