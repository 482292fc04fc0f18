//! What photos give, with real networks.

use chinhchu::face::{FaceError, Pipeline, Wants};
use chinhchu::imaging::{Format, ImageError};
use chinhchu::matching::compare;
use image::imageops;
use image::{Rgb, RgbImage};

use crate::support::{analyze, jpeg, options, pack, photo, png, pool, small};

/// Scores of one person lie above, of two people below; FMR 1e-5 is near 0.5.
const SAME_MIN: f32 = 0.6;
const OTHER_MAX: f32 = 0.25;
/// The same photo, turned or scaled: only resampling differs.
const UNCHANGED_MIN: f32 = 0.97;

#[test]
fn one_person_scores_high_and_two_score_low_with_both_detectors() {
    for name in ["default", "yunet"] {
        let Some(pool) = pool(name) else { return };
        let photos = ["obama.jpg", "obama2.jpg", "biden.jpg"].map(photo);
        let [Some(a), Some(b), Some(other)] = photos else { return };
        let [a, b, other] = [a, b, other].map(|picture| analyze(pool, &picture).unwrap());
        let (same, different) =
            (compare(&a.template, &b.template).unwrap(), compare(&a.template, &other.template).unwrap());
        assert!(same > SAME_MIN, "{name}: {same}");
        assert!(different < OTHER_MAX, "{name}: {different}");
    }
}

#[test]
fn templates_of_two_packs_are_never_compared() {
    let (Some(default), Some(yunet), Some(picture)) = (pool("default"), pool("yunet"), photo("obama.jpg")) else {
        return;
    };
    let [a, b] = [default, yunet].map(|pool| analyze(pool, &picture).unwrap());
    assert!(compare(&a.template, &b.template).is_err());
}

#[test]
fn a_photo_turned_sideways_or_upside_down_gives_the_same_template() {
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let picture = small(&picture);
    let upright = analyze(pool, &picture).unwrap();
    assert_eq!(upright.report.quarter_turns, 0);
    let turned =
        [(3, imageops::rotate90(&picture)), (2, imageops::rotate180(&picture)), (1, imageops::rotate270(&picture))];
    for (turns_back, picture) in turned {
        let found = analyze(pool, &picture).unwrap();
        assert_eq!(found.report.quarter_turns, turns_back);
        let score = compare(&upright.template, &found.template).unwrap();
        assert!(score > UNCHANGED_MIN, "{turns_back}: {score}");
        // The box is reported where the face is in the picture as it came.
        let face = found.report.face;
        let centre = (face.left + face.width / 2.0, face.top + face.height / 2.0);
        let expected = upright.report.face;
        let (x, y) = (expected.left + expected.width / 2.0, expected.top + expected.height / 2.0);
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let expected = match turns_back {
            3 => (width - y, x),
            2 => (width - x, height - y),
            _ => (y, height - x),
        };
        let off = (centre.0 - expected.0).hypot(centre.1 - expected.1);
        assert!(off < 0.1 * face.height.max(face.width), "{turns_back}: {off} pixels off");
    }
}

#[test]
fn a_larger_photo_gives_the_same_template_and_full_size_coordinates() {
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let one = pool.analyze(jpeg(&picture), Wants::default()).wait().unwrap();
    let large = imageops::resize(&picture, picture.width() * 3, picture.height() * 3, imageops::FilterType::CatmullRom);
    let three = pool.analyze(jpeg(&large), Wants::default()).wait().unwrap();
    assert_eq!((three.report.width, three.report.height), (large.width(), large.height()));
    for (a, b) in [
        (one.report.face.left, three.report.face.left),
        (one.report.face.top, three.report.face.top),
        (one.report.eye_distance, three.report.eye_distance),
    ] {
        assert!((b / 3.0 - a).abs() < 0.04 * one.report.face.width, "{a} {b}");
    }
    let score = compare(&one.template, &three.template).unwrap();
    assert!(score > UNCHANGED_MIN, "{score}");
}

