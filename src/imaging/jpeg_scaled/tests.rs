//! Compares the decoder with the definition of its transform and with a full decoder.

use proptest::prelude::*;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;

use super::{colour, markers, scan, transform, try_decode};

const DENOMINATORS: [u32; 4] = [1, 2, 4, 8];

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/jpeg/", $name)).as_slice()
    };
}

/// Every way of coding that is read here.
fn readable() -> [(&'static str, &'static [u8]); 8] {
    [
        ("4:2:0", fixture!("ycc420.jpg")),
        ("4:2:2", fixture!("ycc422.jpg")),
        ("4:4:0", fixture!("ycc440.jpg")),
        ("4:4:4", fixture!("ycc444.jpg")),
        ("restarts", fixture!("restarts.jpg")),
        ("optimized", fixture!("optimized.jpg")),
        ("grey", fixture!("grey.jpg")),
        ("noise", fixture!("noise.jpg")),
    ]
}

/// Width, height and RGB bytes by an independent full decoder.
fn decode_fully(bytes: &[u8]) -> (usize, usize, Vec<u8>) {
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = zune_jpeg::JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let data = decoder.decode().expect("a valid file");
    let (width, height) = decoder.dimensions().expect("dimensions");
    (width, height, data)
}

/// Averages of `d` by `d` pixels, of what is there of them at the edges.
fn boxed(width: usize, height: usize, data: &[u8], d: usize) -> Vec<f64> {
    let mut out = Vec::new();
    for y in (0..height).step_by(d) {
        for x in (0..width).step_by(d) {
            let (ys, xs) = (y..height.min(y + d), x..width.min(x + d));
            for channel in 0..3 {
                let values = ys.clone().flat_map(|y| xs.clone().map(move |x| (y * width + x) * 3 + channel));
                let (sum, count) = values.fold((0.0, 0.0), |(sum, n), at| (sum + f64::from(data[at]), n + 1.0));
                out.push(sum / count);
            }
        }
    }
    out
}

/// Mean absolute difference.
fn difference(a: &[u8], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, b)| (f64::from(a) - b).abs()).sum::<f64>() / a.len() as f64
}

/// A smooth picture with some texture, as JPEG.
fn encoded(width: u32, height: u32, quality: u8, grey: bool) -> Vec<u8> {
    let wave = |x: u32, y: u32, phase: f32| {
        let (x, y) = (x as f32, y as f32);
        (128.0 + 60.0 * (x / 9.0 + phase).sin() + 40.0 * (y / 7.0 - phase).cos() + 6.0 * (x * 1.9 + y * 2.3).sin())
            as u8
    };
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality);
    if grey {
        let picture = image::GrayImage::from_fn(width, height, |x, y| image::Luma([wave(x, y, 0.3)]));
        picture.write_with_encoder(encoder).expect("encodes");
    } else {
        let picture =
            image::RgbImage::from_fn(width, height, |x, y| image::Rgb([0.0, 0.9, 2.0].map(|phase| wave(x, y, phase))));
        picture.write_with_encoder(encoder).expect("encodes");
    }
    jpeg
}

#[test]
fn full_size_agrees_with_an_independent_decoder() {
    for (name, bytes) in readable() {
        let (width, height, full) = decode_fully(bytes);
        let ours = try_decode(bytes, 1).unwrap_or_else(|| panic!("{name} is read"));
        assert_eq!((ours.width() as usize, ours.height() as usize), (width, height), "{name}");
        let exact: Vec<f64> = full.iter().map(|&x| f64::from(x)).collect();
        let mean = difference(ours.data(), &exact);
        assert!(mean < 1.0, "{name}: {mean}");
        let worst = ours.data().iter().zip(&full).map(|(&a, &b)| a.abs_diff(b)).max().expect("pixels");
        if matches!(name, "4:4:4" | "grey") {
            // No upsampling, in which decoders may differ.
            assert!(worst <= 3, "{name}: {worst}");
        }
    }
}

#[test]
fn reduced_sizes_are_near_the_average_of_the_full_one() {
    for (name, bytes) in readable() {
        if name == "noise" {
            continue; // nothing but frequencies that a reduced size leaves out
        }
        let (width, height, full) = decode_fully(bytes);
        for d in [2, 4, 8] {
            let ours = try_decode(bytes, d).unwrap_or_else(|| panic!("{name} at 1/{d} is read"));
            let (w, h) = (ours.width() as usize, ours.height() as usize);
            assert_eq!((w, h), (width.div_ceil(d as usize), height.div_ceil(d as usize)), "{name} at 1/{d}");
            let mean = difference(ours.data(), &boxed(width, height, &full, d as usize));
            assert!(mean < 4.0, "{name} at 1/{d}: {mean}");
        }
    }
}

