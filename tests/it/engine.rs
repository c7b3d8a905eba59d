//! The engine that the tests run on, by `JUDEN_TEST_STORE`: `sqlite`, which it is when unset, or `postgres`, where
//! each test has a database of its own on the server of `TEST_POSTGRES_URL`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use juden_store::Store;
use juden_store::open::{self, Opened};
use juden_store::postgres::PostgresStore;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// Many databases share the server's connections.
const CONNECTIONS: &str = "juden_connections=4&juden_durability=none";

static MADE: AtomicU64 = AtomicU64::new(0);
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// Whether the tests run on PostgreSQL.
pub fn is_postgres() -> bool {
    match std::env::var("JUDEN_TEST_STORE").as_deref() {
        Ok("postgres") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("JUDEN_TEST_STORE={other}: it must be sqlite or postgres"),
    }
}

fn server() -> String {
    std::env::var("TEST_POSTGRES_URL")
        .expect("TEST_POSTGRES_URL names the server to test on, such as postgres://postgres@127.0.0.1/postgres")
}

fn url_of(name: &str) -> String {
    let server = server();
    let (scheme, rest) = server.split_once("://").unwrap();
    let authority = rest.split(['/', '?']).next().unwrap();
    format!("{scheme}://{authority}/{name}?{CONNECTIONS}")
}

