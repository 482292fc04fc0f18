use super::tlv::TlvError;

/// Why a chip file, a certificate or a list could not be read. Never holds personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// The TLV layer is broken.
    #[error("{what}: {source}")]
    Tlv {
        /// The structure being read.
        what: &'static str,
        /// What is wrong with it.
        source: TlvError,
    },
    /// Well-formed TLV that is not the structure it should be.
    #[error("{what} is not as its standard says")]
    Malformed {
        /// The structure being read.
        what: &'static str,
    },
    /// A legal structure of a kind not read here.
    #[error("{what} is of a kind that is not supported")]
    Unsupported {
        /// The structure being read.
        what: &'static str,
    },
    /// A recognisable other structure in its place.
    #[error("{what} expected, but this is {found}")]
    Instead {
        /// The structure being read.
        what: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// More bytes or more entries than any genuine file has.
    #[error("{what} is too large: more than {max}")]
    TooLarge {
        /// The structure being read.
        what: &'static str,
        /// The bound it broke.
        max: usize,
    },
}

impl ParseError {
    pub(crate) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }
}

/// Adds the name of the structure being parsed to a TLV error.
pub(crate) trait InStructure<T> {
    fn within(self, what: &'static str) -> Result<T, ParseError>;
}

impl<T> InStructure<T> for Result<T, TlvError> {
    fn within(self, what: &'static str) -> Result<T, ParseError> {
        self.map_err(|source| ParseError::Tlv { what, source })
    }
}