#[test]
fn every_small_size_and_quality_is_read_and_right() {
    for (index, (width, height)) in (1..=40).flat_map(|w| [1, 7, 8, 9, 15, 16, 17, 31, 40].map(|h| (w, h))).enumerate()
    {
        let quality = [30, 60, 90, 100][index % 4];
        let jpeg = encoded(width, height, quality, index % 5 == 0);
        let (w, h, full) = decode_fully(&jpeg);
        for d in DENOMINATORS {
            let ours = try_decode(&jpeg, d).unwrap_or_else(|| panic!("{width}x{height} q{quality} at 1/{d}"));
            assert_eq!((ours.width(), ours.height()), (width.div_ceil(d), height.div_ceil(d)));
            let mean = difference(ours.data(), &boxed(w, h, &full, d as usize));
            // Blocks cut by the edge average what the encoder padded them with.
            let allowed = if d == 1 { 1.0 } else { 12.0 };
            assert!(mean < allowed, "{width}x{height} q{quality} at 1/{d}: {mean}");
        }
    }
}

#[test]
fn a_picture_of_few_bits_is_read() {
    // Units of less than a byte, over many windows.
    let picture = image::RgbImage::from_pixel(2000, 700, image::Rgb([90, 120, 60]));
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90);
    picture.write_with_encoder(encoder).expect("encodes");
    assert!(jpeg.len() > 5 * 4096);
    for d in DENOMINATORS {
        let ours = try_decode(&jpeg, d).expect("is read");
        assert!(
            ours.data().chunks(3).all(|p| p[0].abs_diff(90) <= 2 && p[1].abs_diff(120) <= 2 && p[2].abs_diff(60) <= 2)
        );
    }
}

#[test]
fn other_kinds_are_left_to_the_full_decoder() {
    for bytes in [fixture!("progressive.jpg"), fixture!("cmyk.jpg"), fixture!("ycc411.jpg")] {
        assert!(try_decode(bytes, 2).is_none());
    }
    assert!(try_decode(fixture!("ycc420.jpg"), 3).is_none());
    assert!(try_decode(b"", 1).is_none());
    assert!(try_decode(b"\xFF\xD8\xFF", 1).is_none());
}

#[test]
fn a_file_cut_anywhere_is_not_read() {
    for (name, bytes) in readable() {
        for length in 0..bytes.len() {
            assert!(try_decode(&bytes[..length], 4).is_none(), "{name} cut at {length}");
        }
    }
}

#[test]
fn bytes_after_the_end_do_no_harm() {
    let whole = fixture!("ycc420.jpg");
    let longer = [whole, &[0xFF, 0xD9, 0, 1, 2]].concat();
    assert_eq!(try_decode(&longer, 2), try_decode(whole, 2));
    assert!(try_decode(&longer, 2).is_some());
}

#[test]
fn restart_markers_out_of_order_are_noticed() {
    let mut bytes = fixture!("restarts.jpg").to_vec();
    let markers: Vec<usize> = (0..bytes.len() - 1).filter(|&i| bytes[i] == 0xFF && bytes[i + 1] == 0xD2).collect();
    assert!(!markers.is_empty());
    bytes[markers[0] + 1] = 0xD3;
    assert!(try_decode(&bytes, 1).is_none());
}

#[test]
fn vector_and_portable_code_give_the_same_bytes() {
    for (name, bytes) in readable() {
        for d in DENOMINATORS {
            both_agree(bytes, d, name);
        }
    }
}

fn both_agree(bytes: &[u8], d: u32, name: &str) {
    let Some(header) = markers::read(bytes) else { return };
    let decode = || scan::ScanDecoder::new(bytes, &header, d as usize).expect("sizes");
    // Where the processor has no vectors this compares a thing with itself.
    assert_eq!(decode().decode(), decode().decode_portable(), "{name} at 1/{d}");
}

