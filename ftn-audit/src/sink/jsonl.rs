//! Records as JSON lines.

pub struct JsonlSink;
