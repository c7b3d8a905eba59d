//! Runs a command of the operator.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::{AuthorityFault, shown};

/// The most bytes that are read of a command's output.
const PRINTED_MAX_BYTES: u64 = 64 * 1024;

/// A command's process group. It is killed if this value is dropped before the command ended.
/// Processes that left the group, or that outlive a command that ended by itself, are the
/// operator's concern.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// Notes that the command ended. The system may give its process id to another process now.
    fn ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // The group may already be empty.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a command with arguments and an input, and returns its output. Its environment has only
/// `PATH`.
pub async fn printed(
    command: &Path,
    arguments: &[&str],
    input: &str,
    within: Duration,
) -> Result<String, AuthorityFault> {
    let fault = |why: String| AuthorityFault::Command(shown(command), why);
    let run = async {
        let mut child = Command::new(command)
            .args(arguments.iter().map(OsStr::new))
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Standard error is discarded: it could be endless.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .map_err(|cause| fault(format!("cannot be run: {cause}")))?;
        let mut group = Group::of(&child);
        if let Some(mut stdin) = child.stdin.take() {
            // A command may answer without reading its input.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let mut printed = String::new();
        if let Some(output) = child.stdout.take() {
            let mut output = output.take(PRINTED_MAX_BYTES);
            output
                .read_to_string(&mut printed)
                .await
                .map_err(|cause| fault(format!("printed no text: {cause}")))?;
        }
        let ended = child.wait().await.map_err(|cause| fault(cause.to_string()))?;
        group.ended();
        if ended.success() { Ok(printed) } else { Err(fault(format!("ended with {ended}"))) }
    };
    tokio::time::timeout(within, run)
        .await
        .unwrap_or_else(|_| Err(fault(format!("took longer than {} s", within.as_secs()))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Whether a process still runs; one that nobody asked after yet does not.
    fn runs(id: &str) -> bool {
        fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_command_that_takes_too_long_ends_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let started = folder.path().join("started");
        let script =
            format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", started.display());
        let within = Duration::from_secs(3);
        let refused =
            printed(Path::new("/bin/sh"), &["-c", &script], "", within).await.unwrap_err();
        assert!(refused.to_string().contains("took longer than 3 s"), "{refused}");
        let id = fs::read_to_string(&started).unwrap().trim().to_owned();
        let ended = async {
            while runs(&id) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), ended)
            .await
            .expect("what it started runs on");
    }
}
