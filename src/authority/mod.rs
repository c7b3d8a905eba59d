//! Certificates: the operator's authority for stations (a key in a file, or a command of the
//! operator), and the operator's command for vehicles' certificates.

mod command;
mod request;
mod vehicles;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber, SubjectPublicKeyInfo,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use request::{Refused, SigningRequest};
pub use vehicles::VehiclePki;

use juden_core::calls::certificates::StationAuthority;
use juden_domain::certificate::CertificateKind;

/// The longest time of the operator's signing command.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// The longest certificate chain of CertificateSigned, in characters.
const CHAIN_MAX: usize = 10_000;

/// The time by which a certificate's start is backdated, because stations' clocks differ.
const BACKDATED: TimeDelta = TimeDelta::minutes(10);

/// The signer of stations' certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority {
    /// A key in a file.
    Files {
        /// The authority's certificates (PEM): its own first, then those above it.
        certificates: PathBuf,
        /// The authority's key (PEM).
        key: PathBuf,
        /// The validity of a signed certificate in days.
        days: u32,
    },
    /// A command of the operator. Its arguments are the station's identity, and the certificate's
    /// type if the station named one. It reads the request (PEM) and prints the chain (PEM), the
    /// station's certificate first.
    Command(PathBuf),
}

/// The reason why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFault {
    /// A file cannot be read or has wrong content: its path, and the cause.
    #[error("{0}: {1}")]
    File(String, String),
    /// The command failed: its path, and the cause.
    #[error("the command {0} {1}")]
    Command(String, String),
    /// The result is not a chain for this request.
    #[error("what was signed cannot be used: {0}")]
    Chain(&'static str),
    /// The request's key is of a type that cannot be signed here.
    #[error("the request's key cannot be signed: {0}")]
    Key(String),
}

impl Authority {
    /// Checks that the files can be used for signing.
    pub fn check_files(&self) -> Result<(), AuthorityFault> {
        match self {
            Self::Files { certificates, key, .. } => issuer(certificates, key).map(drop),
            Self::Command(command) if !command.is_file() => {
                Err(AuthorityFault::File(shown(command), "there is no such file".to_owned()))
            }
            Self::Command(_) => Ok(()),
        }
    }

    /// Signs a station's request and returns the chain (PEM), the station's certificate first.
    async fn chain_for(
        &self,
        request: &SigningRequest,
        station: &str,
        kind: CertificateKind,
        now: DateTime<Utc>,
    ) -> Result<String, AuthorityFault> {
        let chain = match self {
            Self::Files { certificates, key, days } => {
                sign_by_file(request, (certificates, key), *days, now)?
            }
            Self::Command(command) => {
                let arguments: Vec<&str> = std::iter::once(station).chain(kind.name()).collect();
                command::printed(command, &arguments, &request.pem(), COMMAND_WITHIN).await?
            }
        };
        let unreadable = || AuthorityFault::Chain("it must be certificates (PEM)");
        let chain: Result<Vec<CertificateDer<'_>>, _> =
            CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
        let chain = chain.map_err(|_| unreadable())?;
        let first = chain.first().ok_or_else(unreadable)?;
        let (_, certificate) = X509Certificate::from_der(first)
            .map_err(|_| AuthorityFault::Chain("its first certificate cannot be read"))?;
        if certificate.public_key().raw != request.public_key() {
            return Err(AuthorityFault::Chain(
                "its first certificate is of another key than the request's",
            ));
        }
        // The chain is written again, so that other output of the command does not reach the
        // station.
        let chain: String =
            chain.iter().map(|certificate| request::pem("CERTIFICATE", certificate)).collect();
        if chain.len() > CHAIN_MAX {
            return Err(AuthorityFault::Chain(
                "it is longer than the 10,000 characters that a station takes: leave out the root",
            ));
        }
        Ok(chain)
    }
}

