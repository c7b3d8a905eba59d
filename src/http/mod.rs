//! The operator's API: `/api/v1`, JSON, one file per resource, described by its own OpenAPI
//! document.

mod accounts;
mod audit;
mod auth;
mod bodies;
mod cards;
mod clock;
mod command_body;
mod commands;
mod corrections;
mod document;
mod entries;
mod exchanges;
mod guard;
mod health;
mod idempotency;
mod listener;
mod lookups;
mod members;
mod memberships;
mod months;
mod observed;
pub mod problem;
mod programme;
mod sessions;
mod sites;
mod station_body;
mod stations;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Router, middleware, routing};
use dashmap::DashSet;
use metrics_exporter_prometheus::PrometheusHandle;
use moka::sync::Cache;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use juden_core::app::App;
use juden_core::records::KeptAnswer;
use juden_core::stations::access::AdminKey;
use problem::Problem;

/// How long wrong keys are counted, and for how many addresses.
const FAILURES_FOR: Duration = Duration::from_secs(60);
const FAILURES_COUNTED: u64 = 10_000;

/// How long answers with a secret are kept in memory, and how many.
const SECRETS_FOR: Duration = Duration::from_secs(24 * 3600);
const SECRETS_KEPT: u64 = 10_000;

/// The state of the API.
pub struct Api {
    /// The use cases.
    pub app: Arc<App>,
    /// The operator's key.
    pub admin_key: AdminKey,
    /// The handle that prints the metrics.
    pub metrics: PrometheusHandle,
    failures: Cache<std::net::IpAddr, u32>,
    /// Permits for answers that are delayed because of wrong keys.
    slowed: Semaphore,
    /// Idempotency keys whose first request is still running.
    running: DashSet<String>,
    /// Answers with a secret, kept in memory only, for repeats.
    secret_answers: Cache<String, KeptAnswer>,
}

impl Api {
    /// The API over the use cases.
    pub fn new(app: Arc<App>, admin_key: AdminKey, metrics: PrometheusHandle) -> Self {
        let failures =
            Cache::builder().max_capacity(FAILURES_COUNTED).time_to_live(FAILURES_FOR).build();
        let secret_answers =
            Cache::builder().max_capacity(SECRETS_KEPT).time_to_live(SECRETS_FOR).build();
        let slowed = Semaphore::new(auth::SLOWED_MAX);
        Self { app, admin_key, metrics, failures, slowed, running: DashSet::new(), secret_answers }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Juden", description = "The backend behind the charging card. Amounts are decimal strings in yen, tax included; instants are RFC 3339 in UTC; months are YYYY-MM in Japan time."),
    security(("operator_key" = [])),
    components(schemas(Problem)),
    modifiers(&Key)
)]
struct Document;

struct Key;

impl utoipa::Modify for Key {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let key = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The operator's key"))
            .build();
        components.add_security_scheme("operator_key", SecurityScheme::Http(key));
    }
}

