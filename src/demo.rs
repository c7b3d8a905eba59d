//! The demo: a simulated clock shortly before a month's end, members, cards and stations, a fleet
//! over real WebSockets, the month's close, and the bills.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use juden_fleet::fleet::{self, FleetSetup, Progress};
use juden_fleet::plan::{PlanSetup, PlannedStation};
use juden_fleet::station::{Station, StationSetup};
use juden_fleet::version::{Kind, Version};

use juden::config::Texts;
use juden::server::{Server, write_export};
use juden::tariff_files;
use juden_core::app::App;
use juden_core::billing::bills::BillView;
use juden_core::clock::Clock;
use juden_core::export::Format;
use juden_core::members::admission::Application;
use juden_core::stations::registry::StationDraft;
use juden_domain::card::{Role, Suspension};
use juden_domain::ids::{CardNumber, MemberId, StationId};
use juden_domain::member::MemberKind;
use juden_domain::month::{BillingMonth, in_japan};
use juden_domain::payment::{PaymentKind, PaymentMethod};
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::units::Yen;
use juden_store::Store;

/// The demo's month, and the instant at which its clock starts: two hours before the month's end.
const MONTH: &str = "2026-11";
const STARTS: &str = "2026-11-30T22:00:00+09:00";

/// The seed of the fleet's random sessions.
const SEED: u64 = 20_261_130;

/// The password of the demo's stations.
const PASSWORD: &str = "demo-station-password";

/// A new folder for each run of the demo.
pub fn folder() -> PathBuf {
    let run = Clock::system().now().format("%Y%m%d-%H%M%S");
    PathBuf::from("juden-data").join(format!("demo-{run}-{}", std::process::id()))
}

/// The address, or any free port of 127.0.0.1 if it is taken.
fn free(address: &str) -> String {
    let taken =
        address.parse::<SocketAddr>().is_ok_and(|address| TcpListener::bind(address).is_err());
    if taken { "127.0.0.1:0".to_owned() } else { address.to_owned() }
}

struct Demo {
    app: Arc<App>,
    clock: Arc<Clock>,
    url: String,
}

/// Runs the demo. The server continues to run afterwards.
pub async fn run(store: Arc<dyn Store>, folder: &Path) -> anyhow::Result<Server> {
    let flags = [
        ("simulated-clock", STARTS.to_owned()),
        ("issuer-name", "Juden Demo KK".to_owned()),
        ("issuer-registration-number", "T7000012050002".to_owned()),
        ("party-id", "JDN".to_owned()),
        ("ocpp-listen", free("127.0.0.1:9000")),
        ("http-listen", free("127.0.0.1:8080")),
        ("onboarding-delay-s", "none".to_owned()),
        ("node-id", "demo".to_owned()),
    ];
    let texts = Texts::gather(
        |name| flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| value.clone()),
        |_| None,
        None,
    );
    let config = texts.into_config().map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    let tariffs = tariff_files::built_in().map_err(|faults| anyhow::anyhow!(faults.join("; ")))?;
    let clock = Arc::new(Clock::simulated(STARTS.parse::<DateTime<Utc>>()?));
    let server = Server::start(&config, store, None, tariffs, clock.clone()).await?;
    let ocpp = server.ocpp.context("the demo listens for stations")?;
    println!("Juden demo. The clock is simulated and starts at {}.", shown(clock.now()));
    println!(
        "  stations: ws://{ocpp}/ocpp/STATION_ID   API: http://{0}/api/v1   described at http://{0}/api/docs",
        server.http
    );
    if let Some(key) = &server.made_admin_key {
        println!("  operator's API key: {key}");
    }
    let demo = Demo { app: server.app.clone(), clock, url: format!("ws://{ocpp}/ocpp") };
    let members = demo.story().await?;
    demo.results(&members, folder).await?;
    Ok(server)
}

fn shown(instant: DateTime<Utc>) -> String {
    in_japan(instant).format("%Y-%m-%d %H:%M:%S JST").to_string()
}

impl Demo {
    /// Moves the clock to an instant, Japan time.
    fn at(&self, text: &str) -> anyhow::Result<DateTime<Utc>> {
        let instant =
            format!("{text}+09:00").parse::<DateTime<Utc>>().with_context(|| text.to_owned())?;
        self.clock.advance_to(instant)?;
        Ok(instant)
    }

