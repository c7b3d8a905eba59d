//! Vehicles' certificates (ISO 15118): whoever the operator has for them is asked by a command.

use std::path::PathBuf;
use std::time::Duration;

use super::{AuthorityFault, command, shown};

/// The command has this long: a station waits for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What is asked about vehicles' certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VehicleAsk {
    /// A contract certificate for a vehicle, new or renewed (OCPP 2.0.1 M01, M02).
    Certificate,
    /// Whether a certificate was revoked (M06).
    Status,
    /// Whether a contract certificate that a vehicle shows is good (C07).
    Contract,
}

impl VehicleAsk {
    /// The name by which the command is asked.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Status => "status",
            Self::Contract => "contract",
        }
    }

    /// The most characters of an answer that a station takes.
    const fn answer_max(self) -> usize {
        match self {
            Self::Certificate => 7_500,
            Self::Status => 5_500,
            Self::Contract => 32,
        }
    }
}

/// A command that answers for vehicles' certificates: it is called with the kind of question and the station's identity,
/// reads the station's message (JSON) and prints the answer: the response in base64 for `certificate` (EXI) and `status`
/// (OCSP), the standard's word for `contract`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VehiclePki(pub PathBuf);

impl VehiclePki {
    /// Whether there is such a command; else why not.
    pub fn check(&self) -> Result<(), AuthorityFault> {
        let missing = || AuthorityFault::File(shown(&self.0), "there is no such file".to_owned());
        if self.0.is_file() { Ok(()) } else { Err(missing()) }
    }

    /// What the command answers to a station's message.
    pub async fn answer(&self, ask: VehicleAsk, station: &str, message: &str) -> Result<String, AuthorityFault> {
        let printed = command::printed(&self.0, &[ask.name(), station], message, ANSWER_WITHIN).await?;
        // Base64 may come in lines.
        let answer: String = printed.split_whitespace().collect();
        let fault = |why: &str| Err(AuthorityFault::Command(shown(&self.0), why.to_owned()));
        match answer.len() {
            0 => fault("printed nothing"),
            length if length > ask.answer_max() => fault("printed more than a station takes"),
            _ if !answer.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) => fault("printed what is no base64"),
            _ => Ok(answer),
        }
    }
}
