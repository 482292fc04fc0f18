//! The macro that keeps the contents of messages out of the log.

/// Implements `Debug` for messages so that it writes their name alone: photos, ids, vectors
/// and personal fields never reach a log through `{:?}`.
macro_rules! opaque {
    ($($message:ident)*) => {$(
        impl std::fmt::Debug for $message {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($message), "(…)"))
            }
        }
    )*};
}
