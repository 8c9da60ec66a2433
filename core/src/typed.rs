//! Keys that an owner typed into OpenClaw's own pages, as the container tells them: which of them can become the owner's own
//! in the catalogue. The container belongs to the agent, so what it says is judged like what an owner sends.

use serde_json::{Map, Value};

use crate::secret::Secret;
use crate::secrets::{CATALOGUE, SecretName};

/// What `keys` in the container printed: values by OpenClaw's name of the provider, which is the catalogue's too.
pub struct TypedKeys(Map<String, Value>);

/// What became of the keys that the catalogue has a place for. Both lists are in its order.
#[derive(Default)]
pub struct Judged {
    pub taken: Vec<(SecretName, Secret)>,
    /// Set already, or not of the form that its kind has.
    pub refused: Vec<SecretName>,
}

impl TypedKeys {
    /// `None` for what no container of any version says. Nothing of the text is repeated.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let answer: Value = serde_json::from_str(text).ok()?;
        answer.get("keys")?.as_object().cloned().map(Self)
    }

    /// Judges each value as if its owner had sent it. One that is set stays as it is.
    #[must_use]
    pub fn judge(&self, is_set: impl Fn(SecretName) -> bool) -> Judged {
        let mut judged = Judged::default();
        for kind in CATALOGUE.iter().filter(|kind| kind.models().is_some()) {
            let Some(value) = self.0.get(kind.text) else {
                continue;
            };
            // What is no text is refused as an empty one is.
            let text = value.as_str().unwrap_or_default();
            match kind.parse_value(Secret::new(text.to_owned())) {
                Ok(value) if !is_set(kind.name) => judged.taken.push((kind.name, value)),
                _ => judged.refused.push(kind.name),
            }
        }
        judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(keys: &str, set: &[SecretName]) -> (Vec<(SecretName, String)>, Vec<SecretName>) {
        let judged = TypedKeys::parse(&format!("{{\"keys\":{keys}}}\n"))
            .unwrap()
            .judge(|name| set.contains(&name));
        let taken = judged.taken.into_iter();
        (
            taken
                .map(|(name, value)| (name, value.expose().to_owned()))
                .collect(),
            judged.refused,
        )
    }

    #[test]
    fn c12_typed_keys_become_the_owners_own_where_none_is_set() {
        let keys = r#"{"openai":"sk-typed-0123456789abcdef","anthropic":"sk-ant-api03-0123456789abcdef","mistral":"0123456789abcdef0"}"#;
        let (taken, refused) = judge(keys, &[SecretName::OpenAi]);
        let expected = "sk-ant-api03-0123456789abcdef".to_owned();
        assert_eq!(taken, vec![(SecretName::Anthropic, expected)]);
        assert_eq!(refused, vec![SecretName::OpenAi]);
    }

    #[test]
    fn c12_typed_values_are_judged_like_those_that_an_owner_sends() {
        for bad in [
            "",
            "short",
            "with a space in the value",
            "line\\nline-0123456789abcdef",
            "sk-ant-api03-0123456789abcdef",
            &"x".repeat(9000),
        ] {
            let (taken, refused) = judge(&format!("{{\"openai\":\"{bad}\"}}"), &[]);
            assert_eq!(
                (taken, refused),
                (vec![], vec![SecretName::OpenAi]),
                "{bad}"
            );
        }
    }

    #[test]
    fn only_keys_of_models_are_taken_and_nothing_that_is_no_answer() {
        let (taken, refused) = judge(
            r#"{"telegram":"123456789:AAH0123456789abcdefghijklmnopqrstuv","wallet":"0x00","OPENAI":"sk-0123456789abcdef"}"#,
            &[],
        );
        assert_eq!((taken, refused), (vec![], vec![]));
        assert_eq!(
            judge(r#"{"openai":1}"#, &[]),
            (vec![], vec![SecretName::OpenAi])
        );
        for malformed in ["", "{}", "[]", r#"{"keys":[]}"#, r#"{"keys":null}"#] {
            assert!(TypedKeys::parse(malformed).is_none(), "{malformed}");
        }
    }
}