/// Every path of the API.
fn resources() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::new()
        .routes(routes!(stations::put, stations::get, stations::retire))
        .routes(routes!(stations::list))
        .routes(routes!(stations::refused_handshakes))
        .routes(routes!(commands::send, exchanges::commands))
        .routes(routes!(commands::send_call))
        .routes(routes!(exchanges::reports))
        .routes(routes!(exchanges::command))
        .routes(routes!(exchanges::device_model))
        .routes(routes!(sites::put_record))
        .routes(routes!(sites::list_records))
        .routes(routes!(sites::get, sites::replace))
        .routes(routes!(sites::stations))
        .routes(routes!(sites::add, sites::remove))
        .routes(routes!(members::apply, members::list))
        .routes(routes!(members::get))
        .routes(routes!(members::admit))
        .routes(routes!(members::reject))
        .routes(routes!(members::history))
        .routes(routes!(memberships::put_plan, memberships::cancel_plan))
        .routes(routes!(memberships::put_contact))
        .routes(routes!(memberships::put_payment))
        .routes(routes!(memberships::put_vehicle))
        .routes(routes!(memberships::put_consent))
        .routes(routes!(memberships::request_card))
        .routes(routes!(memberships::hold))
        .routes(routes!(memberships::release))
        .routes(routes!(memberships::withdraw))
        .routes(routes!(memberships::disqualify))
        .routes(routes!(usage::usage))
        .routes(routes!(usage::bill))
        .routes(routes!(usage::explain))
        .routes(routes!(accounts::get))
        .routes(routes!(accounts::note_payment))
        .routes(routes!(accounts::fees_paid))
        .routes(routes!(programme::get))
        .routes(routes!(programme::history))
        .routes(routes!(programme::terms_of))
        .routes(routes!(programme::publish_terms))
        .routes(routes!(programme::open_suspension))
        .routes(routes!(programme::close_suspension))
        .routes(routes!(programme::open_freely))
        .routes(routes!(programme::close_opening))
        .routes(routes!(programme::set_service_end))
        .routes(routes!(lookups::benefits))
        .routes(routes!(lookups::provide))
        .routes(routes!(lookups::audit))
        .routes(routes!(lookups::invoice))
        .routes(routes!(cards::add))
        .routes(routes!(cards::add_reading))
        .routes(routes!(cards::get))
        .routes(routes!(cards::activate))
        .routes(routes!(cards::suspend))
        .routes(routes!(cards::resume))
        .routes(routes!(cards::deactivate))
        .routes(routes!(cards::replace))
        .routes(routes!(cards::request_reissue))
        .routes(routes!(cards::mail))
        .routes(routes!(cards::surrender))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::get))
        .routes(routes!(sessions::decide))
        .routes(routes!(corrections::correct))
        .routes(routes!(corrections::confirm))
        .routes(routes!(corrections::refuse))
        .routes(routes!(corrections::messages))
        .routes(routes!(entries::add))
        .routes(routes!(entries::confirm))
        .routes(routes!(entries::refuse))
        .routes(routes!(entries::refund))
        .routes(routes!(months::close))
        .routes(routes!(months::export))
        .routes(routes!(months::manifest))
        .routes(routes!(clock::get, clock::put))
        .routes(routes!(clock::trust))
}

/// The whole router.
pub fn router(api: Arc<Api>) -> Router {
    let (resources, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .nest("/api/v1", resources())
        .split_for_parts();
    document::allow_empty_bodies(&mut document);
    document::name_commands(&mut document);
    resources
        .layer(middleware::from_fn_with_state(api.clone(), audit::keep))
        .layer(middleware::from_fn_with_state(api.clone(), idempotency::replay))
        .layer(middleware::from_fn(listener::whole_body))
        .layer(middleware::from_fn_with_state(api.clone(), auth::check))
        .layer(middleware::from_fn(detached))
        .merge(SwaggerUi::new("/api/docs").url("/api/v1/openapi.json", document))
        .route("/healthz", routing::get(health::healthz))
        .route("/readyz", routing::get(health::readyz))
        .route(
            "/metrics",
            routing::get(health::metrics)
                .layer(middleware::from_fn_with_state(api.clone(), guard::own_host)),
        )
        .fallback(|| async {
            Problem::new(
                404,
                "not_found",
                "there is no such path: the API is described at /api/docs",
            )
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                405,
                "method_not_allowed",
                "the path has no such method: the API is described at /api/docs",
            )
        })
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            Problem::new(500, "internal", "the server failed at this request; its log says why")
                .into_response()
        }))
        .layer(middleware::from_fn(guard::headers))
        .layer(middleware::from_fn(observed::observe))
        .with_state(api)
}

/// Completes a request even if its client disconnects. After a commit, further steps must follow,
/// such as removing a suspended card from memory.
async fn detached(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(_) => {
            Problem::new(500, "internal", "the server failed at this request; its log says why")
                .into_response()
        }
    }
}

/// Serves the API until `stop` becomes true, and then until the running requests are answered.
pub async fn serve(api: Arc<Api>, listener: TcpListener, stop: watch::Receiver<bool>) {
    listener::serve(router(api), listener, stop).await;
}