    fn tell(&self, what: &str) {
        println!("{}  {what}", shown(self.clock.now()));
    }

    async fn member(&self, name: &str, plan: &str) -> anyhow::Result<MemberId> {
        let application = Application {
            name: name.to_owned(),
            kind: MemberKind::Corporation,
            email: "fleet@example.jp".to_owned(),
            plan: plan.to_owned(),
            term_contract: false,
            payment: PaymentMethod { kind: PaymentKind::Invoice, brand: None },
            vehicle_vin: None,
            art80_permit: false,
            await_decision: false,
        };
        Ok(self.app.members.apply(application).await?.id)
    }

    async fn card(
        &self,
        member: &MemberId,
        id_tag: &str,
        role: Role,
    ) -> anyhow::Result<CardNumber> {
        let (number, code) = self.app.cards.add_card(id_tag, None, None).await?;
        self.app.cards.activate_card(member, &number, &code, role).await?;
        Ok(number)
    }

    async fn register(
        &self,
        id: &str,
        charger_class: ChargerClass,
        power_w: i64,
    ) -> anyhow::Result<()> {
        let draft = StationDraft {
            site: Some("Yokohama".to_owned()),
            password: Some(PASSWORD.as_bytes().to_vec()),
            connectors: Some(vec![(
                1,
                ConnectorSite { charger_class, power_w: Some(power_w), session_cap_min: None },
                None,
            )]),
            ..StationDraft::default()
        };
        self.app.stations.put_station(&StationId::parse(id)?, draft).await?;
        Ok(())
    }

    fn station(&self, id: &str, version: Version) -> Station {
        let clock = self.clock.clone();
        Station::new(StationSetup {
            url: self.url.clone(),
            station_id: id.to_owned(),
            version,
            password: Some(PASSWORD.to_owned()),
            time: Arc::new(move || clock.now()),
            clock_offset: TimeDelta::zero(),
        })
    }

    /// Plays the events around the month's end. Returns the members, each with what it
    /// demonstrates.
    async fn story(&self) -> anyhow::Result<Vec<(MemberId, &'static str)>> {
        let aoki = self.member("Aoki Transport", "premium_100").await?;
        let baba = self.member("Baba Logistics", "simple").await?;
        let chiba = self.member("Chiba Rent-a-Car", "premium_200").await?;
        self.card(&aoki, "AOKI0001", Role::Primary).await?;
        self.card(&aoki, "AOKI0002", Role::Additional).await?;
        let baba_card = self.card(&baba, "BABA0001", Role::Primary).await?;
        for (id, class, power_w) in [
            ("QUICK-1", ChargerClass::Quick, 50_000),
            ("QUICK-2", ChargerClass::Quick, 90_000),
            ("NORMAL-1", ChargerClass::Normal, 6_000),
        ] {
            self.register(id, class, power_w).await?;
        }
        self.card(&chiba, "CHIBA001", Role::Primary).await?;
        self.card(&chiba, "CHIBA002", Role::Additional).await?;
        self.tell("three members, five cards, three stations are registered");
        let (mut quick1, mut quick2, mut normal1) = (
            self.station("QUICK-1", Version::V16),
            self.station("QUICK-2", Version::V201),
            self.station("NORMAL-1", Version::V16),
        );
        for station in [&mut quick1, &mut quick2, &mut normal1] {
            station.connect().await?;
            station.status(1, "Available").await?;
        }

        let first = self.begin(&mut quick1, "AOKI0001", "2026-11-30T22:05:00").await?;
        let second = self.begin(&mut quick2, "AOKI0002", "2026-11-30T22:10:00").await?;
        self.tell("both cards of Aoki charge at once: they share one allowance");
        self.end(&mut quick1, first, "AOKI0001", "2026-11-30T22:35:00", 20_000).await?;
        self.end(&mut quick2, second, "AOKI0002", "2026-11-30T22:40:00", 30_000).await?;
        let third = self.begin(&mut quick1, "AOKI0001", "2026-11-30T22:45:00").await?;

        self.at("2026-11-30T22:50:00")?;
        self.app.cards.suspend_card(&baba_card, Suspension::Lost, None).await?;
        let lost = quick2.authorize("BABA0001").await?;
        self.app.cards.resume_card(&baba_card, Suspension::Lost).await?;
        let found = quick2.authorize("BABA0001").await?;
        self.tell(&format!("Baba's card, reported lost, is {lost}; found again, it is {found}"));
        ensure!(
            lost == "Blocked" && found == "Accepted",
            "a lost card must be blocked and a found one accepted"
        );

        let night = self.begin(&mut normal1, "AOKI0002", "2026-11-30T23:10:00").await?;
        self.end(&mut quick1, third, "AOKI0001", "2026-11-30T23:15:00", 40_000).await?;
        self.at("2026-11-30T23:20:00")?;
        self.fleet().await?;

        let crossing = self.begin(&mut quick1, "AOKI0001", "2026-11-30T23:45:00").await?;
        self.at("2026-11-30T23:50:00")?;
        quick2.go_offline().await;
        self.tell("QUICK-2 loses its network; a session there waits in the station's queue");
        let offline_start = self.at("2026-11-30T23:52:00")?;
        let offline = quick2.start(1, "BABA0001", offline_start, 30_000);
        let offline_stop = self.at("2026-12-01T00:07:00")?;
        quick2.stop(offline, "BABA0001", offline_stop, 38_000);
        self.end(&mut quick1, crossing, "AOKI0001", "2026-12-01T00:20:00", 58_000).await?;
        self.tell("a session of 23:45 ended at 00:20: it is November's, wholly");
        self.at("2026-12-01T00:30:00")?;
        quick2.connect().await?;
        quick2.flush(false).await?;
        self.tell("QUICK-2 is back and delivered its session of 23:52: November's too");
        let december = self.begin(&mut quick1, "AOKI0001", "2026-12-01T00:40:00").await?;
        self.end(&mut quick1, december, "AOKI0001", "2026-12-01T01:00:00", 70_000).await?;
        self.end(&mut normal1, night, "AOKI0002", "2026-12-01T05:10:00", 21_000).await?;

        self.at("2026-12-05T03:00:00")?;
        self.app.closing.run_due().await?;
        self.tell("November is closed");
        Ok(vec![
            (aoki, "one allowance over two cards, and a session across midnight"),
            (baba, "a session delivered late"),
            (chiba, "the rest of the fleet"),
        ])
    }

