//! PostgreSQL and Redis of a test's own, to be killed and cut off as it likes.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;

use crate::ports::free_port;

fn named(variable: &str) -> String {
    std::env::var(variable).ok().filter(|value| !value.is_empty()).unwrap_or_else(|| {
        panic!("{variable} is not set: these tests start and kill servers of their own; `. tests/servers` sets where they are")
    })
}

/// A PostgreSQL server.
pub struct Postgres {
    bin: PathBuf,
    user: Option<(u32, u32)>,
    folder: TempDir,
    pub port: u16,
}

/// The ids of the user that must run PostgreSQL, because it refuses root.
fn user() -> Option<(u32, u32)> {
    let name = std::env::var("TEST_POSTGRES_USER").ok().filter(|name| !name.is_empty())?;
    let id = |flag: &str| {
        let told = Command::new("id").args([flag, &name]).output().unwrap().stdout;
        String::from_utf8(told).unwrap().trim().parse().unwrap()
    };
    Some((id("-u"), id("-g")))
}

impl Postgres {
    /// One that survives its own crash, not that of the machine: tests need no more, and are faster so.
    pub fn start() -> Self {
        Self::with("fsync = off\n")
    }

    /// One with further settings.
    pub fn with(more: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("juden-pg").tempdir_in("/tmp").unwrap();
        let postgres = Self {
            bin: named("TEST_POSTGRES_BIN").into(),
            user: user(),
            folder,
            port: free_port(),
        };
        if let Some((uid, gid)) = postgres.user {
            std::os::unix::fs::chown(postgres.folder.path(), Some(uid), Some(gid)).unwrap();
        }
        postgres.run(
            "initdb",
            &["-U", "juden", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"],
            true,
        );
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 200\n\
             max_locks_per_transaction = 256\nlog_min_messages = fatal\n{more}",
            postgres.port
        );
        let file = postgres.data().join("postgresql.conf");
        let kept = std::fs::read_to_string(&file).unwrap();
        std::fs::write(file, kept + &settings).unwrap();
        postgres.control(&["-w", "start"]);
        postgres
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str], data: bool) {
        let mut command = Command::new(self.bin.join(program));
        command.args(arguments).current_dir("/tmp").stdout(Stdio::null()).stderr(Stdio::null());
        if data {
            command.arg(self.data());
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        assert!(command.status().unwrap().success(), "{program} {arguments:?}");
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.data();
        let log = self.folder.path().join("log");
        let mut all = vec!["-D", data.to_str().unwrap(), "-l", log.to_str().unwrap()];
        all.extend(arguments);
        self.run("pg_ctl", &all, false);
    }

    /// What it has told so far.
    #[allow(dead_code, reason = "for tests of how it finds things")]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.folder.path().join("log")).unwrap())
            .into_owned()
    }

    /// Its first process, whose children the others are.
    #[allow(dead_code, reason = "for measuring")]
    pub fn process(&self) -> u32 {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        file.lines().next().unwrap().trim().parse().unwrap()
    }

    /// Restarts it as after a crash.
    pub fn crash_and_restart(&self) {
        self.control(&["-m", "immediate", "-w", "restart"]);
    }

    pub fn stop(&self) {
        self.control(&["-m", "immediate", "-w", "stop"]);
    }

    pub fn start_again(&self) {
        self.control(&["-w", "start"]);
    }

    pub async fn sql(&self, statement: &str) {
        let mut connection =
            PgConnection::connect(&format!("postgres://juden@127.0.0.1:{}/postgres", self.port))
                .await
                .unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Lets nobody write to a table until the connection is dropped.
    #[allow(dead_code, reason = "for tests of what waits")]
    pub async fn lock(&self, table: &str) -> PgConnection {
        let mut connection =
            PgConnection::connect(&format!("postgres://juden@127.0.0.1:{}/postgres", self.port))
                .await
                .unwrap();
        let locked = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        sqlx::raw_sql(AssertSqlSafe(locked)).execute(&mut connection).await.unwrap();
        connection
    }

    /// How many wait for somebody's lock.
    #[allow(dead_code, reason = "for tests of what waits")]
    pub async fn waiting(&self) -> i64 {
        let mut connection =
            PgConnection::connect(&format!("postgres://juden@127.0.0.1:{}/postgres", self.port))
                .await
                .unwrap();
        let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'";
        sqlx::query_scalar(waiting).fetch_one(&mut connection).await.unwrap()
    }

    /// Takes writes, or refuses them.
    pub async fn read_only(&self, on: bool) {
        self.sql(&format!(
            "ALTER SYSTEM SET default_transaction_read_only = {}",
            if on { "on" } else { "off" }
        ))
        .await;
        self.sql("SELECT pg_reload_conf()").await;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let data = self.data();
        let mut command = Command::new(self.bin.join("pg_ctl"));
        command
            .args(["-D", data.to_str().unwrap(), "-m", "immediate", "-w", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        let _ = command.current_dir("/tmp").status();
    }
}

/// A Redis server that keeps nothing.
pub struct Redis {
    child: Option<Child>,
    folder: TempDir,
    more: Vec<String>,
    pub port: u16,
}

impl Redis {
    pub fn start() -> Self {
        Self::with(free_port(), &[])
    }

    pub fn with(port: u16, more: &[&str]) -> Self {
        let more = more.iter().map(|text| (*text).to_owned()).collect();
        let mut redis = Self { child: None, folder: tempfile::tempdir().unwrap(), more, port };
        redis.start_again();
        redis
    }

    pub fn start_again(&mut self) {
        let mut command = Command::new(named("TEST_REDIS_BIN"));
        // A file of settings comes first.
        let (files, flags): (Vec<&String>, Vec<&String>) = self.more.iter().partition(|word| {
            word.starts_with('/')
                && std::path::Path::new(word).extension().is_some_and(|end| end == "conf")
        });
        command.args(files).args([
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
            "--loglevel",
            "warning",
        ]);
        if !flags.iter().any(|flag| *flag == "--port") {
            command.args(["--port", &self.port.to_string()]);
        }
        command
            .args(flags)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "Redis must start");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
