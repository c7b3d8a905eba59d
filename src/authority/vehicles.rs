//! Answers about vehicles' certificates (ISO 15118), by a command of the operator.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;

use super::{AuthorityFault, command, shown};
use juden_core::calls::certificates::VehicleAuthority;
use juden_domain::certificate::VehicleAsk;

/// The longest time of the command, because a station waits for the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The operator's command for vehicles' certificates (ISO 15118). Its arguments are the kind of
/// question and the station's identity. Its input is the station's message as JSON. For
/// `certificate` it prints the EXI response in base64, for `status` the OCSP response in base64,
/// and for `contract` the standard's status word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VehiclePki(pub PathBuf);

impl VehiclePki {
    /// Checks that the command exists.
    pub fn check(&self) -> Result<(), AuthorityFault> {
        let missing = || AuthorityFault::File(shown(&self.0), "there is no such file".to_owned());
        if self.0.is_file() { Ok(()) } else { Err(missing()) }
    }
}

#[async_trait]
impl VehicleAuthority for VehiclePki {
    async fn answer(
        &self,
        ask: VehicleAsk,
        station: &str,
        message: &str,
    ) -> Result<String, String> {
        let printed = command::printed(&self.0, &[ask.name(), station], message, ANSWER_WITHIN)
            .await
            .map_err(|fault| fault.to_string())?;
        // The base64 text may be broken into lines.
        let answer: String = printed.split_whitespace().collect();
        let fault =
            |why: &str| Err(AuthorityFault::Command(shown(&self.0), why.to_owned()).to_string());
        match answer.len() {
            0 => fault("printed nothing"),
            length if length > ask.answer_max() => fault("printed more than a station takes"),
            _ if !answer
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)) =>
            {
                fault("printed what is no base64")
            }
            _ => Ok(answer),
        }
    }
}
