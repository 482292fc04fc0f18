//! Pictures of every kind the engine reads come out upright and in the right
//! colours. `tests/fixtures/images/make.py` made the files that are not made here.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use chinhchu::imaging::{self, Decoded, Format, ImageError, Limits, RgbImage};
use image::{DynamicImage, ImageEncoder, ImageFormat};
use proptest::prelude::*;

const PATCH: u32 = 16;
const PATCHES: [[u8; 3]; 8] = [
    [230, 20, 30],
    [20, 200, 40],
    [30, 40, 220],
    [240, 230, 20],
    [20, 210, 220],
    [220, 30, 210],
    [255, 255, 255],
    [100, 100, 100],
];

fn colour_at(x: u32, y: u32, patch: u32) -> [u8; 3] {
    PATCHES[(y / patch * 4 + x / patch) as usize]
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)).unwrap()
}

fn patches() -> image::RgbImage {
    image::RgbImage::from_fn(4 * PATCH, 2 * PATCH, |x, y| image::Rgb(colour_at(x, y, PATCH)))
}

fn encode(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decode(bytes: &[u8]) -> Result<Decoded, ImageError> {
    imaging::decode(bytes, &Limits::default())
}

fn pixel(image: &RgbImage, x: u32, y: u32) -> [u8; 3] {
    let at = ((y * image.width() + x) * 3) as usize;
    image.data()[at..at + 3].try_into().unwrap()
}

/// Checks the inside of every patch; borders may ring or bleed.
fn assert_patches(name: &str, image: &RgbImage, patch: u32, tolerance: u8, expected: impl Fn([u8; 3]) -> [u8; 3]) {
    assert_eq!((image.width(), image.height()), (4 * patch, 2 * patch), "{name}");
    let margin = patch / 4;
    for y in (0..image.height()).filter(|y| (margin..patch - margin).contains(&(y % patch))) {
        for x in (0..image.width()).filter(|x| (margin..patch - margin).contains(&(x % patch))) {
            let (got, want) = (pixel(image, x, y), expected(colour_at(x, y, patch)));
            let off = (0..3).map(|i| got[i].abs_diff(want[i])).max().unwrap();
            assert!(off <= tolerance, "{name} at {x},{y}: {got:?}, not {want:?}");
        }
    }
}

#[test]
fn every_colour_model_of_every_format_gives_the_same_colours() {
    let same: fn([u8; 3]) -> [u8; 3] = |c| c;
    let red_only: fn([u8; 3]) -> [u8; 3] = |c| [c[0]; 3];
    let table = [
        ("baseline_444.jpg", Format::Jpeg, 3, same),
        ("baseline_422.jpg", Format::Jpeg, 5, same),
        ("baseline_420.jpg", Format::Jpeg, 5, same),
        ("progressive_444.jpg", Format::Jpeg, 3, same),
        ("progressive_422.jpg", Format::Jpeg, 5, same),
        ("progressive_420.jpg", Format::Jpeg, 5, same),
        ("restarts.jpg", Format::Jpeg, 5, same),
        ("grey.jpg", Format::Jpeg, 1, red_only),
        ("grey_progressive.jpg", Format::Jpeg, 1, red_only),
        ("adobe_rgb.jpg", Format::Jpeg, 2, same),
        ("adobe_rgb_numbered.jpg", Format::Jpeg, 2, same),
        ("adobe_cmyk.jpg", Format::Jpeg, 3, same),
        ("plain_cmyk.jpg", Format::Jpeg, 3, same),
        ("adobe_ycck.jpg", Format::Jpeg, 4, same),
        ("palette.png", Format::Png, 0, same),
        ("grey16.png", Format::Png, 0, red_only),
        ("lossy.webp", Format::WebP, 5, same),
        ("rgb.jp2", Format::Jp2, 0, same),
        ("rgb_lossy.jp2", Format::Jp2, 10, same),
        ("rgb.j2k", Format::J2k, 0, same),
        ("tiled.j2k", Format::J2k, 0, same),
        ("grey.jp2", Format::Jp2, 0, red_only),
        ("grey16.jp2", Format::Jp2, 0, red_only),
        ("palette.jp2", Format::Jp2, 0, same),
        ("bits24.bmp", Format::Bmp, 0, same),
        ("top_down24.bmp", Format::Bmp, 0, same),
        ("bits32.bmp", Format::Bmp, 0, same),
        ("masks32.bmp", Format::Bmp, 0, same),
        ("bits16.bmp", Format::Bmp, 4, same),
        ("masks16.bmp", Format::Bmp, 4, same),
        ("palette8.bmp", Format::Bmp, 0, same),
        ("palette4.bmp", Format::Bmp, 0, same),
        ("core8.bmp", Format::Bmp, 0, same),
    ];
    for (name, format, tolerance, expected) in table {
        let bytes = fixture(name);
        assert_eq!(imaging::sniff(&bytes), Some(format), "{name}");
        let decoded = decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!((decoded.format, decoded.scale, decoded.full_size), (format, 1, (64, 32)), "{name}");
        assert_patches(name, &decoded.image, PATCH, tolerance, expected);
    }
}

#[test]
fn encoders_of_the_image_crate_round_trip() {
    let table = [
        ("rgb.png", encode(patches(), ImageFormat::Png), 0),
        ("rgb.jpg", encode(patches(), ImageFormat::Jpeg), 16),
        ("rgb.webp", encode(patches(), ImageFormat::WebP), 0),
        ("rgb16.png", encode(DynamicImage::from(patches()).to_rgb16(), ImageFormat::Png), 0),
        ("rgba16.png", encode(DynamicImage::from(patches()).to_rgba16(), ImageFormat::Png), 0),
        ("rgba.png", encode(DynamicImage::from(patches()).to_rgba8(), ImageFormat::Png), 0),
    ];
    for (name, bytes, tolerance) in table {
        let decoded = decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_patches(name, &decoded.image, PATCH, tolerance, |c| c);
    }
    let grey = DynamicImage::from(patches()).to_luma8();
    for (name, picture) in [
        ("grey.png", DynamicImage::from(grey.clone())),
        ("grey_alpha.png", DynamicImage::from(grey.clone()).to_luma_alpha8().into()),
        ("grey_alpha16.png", DynamicImage::from(grey.clone()).to_luma_alpha16().into()),
    ] {
        let decoded = decode(&encode(picture, ImageFormat::Png)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let want: Vec<u8> = grey.iter().flat_map(|&v| [v, v, v]).collect();
        assert_eq!(decoded.image.data(), want, "{name}");
    }
}

#[test]
fn a_lossless_webp_of_every_trick_comes_back_exactly() {
    // The fixture's picture, but for its noise: blue has none.
    let decoded = decode(&fixture("lossless.webp")).unwrap();
    assert_eq!(decoded.full_size, (160, 120));
    for y in 0..120 {
        for x in 0..160 {
            assert_eq!(pixel(&decoded.image, x, y)[2], (x ^ y) as u8);
        }
    }
}

#[test]
fn what_is_transparent_is_white() {
    // The patch that is white by itself is transparent black in these files.
    for (name, tolerance) in [("lossy_alpha.webp", 5), ("lossless_alpha.webp", 0), ("alpha.jp2", 0)] {
        let decoded = decode(&fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_patches(name, &decoded.image, PATCH, tolerance, |c| c);
    }
    let half = image::RgbaImage::from_pixel(2, 2, image::Rgba([0, 100, 200, 128]));
    let decoded = decode(&encode(half, ImageFormat::Png)).unwrap();
    assert_eq!(pixel(&decoded.image, 1, 1), [127, 177, 227]);
}

#[test]
fn one_pixel_is_a_picture() {
    let dot = image::RgbImage::from_pixel(1, 1, image::Rgb([10, 200, 30]));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = encode(dot.clone(), format);
        for short_side_min in [0, 1, 100] {
            let decoded = imaging::decode_scaled(&bytes, &Limits::default(), short_side_min).unwrap();
            assert_eq!((decoded.image.width(), decoded.image.height()), (1, 1), "{format:?}");
            assert!(pixel(&decoded.image, 0, 0).iter().zip([10, 200, 30]).all(|(a, b)| a.abs_diff(b) < 8));
        }
    }
}

/// An EXIF block with nothing but an orientation.
fn exif(orientation: u8, big_endian: bool) -> Vec<u8> {
    if big_endian {
        [&b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"[..], &[orientation, 0, 0, 0, 0, 0, 0]].concat()
    } else {
        [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
    }
}

fn jpeg_with_exif(jpeg: &[u8], exif: &[u8]) -> Vec<u8> {
    let length = (8 + exif.len()) as u16;
    [&jpeg[..2], &[0xFF, 0xE1], &length.to_be_bytes()[..], b"Exif\0\0", exif, &jpeg[2..]].concat()
}

fn stored_for(orientation: u8) -> image::RgbImage {
    use image::imageops::{flip_horizontal as flip, flip_vertical as flop, rotate90, rotate180, rotate270};
    // What a camera held that way stores: the inverse of what EXIF asks for.
    let upright = patches();
    match orientation {
        2 => flip(&upright),
        3 => rotate180(&upright),
        4 => flop(&upright),
        5 => flip(&rotate90(&upright)),
        6 => rotate270(&upright),
        7 => flip(&rotate270(&upright)),
        8 => rotate90(&upright),
        _ => upright,
    }
}

#[test]
fn all_eight_exif_orientations_come_out_upright() {
    for orientation in 1..=8 {
        for big_endian in [false, true] {
            let stored = stored_for(orientation);
            let block = exif(orientation, big_endian);

            let jpeg = jpeg_with_exif(&encode(stored.clone(), ImageFormat::Jpeg), &block);
            let mut png = Vec::new();
            let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
            encoder.set_exif_metadata(block.clone()).unwrap();
            encoder
                .write_image(stored.as_raw(), stored.width(), stored.height(), image::ExtendedColorType::Rgb8)
                .unwrap();
            let mut webp = Vec::new();
            let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
            encoder.set_exif_metadata(block).unwrap();
            encoder
                .write_image(stored.as_raw(), stored.width(), stored.height(), image::ExtendedColorType::Rgb8)
                .unwrap();

            for (name, bytes, tolerance) in [("jpeg", jpeg, 16), ("png", png, 0), ("webp", webp, 0)] {
                let name = format!("{name}, orientation {orientation}");
                let decoded = decode(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
                assert_eq!(decoded.full_size, (64, 32), "{name}");
                assert_patches(&name, &decoded.image, PATCH, tolerance, |c| c);
            }
        }
    }
    let decoded = decode(&fixture("rotated.webp")).unwrap();
    assert_patches("rotated.webp", &decoded.image, PATCH, 5, |c| c);
}

#[test]
fn nonsense_in_exif_does_not_cost_the_photo() {
    let jpeg = encode(patches(), ImageFormat::Jpeg);
    for block in [&b""[..], b"II*\0\xFF\xFF\xFF\xFF", b"garbage", &exif(0, false), &exif(9, true)] {
        let decoded = decode(&jpeg_with_exif(&jpeg, block)).unwrap();
        assert_patches("jpeg", &decoded.image, PATCH, 16, |c| c);
    }
}

#[test]
fn what_phones_put_around_a_jpeg_is_ignored() {
    let jpeg = encode(patches(), ImageFormat::Jpeg);
    let plain = decode(&jpeg).unwrap();
    // A second picture after the first (MPO), a video, zeros.
    let trailers = [jpeg.clone(), vec![0; 1000], b"ftypmp42".repeat(50), vec![0xFF]];
    for trailer in trailers {
        let decoded = decode(&[&jpeg[..], &trailer].concat()).unwrap();
        assert_eq!(decoded.image, plain.image);
    }
    // Hundreds of application segments, some holding whole thumbnails, and fill bytes.
    let mut many = jpeg[..2].to_vec();
    for i in 0..500u32 {
        let body = if i % 7 == 0 { &jpeg[..] } else { b"http://ns.adobe.com/xmp/extension/\0 and more" };
        many.extend_from_slice(&[0xFF, 0xFF, 0xE0 + (i % 16) as u8]);
        many.extend_from_slice(&(body.len() as u16 + 2).to_be_bytes());
        many.extend_from_slice(body);
    }
    many.extend_from_slice(&jpeg[2..]);
    assert_patches("many segments", &decode(&many).unwrap().image, PATCH, 16, |c| c);
}

#[test]
fn scaled_decoding_keeps_enough_pixels_and_says_what_it_did() {
    let picture = image::RgbImage::from_fn(250, 170, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    for (format, bytes) in [
        ("jpeg", encode(picture.clone(), ImageFormat::Jpeg)),
        ("jpeg, turned", jpeg_with_exif(&encode(picture.clone(), ImageFormat::Jpeg), &exif(6, false))),
        ("png", encode(picture.clone(), ImageFormat::Png)),
        ("jp2", fixture("large.jp2")),
        ("progressive", fixture("progressive_420.jpg")),
    ] {
        let full = decode(&bytes).unwrap();
        assert_eq!((full.image.width(), full.image.height()), full.full_size);
        for short_side_min in [0, 1, 16, 21, 22, 42, 43, 85, 86, 170, 1000] {
            let decoded = imaging::decode_scaled(&bytes, &Limits::default(), short_side_min).unwrap();
            let (width, height) = decoded.full_size;
            let size = (decoded.image.width(), decoded.image.height());
            assert_eq!(decoded.full_size, full.full_size, "{format}");
            assert!([1, 2, 4, 8].contains(&decoded.scale), "{format}");
            assert_eq!(size, (width.div_ceil(decoded.scale), height.div_ceil(decoded.scale)), "{format}");
            assert!(decoded.scale == 1 || size.0.min(size.1) >= short_side_min, "{format} {short_side_min}");
        }
    }
}

#[test]
fn jpeg_2000_is_decoded_at_fewer_resolution_levels() {
    let bytes = fixture("large.jp2");
    for (short_side_min, scale) in [(128, 1), (64, 2), (32, 4), (16, 8), (1, 8)] {
        let decoded = imaging::decode_scaled(&bytes, &Limits::default(), short_side_min).unwrap();
        assert_eq!(decoded.scale, scale);
        assert_patches("large.jp2", &decoded.image, 64 / scale, 12, |c| c);
    }
}

#[test]
fn decoding_twice_gives_the_same_pixels() {
    for name in ["baseline_420.jpg", "progressive_420.jpg", "lossy.webp", "rgb_lossy.jp2"] {
        let bytes = fixture(name);
        assert_eq!(decode(&bytes).unwrap().image, decode(&bytes).unwrap().image, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_png_of_any_size_comes_back_exactly(width in 1u32..70, height in 1u32..70, seed in any::<u8>()) {
        let picture = image::RgbImage::from_fn(width, height, |x, y| {
            image::Rgb([x as u8 ^ seed, y as u8, (x * y) as u8])
        });
        let decoded = decode(&encode(picture.clone(), ImageFormat::Png)).unwrap();
        prop_assert_eq!(decoded.image.data(), picture.as_raw());
    }

    #[test]
    fn a_jpeg_of_any_size_comes_back_nearly(width in 1u32..70, height in 1u32..70, turn in 1u8..=8) {
        let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(x * 3) as u8, (y * 3) as u8, 90]));
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
        picture.write_with_encoder(encoder).unwrap();
        let decoded = decode(&jpeg_with_exif(&bytes, &exif(turn, true))).unwrap();
        let mut want = DynamicImage::from(picture);
        want.apply_orientation(image::metadata::Orientation::from_exif(turn).unwrap());
        prop_assert_eq!((decoded.image.width(), decoded.image.height()), (want.width(), want.height()));
        let off = decoded.image.data().iter().zip(want.as_bytes()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        prop_assert!(off <= 24, "off by {off}");
    }
}

fn testdata() -> PathBuf {
    std::env::var_os("CHINHCHU_TESTDATA").map_or_else(|| PathBuf::from("../shared/data"), PathBuf::from)
}

#[test]
fn the_photo_of_a_specimen_chip_decodes() {
    let path = testdata().join("chip/bsi/Datagroup2.bin");
    let Ok(chip) = std::fs::read(&path) else {
        eprintln!("SKIPPED: the photo of a specimen chip decodes: no {}", path.display());
        return;
    };
    let starts = [&b"\0\0\0\x0CjP  \r\n\x87\n"[..], &[0xFF, 0x4F, 0xFF, 0x51]];
    let at = starts.iter().find_map(|start| chip.windows(start.len()).position(|w| w == *start)).unwrap();
    let decoded = decode(&chip[at..]).unwrap();
    assert_eq!(decoded.full_size, (413, 531));
    let data = decoded.image.data();
    let mean = data.iter().map(|&v| f64::from(v)).sum::<f64>() / data.len() as f64;
    assert!((30.0..230.0).contains(&mean), "a picture, not a plain ground");

    let small = imaging::decode_scaled(&chip[at..], &Limits::default(), 200).unwrap();
    assert_eq!((small.scale, small.image.width(), small.image.height()), (2, 207, 266));
}

#[test]
fn a_bitmap_of_two_colours_is_read_bit_by_bit() {
    let image = decode(&fixture("palette1.bmp")).unwrap().image;
    for (x, want) in [(0, 0), (15, 0), (16, 255), (31, 255), (32, 0), (63, 255)] {
        assert_eq!(pixel(&image, x, 0), [want; 3], "{x}");
    }
}

/// A JPEG without its Huffman tables, its APP0 that of Motion JPEG or left out.
fn as_a_webcam_sends_it(jpeg: &[u8], avi1: bool) -> Vec<u8> {
    let mut out = vec![0xFF, 0xD8];
    if avi1 {
        out.extend_from_slice(b"\xFF\xE0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0");
    }
    let mut at = 2;
    while jpeg[at + 1] != 0xDA {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if !matches!(jpeg[at + 1], 0xC4 | 0xE0) {
            out.extend_from_slice(&jpeg[at..end]);
        }
        at = end;
    }
    out.extend_from_slice(&jpeg[at..]);
    out
}

#[test]
fn a_frame_of_a_webcam_is_the_same_picture_as_with_its_tables() {
    // Motion JPEG leaves the standard tables out; it was "damaged".
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/jpeg");
    for name in
        ["ycc444.jpg", "ycc422.jpg", "ycc420.jpg", "ycc440.jpg", "ycc411.jpg", "grey.jpg", "noise.jpg", "restarts.jpg"]
    {
        let whole = std::fs::read(folder.join(name)).unwrap();
        for avi1 in [false, true] {
            let frame = as_a_webcam_sends_it(&whole, avi1);
            for short_side_min in [u32::MAX, 40, 1] {
                let decode = |bytes: &[u8]| imaging::decode_scaled(bytes, &Limits::default(), short_side_min).unwrap();
                let (frame, whole) = (decode(&frame), decode(&whole));
                assert!(frame.image == whole.image, "{name} {avi1} {short_side_min}");
                assert_eq!((frame.scale, frame.format), (whole.scale, Format::Jpeg), "{name}");
            }
        }
    }
    // Tables of its own, or passes that need them: without them it is damaged.
    for name in ["optimized.jpg", "progressive.jpg"] {
        let frame = as_a_webcam_sends_it(&std::fs::read(folder.join(name)).unwrap(), false);
        assert!(name == "optimized.jpg" || decode(&frame).is_err(), "{name}");
    }
}

/// What an officer sees of a card's photo, which is often JPEG 2000 and shown by no browser.
#[test]
fn a_small_jpeg_is_upright_and_in_the_right_colours_whatever_it_is_made_of() {
    for name in ["rgb.jp2", "rgb.j2k", "baseline_444.jpg", "palette.png", "rotated.webp"] {
        let small = imaging::small_jpeg(&fixture(name), &Limits::default(), 640, usize::MAX).unwrap();
        let decoded = decode(&small).unwrap();
        assert_eq!(decoded.format, Format::Jpeg, "{name}");
        assert_patches(name, &decoded.image, PATCH, 40, |colour| colour);
    }
    let half = imaging::small_jpeg(&fixture("rgb.jp2"), &Limits::default(), 2 * PATCH, usize::MAX).unwrap();
    assert_patches("half", &decode(&half).unwrap().image, PATCH / 2, 40, |colour| colour);
}

#[test]
fn the_frames_of_a_public_report_decode() {
    let folder = testdata().join("cases/09-mjpeg-no-dht");
    if !folder.is_dir() {
        eprintln!("SKIPPED: the_frames_of_a_public_report_decode: no cases in the test data; set CHINHCHU_TESTDATA");
        return;
    }
    let frames =
        ["nodht.jpg", "nodht-avi1.jpg"].map(|name| decode(&std::fs::read(folder.join(name)).unwrap()).unwrap());
    assert!(frames[0].image == frames[1].image && frames[0].image.width() > 100);
}
