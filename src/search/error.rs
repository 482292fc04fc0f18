/// Why an index refused. Never names a vector's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The vector has another number of values than the index.
    #[error("a vector of {found} values was given, the index holds vectors of {expected}")]
    Dimension {
        /// Values in a vector of the index.
        expected: usize,
        /// Values given.
        found: usize,
    },
    /// A value is NaN or infinite, or the vector is so long that a score could overflow.
    #[error("the vector has values that are not finite or far too large; make it again")]
    NotFinite,
    /// The score asked for is NaN or infinite.
    #[error("the score asked for is not a finite number")]
    BadScore,
    /// The key is taken.
    #[error("the key is already in the index")]
    KeyTaken,
    /// No more vectors fit.
    #[error("the index is full at {max} vectors; raise the limit if the machine has the memory, or remove some")]
    Full {
        /// How many it may hold.
        max: u64,
    },
    /// More pairs lie at or above the score than the caller is ready to hold.
    #[error("more than {max} pairs lie at or above the score; ask for a higher score (a lower error rate)")]
    TooManyPairs {
        /// How many were allowed.
        max: usize,
    },
    /// Not every row has a group (or a mark whether it is new).
    #[error("{found} groups or marks were given for {expected} vectors; give one for each")]
    Groups {
        /// Rows there are.
        expected: usize,
        /// Groups or marks given.
        found: usize,
    },
    /// A vector cannot be read from where it is kept outside memory.
    #[error("a vector cannot be read from where it is kept; see the log for the reason, and try again")]
    Unreadable,
    /// Work beside the searches was told to end before it was done.
    #[error("the work was stopped before it was done; what was there before is used")]
    Stopped,
    /// The library behind the graph gave up while building one.
    #[error("the graph could not be built; the exact search is not touched")]
    GraphFailed,
    /// More would take more memory than the index may.
    #[error(
        "the index may take {} MiB of memory and would need more; raise the limit if the machine has it, or remove some",
        .bytes_max >> 20
    )]
    Memory {
        /// Bytes it may take.
        bytes_max: u64,
    },
    /// A vector outside memory is not where it should be: the view is older or
    /// younger than what it is read from. A new search on a new view settles it.
    #[error("a vector outside memory is not where it should be; search again")]
    Missing,
}
