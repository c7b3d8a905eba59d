//! Stations' own certificates: a station asks to have its key signed, the operator's authority signs it, and the chain
//! goes to the station by a command of its own (OCPP A02, A03). Vehicles': the operator's command is asked.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::{Semaphore, oneshot};
use tracing::{info, warn};

use crate::calls::Certificates;
use crate::commands::settings::SENT_BY;
use crate::station_call::StationCall;
use juden_domain::certificate::{CertificateKind, VehicleAsk};
use juden_domain::ids::StationId;
use juden_store::StationRecord;

/// Requests signed at the same time; more wait: a whole fleet may renew at once.
static PLACES: Semaphore = Semaphore::const_new(4);

/// Who signs stations' certificates.
#[async_trait]
pub trait StationAuthority: std::fmt::Debug + Send + Sync {
    /// Whether it signs certificates of a kind.
    fn signs(&self, kind: CertificateKind) -> bool;

    /// Whether a request (PEM) may be signed for the station that has one of these names, and for this organization; empty: any. Else why not.
    fn check(&self, csr: &str, names: &[&str], organization: &str) -> Result<(), String>;

    /// Signs a request: the chain (PEM), the station's certificate first. Else why it could not.
    async fn sign(
        &self,
        csr: &str,
        station: &str,
        kind: CertificateKind,
        now: DateTime<Utc>,
    ) -> Result<String, String>;
}

/// Who answers stations' questions about vehicles' certificates (ISO 15118).
#[async_trait]
pub trait VehicleAuthority: std::fmt::Debug + Send + Sync {
    /// The answer to a station's message: base64, or the standard's word for [`VehicleAsk::Contract`]. Else why there is none.
    async fn answer(&self, ask: VehicleAsk, station: &str, message: &str)
    -> Result<String, String>;
}

impl Certificates {
    /// Whether a station's request is signed; where it is, the chain follows once the answer is written.
    pub(crate) fn accept_request(
        self: &Arc<Self>,
        record: &StationRecord,
        csr: &str,
        kind: Option<CertificateKind>,
        written: oneshot::Receiver<()>,
    ) -> bool {
        let station = &record.id;
        let refused = |why: &dyn std::fmt::Display| {
            warn!(station_id = %station, %why, "a certificate signing request is refused");
            count("refused");
            false
        };
        let Some(authority) = self.authorities.stations.clone() else {
            return refused(&"no certificate authority is set (ca-cert, ca-command)");
        };
        let Some(kind) = kind.filter(|kind| authority.signs(*kind)) else {
            return refused(&"certificates of this type are not signed here");
        };
        let names: Vec<&str> = [Some(station.as_str()), record.certificate_name.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        if let Err(why) = authority.check(csr, &names, &self.authorities.organization) {
            return refused(&why);
        }
        // One request of a station at a time: one that asks again and again costs one signing.
        let Some(turn) = SigningTurn::take(self, station) else {
            return refused(&"an earlier request of the station is being signed");
        };
        let csr = csr.to_owned();
        tokio::spawn(async move {
            let _ = written.await;
            let Ok(_place) = PLACES.acquire().await else { return };
            turn.sign_and_send(authority.as_ref(), &csr, kind).await;
        });
        true
    }
}

/// Questions about vehicles' certificates asked at the same time, and for how long one waits for its place: stations wait.
static VEHICLE_PLACES: Semaphore = Semaphore::const_new(8);
const PLACE_WITHIN: Duration = Duration::from_secs(5);

/// The standard's word where nothing is known of a contract certificate.
const UNKNOWN_CONTRACT: &str = "NoCertificateAvailable";

impl Certificates {
    /// What the operator's command answers about a vehicle's certificate; `None`: there is none, or it failed.
    pub(crate) async fn vehicle_answer(
        &self,
        call: &StationCall,
        ask: VehicleAsk,
    ) -> Option<String> {
        let command = self.authorities.vehicles.as_ref()?;
        let id = &call.station.id;
        let Ok(Ok(_place)) = tokio::time::timeout(PLACE_WITHIN, VEHICLE_PLACES.acquire()).await
        else {
            warn!(station_id = %id, ask = ask.name(), "too many questions about vehicles' certificates wait for an answer");
            return None;
        };
        let answer = command.answer(ask, id.as_str(), &call.payload).await;
        answer
            .inspect_err(
                |cause| warn!(station_id = %id, %cause, ask = ask.name(), "a question about a vehicle's certificate has no answer"),
            )
            .ok()
    }

    /// The standard's word for a contract certificate that a vehicle shows; `None`: nobody judges any here. One that could
    /// not be judged is not good.
    pub(crate) async fn contract_word(&self, call: &StationCall) -> Option<String> {
        self.authorities.vehicles.as_ref()?;
        let answer = self.vehicle_answer(call, VehicleAsk::Contract).await;
        Some(answer.unwrap_or_else(|| UNKNOWN_CONTRACT.to_owned()))
    }
}

/// A station's turn to have a request signed.
struct SigningTurn {
    app: Arc<Certificates>,
    station: StationId,
}

impl SigningTurn {
    fn take(app: &Arc<Certificates>, station: &StationId) -> Option<Self> {
        let fresh = app.signing.insert(station.clone());
        fresh.then(|| Self { app: app.clone(), station: station.clone() })
    }

    async fn sign_and_send(
        self,
        authority: &dyn StationAuthority,
        csr: &str,
        kind: CertificateKind,
    ) {
        let (app, id) = (&self.app, &self.station);
        let chain = match authority.sign(csr, id.as_str(), kind, app.clock.now()).await {
            Ok(chain) => chain,
            Err(cause) => {
                count("failed");
                return warn!(station_id = %id, %cause, "a station's certificate could not be signed; it will ask again");
            }
        };
        let Ok(protocol) = app.commands.protocol_of(id).await else {
            count("failed");
            return info!(station_id = %id, "a signed certificate finds its station away; it will ask again");
        };
        let (action, payload) = protocol.certificate_command(&chain, kind.name());
        let payload = payload.as_object().cloned().unwrap_or_default();
        match app.commands.send_call(id, action, &payload, SENT_BY).await {
            Ok(result) if result.outcome == "accepted" => {
                count("taken");
                info!(station_id = %id, "a station has taken its new certificate");
            }
            Ok(result) => {
                count("failed");
                warn!(station_id = %id, outcome = %result.outcome, "a station has not taken its new certificate");
            }
            Err(cause) => {
                count("failed");
                warn!(station_id = %id, %cause, "a station's new certificate could not be sent");
            }
        }
    }
}

impl Drop for SigningTurn {
    fn drop(&mut self) {
        self.app.signing.remove(&self.station);
    }
}

fn count(result: &'static str) {
    metrics::counter!("juden_station_certificates_total", "result" => result).increment(1);
}
