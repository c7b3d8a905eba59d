//! The command line. Only this file and the tests choose a store.

mod demo;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use juden::config::{Config, KEYS, Texts};
use juden::server::{Server, assemble, clock, tariffs, write_export};
use juden::telemetry;
use juden::telemetry::spans::SpanExport;
use juden_core::app::App;
use juden_core::export::Format;
use juden_domain::month::BillingMonth;
use juden_store::open::{self as store, Opened};
use juden_store::sqlite::{Claim, SqliteStore};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The default settings file, which may be missing.
const SETTINGS_FILE: &str = "juden.toml";

fn command_line() -> Command {
    let settings = || {
        let flags = KEYS.iter().map(|key| {
            let flag = Arg::new(key.name)
                .long(key.name)
                .allow_negative_numbers(true)
                .help(format!("{} [default: {}]", key.help, key.default));
            if key.name == "no-migrate" {
                flag.num_args(0..=1).default_missing_value("true").require_equals(true)
            } else {
                flag
            }
        });
        flags.chain([Arg::new("config")
            .long("config")
            .help("settings file [default: juden.toml, where it exists]")])
    };
    let month = || Arg::new("month").required(true).help("a month in Japan time, such as 2026-11");
    Command::new("juden")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Juden: the backend behind the charging card")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("serve").about("the server").args(settings()))
        .subcommand(
            Command::new("demo")
                .about("a simulated fleet across a month's end, with the bills that come out of it")
                .arg(
                    Arg::new("exit")
                        .long("exit")
                        .action(ArgAction::SetTrue)
                        .help("stop after the export"),
                ),
        )
        .subcommand(
            Command::new("migrate").about("brings the store's schema up to date").args(settings()),
        )
        .subcommand(
            Command::new("export")
                .about("writes a closed month's export")
                .arg(month().long("month"))
                .arg(
                    Arg::new("format")
                        .long("format")
                        .required(true)
                        .value_parser(Format::ALL.map(Format::name))
                        .help("csv, jsonl, ocpi-cdr or collection"),
                )
                .arg(Arg::new("out").long("out").required(true).help("the folder to write to"))
                .args(settings()),
        )
        .subcommand(
            Command::new("verify-month")
                .about("rates a closed month again and compares it with what was billed")
                .arg(month())
                .args(settings()),
        )
        .subcommand(
            Command::new("retain")
                .about("removes journal and readings from before a closed month")
                .arg(month().long("before"))
                .args(settings()),
        )
        .subcommand(
            Command::new("check-config")
                .about("prints the settings in force, or every fault")
                .args(settings()),
        )
}

/// The settings of a subcommand.
fn texts(matches: &ArgMatches) -> Texts {
    let named = matches.get_one::<String>("config").map(PathBuf::from);
    let usual = Some(PathBuf::from(SETTINGS_FILE)).filter(|file| file.exists());
    let file = named.or(usual);
    Texts::gather(
        |name| matches.get_one::<String>(name).cloned(),
        |variable| std::env::var(variable).ok(),
        file.as_deref(),
    )
}

/// The typed settings. Faults are printed one a line and end the program.
fn config(matches: &ArgMatches) -> anyhow::Result<Config> {
    texts(matches).into_config().map_err(faults)
}

fn faults(faults: Vec<String>) -> anyhow::Error {
    for fault in &faults {
        eprintln!("juden: {fault}");
    }
    anyhow::anyhow!("{} settings or files are not as they must be", faults.len())
}

/// Opens the store and claims it before anything in it is changed. The caller keeps the claim until
/// the process ends.
async fn open(config: &Config) -> anyhow::Result<(Opened, Option<Claim>)> {
    let store = store::open(&config.database_url).await?;
    let claim = store::claim(&config.database_url)?;
    Ok((migrated(config, store).await?, claim))
}

async fn migrated(config: &Config, store: Opened) -> anyhow::Result<Opened> {
    if config.migrate {
        store.migrate(&config.database_url).await?;
    } else {
        store.check_schema(&config.database_url).await?;
    }
    Ok(store)
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let done = match matches.subcommand() {
        Some(("serve", matches)) => serve(matches).await,
        Some(("demo", matches)) => run_demo(matches.get_flag("exit")).await,
        Some(("migrate", matches)) => migrate(matches).await,
        Some(("export", matches)) => export(matches).await,
        Some(("verify-month", matches)) => verify(matches).await.or_else(told),
        Some(("retain", matches)) => retain(matches).await,
        Some(("check-config", matches)) => check(matches),
        _ => Ok(ExitCode::FAILURE),
    };
    done.unwrap_or_else(|cause| {
        eprintln!("juden: {cause:#}");
        ExitCode::FAILURE
    })
}

/// Prints why a month could not be verified, and returns exit status 2. A difference has status 1.
fn told(cause: anyhow::Error) -> anyhow::Result<ExitCode> {
    eprintln!("juden: {cause:#}");
    Ok(ExitCode::from(2))
}

