//! Headers that the user gives: checked once, never shown.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::OtlpError;

/// What the protocols themselves set; another value would break them.
const RESERVED: [&str; 7] =
    ["connection", "content-encoding", "content-length", "content-type", "host", "te", "transfer-encoding"];

pub(super) fn checked(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), OtlpError> {
    let refused = |reason| OtlpError::Header { name: name.to_owned(), reason };
    let header: HeaderName = name.parse().map_err(|_| refused("it is not the name of a header"))?;
    let text = header.as_str();
    if RESERVED.contains(&text) || text.starts_with("grpc-") || text.ends_with("-bin") {
        return Err(refused("the protocol itself uses this name, leave it out"));
    }
    let mut value: HeaderValue = value
        .parse()
        .map_err(|_| refused("its value has a character that headers cannot carry, encode it"))?;
    value.set_sensitive(true);
    if value.to_str().is_err() {
        return Err(refused("its value is not printable ASCII, encode it"));
    }
    Ok((header, value))
}

pub(super) fn all(pairs: &[(String, String)]) -> Result<HeaderMap, OtlpError> {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        let (name, value) = checked(name, value)?;
        headers.insert(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_never_show() {
        let headers = all(&[("Authorization".into(), "Bearer hunter2".into())]).unwrap();
        assert!(!format!("{headers:?}").contains("hunter2"));
        for (name, value) in
            [("a b", "hunter2"), ("x", "hunter2\n"), ("x", "hünter2"), ("Content-Type", "hunter2")]
        {
            let error = checked(name, value).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("nter2"), "{error}");
        }
    }
}
