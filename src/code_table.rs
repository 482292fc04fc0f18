//! Defines enums from tables of messages to callers: a stable code, a tag, and a sentence in
//! English and in Vietnamese, one row each.

/// Defines an enum from a table. Each row is `Variant, "CODE", Tag, "English.", "Vietnamese.";`,
/// where the tag is a variant of the type named in the head and is returned by the method named
/// there; or, with a head that names none, `Variant, "CODE", "English.", "Vietnamese.";`.
///
/// Serialised as its code, in stored records and in JSON.
///
/// Codes never change their meaning; a row that is no longer used stays.
macro_rules! code_table {
    (
        $(#[$head:meta])*
        $name:ident, $method:ident: $tag:ident $(#[$tag_doc:meta])*;
        $($(#[$doc:meta])* $variant:ident, $code:literal, $class:ident, $en:literal, $vi:literal;)*
    ) => {
        code_table! {
            $(#[$head])*
            $name;
            $($(#[$doc])* $variant, $code, $en, $vi;)*
        }

        impl $name {
            $(#[$tag_doc])*
            pub fn $method(self) -> $tag {
                match self { $(Self::$variant => $tag::$class),* }
            }
        }
    };
    (
        $(#[$head:meta])*
        $name:ident;
        $($(#[$doc:meta])* $variant:ident, $code:literal, $en:literal, $vi:literal;)*
    ) => {
        $(#[$head])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            /// Every row of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable code callers may act on.
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),* }
            }

            /// The entry with this code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// What it means and what to do, in English.
            pub fn en(self) -> &'static str {
                match self { $(Self::$variant => $en),* }
            }

            /// What it means and what to do, in Vietnamese.
            pub fn vi(self) -> &'static str {
                match self { $(Self::$variant => $vi),* }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let code = <String as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_code(&code).ok_or_else(|| serde::de::Error::custom("an unknown code"))
            }
        }
    };
}

/// Asserts what every table must keep: unique codes in capitals that `from_code` finds; complete
/// sentences, English ones in ASCII and Vietnamese ones with diacritics.
#[cfg(test)]
pub(crate) fn check_table<T: PartialEq + Copy + std::fmt::Debug>(
    all: &[T],
    row: impl Fn(T) -> (&'static str, &'static str, &'static str),
    from_code: impl Fn(&str) -> Option<T>,
) {
    let mut codes = std::collections::HashSet::new();
    assert!(!all.is_empty());
    for &entry in all {
        let (code, en, vi) = row(entry);
        assert!(codes.insert(code), "{code} twice");
        assert!(code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_'), "{code}");
        assert_eq!(from_code(code), Some(entry), "{code}");
        for sentence in [en, vi] {
            assert!(sentence.ends_with('.') && sentence.len() > 15, "{code}: {sentence}");
        }
        assert!(en.is_ascii(), "{code} is not English");
        assert!(!vi.is_ascii(), "{code} is not Vietnamese");
    }
    assert_eq!(from_code("NO_SUCH_CODE"), None);
}