#[test]
fn a_small_face_in_a_large_photo_keeps_its_pixels() {
    // A photo whose face is a fraction of it must be decoded finer than the search for it.
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let alone = analyze(pool, &picture).unwrap();
    let mut wall = RgbImage::from_fn(3600, 2700, |x, y| Rgb([(x / 20) as u8, (y / 16) as u8, ((x ^ y) & 63) as u8]));
    imageops::replace(&mut wall, &picture, 1300, 800);
    let found = pool.analyze(jpeg(&wall), Wants::default()).wait().unwrap();
    let score = compare(&alone.template, &found.template).unwrap();
    assert!(score > 0.95, "{score}");
    assert!((found.report.eye_distance - alone.report.eye_distance).abs() < 8.0);
}

#[test]
fn a_face_that_fills_the_picture_is_found() {
    for name in ["default", "yunet"] {
        let (Some(pool), Some(picture)) = (pool(name), photo("obama.jpg")) else { return };
        let whole = analyze(pool, &picture).unwrap();
        let face = whole.report.face;
        let cut = |grown: f32| {
            let (dx, dy) = (face.width * grown, face.height * grown);
            let (left, top) = ((face.left - dx).max(0.0), (face.top - dy).max(0.0));
            let (width, height) = (face.width + 2.0 * dx, face.height + 2.0 * dy);
            imageops::crop_imm(&picture, left as u32, top as u32, width as u32, height as u32).to_image()
        };
        let tight = analyze(pool, &cut(0.02)).unwrap();
        let score = compare(&whole.template, &tight.template).unwrap();
        assert!(score > 0.9, "{name}: {score}");
    }
}

#[test]
fn two_people_are_both_seen_and_the_larger_near_the_middle_is_used() {
    let (Some(pool), Some(a), Some(b)) = (pool("default"), photo("obama.jpg"), photo("biden.jpg")) else { return };
    let alone = analyze(pool, &small(&a)).unwrap();
    let head = |picture: &RgbImage| imageops::crop_imm(picture, 0, 0, 900, 900).to_image();
    let (a, b) = (imageops::thumbnail(&head(&a), 400, 400), imageops::thumbnail(&head(&b), 300, 300));
    let mut both = RgbImage::from_pixel(700, 400, Rgb([90, 90, 90]));
    imageops::replace(&mut both, &a, 0, 0);
    imageops::replace(&mut both, &b, 400, 100);
    let found = analyze(pool, &both).unwrap();
    assert_eq!((found.report.faces, found.report.second_face), (2, true));
    assert!(compare(&alone.template, &found.template).unwrap() > 0.85);
    assert!(!alone.report.second_face);
}

#[test]
fn a_picture_of_nobody_has_no_face() {
    for name in ["default", "yunet"] {
        let Some(pool) = pool(name) else { return };
        let wall = RgbImage::from_fn(320, 240, |x, y| Rgb([(x / 2) as u8, (y / 2) as u8, 120]));
        let noise =
            RgbImage::from_fn(300, 300, |x, y| Rgb([0, 1, 2].map(|c| (x * 73 + y * 151 + c * 37 + x * y * 29) as u8)));
        for picture in [wall, noise, RgbImage::from_pixel(1, 900, Rgb([200, 180, 160]))] {
            assert_eq!(analyze(pool, &picture).unwrap_err(), FaceError::NoFace, "{name}");
        }
        // Nobody could be seen in these: the clerk is told why.
        assert_eq!(analyze(pool, &RgbImage::new(1, 1)).unwrap_err(), FaceError::TooDark, "{name}");
        let white = RgbImage::from_pixel(200, 100, Rgb([255; 3]));
        assert_eq!(analyze(pool, &white).unwrap_err(), FaceError::TooBright, "{name}");
    }
}

#[test]
fn a_face_cut_by_the_edge_gives_no_template() {
    for name in ["default", "yunet"] {
        let (Some(pool), Some(picture)) = (pool(name), photo("obama.jpg")) else { return };
        let face = analyze(pool, &picture).unwrap().report.face;
        // The edge goes through the middle of the face: an eye, or the mouth, is gone.
        let middle_x = (face.left + 0.45 * face.width) as u32;
        let middle_y = (face.top + 0.55 * face.height) as u32;
        let half = imageops::crop_imm(&picture, middle_x, 0, picture.width() - middle_x, picture.height()).to_image();
        let upper = imageops::crop_imm(&picture, 0, 0, picture.width(), middle_y).to_image();
        for (cut, picture) in [("half", half), ("upper", upper)] {
            let error = analyze(pool, &picture).unwrap_err();
            assert!(matches!(error, FaceError::FaceCut | FaceError::NoFace), "{name} {cut}: {error}");
        }
    }
}

