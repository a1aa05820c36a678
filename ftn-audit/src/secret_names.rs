//! Which column names look like a secret's.

/// The names that look like a secret's, in snake_case. A column whose name is one of them, or ends with one of them,
/// is masked unless its entity says otherwise: `#[audit(plain)]` shows it.
///
/// Names are compared by whole words: `api_token` and `password_hash` look like secrets, `token_count` and
/// `secretary_id` do not. A name in camelCase (`apiToken`, `userPIN`) is taken apart at its capitals, and a number at
/// the end (`password2`, `secret_1`) does not matter. Both the column's name in the database and its name in records
/// are looked at.
///
/// The list may grow; [`SECRET_NAMES_VERSION`] says when it did. Start-up lists the columns that are masked for
/// their name alone, so that a new word never hides a column unseen.
pub const SECRET_NAMES: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "password_hash",
    "password_digest",
    "pwd",
    "secret",
    "secret_key",
    "token",
    "token_hash",
    "api_key",
    "apikey",
    "private_key",
    "access_key",
    "encryption_key",
    "signing_key",
    "credential",
    "credentials",
    "otp",
    "pin",
    "pin_code",
    "cvv",
    "cvc",
];

/// The version of [`SECRET_NAMES`]: raised by every change of the list.
pub const SECRET_NAMES_VERSION: u32 = 1;

/// Whether a column's name looks like a secret's.
pub(crate) fn looks_like_a_secret(name: &str) -> bool {
    let words = words(name);
    SECRET_NAMES.iter().any(|secret| {
        let mut rest = words.iter().rev();
        secret.rsplit('_').all(|wanted| rest.next().is_some_and(|word| word == wanted))
    })
}

/// The lower-case words of a name, without numbers at its end.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let letters: Vec<char> = name.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let previous = index.checked_sub(1).map(|index| letters[index]);
        let next = letters.get(index + 1);
        let starts = letter.is_uppercase()
            && previous.is_some_and(|previous| {
                // `apiToken` at the capital, `APIToken` at the last capital of several.
                !previous.is_uppercase() || next.is_some_and(|next| next.is_lowercase())
            });
        if starts || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words.retain(|word| !word.is_empty());
    while let Some(last) = words.last_mut() {
        last.truncate(last.trim_end_matches(|letter: char| letter.is_ascii_digit()).len());
        if !last.is_empty() {
            break;
        }
        words.pop();
    }
    words
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::record::hexadecimal;

    #[test]
    fn secrets_are_told_by_whole_words() {
        for name in
            ["password", "api_token", "password_hash", "stripe_secret_key", "pin", "user_otp", "PASSWORD"]
        {
            assert!(looks_like_a_secret(name), "{name}");
        }
        for name in
            ["token_count", "secretary_id", "shopping", "pinned", "keyboard", "spin", "title", "", "_", "7"]
        {
            assert!(!looks_like_a_secret(name), "{name}");
        }
    }

    #[test]
    fn camel_case_and_numbers_make_no_difference() {
        for name in [
            "apiToken",
            "APIToken",
            "userPIN",
            "ApiKey",
            "password2",
            "secret_1",
            "PasswordHash",
            "Api-Key",
            "pIN",
        ] {
            assert_eq!(looks_like_a_secret(name), name != "pIN", "{name}");
        }
        for name in ["tokenCount", "secretaryId", "Pinned", "2pins", "token_2_count"] {
            assert!(!looks_like_a_secret(name), "{name}");
        }
    }

    /// A change of the list is a new version: services see at start-up why a column is masked now.
    #[test]
    fn the_version_belongs_to_the_list() {
        let list = hexadecimal(&Sha256::digest(SECRET_NAMES.join(",")));
        assert_eq!((SECRET_NAMES_VERSION, &list[..16]), (1, "5839b22e2ea58787"));
        assert!(SECRET_NAMES.iter().all(|name| words(name).join("_") == *name));
    }
}
