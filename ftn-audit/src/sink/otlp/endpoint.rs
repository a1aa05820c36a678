use std::fmt;

use http::Uri;

use super::OtlpError;

/// How records travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http,
}

impl Protocol {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }
}

/// What an address means to the HTTP protocol; gRPC has no path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// The address is that of the logs themselves, as `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT` is.
    Exact,
    /// The address is that of a collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` is: `/v1/logs` is appended.
    Base,
    /// Exact where it has a path, base where it has none: what code writes.
    Guess,
}

/// The address of a collector, checked.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    uri: Uri,
}

impl Endpoint {
    pub(super) fn parse(address: &str, protocol: Protocol, path: Path) -> Result<Self, OtlpError> {
        let uri: Uri = address.trim().parse().map_err(|error| {
            OtlpError::endpoint(format!("{error}; write it like http://collector:{}", protocol.port()))
        })?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(OtlpError::endpoint(format!(
                "it has to begin with http:// or https://, like http://collector:{}",
                protocol.port()
            )));
        };
        if authority.as_str().contains('@') {
            return Err(OtlpError::endpoint("it has a user in it: send credentials as a header instead"));
        }
        if authority.host().is_empty() {
            return Err(OtlpError::endpoint("it names no host"));
        }
        let base = uri.path().trim_end_matches('/');
        let uri = match (protocol, path) {
            (Protocol::Grpc, _) if base.is_empty() && uri.query().is_none() => uri,
            (Protocol::Grpc, _) => {
                return Err(OtlpError::endpoint(
                    "gRPC knows no path: leave it out, or use the protocol http/protobuf",
                ));
            }
            (Protocol::Http, Path::Exact) => uri,
            (Protocol::Http, Path::Guess) if !base.is_empty() => uri,
            (Protocol::Http, Path::Base | Path::Guess) => {
                let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
                Uri::builder()
                    .scheme(scheme)
                    .authority(authority.clone())
                    .path_and_query(format!("{base}/v1/logs{query}"))
                    .build()
                    .map_err(|error| OtlpError::endpoint(error.to_string()))?
            }
        };
        Ok(Self { uri })
    }

    pub(super) fn is_https(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl Protocol {
    fn port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::Http => 4318,
        }
    }

    /// Where a collector of the same host listens.
    pub(super) fn default_address(self) -> String {
        format!("http://localhost:{}", self.port())
    }
}

/// Without the query, which may carry a key.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}{}", self.uri.scheme_str().unwrap_or("http"), self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(address: &str, path: Path) -> String {
        Endpoint::parse(address, Protocol::Http, path).unwrap().uri().to_string()
    }

    #[test]
    fn the_path_is_appended_where_the_specification_says_so() {
        assert_eq!(http("http://c:4318", Path::Base), "http://c:4318/v1/logs");
        assert_eq!(http("http://c:4318/", Path::Base), "http://c:4318/v1/logs");
        assert_eq!(http("https://c/otlp/", Path::Base), "https://c/otlp/v1/logs");
        assert_eq!(http("https://c/otlp?key=1", Path::Base), "https://c/otlp/v1/logs?key=1");
        assert_eq!(http("http://c:4318", Path::Exact), "http://c:4318/");
        assert_eq!(http("http://c/x", Path::Exact), "http://c/x");
        assert_eq!(http("http://c/x", Path::Guess), "http://c/x");
        assert_eq!(http("http://c", Path::Guess), "http://c/v1/logs");
        assert_eq!(http("http://[::1]:4318", Path::Guess), "http://[::1]:4318/v1/logs");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for address in
            ["", "localhost:4317", "c", "ftp://c", "http://", "http://u:p@c:1", "/v1/logs", "http://a b"]
        {
            let error = Endpoint::parse(address, Protocol::Http, Path::Exact).err();
            assert!(error.is_some(), "{address}");
            assert!(!error.unwrap().to_string().contains("u:p"));
        }
        assert!(Endpoint::parse("http://c:4318/v1/logs", Protocol::Grpc, Path::Exact).is_err());
        assert!(Endpoint::parse("http://c:4317/", Protocol::Grpc, Path::Exact).is_ok());
    }

    #[test]
    fn the_query_is_not_shown() {
        let endpoint = Endpoint::parse("https://c/x?key=secret", Protocol::Http, Path::Exact).unwrap();
        assert_eq!(endpoint.to_string(), "https://c/x");
    }
}
