//! Keyed fingerprints of captures: whether a picture took part in a transaction before is
//! known again, after it was written anew, resized, cropped, lit otherwise, mirrored or
//! photographed from a screen, and the picture is not kept.
//!
//! A fingerprint has three parts, all under a [`FingerprintKey`]:
//! - an exact digest of the file's bytes (HMAC-SHA-256, RFC 2104);
//! - sketches of the face as a small grey picture and of its template: signs of keyed random
//!   projections (Charikar 2002), which differ in few bits where the pictures are alike;
//! - look-up keys: keyed hashes of groups of the sketches' bits, of which a copy shares at
//!   least one (locality-sensitive hashing, Indyk and Motwani 1998).
//!
//! What is stored is [`CaptureFingerprint::to_bytes`] under every one of
//! [`CaptureFingerprint::bands`]; what is looked up are the bands of a [`CaptureProbe`], which
//! sees the new capture also mirrored and moved a little, as the alignment of a copy is
//! (multi-probe, Lv et al. 2007). Whatever shares a band is compared with
//! [`CaptureProbe::nearness`].
//!
//! ```text
//! file ──────────────────────────── exact digest ─┐
//! FacePrint ─ frequencies ─ signs ─ print sketch ─┼─ bands (keyed), bytes (sealed)
//! Template ──────────────── signs ─ face sketch ──┘
//! ```

mod bytes;
mod key;
mod print;
mod projection;

use std::collections::BTreeSet;
use std::fmt;

use super::{FacePrint, RecipeDigest, Template};
use projection::Projection;
pub use bytes::FingerprintError;
pub use key::{FingerprintKey, FingerprintKeyError};

/// Words of 64 bits of the print's and of the face's sketch.
const PRINT_WORDS: usize = 8;
const FACE_WORDS: usize = 8;
/// Bits of a sketch that are one look-up key.
const BAND_BITS: usize = 16;
/// Sketches that differ in at most so many of their 512 bits are of one picture, both.
const PRINT_DISTANCE_MAX: u32 = 96;
const FACE_DISTANCE_MAX: u32 = 96;

/// Values of a template that count; every pack so far has fewer.
const FACE_NUMBERS_MAX: usize = 1024;

/// A key under which a fingerprint is found.
pub type Band = [u8; 8];

/// What is kept of a capture in place of its picture.
#[derive(Clone, PartialEq, Eq)]
pub struct CaptureFingerprint {
    exact: [u8; 32],
    recipe: RecipeTag,
    print: [u64; PRINT_WORDS],
    face: [u64; FACE_WORDS],
}

/// The begin of the digest of the recipe that made the template: sketches of others' are not
/// compared.
type RecipeTag = [u8; 8];

/// Whether two captures are one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nearness {
    /// The same bytes.
    Exact,
    /// Other bytes, and by all signs the same picture.
    Near {
        /// Bits in which the sketches differ: the fewer, the less was changed.
        distance: u32,
    },
    /// Another picture, as far as can be seen.
    Other,
}

impl CaptureFingerprint {
    /// The fingerprint of a capture: its file, and what the pipeline made of it.
    pub fn of(key: &FingerprintKey, encoded: &[u8], print: &FacePrint, template: &Template) -> Self {
        Self {
            exact: key.digest(b"capture", &[encoded]),
            recipe: tag(template.recipe()),
            print: key.print.signs(&print::frequencies(print.cells())),
            face: key.face.signs(&face_values(template)),
        }
    }

    /// The keys under which it is stored: each says nothing without the key.
    pub fn bands(&self, key: &FingerprintKey) -> impl Iterator<Item = Band> {
        let bands = BTreeSet::from([exact_band(key, &self.exact)]);
        let mut bands = bands;
        add_bands(&mut bands, key, b"print band", &[], &self.print);
        add_bands(&mut bands, key, b"face band", &self.recipe, &self.face);
        bands.into_iter()
    }

    /// Whether two fingerprints under one key are of one picture, as they are: a
    /// [`CaptureProbe`] finds more.
    pub fn nearness(&self, other: &Self) -> Nearness {
        self.nearness_as(&self.print, other)
    }

