//! RabbitMQ: quorum queues on the default exchange.

mod consumer;
mod dead_letters;
mod publisher;
mod session;
mod wire;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use lapin::uri::{AMQPScheme, AMQPUri};

use self::{consumer::Working, dead_letters::Burying, publisher::Publishing, session::Session};
use super::{Consumer, DeadLetters, Engine, EngineError, Publisher};

/// A queue of a RabbitMQ broker, 3.10 or later.
///
/// It is a quorum queue, and so are those that it needs beside it: `<queue>.dead` for dead letters, and
/// `<queue>.wait.1s`, `5s`, `30s`, `120s` and `600s`, from which messages come back after that time. Whoever opens a
/// session makes those that are missing, with type and dead-letter target; the user needs the rights to configure, write
/// and read them, and to write to the default exchange. Limits of length and age are the operator's, by a policy.
///
/// A message is a record in its stored form, with the record's id as its `message_id`.
///
/// ```no_run
/// use std::sync::Arc;
/// use ftn_audit::{Audit, Delivery, engine::RabbitMq, sink::JsonlSink};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Arc::new(RabbitMq::new("amqp://audit:secret@broker:5672/shop")?.queue("shop.audit")?);
/// let audit = Audit::builder().sink(JsonlSink::stdout()).delivery(Delivery::outbox()).build()?;
/// let worker = audit.worker(engine);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RabbitMq {
    uri: AMQPUri,
    queues: Arc<Queues>,
}

/// The names of the queues.
struct Queues {
    main: String,
    dead: String,
    /// From the shortest to the longest.
    waits: Vec<Wait>,
}

struct Wait {
    time: Duration,
    queue: String,
}

/// Times of the wait queues: enough to keep to a back-off, and few enough to look at.
const WAITS: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
];

const ACCEPTED: &str = "write amqp://user:password@host:5672/vhost, or amqps:// for TLS";

impl RabbitMq {
    /// The broker at a URL `amqp://user:password@host:5672/vhost`, or `amqps://` (feature `tls`), whose certificate the
    /// system's authorities vouch for. The virtual host is `/` unless the URL names one; the queue is `ftn-audit` until
    /// [`queue`](Self::queue) says another. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// When the URL is none of RabbitMQ, or asks for TLS and the feature is off.
    pub fn new(url: &str) -> Result<Self, EngineError> {
        // What the parser says may quote what it was given.
        let wrong = || EngineError::Address(format!("this is no URL of RabbitMQ: {ACCEPTED}"));
        if !["amqp://", "amqps://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(wrong());
        }
        let mut uri: AMQPUri = url.parse().map_err(|_| wrong())?;
        if uri.scheme == AMQPScheme::AMQPS && !cfg!(feature = "tls") {
            return Err(EngineError::Address("amqps:// needs the feature `tls` of ftn-audit".to_owned()));
        }
        // `amqp://host/` is meant as it is read, and a virtual host without a name is nobody's.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        // A broker that vanished is missed after two of these; its own proposal is a minute.
        uri.query.heartbeat.get_or_insert(15);
        Ok(Self { uri, queues: Arc::new(Queues::new("ftn-audit".to_owned(), &WAITS)) })
    }

    /// The name of the queue, and the beginning of the others' names. A queue a service: the worker's handle says which
    /// service its records come from.
    ///
    /// # Errors
    ///
    /// When no queue can have the name.
    pub fn queue(mut self, name: impl Into<String>) -> Result<Self, EngineError> {
        let name = name.into();
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if name.is_empty() || name.len() > 200 || name.starts_with("amq.") || !name.bytes().all(sound) {
            return Err(EngineError::QueueName(name));
        }
        self.queues = Arc::new(Queues::new(name, &WAITS));
        Ok(self)
    }

    #[cfg(test)]
    pub(super) fn with_waits(mut self, waits: &[Duration]) -> Self {
        self.queues = Arc::new(Queues::new(self.queues.main.clone(), waits));
        self
    }