#[test]
fn a_face_of_a_few_pixels_is_refused_with_its_size() {
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let tiny = imageops::thumbnail(&picture, picture.width() / 9, picture.height() / 9);
    let error = analyze(pool, &tiny).unwrap_err();
    assert!(matches!(error, FaceError::FaceTooSmall { eye_distance, .. } if eye_distance > 5.0), "{error}");
}

#[test]
fn the_same_bytes_give_the_same_bits_on_every_worker_and_in_every_run() {
    let (Some(pool), Some(pack), Some(picture)) = (pool("default"), pack("default"), photo("obama2.jpg")) else {
        return;
    };
    let bytes = jpeg(&small(&picture));
    let mut alone = Pipeline::new(&pack, &options(1)).unwrap();
    let first = alone.analyze(&bytes, Wants::default()).unwrap();
    // Buffers from another picture, and networks run in between, must not show.
    alone
        .analyze(&png(&imageops::rotate180(&small(&picture))), Wants { pose: true, liveness: true, ..Wants::default() })
        .unwrap();
    assert_eq!(alone.analyze(&bytes, Wants::default()).unwrap(), first);
    let tickets: Vec<_> = (0..16).map(|_| pool.analyze(bytes.clone(), Wants::default())).collect();
    for ticket in tickets {
        assert_eq!(ticket.wait().unwrap(), first);
    }
}

#[test]
fn pose_and_liveness_are_given_when_asked_for_and_only_then() {
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let plain = analyze(pool, &picture).unwrap();
    assert_eq!((plain.report.pose, plain.report.liveness), (None, None));
    let asked = pool.analyze(png(&picture), Wants { pose: true, liveness: true, ..Wants::default() }).wait().unwrap();
    assert_eq!(asked.template, plain.template);
    let (pose, liveness) = (asked.report.pose.unwrap(), asked.report.liveness.unwrap());
    assert!(pose.yaw.abs() < 25.0 && pose.pitch.abs() < 25.0 && pose.roll.abs() < 15.0, "{pose:?}");
    assert!((0.0..=1.0).contains(&liveness));
    // A mirrored head looks the other way.
    let mirrored = pool.analyze(png(&imageops::flip_horizontal(&picture)), Wants { pose: true, ..Wants::default() });
    let other = mirrored.wait().unwrap().report.pose.unwrap();
    assert!((pose.yaw + other.yaw).abs() < 12.0 && (pose.roll + other.roll).abs() < 8.0, "{pose:?} {other:?}");
}

#[test]
fn bytes_that_are_no_picture_are_the_senders_fault() {
    let Some(pool) = pool("default") else { return };
    let error = |bytes: &[u8]| pool.analyze(bytes.to_vec(), Wants::default()).wait().unwrap_err();
    assert_eq!(error(b""), FaceError::Image(ImageError::Empty));
    assert!(matches!(error(b"a text file named .jpg"), FaceError::Image(_)));
    let whole = png(&RgbImage::new(64, 64));
    assert!(matches!(error(&whole[..whole.len() / 2]), FaceError::Image(_)));
}

#[test]
fn the_report_says_what_came_in() {
    let (Some(pool), Some(picture)) = (pool("default"), photo("obama.jpg")) else { return };
    let picture = small(&picture);
    let report = pool.analyze(jpeg(&picture), Wants::default()).wait().unwrap().report;
    assert_eq!((report.format, report.width, report.height), (Format::Jpeg, picture.width(), picture.height()));
    assert!(report.detection > 0.9 && report.norm.is_some_and(|norm| norm > 0.0) && !report.cut);
    assert!(report.eye_distance > 0.3 * report.face.width && report.eye_distance < 0.6 * report.face.width);
}
