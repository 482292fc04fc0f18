//! What fingerprints promise, on made-up prints and templates.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::face::RecipeDigest;
use crate::random::SplitMix;

/// A key of the test's own: made once, since its directions take a while unoptimised.
fn key(seed: u8) -> &'static FingerprintKey {
    static KEYS: LazyLock<[FingerprintKey; 3]> =
        LazyLock::new(|| [1, 2, 3].map(|seed| FingerprintKey::from_bytes([seed; 32])));
    &KEYS[usize::from(seed) - 1]
}

/// A made-up picture of a made-up face, changed by so much noise.
fn capture(seed: u64, noise: f32) -> (FacePrint, Template) {
    let mut random = SplitMix(seed);
    let mut other = SplitMix(!seed);
    let waves: Vec<[f32; 4]> = (0..12).map(|_| std::array::from_fn(|_| random.normal())).collect();
    let light = |x: f32, y: f32| -> f32 {
        waves.iter().map(|[a, b, c, d]| 20.0 * d * (x * a / 6.0 + y * b / 6.0 + 3.0 * c).sin()).sum::<f32>() + 120.0
    };
    let print = FacePrint::of_light(|x, y| light(x, y) + noise * noise_at(seed, x, y));
    let values: Vec<f32> = (0..288).map(|_| random.normal() + noise / 100.0 * other.normal()).collect();
    (print, Template::from_raw(RecipeDigest([1; 32]), &values).unwrap())
}

fn noise_at(seed: u64, x: f32, y: f32) -> f32 {
    SplitMix(seed ^ (x as u64) << 32 ^ (y as u64) << 8).normal()
}

fn of(key: &FingerprintKey, encoded: &[u8], (print, template): &(FacePrint, Template)) -> CaptureFingerprint {
    CaptureFingerprint::of(key, encoded, print, template)
}

fn probe(key: &FingerprintKey, encoded: &[u8], (print, template): &(FacePrint, Template)) -> CaptureProbe {
    CaptureProbe::of(key, encoded, print, template)
}

fn share_a_band(key: &FingerprintKey, probe: &CaptureProbe, stored: &CaptureFingerprint) -> bool {
    let stored: Vec<Band> = stored.bands(key).collect();
    probe.bands(key).any(|band| stored.contains(&band))
}

#[test]
fn the_same_bytes_are_exact_and_a_light_copy_is_near_and_another_picture_is_neither() {
    let key = key(1);
    let stored = of(key, b"file", &capture(1, 0.0));
    let exact = probe(key, b"file", &capture(2, 0.0));
    assert_eq!(exact.nearness(&stored), Nearness::Exact);
    assert!(share_a_band(key, &exact, &stored), "whatever was seen in it, the file finds itself");
    let copy = probe(key, b"file written anew", &capture(1, 3.0));
    assert!(matches!(copy.nearness(&stored), Nearness::Near { distance } if distance < 60));
    assert!(share_a_band(key, &copy, &stored));
    let other = probe(key, b"another file", &capture(2, 0.0));
    assert_eq!(other.nearness(&stored), Nearness::Other);
    assert!(!share_a_band(key, &other, &stored));
}

#[test]
fn a_mirrored_copy_is_near_and_only_to_a_probe() {
    let key = key(1);
    let light = |x: f32, y: f32| 120.0 + 50.0 * (x / 3.0 + y / 11.0).sin() + 40.0 * (y / 4.0 - x / 13.0).cos();
    let (_, template) = capture(1, 0.0);
    let stored = of(key, b"file", &(FacePrint::of_light(light), template.clone()));
    let mirrored = (FacePrint::of_light(|x, y| light(55.0 - x, y)), template);
    assert_eq!(probe(key, b"mirrored", &mirrored).nearness(&stored), Nearness::Near { distance: 0 });
    assert_eq!(of(key, b"mirrored", &mirrored).nearness(&stored), Nearness::Other);
}

#[test]
fn another_person_before_the_same_wall_and_the_same_person_in_another_light_are_other_pictures() {
    let key = key(1);
    let ((print, template), (other_print, other_template)) = (capture(1, 0.0), capture(2, 0.0));
    let stored = of(key, b"file", &(print.clone(), template.clone()));
    assert_eq!(probe(key, b"a", &(print, other_template)).nearness(&stored), Nearness::Other);
    assert_eq!(probe(key, b"b", &(other_print, template)).nearness(&stored), Nearness::Other);
}

#[test]
fn of_one_sitting_only_what_is_nearer_than_its_captures_is_one_picture() {
    let limit = CaptureFingerprint::SAME_SITTING_DISTANCE_MAX;
    let near = |distance| Nearness::Near { distance };
    assert!(near(limit).is_same(true) && !near(limit + 1).is_same(true) && near(limit + 1).is_same(false));
    assert!(Nearness::Exact.is_same(true) && !Nearness::Other.is_same(false));
}