    #[cfg(test)]
    pub(super) fn queue_names(&self) -> Vec<String> {
        let Queues { main, dead, waits } = &*self.queues;
        [main, dead].into_iter().chain(waits.iter().map(|wait| &wait.queue)).cloned().collect()
    }

    /// The URL without user and password.
    fn address(&self) -> String {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        let vhost = vhost.strip_prefix('/').unwrap_or(vhost);
        format!("{scheme}://{}:{}/{vhost}", authority.host, authority.port)
    }
}

impl Queues {
    fn new(main: String, waits: &[Duration]) -> Self {
        let waits =
            waits.iter().map(|time| Wait { time: *time, queue: format!("{main}.wait.{}", told(*time)) });
        Self { dead: format!("{main}.dead"), waits: waits.collect(), main }
    }

    /// The queue that is left soonest after a while, or the slowest if none takes that long.
    fn wait(&self, time: Duration) -> Option<&str> {
        let long_enough = self.waits.iter().find(|wait| wait.time >= time);
        long_enough.or(self.waits.last()).map(|wait| wait.queue.as_str())
    }
}

fn told(time: Duration) -> String {
    match time.subsec_millis() {
        0 => format!("{}s", time.as_secs()),
        _ => format!("{}ms", time.as_millis()),
    }
}

/// Without user and password.
impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("address", &self.address())
            .field("queue", &self.queues.main)
            .finish()
    }
}

#[async_trait]
impl Engine for RabbitMq {
    fn name(&self) -> &str {
        "rabbitmq"
    }

    async fn publisher(&self) -> Result<Box<dyn Publisher>, EngineError> {
        Ok(Box::new(Publishing(Session::open(self).await?)))
    }

    async fn consumer(&self) -> Result<Box<dyn Consumer>, EngineError> {
        Ok(Box::new(Working::begin(Session::open(self).await?).await?))
    }

    async fn dead_letters(&self) -> Result<Box<dyn DeadLetters>, EngineError> {
        Ok(Box::new(Burying::new(Session::open(self).await?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_nowhere() {
        let engine = RabbitMq::new("amqp://ann:s3cret@db.example:5673/shop").unwrap();
        assert_eq!(engine.address(), "amqp://db.example:5673/shop");
        assert!(!format!("{engine:?}").contains("s3cret"));
        for wrong in [
            "ann:s3cret@host",
            "redis://ann:s3cret@host",
            "amqp://ann:s3cret@host:port",
            "amqp://ann:s3cret@",
        ] {
            let error = RabbitMq::new(wrong).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
            assert!(error.needs_operator());
        }
    }

    #[test]
    fn the_virtual_host_is_the_default_one_unless_named() {
        for (url, vhost) in [
            ("amqp://127.0.0.1", "/"),
            ("amqp://127.0.0.1/", "/"),
            ("amqp://127.0.0.1/%2f", "/"),
            ("amqp://127.0.0.1/shop", "shop"),
        ] {
            assert_eq!(RabbitMq::new(url).unwrap().uri.vhost, vhost, "{url}");
        }
    }

    #[test]
    fn names_that_no_queue_can_have() {
        let engine = || RabbitMq::new("amqp://127.0.0.1").unwrap();
        for wrong in ["", "amq.audit", "shop audit", "sh\u{f6}p", &"x".repeat(201)] {
            assert!(engine().queue(wrong).is_err(), "{wrong}");
        }
        assert_eq!(engine().queue("shop.audit").unwrap().queues.dead, "shop.audit.dead");
    }

    #[test]
    fn the_wait_that_is_long_enough() {
        let queues = Queues::new("q".to_owned(), &WAITS);
        for (seconds, queue) in
            [(0.2, "q.wait.1s"), (1.0, "q.wait.1s"), (1.1, "q.wait.5s"), (9e9, "q.wait.600s")]
        {
            assert_eq!(queues.wait(Duration::from_secs_f64(seconds)), Some(queue));
        }
    }
}
