//! A private certificate authority.

use std::sync::Arc;

use ftn_audit::sink::{OtlpBuilder, OtlpError, OtlpSink, Outcome, Sink};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use tonic::transport::{Identity, ServerTlsConfig};

use crate::{
    collector::{Collector, GrpcOptions, HttpRequest, closed_port, grpc_with, http_over, ok},
    operator, records, retry,
};

pub struct Authority {
    pub pem: String,
    certificate: String,
    key: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap().pem();
        Self { pem, certificate, key: key.serialize_pem() }
    }

    pub async fn http(&self) -> Collector<HttpRequest> {
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        http_over(
            |_| ok(),
            move |stream| {
                let accepted = acceptor.accept(stream);
                async { accepted.await.ok() }
            },
        )
        .await
    }
}

async fn both(build: impl Fn(OtlpBuilder) -> OtlpBuilder) -> [Result<Outcome, OtlpError>; 2] {
    let authority = Authority::new();
    let http = authority.http().await;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&authority.certificate, &authority.key));
    let grpc =
        grpc_with(GrpcOptions { tls: Some(tls), ..Default::default() }, |_| Ok(Default::default())).await;
    let mut outcomes = Vec::new();
    for builder in [
        OtlpSink::http(format!("https://localhost:{}", http.address.port())),
        OtlpSink::grpc(format!("https://localhost:{}", grpc.address.port())),
    ] {
        let trusting = builder.certificate_pem(authority.pem.clone());
        outcomes.push(match build(trusting).build() {
            Ok(sink) => Ok(sink.deliver(&records(1)).await),
            Err(error) => Err(error),
        });
    }
    outcomes.try_into().unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_given() {
    assert_eq!(both(|builder| builder).await, [Ok(Outcome::Delivered), Ok(Outcome::Delivered)]);
}

#[tokio::test]
async fn another_authority_is_not() {
    for outcome in both(|builder| builder.certificate_pem(Authority::new().pem)).await {
        let why = operator(outcome.unwrap());
        assert!(why.contains("certificate"), "{why}");
    }
}

#[tokio::test]
async fn without_a_certificate_the_system_decides() {
    let authority = Authority::new();
    let http = authority.http().await;
    let tls = ServerTlsConfig::new().identity(Identity::from_pem(&authority.certificate, &authority.key));
    let grpc =
        grpc_with(GrpcOptions { tls: Some(tls), ..Default::default() }, |_| Ok(Default::default())).await;
    for builder in [
        OtlpSink::http(format!("https://localhost:{}", http.address.port())),
        OtlpSink::grpc(format!("https://localhost:{}", grpc.address.port())),
    ] {
        match builder.build() {
            Ok(sink) => drop(operator(sink.deliver(&records(1)).await)),
            // A machine without certificate authorities.
            Err(error) => assert!(matches!(error, OtlpError::Certificate { .. })),
        }
    }
    assert!(http.requests().is_empty() && grpc.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_refused() {
    let authority = Authority::new();
    let http = authority.http().await;
    let sink = OtlpSink::http(format!("https://127.0.0.1:{}", http.address.port()))
        .certificate_pem(authority.pem.clone())
        .build()
        .unwrap();
    operator(sink.deliver(&records(1)).await);
    assert!(http.requests().is_empty());
}

#[tokio::test]
async fn only_faults_of_tls_are_blamed_on_it() {
    let pem = Authority::new().pem;
    for builder in [
        OtlpSink::http(format!("https://{}", closed_port())),
        OtlpSink::grpc(format!("https://{}", closed_port())),
    ] {
        retry(builder.certificate_pem(pem.clone()).build().unwrap().deliver(&records(1)).await);
    }
    for builder in [OtlpSink::http("https://c"), OtlpSink::grpc("https://c")] {
        let error = builder.certificate_pem("no certificate").build().unwrap_err();
        assert!(matches!(error, OtlpError::Certificate { .. }));
    }
}
