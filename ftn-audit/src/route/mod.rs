//! Placeholder until the parser's branch is merged.
#[derive(Clone, Debug)]
pub struct RawRoute(String);
impl RawRoute {
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(text.to_owned()))
    }
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
