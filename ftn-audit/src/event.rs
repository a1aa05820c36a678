//! Events of the application's own: what is no row change.

use std::borrow::Cow;

use crate::{AttributeValue, Attributes, Audit, AuditContext, AuditRecord, attribute_names as names};

/// Where an event of the application belongs: to a transaction, whose outcome it shares, or to nothing but the moment.
///
/// A transaction of `ftn-audit-sea` keeps the record until it commits; a connection, and [`Audit`] itself, hand it over
/// at once.
///
/// ```
/// use ftn_audit::{Audit, EventScope};
///
/// async fn login_refused(audit: &Audit, scope: &impl EventScope) {
///     audit.event("login.refused").subject("User", "42").record(scope).await;
/// }
/// ```
pub trait EventScope: Sync {
    /// The context that is bound to the scope; the running task's where there is none.
    fn context(&self) -> Option<AuditContext> {
        None
    }

    /// Takes the finished record.
    fn accept(&self, audit: &Audit, record: AuditRecord) -> impl Future<Output = ()> + Send;
}

impl EventScope for Audit {
    async fn accept(&self, _audit: &Audit, record: AuditRecord) {
        self.hand_over(vec![record]).await;
    }
}

/// An event that is being described; [`record`](Self::record) records it.
///
/// ```
/// # async fn example(audit: ftn_audit::Audit) {
/// let event = audit.event("export.downloaded").subject("Report", "7").description("The price list left").attr("rows", 120);
/// event.record(&audit).await;
/// # }
/// ```
#[must_use = "an event is recorded by `record`"]
pub struct EventBuilder<'a> {
    audit: &'a Audit,
    name: Cow<'static, str>,
    model: Cow<'static, str>,
    pk: String,
    description: Option<String>,
    attributes: Attributes,
}

impl Audit {
    /// Starts an event that is no row change: a download, a login, a refusal.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use ftn_audit::{Audit, Delivery, sink::MemorySink};
    ///
    /// let sink = MemorySink::new();
    /// let audit = Audit::builder().sink(sink.clone()).delivery(Delivery::sync()).build()?;
    /// audit.event("export.downloaded").subject("Report", "7").attr("rows", 120).record(&audit).await;
    /// assert_eq!(sink.records()[0].event_type(), "export.downloaded");
    /// # Ok::<(), ftn_audit::StartupError>(())
    /// # }).unwrap();
    /// ```
    pub fn event(&self, name: impl Into<Cow<'static, str>>) -> EventBuilder<'_> {
        EventBuilder {
            audit: self,
            name: name.into(),
            model: Cow::Borrowed(""),
            pk: String::new(),
            description: None,
            attributes: Attributes::new(),
        }
    }
}

impl EventBuilder<'_> {
    /// What it is about: a kind of thing, and its key.
    pub fn subject(mut self, model: impl Into<Cow<'static, str>>, pk: impl ToString) -> Self {
        self.model = model.into();
        self.pk = pk.to_string();
        self
    }

    /// One sentence for people; otherwise made of name and subject.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Adds an attribute.
    pub fn attr(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<AttributeValue>) -> Self {
        self.attributes.set(key, value);
        self
    }

    /// Records the event in a scope: with a transaction, it is handed over when that commits, and gone when it is
    /// rolled back. Nothing happens when nothing is recorded.
    pub async fn record(self, scope: &impl EventScope) {
        if !self.audit.is_active() {
            return;
        }
        let context = scope.context().or_else(AuditContext::current);
        self.audit.resolve_actor(context.as_ref()).await;
        let description = self.description.unwrap_or_else(|| match (self.model.as_ref(), self.pk.as_str()) {
            ("", _) => self.name.to_string(),
            (model, "") => format!("{} on {model}", self.name),
            (model, pk) => format!("{} on {model} #{pk}", self.name),
        });
        let mut record = AuditRecord::event(self.name, self.model, self.pk).with_description(description);
        if let Some(route) = context.as_ref().and_then(AuditContext::raw_route) {
            record.own.set(names::RAW_ROUTE, route);
        }
        for (key, value) in self.attributes {
            if record.own.get(&key).is_none() {
                record.own.set(key, value);
            }
        }
        // The application says them as a formatter would, and they leave in every encoding as a formatter's do.
        record.formatted = record.own.len();
        let record = self.audit.place(record, context.as_ref());
        scope.accept(self.audit, record).await;
    }
}
