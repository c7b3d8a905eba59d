//! A command of the operator's that is asked.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::{AuthorityFault, shown};

/// The most that is read of what a command prints.
const PRINTED_MAX_BYTES: u64 = 64 * 1024;

/// Runs a command with arguments and an input: what it prints. It gets no environment but `PATH`.
pub async fn printed(command: &Path, arguments: &[&str], input: &str, within: Duration) -> Result<String, AuthorityFault> {
    let fault = |why: String| AuthorityFault::Command(shown(command), why);
    let run = async {
        let mut child = Command::new(command)
            .args(arguments.iter().map(OsStr::new))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it complains of is its own to keep: it could be without end.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|cause| fault(format!("cannot be run: {cause}")))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not read its input may know the answer all the same.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let mut printed = String::new();
        if let Some(output) = child.stdout.take() {
            let mut output = output.take(PRINTED_MAX_BYTES);
            output.read_to_string(&mut printed).await.map_err(|cause| fault(format!("printed no text: {cause}")))?;
        }
        let ended = child.wait().await.map_err(|cause| fault(cause.to_string()))?;
        if ended.success() { Ok(printed) } else { Err(fault(format!("ended with {ended}"))) }
    };
    tokio::time::timeout(within, run).await.unwrap_or_else(|_| Err(fault(format!("took longer than {} s", within.as_secs()))))
}
