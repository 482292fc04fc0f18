//! Keyed fingerprints of captures: whether a picture took part in a transaction before is
//! known again, after it was written anew, resized, cropped, lit otherwise, mirrored or
//! photographed from a screen, and the picture is not kept.
//!
//! A fingerprint has two parts, both under a [`FingerprintKey`]:
//! - an exact digest of the file's bytes (HMAC-SHA-256, RFC 2104);
//! - sketches of the face as a small grey picture and of its template: signs of keyed random
//!   projections (Charikar 2002), which differ in few bits where the pictures are alike.
//!
//! Of it are derived the look-up keys ([`Band`]): keyed hashes of groups of the face sketch's
//! bits, of which a copy shares at least one (locality-sensitive hashing, Indyk and Motwani
//! 1998). What is stored is [`CaptureFingerprint::to_bytes`] under every one of
//! [`CaptureFingerprint::bands`]; what is looked up are the bands of a [`CaptureProbe`], which
//! also tries the bits that a copy changes first (multi-probe, Lv et al. 2007). Whatever shares
//! a band is compared by [`CaptureProbe::nearness`], which also sees the new capture mirrored
//! and moved a little.
//!
//! ```text
//! file ──────────────────────────── exact digest ─┐
//! FacePrint ─ frequencies ─ signs ─ print sketch ─┼─ sealed bytes
//! Template ──────────────── signs ─ face sketch ──┴─ bands
//! ```
//!
//! Figures are in `benches/README.md` ("Captures seen before"), from `examples/captures`.
//! Whole numbers throughout: one print and template have one fingerprint on every machine.

mod bytes;
mod key;
mod print;
mod projection;
#[cfg(test)]
mod tests;

use std::fmt;

use super::{FacePrint, RecipeDigest, Template};
pub use bytes::FingerprintError;
pub use key::{FingerprintKey, FingerprintKeyError};
use projection::Projection;

/// Words of 64 bits of the print's and of the face's sketch: 512 bits each.
const PRINT_WORDS: usize = 8;
const FACE_WORDS: usize = 8;
/// Look-up keys of a face, and how many bits of its sketch are one.
const BANDS: usize = 25;
const BAND_BITS: usize = 20;
/// Bits of a band that a probe tries both ways: those nearest to zero.
const PROBED_BITS: usize = 4;

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
        /// Bits of 1,024 in which the sketches differ: the fewer, the less was changed.
        distance: u32,
    },
    /// Another picture, as far as can be seen.
    Other,
}

impl CaptureFingerprint {
    /// How many [`CaptureFingerprint::bands`] there are.
    pub const BANDS: usize = 1 + BANDS;
    /// Captures whose sketches differ in more of their 1,024 bits are different pictures: of
    /// 3.4 million pairs of different people none is nearer than 257, of 760 of one person on
    /// other days before one camera none than 221.
    pub const NEAR_DISTANCE_MAX: u32 = 140;
    /// The same for captures of one sitting before one camera, which are nearer to each other
    /// than many a copy is to its original: only light copies are told from them. Of 1,448 such
    /// pairs none to five are nearer, by the key.
    pub const SAME_SITTING_DISTANCE_MAX: u32 = 32;

    /// The fingerprint of a capture: its file, and what the pipeline made of it.
    pub fn of(key: &FingerprintKey, encoded: &[u8], print: &FacePrint, template: &Template) -> Self {
        Self {
            exact: key.digest(b"capture", &[encoded]),
            recipe: tag(template.recipe()),
            print: key.print.signs(&print::frequencies(print)),
            face: key.face.signs(&face_values(template)),
        }
    }

