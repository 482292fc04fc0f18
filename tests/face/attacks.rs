//! Simulated presentation attacks, from the drawing to the error rate.

use chinhchu::evaluation::{Bootstrap, Presentation, pad};
use chinhchu::face::{Pipeline, Wants};
use image::RgbImage;

use crate::attack::{Attack, Portrait, attack};
use crate::picture::{Eyes, Random};
use crate::support::{options, pack, photo, png, small};

const WANTS: Wants = Wants { pose: false, liveness: true, quality: false };

#[test]
fn every_simulated_attack_shows_a_face_and_is_counted_under_its_type() {
    let Some(pack) = pack("default") else { return };
    let (Some(one), Some(other)) = (photo("obama.jpg"), photo("biden.jpg")) else { return };
    let (one, other) = (small(&one), small(&other));
    let mut pipeline = Pipeline::new(&pack, &options(1)).unwrap();
    let mut eyes = |photo: &RgbImage| {
        let face = pipeline.assess(&png(photo), Wants::default()).unwrap().face;
        Eyes::of(face.left, face.top, face.width, face.height)
    };
    let of = Portrait { photo: &one, eyes: eyes(&one) };
    let by = Portrait { photo: &other, eyes: eyes(&other) };
    let mut presentations = Vec::new();
    for kind in Attack::ALL {
        let drawn = attack(kind, of, by, &mut Random(1));
        let seen = pipeline.analyze(&drawn, WANTS).unwrap().report;
        assert!(seen.faces == 1 && seen.liveness.is_some(), "{kind:?}");
        presentations.push(Presentation { attack: Some(kind.name().into()), subject: 0, score: seen.liveness });
        if kind == Attack::Replay {
            assert_eq!(drawn, attack(kind, of, by, &mut Random(1)), "the same seed, the same picture");
            assert_ne!(drawn, attack(kind, of, by, &mut Random(2)), "another seed, another picture");
        }
    }
    let report = pad(&presentations, 1, 0.5, Bootstrap { repetitions: 100, seed: 1 });
    let counted: Vec<_> = report.apcer.iter().map(|a| (a.attack.as_str(), a.apcer.comparisons)).collect();
    assert_eq!(counted, [("cut_out", 1), ("print", 1), ("replay", 1)]);
}

#[test]
fn a_worn_mask_shows_the_wearer_through_its_holes_and_around_it() {
    // A white face on a black wearer: what is bright is mask.
    let (white, black) = (RgbImage::from_pixel(200, 250, image::Rgb([255; 3])), RgbImage::new(200, 250));
    let eyes = Eyes::of(50.0, 60.0, 100.0, 130.0);
    let (of, by) = (Portrait { photo: &white, eyes }, Portrait { photo: &black, eyes });
    let drawn = attack(Attack::CutOut, of, by, &mut Random(5));
    let drawn = image::load_from_memory(&drawn).unwrap().into_luma8();
    let zoom = drawn.height() as f32 / 250.0;
    let at = |x: f32, y: f32| {
        let [mx, my] = eyes.middle();
        let apart = eyes.apart();
        drawn.get_pixel(((mx + x * apart) * zoom) as u32, ((my + y * apart) * zoom) as u32).0[0]
    };
    for (x, y) in [(-0.5, 0.0), (0.5, 0.0), (0.0, -1.5), (1.5, 0.5)] {
        assert!(at(x, y) < 40, "the wearer at {x}, {y}");
    }
    for (x, y) in [(0.0, 0.5), (0.0, 1.0), (0.0, -0.4)] {
        assert!(at(x, y) > 120, "paper at {x}, {y}");
    }
}
