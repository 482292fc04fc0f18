//! The macro that holds every implementation to the same promises.

/// What a test begins with; `None` where what it needs is not on this machine.
pub trait Made {
    type Empty;
    fn made(self) -> Option<Self::Empty>;
}

impl<T, U> Made for (T, U) {
    type Empty = Self;

    fn made(self) -> Option<Self> {
        Some(self)
    }
}

impl<T, U> Made for Option<(T, U)> {
    type Empty = (T, U);

    fn made(self) -> Self {
        self
    }
}

/// One module of tests for each implementation: `NAME, FUNCTION` that makes an empty one, with what
/// must outlive it, and the promises, each an async function beside the macro's use. A function that may
/// find nothing to make one of says so itself, and the test ends there.
macro_rules! promises {
    ($($module:ident, $empty:path);+ => $promises:tt) => {
        $(promises!(@ $module, $empty, $promises);)+
    };
    (@ $module:ident, $empty:path, { $($promise:ident),+ $(,)? }) => {
        mod $module {
            $(#[test]
            fn $promise() {
                let Some((empty, _beside)) = crate::promises::Made::made($empty()) else { return };
                super::block_on(super::$promise(empty));
            })+
        }
    };
}