    /// The keys under which it is stored, [`CaptureFingerprint::BANDS`] of them: one of the
    /// exact bytes, the others of the face's sketch.
    pub fn bands(&self, key: &FingerprintKey) -> impl Iterator<Item = Band> {
        let faces = (0..BANDS).map(|band| face_band(key, &self.recipe, band, band_bits(&self.face, band)));
        std::iter::once(exact_band(key, &self.exact)).chain(faces)
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
        let distance = distance(print, &other.print) + distance(&self.face, &other.face);
        let near = self.recipe == other.recipe && distance <= Self::NEAR_DISTANCE_MAX;
        if near { Nearness::Near { distance } } else { Nearness::Other }
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
    /// The bits of every band, as they are and with some changed.
    face_bands: Vec<(usize, u32)>,
}

impl CaptureProbe {
    /// As for [`CaptureFingerprint::of`]; dearer, since it sees the picture in several ways.
    pub fn of(key: &FingerprintKey, encoded: &[u8], print: &FacePrint, template: &Template) -> Self {
        let along = key.face.along(&face_values(template));
        let prints: Vec<_> = print::views(print).map(|values| key.print.signs(&values)).collect();
        let own = CaptureFingerprint {
            exact: key.digest(b"capture", &[encoded]),
            recipe: tag(template.recipe()),
            print: prints.first().copied().unwrap_or_default(),
            face: projection::signs(&along),
        };
        let probed = |band: usize| {
            let bits = band_bits(&own.face, band);
            variants(bits, &along[band * BAND_BITS..][..BAND_BITS]).map(move |bits| (band, bits))
        };
        let face_bands = (0..BANDS).flat_map(probed).collect();
        Self { own, prints, face_bands }
    }

    /// What is stored of the capture.
    pub fn fingerprint(&self) -> &CaptureFingerprint {
        &self.own
    }

    /// The keys to look up, each once: 401.
    pub fn bands(&self, key: &FingerprintKey) -> impl Iterator<Item = Band> {
        let faces = self.face_bands.iter().map(|&(band, bits)| face_band(key, &self.own.recipe, band, bits));
        std::iter::once(exact_band(key, &self.own.exact)).chain(faces)
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
    /// Whether it is the same picture. Of captures of one sitting, which may be two pictures
    /// and nearly alike, only what is as near as those hardly ever are.
    pub fn is_same(self, one_sitting: bool) -> bool {
        match self {
            Self::Exact => true,
            Self::Near { distance } => !one_sitting || distance <= CaptureFingerprint::SAME_SITTING_DISTANCE_MAX,
            Self::Other => false,
        }
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
    short(&recipe.0)
}

/// A template's values as whole numbers.
fn face_values(template: &Template) -> Vec<i32> {
    let values = template.vector().iter().take(FACE_NUMBERS_MAX);
    values.map(|value| (value * 1_048_576.0).round() as i32).collect()
}

fn exact_band(key: &FingerprintKey, exact: &[u8; 32]) -> Band {
    short(&key.digest(b"exact band", &[exact]))
}

fn face_band(key: &FingerprintKey, recipe: &RecipeTag, band: usize, bits: u32) -> Band {
    short(&key.digest(b"face band", &[recipe, &[band as u8], &bits.to_le_bytes()]))
}

fn short(digest: &[u8; 32]) -> [u8; 8] {
    std::array::from_fn(|at| digest[at])
}

/// The bits of one band of a sketch.
fn band_bits(sketch: &[u64; FACE_WORDS], band: usize) -> u32 {
    let bit = |at: usize| ((sketch[at / 64] >> (at % 64)) & 1) as u32;
    (0..BAND_BITS).map(|at| bit(band * BAND_BITS + at) << at).sum()
}

/// The bits as they are, and with any of those changed whose numbers are nearest to zero.
fn variants(bits: u32, along: &[i32]) -> impl Iterator<Item = u32> + use<> {
    let mut order: Vec<usize> = (0..along.len()).collect();
    order.sort_by_key(|&at| along[at].unsigned_abs());
    order.truncate(PROBED_BITS);
    (0..1_u32 << PROBED_BITS).map(move |changed| {
        let change = |(number, at): (usize, &usize)| ((changed >> number) & 1) << at;
        bits ^ order.iter().enumerate().map(change).sum::<u32>()
    })
}

/// Bits in which two sketches differ.
fn distance<const WORDS: usize>(one: &[u64; WORDS], other: &[u64; WORDS]) -> u32 {
    one.iter().zip(other).map(|(one, other)| (one ^ other).count_ones()).sum()
}
