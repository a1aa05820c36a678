//! Hashes in place of values that records must not show: equal values are seen to be equal, and nothing more.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::record::hexadecimal;

/// A shorter secret can be guessed from the hashes of known values.
const MIN_SECRET_BYTES: usize = 16;

/// The keys of one handle: the first one signs, the others are what older records were signed with.
#[derive(Clone, Default)]
pub(crate) struct HashKeys(Vec<HashKey>);

/// The secret itself is not kept: the keyed state is what signs.
#[derive(Clone)]
struct HashKey {
    id: String,
    keyed: Hmac<Sha256>,
}

/// A key as it was given, before it is checked.
#[derive(Clone)]
pub(crate) struct GivenKey {
    id: String,
    secret: Vec<u8>,
}

impl GivenKey {
    pub(crate) fn new(id: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        Self { id: id.into(), secret: secret.as_ref().to_vec() }
    }
}

impl HashKeys {
    /// The keys of the environment, with the variable that they stand in, then those of the builder. Problems name keys by their ids and places, never by
    /// what is in them.
    pub(crate) fn new(given: Vec<GivenKey>, environment: Option<(String, String)>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut keys = Self::default();
        if let Some((name, text)) = environment {
            for (position, entry) in (1..).zip(text.split(',')) {
                match entry.trim().split_once(':') {
                    Some((id, secret)) => keys.add(GivenKey::new(id, secret), &name, &mut problems),
                    None => problems.push(format!(
                        "entry {position} of {name} is no key: write `id:secret`, several with commas between"
                    )),
                }
            }
        }
        for key in given {
            keys.add(key, "hash_key(..)", &mut problems);
        }
        (keys, problems)
    }

    fn add(&mut self, key: GivenKey, place: &str, problems: &mut Vec<String>) {
        let GivenKey { id, secret } = key;
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        if id.is_empty() || !id.chars().all(plain) {
            problems.push(format!(
                "the id of a hash key in {place} has to be letters, digits, `-`, `_` or `.`: it is written into every \
                 hash"
            ));
        } else if secret.len() < MIN_SECRET_BYTES {
            problems.push(format!(
                "the hash key `{id}` in {place} has {} bytes: it needs at least {MIN_SECRET_BYTES}, better 32 random \
                 ones",
                secret.len()
            ));
        } else if self.0.iter().any(|known| known.id == id) {
            problems.push(format!(
                "the hash key `{id}` is given twice, the second time in {place}: leave one out"
            ));
        } else if let Ok(keyed) = Hmac::new_from_slice(&secret) {
            self.0.push(HashKey { id, keyed });
        }
    }

    /// `hmac:<key id>:<hex>` by the first key.
    pub(crate) fn sign(&self, text: &str) -> Option<String> {
        self.0.first().map(|key| key.sign(text))
    }

    /// The hashes by every key, the first key's first.
    pub(crate) fn all(&self, text: &str) -> Vec<String> {
        self.0.iter().map(|key| key.sign(text)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }
}

impl HashKey {
    fn sign(&self, text: &str) -> String {
        let mut mac = self.keyed.clone();
        mac.update(text.as_bytes());
        format!("hmac:{}:{}", self.id, hexadecimal(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for HashKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn environment(text: &'static str) -> (HashKeys, Vec<String>) {
        HashKeys::new(Vec::new(), Some(("AUDIT_HASH_KEY".to_owned(), text.to_owned())))
    }

    #[test]
    fn hashes_are_hmac_sha_256() {
        // RFC 4231, test case 6.
        let (keys, problems) = HashKeys::new(vec![GivenKey::new("k1", [0xaa; 131])], None);
        assert_eq!(problems, [""; 0]);
        assert_eq!(
            keys.sign("Test Using Larger Than Block-Size Key - Hash Key First").as_deref(),
            Some("hmac:k1:60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54")
        );
    }

    #[test]
    fn the_first_key_signs_and_the_environment_comes_first() {
        let variable = ("AUDIT_HASH_KEY".to_owned(), format!("new:{SECRET}, old:{SECRET}:with:colons"));
        let (keys, problems) = HashKeys::new(vec![GivenKey::new("code", SECRET)], Some(variable));
        assert_eq!(problems, [""; 0]);
        assert_eq!(keys.ids().collect::<Vec<_>>(), ["new", "old", "code"]);
        assert!(keys.sign("x").is_some_and(|hash| hash.starts_with("hmac:new:")));
        assert_eq!(keys.all("x").len(), 3);
    }

    #[test]
    fn problems_show_no_secret() {
        for (text, expected) in [
            ("tooshortsecret", "entry 1 of AUDIT_HASH_KEY is no key"),
            ("k1:tooshortsecret", "has 14 bytes"),
            (":0123456789abcdef", "the id of a hash key"),
            ("a b:0123456789abcdef", "the id of a hash key"),
            ("k1:0123456789abcdef,k1:0123456789abcdef", "given twice"),
            ("k1:0123456789abcdef,", "entry 2 of AUDIT_HASH_KEY is no key"),
        ] {
            let (keys, problems) = environment(text);
            assert_eq!(problems.len(), 1, "{text}");
            assert!(problems[0].contains(expected), "{problems:?}");
            assert!(!problems[0].contains("secret,") && !problems[0].contains("0123456789"), "{problems:?}");
            assert!(!problems[0].contains("tooshort"), "{problems:?}");
            assert!(!format!("{keys:?}").contains("0123456789"));
        }
    }
}