#[test]
fn templates_of_two_recipes_are_not_compared_and_share_no_band() {
    let key = key(1);
    let (print, template) = capture(1, 0.0);
    let other = Template::from_parts(RecipeDigest([2; 32]), template.vector().to_vec(), 1.0).unwrap();
    let stored = of(key, b"file", &(print.clone(), template));
    let probe = probe(key, b"other", &(print, other));
    assert_eq!(probe.nearness(&stored), Nearness::Other);
    assert!(!share_a_band(key, &probe, &stored));
}

#[test]
fn fingerprints_of_two_keys_have_nothing_in_common() {
    let picture = capture(1, 0.0);
    let (one, other) = (of(key(1), b"file", &picture), of(key(2), b"file", &picture));
    assert_eq!(one.nearness(&other), Nearness::Other);
    let bits = distance(&one.face, &other.face) + distance(&one.print, &other.print);
    assert!((400..624).contains(&bits), "{bits} bits differ, by chance 512");
    let bands: Vec<Band> = one.bands(key(1)).collect();
    assert!(!other.bands(key(2)).any(|band| bands.contains(&band)));
}

#[test]
fn what_a_probe_stores_is_the_captures_fingerprint_and_its_bands_are_among_those_looked_up() {
    let key = key(3);
    let picture = capture(5, 0.0);
    let probe = probe(key, b"file", &picture);
    let stored = of(key, b"file", &picture);
    assert_eq!(probe.fingerprint(), &stored);
    let mut looked_up: Vec<Band> = probe.bands(key).collect();
    assert_eq!(stored.bands(key).count(), CaptureFingerprint::BANDS);
    assert!(stored.bands(key).all(|band| looked_up.contains(&band)));
    looked_up.sort();
    looked_up.dedup();
    assert_eq!(looked_up.len(), 401, "each once");
}

/// Fingerprints are stored: what one program writes, the next must read and find.
#[test]
fn the_bits_are_the_same_on_every_machine_and_for_ever() {
    let key = key(3);
    let light = |x: f32, y: f32| (x * 37.0 + y * y * 11.0) % 256.0;
    let values: Vec<f32> = (0..288).map(|at| ((at * at * 7) % 101) as f32 - 50.0).collect();
    let template = Template::from_raw(RecipeDigest([1; 32]), &values).unwrap();
    let fingerprint = of(key, b"file", &(FacePrint::of_light(light), template));
    let bands: Vec<u8> = fingerprint.bands(key).flatten().collect();
    let digest = key.digest(b"test", &[&fingerprint.to_bytes(key), &bands]);
    assert_eq!(crate::hex::encode(&digest[..8]), "13d1a772487f099f");
}

#[test]
fn nothing_of_a_fingerprint_is_printed() {
    let picture = capture(1, 0.0);
    assert_eq!(format!("{:?}", of(key(1), b"file", &picture)), "CaptureFingerprint(..)");
    assert_eq!(format!("{:?}", probe(key(1), b"file", &picture)), "CaptureProbe(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bytes_read_back_as_what_was_written(seed: u64, encoded: Vec<u8>) {
        let key = key(1);
        let fingerprint = of(key, &encoded, &capture(seed, 0.0));
        let bytes = fingerprint.to_bytes(key);
        prop_assert_eq!(CaptureFingerprint::from_bytes(key, &bytes), Ok(fingerprint.clone()));
        prop_assert_eq!(fingerprint.to_bytes(key), bytes);
        prop_assert_eq!(CaptureFingerprint::from_bytes(self::key(2), &bytes), Err(FingerprintError::OtherKey));
    }

    #[test]
    fn a_changed_byte_is_told(seed: u64, at in 0..CaptureFingerprint::BYTES, by in 1u8..) {
        let key = key(1);
        let mut bytes = of(key, b"file", &capture(seed, 0.0)).to_bytes(key);
        bytes[at] ^= by;
        prop_assert!(CaptureFingerprint::from_bytes(key, &bytes).is_err());
    }

    #[test]
    fn no_bytes_are_read_that_the_key_did_not_write(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(CaptureFingerprint::from_bytes(key(1), &bytes).is_err());
        let mut of_this_version = bytes;
        of_this_version.resize(CaptureFingerprint::BYTES, 0);
        of_this_version[0] = 1;
        of_this_version[1..9].copy_from_slice(&key(1).id());
        prop_assert_eq!(
            CaptureFingerprint::from_bytes(key(1), &of_this_version), Err(FingerprintError::Damaged)
        );
    }

    #[test]
    fn nearness_is_the_same_either_way(one: u64, other: u64, noise in 0f32..40.0) {
        let key = key(1);
        let (one, other) = (of(key, b"a", &capture(one, noise)), of(key, b"b", &capture(other, 0.0)));
        prop_assert_eq!(one.nearness(&other), other.nearness(&one));
    }

    #[test]
    fn a_light_copy_is_found(seed: u64, of_key in 1u8..=3, noise in 0f32..4.0) {
        let key = key(of_key);
        let stored = of(key, b"file", &capture(seed, 0.0));
        let copy = probe(key, b"copy", &capture(seed, noise));
        prop_assert!(copy.nearness(&stored).is_same(false));
        prop_assert!(share_a_band(key, &copy, &stored));
    }
}