#[test]
fn transforms_agree_with_their_definition() {
    fn check<const H: usize, const V: usize>() {
        // A few quantised coefficients per block, from a fixed sequence.
        let mut state = 0x2545_F491_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        let quant: [u8; 64] = std::array::from_fn(|k| 1 + k as u8 / 4);
        let map = transform::PlaceMap::new(H, V);
        let factors = transform::factors(&quant, H, V);
        let mut coefficients = transform::Coefficients::new();
        let mut spectra = [[[0.0_f64; 8]; 8]; transform::LANES];
        for (lane, spectrum) in spectra.iter_mut().enumerate() {
            for (k, &step) in quant.iter().enumerate() {
                if k > 0 && next() % 4 != 0 {
                    continue;
                }
                let value = (next() % 41) as i16 - 20;
                let natural = usize::from(markers::ZIGZAG[k]);
                coefficients.block(lane)[usize::from(map.0[k])] = value;
                spectrum[natural / 8][natural % 8] = f64::from(value) * f64::from(step);
            }
        }
        let mut out = vec![0; V * transform::LANES * H];
        for lane in (0..transform::LANES).step_by(transform::LANES_AT_ONCE) {
            transform::inverse::<H, V, 8>(&coefficients, lane, &factors, &mut out[lane * H..], transform::LANES * H);
        }
        // A sum over frequencies below the size, each weighted as the average
        // over the pixels that become one weighs it.
        let weight = |size: usize, k: usize| {
            let half = std::f64::consts::PI * k as f64 / 16.0;
            (0..).map(|i| size << i).take_while(|&s| s < 8).map(|s| (half * (4 / s) as f64).cos()).product::<f64>()
        };
        let cosine = |size: usize, n: usize, k: usize| {
            let c = if k == 0 { 1.0 } else { std::f64::consts::SQRT_2 };
            c * ((2 * n + 1) as f64 * k as f64 * std::f64::consts::PI / (2 * size) as f64).cos()
        };
        for (lane, spectrum) in spectra.iter().enumerate() {
            for y in 0..V {
                for x in 0..H {
                    let mut exact = 0.0;
                    for (v, row) in spectrum.iter().enumerate().take(V) {
                        for (u, c) in row.iter().enumerate().take(H) {
                            exact += c * cosine(V, y, v) * weight(V, v) * cosine(H, x, u) * weight(H, u);
                        }
                    }
                    let exact = (exact / 8.0 + 128.0).clamp(0.0, 255.0);
                    let ours = f64::from(out[y * transform::LANES * H + lane * H + x]);
                    assert!((ours - exact).abs() <= 0.51, "{H}x{V} lane {lane} ({x},{y}): {ours} for {exact}");
                }
            }
        }
    }
    check::<8, 8>();
    check::<8, 4>();
    check::<4, 8>();
    check::<4, 4>();
    check::<4, 2>();
    check::<2, 4>();
    check::<2, 2>();
    check::<2, 1>();
    check::<1, 2>();
    check::<1, 1>();
}

#[test]
fn low_frequencies_alone_transform_to_the_same_bytes() {
    let factors = transform::factors(&[3; 64], 8, 8);
    let map = transform::PlaceMap::new(8, 8);
    let mut coefficients = transform::Coefficients::new();
    for lane in 0..transform::LANES_AT_ONCE {
        for k in 0..=transform::LOW_INDEX_MAX as usize {
            coefficients.block(lane)[usize::from(map.0[k])] = ((lane * 37 + k * 101) % 71) as i16 - 35;
        }
    }
    let stride = 8 * transform::LANES_AT_ONCE;
    let (mut all, mut low) = (vec![0; 8 * stride], vec![1; 8 * stride]);
    transform::inverse::<8, 8, 8>(&coefficients, 0, &factors, &mut all, stride);
    transform::inverse::<8, 8, 4>(&coefficients, 0, &factors, &mut low, stride);
    assert_eq!(all, low);
}

#[test]
fn colours_are_within_a_level_of_exact() {
    for cb in 0..=255_u8 {
        for cr in 0..=255_u8 {
            let ys = [0, 1, 77, 128, 200, 254, 255];
            let mut out = [0; 21];
            colour::to_rgb(&ys, &[cb; 7], &[cr; 7], &mut out);
            let (b, r) = (f64::from(cb) - 128.0, f64::from(cr) - 128.0);
            for (y, rgb) in ys.iter().zip(out.chunks_exact(3)) {
                let y = f64::from(*y);
                let exact = [y + 1.402 * r, y - 0.344_136 * b - 0.714_136 * r, y + 1.772 * b];
                for (ours, exact) in rgb.iter().zip(exact) {
                    assert!((f64::from(*ours) - exact.clamp(0.0, 255.0)).abs() <= 1.0, "{y} {cb} {cr}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        for d in DENOMINATORS {
            prop_assert!(try_decode(&bytes, d).is_none() || bytes.starts_with(&[0xFF, 0xD8]));
        }
    }

    #[test]
    fn flipped_bits_give_nothing_or_the_right_size(
        which in 0_usize..8,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        d in prop::sample::select(DENOMINATORS.to_vec()),
    ) {
        let mut bytes = readable()[which].1.to_vec();
        for (index, bit) in flips {
            let at = index.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        // The size may be what was flipped; it is bounded so that this test is quick.
        let Some(header) = markers::read(&bytes) else { return Ok(()) };
        let (width, height) = (header.width as u32, header.height as u32);
        if u64::from(width) * u64::from(height) > 1 << 20 {
            return Ok(());
        }
        if let Some(picture) = try_decode(&bytes, d) {
            prop_assert_eq!((picture.width(), picture.height()), (width.div_ceil(d), height.div_ceil(d)));
        }
        both_agree(&bytes, d, "flipped");
    }
}
