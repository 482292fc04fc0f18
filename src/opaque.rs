//! The macro that keeps what is personal out of the log.

/// Implements `Debug` for types so that it writes their name alone: photos, ids, vectors, personal
/// fields and what is decided about people never reach a log through `{:?}`.
macro_rules! opaque {
    ($($type:ident)*) => {$(
        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($type), "(…)"))
            }
        }
    )*};
}