    /// Starts a session at an instant, Japan time.
    async fn begin(&self, station: &mut Station, id_tag: &str, at: &str) -> anyhow::Result<usize> {
        let instant = self.at(at)?;
        let status = station.authorize(id_tag).await?;
        ensure!(status == "Accepted", "the card must be accepted, not {status}");
        let meter = station
            .confirmed
            .iter()
            .rev()
            .find_map(|confirmed| {
                (confirmed.said.kind == Kind::Stop).then_some(confirmed.said.meter_wh)
            })
            .unwrap_or(0);
        let session = station.start(1, id_tag, instant, meter);
        station.flush(false).await?;
        station.status(1, "Charging").await?;
        Ok(session)
    }

    /// Ends a session at an instant, Japan time.
    async fn end(
        &self,
        station: &mut Station,
        session: usize,
        id_tag: &str,
        at: &str,
        meter_wh: i64,
    ) -> anyhow::Result<()> {
        let instant = self.at(at)?;
        station.meter(session, 1, instant, meter_wh);
        station.stop(session, id_tag, instant, meter_wh);
        station.flush(false).await?;
        station.status(1, "Available").await?;
        Ok(())
    }

    /// Adds two stations with random sessions from the seed, some of them delivered late.
    async fn fleet(&self) -> anyhow::Result<()> {
        let plan = PlanSetup {
            seed: SEED,
            sessions_per_station: 3,
            from: "2026-11-30T22:01:00+09:00".parse()?,
            until: "2026-11-30T23:15:00+09:00".parse()?,
            readings: 20,
            offline_one_in: 3,
        };
        let mut stations = Vec::new();
        for (number, version, id_tag) in
            [(1, Version::V16, "CHIBA001"), (2, Version::V201, "CHIBA002")]
        {
            let id = format!("FLEET-{number}");
            self.register(&id, ChargerClass::Quick, 50_000).await?;
            stations.push(PlannedStation {
                station_id: id,
                version,
                quick: true,
                id_tags: vec![id_tag.to_owned()],
            });
        }
        let messages =
            u64::try_from(stations.len() * plan.sessions_per_station * (plan.readings + 2))?;
        self.tell(&format!("a fleet of {} more stations begins, seed {SEED}", stations.len()));
        let bar = ProgressBar::new(messages)
            .with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} messages confirmed")?);
        let progress = Arc::new(Progress::default());
        let clock = self.clock.clone();
        let setup = FleetSetup {
            url: self.url.clone(),
            password: Some(PASSWORD.to_owned()),
            time: Arc::new(move || clock.now()),
            clock_offset: TimeDelta::zero(),
        };
        let mut running = tokio::spawn(fleet::run(setup, plan, stations, progress.clone()));
        loop {
            tokio::select! {
                done = &mut running => {
                    done?;
                    break;
                }
                () = tokio::time::sleep(Duration::from_millis(100)) => bar.set_position(progress.confirmed.load(Ordering::Relaxed)),
            }
        }
        bar.finish_and_clear();
        self.tell(&format!(
            "the fleet is done: {} messages confirmed",
            progress.confirmed.load(Ordering::Relaxed)
        ));
        Ok(())
    }

    /// Prints bills and exports, and checks that they agree.
    async fn results(
        &self,
        members: &[(MemberId, &'static str)],
        folder: &Path,
    ) -> anyhow::Result<()> {
        let month = BillingMonth::parse(MONTH).context("the demo's month")?;
        let mut billed = Yen::ZERO;
        for (member, what) in members {
            let name = self.app.members.member(member).await?.admission.name;
            println!("\n{name} ({member}), {month}: {what}");
            self.print_usage(member, month).await?;
            let view = self.app.billing.bill(member, month, false).await?;
            ensure!(view.closed, "the month must be closed");
            print_bill(&view);
            billed = billed + view.total();
        }
        println!();
        let exports = folder.join("export");
        for format in Format::ALL {
            for file in write_export(&self.app, &exports, month, format).await? {
                println!("export: {}", file.display());
            }
        }
        let closed = self.app.billing.closed(month).await?;
        let exported = self.exported(month).await?;
        let differences = self.app.billing.verify_month(month).await?;
        ensure!(
            billed == exported && exported == closed.total && differences.is_empty(),
            "bills, export and verification must agree"
        );
        println!(
            "bills {billed} yen = export {exported} yen; {month} rated again: every line as billed"
        );
        Ok(())
    }

    /// The total of the month's export.
    async fn exported(&self, month: BillingMonth) -> anyhow::Result<Yen> {
        let mut export = self.app.billing.export(month, Format::Csv).await?;
        while export.next().await?.is_some() {}
        Ok(export.tally.total)
    }

    async fn print_usage(&self, member: &MemberId, month: BillingMonth) -> anyhow::Result<()> {
        let (rated, sessions) = self.app.billing.usage(member, month, false).await?;
        for used in &rated.sessions {
            let Some(session) = sessions.iter().find(|session| session.id == used.id) else {
                continue;
            };
            let stop = session.stop.as_ref().map_or_else(String::new, |stop| {
                in_japan(stop.edge.at).format("%m-%d %H:%M").to_string()
            });
            let card = session.card.as_ref().map(ToString::to_string).unwrap_or_default();
            let start = in_japan(session.start.at).format("%m-%d %H:%M");
            println!(
                "  {} {:<9} card {card}  {start} to {stop}  {:>3} min: {:>3} free, {:>3} charged ({})",
                session.reference,
                session.station_id.as_str(),
                used.units,
                used.split.free,
                used.split.charged,
                used.state.name()
            );
        }
        for pool in &rated.pools {
            let number = |units: Option<i64>| {
                units.map_or_else(|| "no limit".to_owned(), |units| units.to_string())
            };
            println!(
                "  {} pool: {} free, {} used, {} left",
                pool.charger_class.name(),
                number(pool.free_units),
                pool.used_units,
                number(pool.free_units_left)
            );
        }
        Ok(())
    }
}

fn print_bill(bill: &BillView) {
    for (_, line) in bill.lines() {
        let sessions: Vec<String> = line.sessions.iter().map(ToString::to_string).collect();
        println!(
            "    {:<18} {:>4} x {:>6} = {:>7} yen  {} {}",
            line.code.name(),
            line.quantity,
            line.unit_price.to_string(),
            line.amount.to_string(),
            line.tariff_version,
            sessions.join(" ")
        );
    }
    println!(
        "    {:<18} {:>25} yen, {} yen of it tax",
        "total",
        bill.total().to_string(),
        bill.tax()
    );
}
