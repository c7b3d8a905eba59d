//! The server's clock. It can be read always, and set only if it is simulated.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::bodies::Body;
use super::problem::{Problem, Problems};
use juden_core::clock::ClockFault;

/// The most days by which the clock is moved at once: ten years.
const JUMP_MAX_DAYS: i64 = 3_653;

/// The server's time.
#[derive(Serialize, ToSchema)]
pub struct ClockView {
    /// The current instant.
    now: DateTime<Utc>,
    /// Whether the clock is simulated.
    simulated: bool,
}

/// The instant to move the clock to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockBody {
    /// The new instant, later than the current one.
    now: DateTime<Utc>,
}

fn view(api: &Api) -> Json<ClockView> {
    Json(ClockView { now: api.app.now(), simulated: api.app.clock.is_simulated() })
}

/// Shows the server's time.
#[utoipa::path(get, operation_id = "clock_get", path = "/clock", responses((status = 200, description = "done", body = ClockView), Problems))]
pub async fn get(State(api): State<Arc<Api>>) -> Json<ClockView> {
    view(&api)
}

/// Confirms that the clock is right although the store holds later instants.
/// Stations are served from then on.
#[utoipa::path(post, operation_id = "clock_trust", path = "/clock/trust", responses((status = 200, description = "done", body = ClockView), Problems))]
pub async fn trust(State(api): State<Arc<Api>>) -> Result<Json<ClockView>, Problem> {
    api.app.health.trust_clock().await?;
    Ok(view(&api))
}

/// Moves a simulated clock forward, and closes the months that are due by then.
#[utoipa::path(put, operation_id = "clock_put", path = "/clock", request_body = ClockBody, responses(
    (status = 200, description = "done", body = ClockView),
    Problems,
))]
pub async fn put(
    State(api): State<Arc<Api>>,
    Body(body): Body<ClockBody>,
) -> Result<Json<ClockView>, Problem> {
    let latest = api.app.now() + TimeDelta::days(JUMP_MAX_DAYS);
    if body.now > latest {
        return Err(Problem::malformed(
            "now",
            format!(
                "now must be at most {JUMP_MAX_DAYS} days ahead: every month on the way is closed"
            ),
        ));
    }
    api.app.clock.advance_to(body.now).map_err(|fault| match fault {
        ClockFault::NotSimulated => Problem::new(409, "clock_not_simulated", fault.to_string()),
        ClockFault::Backwards { .. } => Problem::new(409, "clock_backwards", fault.to_string()),
    })?;
    api.app.cluster.move_clocks(api.app.now()).await;
    api.app.closing.run_due().await?;
    Ok(view(&api))
}
