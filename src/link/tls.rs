//! TLS for security profiles 2 and 3: the server's certificates, and the authorities and revocation
//! lists for stations' certificates. All files are read again when they change. Only TLS 1.2 and
//! 1.3 with forward secrecy are offered. Stations that know only TLS_RSA need a terminator in front
//! (`docs/OPERATIONS.md`).

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use juden_core::clock::wall_clock_s;
use juden_core::stations::access::ClientCertificate;

/// How often the files are checked for changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The revocation lists' age is checked at every 1,800th of these checks: once an hour.
const LISTS_LOOKED_AT_EVERY: u32 = 1_800;

/// The files of certificates and keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate chains (PEM), each with its key: such as one for RSA and one for
    /// ECDSA (OCPP A00.FR.318).
    pub identities: Vec<(PathBuf, PathBuf)>,
    /// The authorities that sign stations' certificates (PEM); `None`: stations cannot show one.
    pub client_ca: Option<PathBuf>,
    /// The authorities' certificate revocation lists (PEM).
    pub client_crls: Vec<PathBuf>,
}

/// The reason why certificates cannot be used: the file and the fault.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct TlsFault {
    file: String,
    fault: String,
}

impl TlsFault {
    fn new(file: &std::path::Path, fault: impl ToString) -> Self {
        Self { file: file.display().to_string(), fault: fault.to_string() }
    }
}

/// The server's certificates. The first one whose key suits the client's signature schemes is used.
#[derive(Debug)]
struct Identities(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Identities {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .iter()
            .find(|identity| identity.key.choose_scheme(hello.signature_schemes()).is_some())
            .cloned()
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => {
            Err(TlsFault::new(file, "no certificate in it: it must be PEM"))
        }
        Ok(found) => Ok(found),
        Err(cause) => Err(TlsFault::new(file, cause)),
    }
}

impl TlsFiles {
    fn config(&self) -> Result<ServerConfig, TlsFault> {
        let provider = Arc::new(ring::default_provider());
        let mut identities = Vec::new();
        for (chain, key_file) in &self.identities {
            let key = PrivateKeyDer::from_pem_file(key_file)
                .map_err(|cause| TlsFault::new(key_file, cause))?;
            let identity = CertifiedKey::from_der(certificates(chain)?, key, &provider);
            identities.push(Arc::new(identity.map_err(|cause| {
                TlsFault::new(chain, format!("it does not go with its key: {cause}"))
            })?));
        }
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions();
        let builder = builder
            .map_err(|cause| TlsFault { file: "TLS".to_owned(), fault: cause.to_string() })?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|cause| TlsFault::new(file, cause))?;
                }
                // Stations of profile 2 show no certificate. The station's record decides whether
                // one is required.
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .allow_unauthenticated();
                // An authority without a revocation list counts as having revoked nothing.
                let verifier =
                    verifier.with_crls(self.revoked()?).allow_unknown_revocation_status().build();
                builder.with_client_cert_verifier(
                    verifier.map_err(|cause| TlsFault::new(file, cause))?,
                )
            }
        };
        Ok(builder.with_cert_resolver(Arc::new(Identities(identities))))
    }

    fn revoked(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsFault> {
        let mut lists = Vec::new();
        for file in &self.client_crls {
            let read = CertificateRevocationListDer::pem_file_iter(file)
                .and_then(Iterator::collect::<Result<Vec<_>, _>>);
            match read {
                Ok(found) if found.is_empty() => {
                    return Err(TlsFault::new(file, "no revocation list in it: it must be PEM"));
                }
                Ok(found) => lists.extend(found),
                Err(cause) => return Err(TlsFault::new(file, cause)),
            }
        }
        Ok(lists)
    }

    /// The revocation lists that are out of date, and may lack newer revocations.
    fn outdated(&self, now_s: i64) -> Vec<&PathBuf> {
        let is_over = |file: &&PathBuf| {
            let lists =
                CertificateRevocationListDer::pem_file_iter(file).into_iter().flatten().flatten();
            lists.into_iter().any(|list| {
                let next = CertificateRevocationList::from_der(&list)
                    .ok()
                    .and_then(|(_, list)| list.next_update());
                next.is_some_and(|next| next.timestamp() < now_s)
            })
        };
        self.client_crls.iter().filter(is_over).collect()
    }

    /// The time of each file's last change.
    fn changed(&self) -> Vec<Option<SystemTime>> {
        let files = self
            .identities
            .iter()
            .flat_map(|(chain, key)| [chain, key])
            .chain(&self.client_ca)
            .chain(&self.client_crls);
        files
            .map(|file| std::fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
            .collect()
    }
}

/// The current TLS configuration of a listener.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    config: RwLock<Arc<ServerConfig>>,
}

impl Tls {
    /// Reads the files.
    pub fn read(files: TlsFiles) -> Result<Self, TlsFault> {
        let config = RwLock::new(Arc::new(files.config()?));
        Ok(Self { files, config })
    }

    /// Warns of revocation lists that are out of date. They stay in use, because without them
    /// revoked certificates would be accepted.
    fn tell_outdated(&self) {
        let outdated = self.files.outdated(wall_clock_s());
        metrics::gauge!("juden_tls_revocation_lists_outdated")
            .set(u32::try_from(outdated.len()).map_or(f64::MAX, f64::from));
        for file in outdated {
            warn!(file = %file.display(), "a list of revoked certificates is out of date: fetch the authority's new one; what it revoked since is let in");
        }
    }

    /// The acceptor for the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.read().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// Reads changed files again, as long as it is polled. Existing connections are not affected.
    /// Files that cannot be used change nothing.
    pub async fn keep_current(&self) {
        let mut known = self.files.changed();
        let mut looks = 0_u32;
        loop {
            if looks.is_multiple_of(LISTS_LOOKED_AT_EVERY) {
                self.tell_outdated();
            }
            looks = looks.wrapping_add(1);
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.files.changed();
            if now == known {
                continue;
            }
            known = now;
            match self.files.config() {
                Ok(config) => {
                    *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                    info!("the certificates were read again");
                }
                Err(cause) => {
                    metrics::counter!("juden_tls_reload_failures_total").increment(1);
                    warn!(%cause, "certificates changed and cannot be used; those from before are shown on");
                }
            }
        }
    }
}

/// The reason why a TLS handshake failed, as a word for metrics and the operator.
pub fn refusal(cause: &io::Error) -> &'static str {
    let Some(error) = cause.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        return "tls_broken_off";
    };
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "tls_certificate_expired",
        Error::InvalidCertificate(CertificateError::Revoked) => "tls_certificate_revoked",
        Error::InvalidCertificate(_) => "tls_certificate_refused",
        // `General`: none of our keys suits the cipher suites that the station offers.
        Error::PeerIncompatible(_) | Error::General(_) => "tls_version_or_suite",
        Error::AlertReceived(_) => "tls_refused_by_station",
        _ => "tls_failed",
    }
}

/// The subject of a client's certificate, which the handshake has checked against the authorities.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let text = |attribute: Option<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
        attribute?.as_str().ok().map(str::to_owned)
    };
    let subject = parsed.subject();
    let common_name = text(subject.iter_common_name().next())?;
    Some(ClientCertificate { common_name, organization: text(subject.iter_organization().next()) })
}