async fn administer(statement: String) {
    let mut connection = PgConnection::connect(&server()).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A database with the schema and nothing in it, which others are copied from. It is kept for later runs.
async fn template() -> &'static str {
    let make = async || {
        let mut versions = String::new();
        let mut files: Vec<_> =
            std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres"))
                .unwrap()
                .collect();
        files.sort_by_key(|file| file.as_ref().unwrap().file_name());
        for file in files {
            versions += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
        let name =
            format!("juden_template_{}", &juden_domain::hex::sha256(versions.as_bytes())[..16]);
        let mut connection = PgConnection::connect(&server()).await.unwrap();
        let is_there =
            sqlx::query("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)").bind(&name);
        if !is_there.fetch_one(&mut connection).await.unwrap().get::<bool, _>(0) {
            let making = format!("{name}_{}", std::process::id());
            administer(format!("CREATE DATABASE {making}")).await;
            let store = PostgresStore::open(&url_of(&making)).await.unwrap();
            store.migrate(&url_of(&making)).await.unwrap();
            store.close().await;
            let named =
                sqlx::raw_sql(AssertSqlSafe(format!("ALTER DATABASE {making} RENAME TO {name}")))
                    .execute(&mut connection)
                    .await;
            if named.is_err() {
                administer(format!("DROP DATABASE {making}")).await;
            }
        }
        connection.close().await.unwrap();
        name
    };
    TEMPLATE.get_or_init(make).await
}

/// A test's own database; it is gone when this is dropped.
pub struct Database {
    folder: TempDir,
    name: Option<String>,
}

impl Database {
    /// One with nothing in it. An embedded one is made when it is opened.
    pub async fn new() -> Self {
        Self::from(template).await
    }

    /// One without a schema.
    pub async fn bare() -> Self {
        Self::from(async || "template1").await
    }

    async fn from<'a>(source: impl AsyncFnOnce() -> &'a str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if !is_postgres() {
            return Self { folder, name: None };
        }
        let name =
            format!("juden_test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        administer(format!("CREATE DATABASE {name} TEMPLATE {}", source().await)).await;
        Self { folder, name: Some(name) }
    }

    /// A copy. Nobody may have this one open.
    pub async fn copied(&self) -> Self {
        if let Some(name) = &self.name {
            return Self::from(async || name.as_str()).await;
        }
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
        }
        Self { folder: copy, name: None }
    }

    /// A folder of its own, where an embedded database lies.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// An embedded database's file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("juden.db")
    }

    pub fn url(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| format!("sqlite://{}", self.file().display()), |name| url_of(name))
    }

    /// Opens it, with its schema up to date.
    pub async fn opened(&self) -> Opened {
        let opened = open::open(&self.url()).await.unwrap();
        opened.migrate(&self.url()).await.unwrap();
        opened
    }

    pub async fn store(&self) -> Arc<dyn Store> {
        self.opened().await.store()
    }

    /// Everything that is kept, as bytes: to look for what must not be.
    pub async fn bytes(&self) -> Vec<u8> {
        if self.name.is_none() {
            let files = ["juden.db", "juden.db-wal"]
                .map(|name| std::fs::read(self.file().with_file_name(name)).unwrap_or_default());
            return files.concat();
        }
        let mut connection =
            PgConnection::connect(&self.url().replace(&format!("?{CONNECTIONS}"), ""))
                .await
                .unwrap();
        let tables = sqlx::query(
            "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
        );
        let mut bytes = Vec::new();
        for table in tables.fetch_all(&mut connection).await.unwrap() {
            let rows = format!("SELECT t::text FROM {} t", table.get::<String, _>(0));
            for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap() {
                bytes.extend(row.get::<String, _>(0).into_bytes());
            }
        }
        bytes
    }

    /// Every row of every table but those of the running program, a line each, with its columns' names; columns that are
    /// drawn by lot show only whether they hold something.
    pub async fn rows(&self, passing: &[&str], drawn: &[&str]) -> String {
        let mut lines = String::new();
        for table in self.tables().await.iter().filter(|table| !passing.contains(&table.as_str())) {
            let mut rows: Vec<String> = self.json_rows(table).await;
            for row in &mut rows {
                let mut fields: serde_json::Map<String, serde_json::Value> =
                    serde_json::from_str(row).unwrap();
                for name in drawn {
                    if let Some(value) = fields.get_mut(*name).filter(|value| !value.is_null()) {
                        *value = serde_json::json!("drawn");
                    }
                }
                *row = serde_json::to_string(&fields).unwrap();
            }
            rows.sort();
            lines += &rows.iter().map(|row| format!("{table} {row}\n")).collect::<String>();
        }
        lines
    }

    async fn tables(&self) -> Vec<String> {
        let mut tables: Vec<String> = if self.name.is_none() {
            let pool = sqlx::SqlitePool::connect(&self.url()).await.unwrap();
            sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'")
                .fetch_all(&pool)
                .await
                .unwrap()
        } else {
            let mut connection =
                PgConnection::connect(&self.url().replace(&format!("?{CONNECTIONS}"), ""))
                    .await
                    .unwrap();
            let tables = "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
            sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap()
        };
        tables.sort();
        tables
    }

    /// A table's rows as JSON objects.
    async fn json_rows(&self, table: &str) -> Vec<String> {
        if self.name.is_some() {
            let mut connection =
                PgConnection::connect(&self.url().replace(&format!("?{CONNECTIONS}"), ""))
                    .await
                    .unwrap();
            let rows = format!("SELECT to_jsonb(t)::text FROM {table} t");
            return sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_all(&mut connection)
                .await
                .unwrap();
        }
        let pool = sqlx::SqlitePool::connect(&self.url()).await.unwrap();
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?1)")
            .bind(table)
            .fetch_all(&pool)
            .await
            .unwrap();
        // A table of many columns would have too many arguments for one call.
        let pairs: Vec<String> =
            columns.iter().map(|name| format!("'{name}', \"{name}\"")).collect();
        let parts: Vec<String> =
            pairs.chunks(25).map(|part| format!("json_object({})", part.join(", "))).collect();
        let whole =
            parts.into_iter().reduce(|left, right| format!("json_patch({left}, {right})")).unwrap();
        let rows = format!("SELECT {whole} FROM {table}");
        sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&pool).await.unwrap()
    }

    /// The one number that a statement finds.
    pub async fn number(&self, statement: &'static str) -> i64 {
        if self.name.is_none() {
            let pool = sqlx::SqlitePool::connect(&self.url()).await.unwrap();
            return sqlx::query_scalar(statement).fetch_one(&pool).await.unwrap();
        }
        let mut connection =
            PgConnection::connect(&self.url().replace(&format!("?{CONNECTIONS}"), ""))
                .await
                .unwrap();
        sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap()
    }

    /// Lets the seconds pass, as it were, after which a node that was killed holds nobody up.
    pub async fn forget_nodes(&self) {
        if self.name.is_some() {
            self.run("DELETE FROM nodes").await;
        }
    }

    /// Runs statements that change what is kept behind the store's back.
    pub async fn run(&self, statements: &'static str) {
        if self.name.is_none() {
            let pool = sqlx::SqlitePool::connect(&self.url()).await.unwrap();
            sqlx::raw_sql(statements).execute(&pool).await.unwrap();
            return;
        }
        let mut connection =
            PgConnection::connect(&self.url().replace(&format!("?{CONNECTIONS}"), ""))
                .await
                .unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        // Its own thread and runtime: the test's may be ending.
        let dropped = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        });
        let _ = dropped.join();
    }
}