async fn serve(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let config = config(matches)?;
    let tariffs = tariffs(&config).map_err(faults)?;
    let spans = config
        .otlp_endpoint
        .as_deref()
        .map(|endpoint| SpanExport::start(endpoint, config.node_id.as_deref()))
        .transpose()?;
    telemetry::start_logging(config.log_json, &config.log_level, spans.as_ref());
    raise_open_files(&config);
    let (store, _claim) = open(&config).await?;
    let stop = Stop::new()?;
    let server =
        Server::start(&config, store.store(), store.nodes(), tariffs, clock(&config)).await?;
    if let Some(key) = &server.made_admin_key {
        println!("operator's API key, shown this once: {key}");
    }
    if let Some(tls) = server.ocpp_tls {
        println!("stations connect over TLS to wss://{tls}/ocpp/STATION_ID");
    }
    if let Some(ocpp) = server.ocpp {
        println!("stations connect to ws://{ocpp}/ocpp/STATION_ID");
    }
    println!("API http://{0}/api/v1, described at http://{0}/api/docs", server.http);
    stop.told().await;
    server.stop().await;
    if let Some(spans) = spans {
        spans.finish().await;
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Open files besides stations' connections: for the API, the store, certificates.
const FILES_BESIDE: u64 = 1_000;

/// Raises the process's limit of open files as far as allowed, and warns if it is too low for
/// max-connections.
fn raise_open_files(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        let _ =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    if let Some(fault) = open_files_fault(config) {
        tracing::warn!("{fault}");
    }
}

/// A warning if the limit of open files is too low.
fn open_files_fault(config: &Config) -> Option<String> {
    let limit = getrlimit(Resource::Nofile).maximum?;
    let needed =
        u64::try_from(config.link.max_connections).unwrap_or(u64::MAX).saturating_add(FILES_BESIDE);
    (limit < needed).then(|| {
        format!("this process may open {limit} files, and max-connections wants {needed}: raise the limit (ulimit -n, LimitNOFILE=) or lower max-connections")
    })
}

/// The signals that stop the program. They are caught before anything is printed, so that a caller
/// who reads the output can stop the program cleanly.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn told(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn run_demo(exit: bool) -> anyhow::Result<ExitCode> {
    telemetry::start_logging(false, "warn,juden::server=off", None);
    let folder = demo::folder();
    let url = format!("sqlite://{}", folder.join("juden.db").display());
    let store = SqliteStore::open(&url).await?;
    let _claim = SqliteStore::claim(&url)?;
    store.migrate(&url).await?;
    let server = demo::run(Arc::new(store), &folder).await?;
    if !exit {
        println!("\nStill serving; stop with Ctrl-C.");
        Stop::new()?.told().await;
    }
    server.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn migrate(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let config = config(matches)?;
    let store = store::open(&config.database_url).await?;
    let _claim = store::claim(&config.database_url)?;
    store.migrate(&config.database_url).await?;
    println!("the schema of {} is up to date", store::shown(&config.database_url));
    Ok(ExitCode::SUCCESS)
}

/// The use cases without listeners, for commands that do not serve.
async fn offline_app(matches: &ArgMatches) -> anyhow::Result<Arc<App>> {
    let config = config(matches)?;
    let tariffs = tariffs(&config).map_err(faults)?;
    let store = migrated(&config, store::open_existing(&config.database_url).await?).await?;
    Ok(assemble(&config, store.store(), None, tariffs, clock(&config)).await?.app)
}

fn month(matches: &ArgMatches) -> anyhow::Result<BillingMonth> {
    let text = matches.get_one::<String>("month").context("no month")?;
    BillingMonth::parse(text).with_context(|| format!("{text:?} is no month: write it as 2026-11"))
}

async fn export(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let month = month(matches)?;
    let format = matches
        .get_one::<String>("format")
        .and_then(|name| Format::parse(name))
        .context("no format")?;
    let out = matches.get_one::<String>("out").context("no folder")?;
    let app = offline_app(matches).await?;
    let written = write_export(&app, Path::new(out), month, format)
        .await
        .with_context(|| format!("cannot write to {out}"))?;
    for file in written {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let month = month(matches)?;
    let app = offline_app(matches).await?;
    let differences = app.billing.verify_month(month).await?;
    for difference in &differences {
        for (what, line) in [("billed", &difference.billed), ("rated ", &difference.rated)] {
            if let Some(line) = line {
                println!("{} {what} {line}", difference.member);
            }
        }
    }
    if differences.is_empty() {
        println!("{month}: rated again, every line is as it was billed");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{month}: {} lines differ", differences.len());
    Ok(ExitCode::FAILURE)
}

async fn retain(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let month = month(matches)?;
    let rows = offline_app(matches).await?.closing.forget_before(month).await?;
    println!("{rows} messages and readings from before {month} were removed");
    Ok(ExitCode::SUCCESS)
}

fn check(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let printed = texts(matches).printed();
    let config = config(matches)?;
    let book = tariffs(&config).map_err(faults)?;
    for (key, value) in printed {
        println!("{key} = {value:?}");
    }
    if let Some(fault) = open_files_fault(&config) {
        eprintln!("juden: {fault}");
    }
    for tariff in book.versions() {
        let plans: Vec<&str> = tariff.plans.keys().map(String::as_str).collect();
        println!("tariff {} from {}: {}", tariff.version, tariff.from, plans.join(", "));
    }
    if book.versions().is_empty() {
        bail!("there is no tariff");
    }
    Ok(ExitCode::SUCCESS)
}
