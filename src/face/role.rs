//! What the networks of a model pack are for.

/// What a network is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Finds faces.
    Detector,
    /// Finds eyes, nose and mouth in a face.
    Landmarks,
    /// Turns an aligned face into numbers.
    Embedder,
    /// Estimates where the head points.
    Pose,
    /// Tells a live face from a picture of one.
    Liveness,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Detector => "detector",
            Self::Landmarks => "landmarks",
            Self::Embedder => "embedder",
            Self::Pose => "pose",
            Self::Liveness => "liveness",
        })
    }
}
