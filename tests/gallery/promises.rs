//! The macro that holds every implementation to the same promises.

/// One module of tests for each implementation: `NAME, FUNCTION` that makes an empty one, with what
/// must outlive it, and the promises, each an async function beside the macro's use.
macro_rules! promises {
    ($($module:ident, $empty:path);+ => $promises:tt) => {
        $(promises!(@ $module, $empty, $promises);)+
    };
    (@ $module:ident, $empty:path, { $($promise:ident),+ $(,)? }) => {
        mod $module {
            $(#[test]
            fn $promise() {
                let (empty, _beside) = $empty();
                super::block_on(super::$promise(empty));
            })+
        }
    };
}
