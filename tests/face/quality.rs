//! Quality of real photos with real networks, and what faults do to it.

use chinhchu::face::quality::{Flaw, Measure, Profile, Quality};
use chinhchu::face::{Pipeline, Wants};
use image::{RgbImage, imageops};

use crate::degrade::{Fault, degrade};
use crate::picture::{Eyes, Random};
use crate::support::{options, pack, photo, png, small};

const WANTS: Wants = Wants { pose: false, liveness: false, quality: true };
/// Portraits of one person each, from the front.
const PORTRAITS: [&str; 3] = ["obama.jpg", "obama2.jpg", "biden.jpg"];

/// The head of a portrait at a size that does not make the tests slow.
fn portraits() -> Option<Vec<RgbImage>> {
    PORTRAITS.iter().map(|name| photo(name).map(|picture| small(&picture))).collect()
}

#[test]
fn an_ordinary_portrait_is_accepted_and_each_fault_gives_its_own_reason() {
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    let mut judge = |photo: &[u8]| {
        let report = pipeline.assess(photo, WANTS).ok()?;
        let flaws = Profile::live().judge(&report.quality?);
        Some((report, flaws))
    };
    let expected = [
        Flaw::Blurred,
        Flaw::Dark,
        Flaw::Bright,
        Flaw::Tilted,
        Flaw::Occluded,
        Flaw::FarAway,
        Flaw::Compressed,
        Flaw::Uneven,
    ];
    let mut own = 0;
    let mut astray = Vec::new();
    for (at, portrait) in portraits.iter().enumerate() {
        let (report, flaws) = judge(&png(portrait)).unwrap();
        assert_eq!(flaws, [], "{}", PORTRAITS[at]);
        let face = report.face;
        let eyes = Eyes::of(face.left, face.top, face.width, face.height);
        for (i, (fault, flaw)) in Fault::FITTED.into_iter().zip(expected).enumerate() {
            let spoiled = degrade(portrait, eyes, fault, &mut Random((at * 100 + i) as u64));
            match judge(&spoiled) {
                Some((_, flaws)) if flaws == [flaw] => own += 1,
                seen => astray.push((PORTRAITS[at], fault, seen.map(|(_, flaws)| flaws))),
            }
        }
    }
    // `examples/degradations.rs` counts over hundreds of photos; here two may go astray.
    assert!(own + 2 >= portraits.len() * expected.len(), "{astray:?}");
}

#[test]
fn light_in_both_lenses_raises_its_own_flaw_and_a_highlight_on_the_skin_does_not() {
    // White over both eyes raised nothing.
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    let mut judge = |photo: &[u8]| {
        let report = pipeline.assess(photo, WANTS).ok()?;
        let quality = report.quality?;
        Some((report.face, quality.get(Measure::Glare)?, Profile::live().judge(&quality)))
    };
    let (mut seen, mut tries) = (0, 0);
    for portrait in &portraits {
        let (face, glare, flaws) = judge(&png(portrait)).unwrap();
        assert!(glare < 0.3 && flaws.is_empty(), "{glare} {flaws:?}");
        let eyes = Eyes::of(face.left, face.top, face.width, face.height);
        for seed in 0..4 {
            tries += 1;
            let spoiled = judge(&degrade(portrait, eyes, Fault::Glare, &mut Random(seed)));
            seen += usize::from(spoiled.is_none_or(|(_, _, flaws)| !flaws.is_empty()));
        }
    }
    // Where the points of the eyes move away from the light it is not seen: see benches/README.md.
    assert!(2 * seen >= tries, "{seen} of {tries}");
}

#[test]
fn an_assessment_says_what_an_analysis_says_as_far_as_it_goes() {
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    let photo = png(&portraits[0]);
    let assessed = pipeline.assess(&photo, WANTS).unwrap();
    let analysed = pipeline.analyze(&photo, WANTS).unwrap().report;
    assert!(assessed.norm.is_none() && analysed.norm.is_some());
    let (a, b) = (assessed.quality.unwrap(), analysed.quality.unwrap());
    assert_eq!((a.capture, a.utility), (b.capture, None));
    assert!(b.utility.is_some_and(|utility| (0.0..=100.0).contains(&utility)));
    let values = |quality: &Quality| quality.iter().map(|(m, v)| (m, v.to_bits())).collect::<Vec<_>>();
    assert_eq!(values(&a), values(&b), "bit for bit");
    assert_eq!(assessed.face, analysed.face);
}

#[test]
fn quality_is_the_same_bits_again_and_is_not_measured_where_nobody_asks() {
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let photo = png(&portraits[0]);
    let look = || Pipeline::new(&pack, &options(1)).unwrap().analyze(&photo, WANTS).unwrap().report.quality;
    assert_eq!(look(), look());
    let unasked = Pipeline::new(&pack, &options(1)).unwrap().analyze(&photo, Wants::default()).unwrap();
    assert_eq!(unasked.report.quality, None);
}

#[test]
fn the_pose_from_five_points_agrees_with_the_pose_network() {
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    for portrait in &portraits {
        let report = pipeline.analyze(&png(portrait), Wants { pose: true, ..WANTS }).unwrap().report;
        let (network, quality) = (report.pose.unwrap(), report.quality.unwrap());
        for (measure, angle) in
            [(Measure::Yaw, network.yaw), (Measure::Pitch, network.pitch), (Measure::Roll, network.roll)]
        {
            let apart = (quality.get(measure).unwrap() - angle).abs();
            assert!(apart < 10.0, "{measure:?}: {apart} degrees apart");
        }
    }
}

#[test]
fn a_tilt_is_measured_in_degrees_and_a_second_person_is_seen() {
    let (Some(pack), Some(portraits)) = (pack("default"), portraits()) else { return };
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    let portrait = &portraits[0];
    // Two of the same side by side.
    let mut pair = RgbImage::new(portrait.width() * 2, portrait.height());
    imageops::replace(&mut pair, portrait, 0, 0);
    imageops::replace(&mut pair, portrait, i64::from(portrait.width()), 0);
    let quality = pipeline.assess(&png(&pair), WANTS).unwrap().quality.unwrap();
    assert!(quality.get(Measure::OtherFace).unwrap() > 0.8);
    assert!(Profile::live().judge(&quality).contains(&Flaw::OtherFace));
    let alone = pipeline.assess(&png(portrait), WANTS).unwrap().quality.unwrap();
    assert_eq!(alone.get(Measure::OtherFace), Some(0.0));
    assert!(alone.get(Measure::Roll).unwrap().abs() < 12.0);
}
