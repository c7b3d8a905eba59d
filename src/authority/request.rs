//! A station's certificate signing request (PKCS#10), and the check whether it may be signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

/// The shortest RSA key that is signed, in bits (OCPP A00.FR.502).
const RSA_BITS_MIN: usize = 2_048;

/// The shortest elliptic-curve key that is signed, in bits (A00.FR.502).
const CURVE_BITS_MIN: usize = 224;

/// The reason why a request is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The text is not a request.
    #[error("it is no certificate signing request (PEM)")]
    Unreadable,
    /// The request is not signed by its own key.
    #[error("it is not signed by the key that it names")]
    Signature,
    /// The key is too short, or of an unknown type.
    #[error("its key is too short: RSA of 2048 bits or a curve of 224 bits at least")]
    Key,
    /// The request is for another station.
    #[error("its common name is not the station's identity")]
    CommonName,
    /// The request is for another operator.
    #[error("its organization is not the one that stations' certificates must name")]
    Organization,
}

/// A readable request that is signed by its own key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// The common name in its subject.
    pub common_name: String,
    /// The organization in its subject.
    pub organization: Option<String>,
    key: Vec<u8>,
    der: Vec<u8>,
}

impl SigningRequest {
    /// Reads a request (PEM) and checks its signature and key.
    pub fn read(text: &str) -> Result<Self, Refused> {
        let (_, pem) = x509_parser::pem::parse_x509_pem(text.trim().as_bytes())
            .map_err(|_| Refused::Unreadable)?;
        let (rest, request) =
            X509CertificationRequest::from_der(&pem.contents).map_err(|_| Refused::Unreadable)?;
        if !rest.is_empty() {
            return Err(Refused::Unreadable);
        }
        let info = &request.certification_request_info;
        let bits = match info.subject_pki.parsed().map_err(|_| Refused::Key)? {
            PublicKey::RSA(key) => key.key_size() >= RSA_BITS_MIN,
            PublicKey::EC(point) => point.key_size() >= CURVE_BITS_MIN,
            _ => false,
        };
        if !bits {
            return Err(Refused::Key);
        }
        request.verify_signature().map_err(|_| Refused::Signature)?;
        let text = |attribute: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
            attribute?.as_str().ok().map(str::to_owned)
        };
        Ok(Self {
            common_name: text(info.subject.iter_common_name().next()).unwrap_or_default(),
            organization: text(info.subject.iter_organization().next()),
            key: info.subject_pki.raw.to_vec(),
            der: pem.contents.clone(),
        })
    }

    /// Checks that the request may be signed for a station: its common name must be one of the
    /// station's names, and its organization the operator's, if one is required (A02.FR.06 and
    /// A00.FR.404, .405).
    pub fn check(&self, names: &[&str], organization: &str) -> Result<(), Refused> {
        if !names.contains(&self.common_name.as_str()) {
            return Err(Refused::CommonName);
        }
        if !organization.is_empty() && self.organization.as_deref() != Some(organization) {
            return Err(Refused::Organization);
        }
        Ok(())
    }

    /// The request's key (DER, SubjectPublicKeyInfo).
    pub fn public_key(&self) -> &[u8] {
        &self.key
    }

    /// The request as PEM, as the operator's signing command gets it.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE REQUEST", &self.der)
    }
}

/// Bytes as PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair};

    use super::*;

    fn request(common_name: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.distinguished_name.push(DnType::OrganizationName, "Example Charging");
        params.serialize_request(&KeyPair::generate().unwrap()).unwrap().pem().unwrap()
    }

    #[test]
    fn a_request_is_signed_for_its_own_station_and_operator_alone() {
        let read = SigningRequest::read(&request("CP1")).unwrap();
        assert_eq!(read.check(&["CP1"], "Example Charging"), Ok(()));
        assert_eq!(read.check(&["CP1"], ""), Ok(()));
        assert_eq!(read.check(&["CP2"], ""), Err(Refused::CommonName));
        assert_eq!(read.check(&["CP1"], "Another"), Err(Refused::Organization));
        assert_eq!(SigningRequest::read(&read.pem()), Ok(read));
    }

    #[test]
    fn what_is_no_request_or_was_changed_is_refused() {
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----",
            &"A".repeat(6_000),
        ] {
            assert_eq!(SigningRequest::read(text), Err(Refused::Unreadable), "{text:.40}");
        }
        let mut changed = SigningRequest::read(&request("CP1")).unwrap();
        let name = changed.der.windows(3).position(|window| window == b"CP1").unwrap();
        changed.der[name + 2] = b'2';
        assert_eq!(SigningRequest::read(&changed.pem()), Err(Refused::Signature));
    }
}
