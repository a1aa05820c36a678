//! Records as JSON lines.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio::{runtime::Handle, sync::Mutex};

use super::{Outcome, Sink};
use crate::AuditRecord;

/// How long a batch may wait for a writer that is stuck: a full pipe, a dead network file system.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes one JSON object a line, in the form of [`AuditRecord::to_json`]: for containers whose output is collected,
/// for files, and as a fallback.
///
/// A batch is one write and one flush, on a thread that may block; a writer that is stuck for 10 s gives
/// [`Outcome::Retry`]. A batch may then be written twice: its records have the same ids. When a write breaks off
/// inside a line, the next batch begins on a line of its own, so that a torn line is all that is lost. Flushed is
/// not synced: what the operating system had not yet put on its disk when the power failed is gone.
///
/// Clones share the writer. A file stays open: let log rotation copy and truncate, or start the program anew.
///
/// ```no_run
/// use ftn_audit::sink::JsonlSink;
///
/// let sink = JsonlSink::file("/var/log/shop/audit.jsonl")?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct JsonlSink {
    target: Arc<str>,
    patience: Duration,
    writer: Arc<Mutex<Lines>>,
}

struct Lines {
    writer: Box<dyn Write + Send>,
    /// Whether the last line may lack its end.
    torn: bool,
}

impl JsonlSink {
    /// Writes to standard output.
    pub fn stdout() -> Self {
        Self::new("stdout", io::stdout(), false)
    }

    /// Writes to standard error.
    pub fn stderr() -> Self {
        Self::new("stderr", io::stderr(), false)
    }

    /// Appends to a file, which is made when it is missing; on Unix nobody but its owner may read a new file.
    ///
    /// # Errors
    ///
    /// That of opening the file.
    pub fn file(path: impl AsRef<Path>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path.as_ref())?;
        // What wrote here before may have died inside a line. Pipes and devices cannot be read back.
        let mut last = [b'\n'];
        let torn = file.metadata()?.is_file()
            && file.seek(SeekFrom::End(0))? > 0
            && file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).is_ok()
            && last != [b'\n'];
        Ok(Self::new(&path.as_ref().display().to_string(), file, torn))
    }

    /// Writes to anything.
    ///
    /// ```
    /// use ftn_audit::sink::JsonlSink;
    ///
    /// let sink = JsonlSink::writer(Vec::new());
    /// ```
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self::new("writer", writer, false)
    }

    fn new(target: &str, writer: impl Write + Send + 'static, torn: bool) -> Self {
        let lines = Lines { writer: Box::new(writer), torn };
        Self { target: target.into(), patience: PATIENCE, writer: Arc::new(Mutex::new(lines)) }
    }
}

impl Lines {
    fn append(&mut self, batch: &str) -> io::Result<()> {
        let repaired = if self.torn { format!("\n{batch}") } else { String::new() };
        let text = if self.torn { &repaired } else { batch };
        // Told before writing, so that a writer that panics leaves it behind too.
        self.torn = true;
        self.writer.write_all(text.as_bytes())?;
        self.writer.flush()?;
        self.torn = false;
        Ok(())
    }
}

#[async_trait]
impl Sink for JsonlSink {
    fn name(&self) -> &str {
        "jsonl"
    }

    async fn deliver(&self, batch: &[AuditRecord]) -> Outcome {
        if batch.is_empty() {
            return Outcome::Delivered;
        }
        if Handle::try_current().is_err() {
            return Outcome::operator("no tokio runtime is running: deliver inside one");
        }
        let lines: String = batch.iter().map(|record| format!("{}\n", record.to_json())).collect();
        let writer = Arc::clone(&self.writer);
        let written = async {
            // The lock is taken here and not on the thread, so that a stuck writer holds one thread and no more.
            let mut writer = writer.lock_owned().await;
            tokio::task::spawn_blocking(move || writer.append(&lines)).await
        };
        match tokio::time::timeout(self.patience, written).await {
            Ok(Ok(Ok(()))) => Outcome::Delivered,
            Ok(Ok(Err(error))) => Outcome::retry(None, format!("{} cannot be written: {error}", self.target)),
            Ok(Err(_)) => Outcome::retry(None, format!("writing {} was interrupted", self.target)),
            Err(_) => Outcome::retry(None, format!("{} took nothing for {:?}", self.target, self.patience)),
        }
    }
}

impl fmt::Debug for JsonlSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlSink").field("target", &self.target).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