    fn nearness_as(&self, print: &[u64; PRINT_WORDS], other: &Self) -> Nearness {
        if self.exact == other.exact {
            return Nearness::Exact;
        }
        let (prints, faces) = (distance(print, &other.print), distance(&self.face, &other.face));
        let near = self.recipe == other.recipe && prints <= PRINT_DISTANCE_MAX && faces <= FACE_DISTANCE_MAX;
        if near { Nearness::Near { distance: prints + faces } } else { Nearness::Other }
    }
}

impl fmt::Debug for CaptureFingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptureFingerprint(..)")
    }
}

/// A new capture that is looked up among fingerprints: also mirrored, and moved a little.
#[derive(Clone)]
pub struct CaptureProbe {
    own: CaptureFingerprint,
    /// Sketches of the print as a copy may show it; the first is the capture's own.
    prints: Vec<[u64; PRINT_WORDS]>,
}

impl CaptureProbe {
    /// As for [`CaptureFingerprint::of`].
    pub fn of(key: &FingerprintKey, encoded: &[u8], print: &FacePrint, template: &Template) -> Self {
        let own = CaptureFingerprint::of(key, encoded, print, template);
        let prints = print::views(print.cells()).map(|values| key.print.signs(&values)).collect();
        Self { own, prints }
    }

    /// What is stored of the capture.
    pub fn fingerprint(&self) -> &CaptureFingerprint {
        &self.own
    }

    /// The keys to look up, each once.
    pub fn bands(&self, key: &FingerprintKey) -> impl Iterator<Item = Band> {
        let mut bands: BTreeSet<Band> = self.own.bands(key).collect();
        for sketch in &self.prints {
            add_bands(&mut bands, key, b"print band", &[], sketch);
        }
        bands.into_iter()
    }

    /// Whether a stored capture is this very picture.
    pub fn nearness(&self, stored: &CaptureFingerprint) -> Nearness {
        let views = self.prints.iter().map(|sketch| self.own.nearness_as(sketch, stored));
        views.min_by_key(|nearness| nearness.rank()).unwrap_or(Nearness::Other)
    }
}

impl fmt::Debug for CaptureProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaptureProbe(..)")
    }
}

impl Nearness {
    /// Whether it is the same picture.
    pub fn is_same(self) -> bool {
        self != Self::Other
    }

    fn rank(self) -> u32 {
        match self {
            Self::Exact => 0,
            Self::Near { distance } => 1 + distance,
            Self::Other => u32::MAX,
        }
    }
}

fn print_projection(key: &FingerprintKey) -> Projection {
    Projection::new(key, b"print projection", print::NUMBERS, 64 * PRINT_WORDS)
}

fn face_projection(key: &FingerprintKey) -> Projection {
    Projection::new(key, b"face projection", FACE_NUMBERS_MAX, 64 * FACE_WORDS)
}

fn tag(recipe: RecipeDigest) -> RecipeTag {
    std::array::from_fn(|at| recipe.0[at])
}

/// A template's values as whole numbers.
fn face_values(template: &Template) -> Vec<i32> {
    let values = template.vector().iter().take(FACE_NUMBERS_MAX);
    values.map(|value| (value * 1_048_576.0).round() as i32).collect()
}

fn exact_band(key: &FingerprintKey, exact: &[u8; 32]) -> Band {
    band(key, b"exact band", &[exact])
}

fn add_bands(bands: &mut BTreeSet<Band>, key: &FingerprintKey, purpose: &'static [u8], of: &[u8], sketch: &[u64]) {
    let groups = sketch.iter().flat_map(|word| (0..64 / BAND_BITS).map(move |at| (word >> (at * BAND_BITS)) as u16));
    bands.extend(groups.zip(0_u16..).map(|(bits, number)| {
        band(key, purpose, &[of, &number.to_le_bytes(), &bits.to_le_bytes()])
    }));
}

fn band(key: &FingerprintKey, purpose: &'static [u8], parts: &[&[u8]]) -> Band {
    let digest = key.digest(purpose, parts);
    std::array::from_fn(|at| digest[at])
}

/// Bits in which two sketches differ.
fn distance<const WORDS: usize>(one: &[u64; WORDS], other: &[u64; WORDS]) -> u32 {
    one.iter().zip(other).map(|(one, other)| (one ^ other).count_ones()).sum()
}