#[async_trait]
impl StationAuthority for Authority {
    /// Certificates for vehicles need a chain of their own, so the key in a file does not sign
    /// them.
    fn signs(&self, kind: CertificateKind) -> bool {
        kind != CertificateKind::Vehicles || matches!(self, Self::Command(_))
    }

    fn check(&self, csr: &str, names: &[&str], organization: &str) -> Result<(), String> {
        SigningRequest::read(csr)
            .and_then(|request| request.check(names, organization))
            .map_err(|why| why.to_string())
    }

    async fn sign(
        &self,
        csr: &str,
        station: &str,
        kind: CertificateKind,
        now: DateTime<Utc>,
    ) -> Result<String, String> {
        let request = SigningRequest::read(csr).map_err(|why| why.to_string())?;
        self.chain_for(&request, station, kind, now).await.map_err(|fault| fault.to_string())
    }
}

fn shown(path: &std::path::Path) -> String {
    path.display().to_string()
}

fn issuer(
    certificates: &PathBuf,
    key: &PathBuf,
) -> Result<(Issuer<'static, KeyPair>, Vec<CertificateDer<'static>>), AuthorityFault> {
    let at = |path: &PathBuf, cause: String| AuthorityFault::File(shown(path), cause);
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|cause| at(certificates, cause.to_string()))?;
    let own = chain
        .first()
        .ok_or_else(|| at(certificates, "no certificate in it: it must be PEM".to_owned()))?;
    let text = std::fs::read_to_string(key).map_err(|cause| at(key, cause.to_string()))?;
    let pair = KeyPair::from_pem(&text)
        .map_err(|cause| at(key, format!("it must be a PKCS#8 key (PEM): {cause}")))?;
    let is_its_key = X509Certificate::from_der(own).is_ok_and(|(_, parsed)| {
        parsed.public_key().raw == rcgen::PublicKeyData::subject_public_key_info(&pair)
    });
    if !is_its_key {
        return Err(at(key, "it is not the key of the first certificate".to_owned()));
    }
    let issuer =
        Issuer::from_ca_cert_der(own, pair).map_err(|cause| at(certificates, cause.to_string()))?;
    Ok((issuer, chain))
}

fn sign_by_file(
    request: &SigningRequest,
    files: (&PathBuf, &PathBuf),
    days: u32,
    now: DateTime<Utc>,
) -> Result<String, AuthorityFault> {
    let key_fault = |cause: rcgen::Error| AuthorityFault::Key(cause.to_string());
    let (issuer, above) = issuer(files.0, files.1)?;
    let key = SubjectPublicKeyInfo::from_der(request.public_key()).map_err(key_fault)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, request.common_name.as_str());
    if let Some(organization) = &request.organization {
        params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    }
    let day = |instant: DateTime<Utc>| {
        use chrono::{Datelike, Timelike};
        let midnight = rcgen::date_time_ymd(
            instant.year(),
            u8::try_from(instant.month()).unwrap_or(1),
            u8::try_from(instant.day()).unwrap_or(1),
        );
        midnight + Duration::from_secs(u64::from(instant.num_seconds_from_midnight()))
    };
    (params.not_before, params.not_after) =
        (day(now - BACKDATED), day(now + TimeDelta::days(i64::from(days))));
    params.serial_number =
        Some(SerialNumber::from_slice(&rand::random::<[u8; 16]>().map(|byte| byte & 0x7f)));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &issuer).map_err(key_fault)?;
    let is_root = |certificate: &CertificateDer<'_>| {
        X509Certificate::from_der(certificate)
            .is_ok_and(|(_, parsed)| parsed.subject() == parsed.issuer())
    };
    // Root certificates are left out, because whoever checks the chain knows them.
    let above = above
        .iter()
        .filter(|certificate| !is_root(certificate))
        .map(|certificate| request::pem("CERTIFICATE", certificate));
    Ok(std::iter::once(certificate.pem()).chain(above).collect())
}
