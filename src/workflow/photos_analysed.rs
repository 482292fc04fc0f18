//! Tells whoever runs a request when its photos have been looked at: what comes then, a search
//! or a commit, is done together with others' and takes no worker.

tokio::task_local! {
    static TELL: Box<dyn Fn() + Send + Sync>;
}

/// The same work, which calls `tell` when its photos have been looked at; not where it ends
/// before.
pub async fn on_photos_analysed<T>(tell: impl Fn() + Send + Sync + 'static, work: impl Future<Output = T>) -> T {
    TELL.scope(Box::new(tell), work).await
}

/// All photos of the request at hand have been looked at.
pub(super) fn photos_are_analysed() {
    // Nobody has to listen.
    let _ = TELL.try_with(|tell| tell());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn whoever_listens_is_told_and_nobody_has_to_listen() {
        photos_are_analysed();
        let told = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&told);
        let work = async {
            assert_eq!(told.load(Ordering::SeqCst), 0);
            photos_are_analysed();
            told.load(Ordering::SeqCst)
        };
        let tell = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(on_photos_analysed(tell, work).await, 1);
    }
}
