//! Bytes as hex digits, and hashes as hex digits.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Digest;

/// Bytes as lower-case hex digits.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes that hex digits stand for. `None` if their number is odd or another character occurs.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|place| u8::from_str_radix(text.get(place..place + 2)?, 16).ok())
        .collect()
}

/// The SHA-256 of bytes, as hex digits.
pub fn sha256(bytes: &[u8]) -> String {
    encode(&sha2::Sha256::digest(bytes))
}

/// A SHA-256 that is computed piece by piece.
#[derive(Debug, Default, Clone)]
pub struct Sha256(sha2::Sha256);

impl Sha256 {
    /// Adds bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash, as hex digits.
    pub fn finish(self) -> String {
        encode(&self.0.finalize())
    }
}

/// The HMAC-SHA-256 of a text's parts, one after the other, as hex digits.
pub fn keyed_sha256(key: &[u8], parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    encode(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_digits_are_bytes_and_other_texts_are_not() {
        assert_eq!(decode("00fF10"), Some(vec![0, 255, 16]));
        assert_eq!(encode(&[0, 255, 16]), "00ff10");
        for bad in ["0", "zz", "+1", "é1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }
}
