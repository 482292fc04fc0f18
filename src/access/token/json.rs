//! JSON objects in which a name may stand once: two readers of `{"sub": "a", "sub": "b"}` may
//! see two people.
//!
//! Source: RFC 7515, 4; RFC 7519, 4.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};

/// A JSON object whose own names are all different.
pub(super) struct Object(pub Map<String, Value>);

impl Object {
    /// Reads one object and nothing behind it; `None` where that is not what the bytes are.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The text under this name: `Ok(None)` where the name is absent, `Err` where it is no text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ()> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(()),
        }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = Map::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_stands_twice_makes_it_no_object() {
        assert!(Object::parse(br#"{"sub":"a","x":{"sub":"b"}}"#).is_some());
        for wrong in [r#"{"sub":"a","sub":"b"}"#, r#"{"sub":"a","s\u0075b":"a"}"#, "[]", "{} {}", "", "{", "\"a\"", "1"]
        {
            assert!(Object::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(Object::parse("[".repeat(100_000).as_bytes()).is_none());
        assert!(Object::parse(format!("{{\"a\":{}", "[".repeat(100_000)).as_bytes()).is_none());
    }

    #[test]
    fn what_is_no_text_is_not_taken_for_an_absent_one() {
        let object = Object::parse(br#"{"a":"b","n":null,"l":["b"]}"#).unwrap();
        assert_eq!((object.text("a"), object.text("z")), (Ok(Some("b")), Ok(None)));
        assert_eq!((object.text("n"), object.text("l")), (Err(()), Err(())));
    }
}
