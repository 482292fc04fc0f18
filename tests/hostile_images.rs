//! Hostile pictures: each defect has a name, an expected error and a cap on
//! memory, counted by the allocator of this test program (per thread, so tests
//! may run side by side). No clock: what is refused before it is allocated is
//! refused fast.

#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Cursor;
use std::path::Path;

use chinhchu::imaging::{self, Decoded, ImageError, Limits};
use image::{DynamicImage, ImageFormat};
use proptest::prelude::*;

struct Counting;

thread_local! {
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // Threads free memory while they are torn down, after their cells.
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call is passed on unchanged to the system's allocator, whose
// contract is the one promised here; counting allocates nothing (the cells are
// const-initialised and have no destructor).
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller upholds the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller upholds the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // Old and new may stand side by side while bytes are copied.
        count(new_size as isize);
        // SAFETY: the caller upholds the contract of `realloc`.
        let new = unsafe { System.realloc(old, layout, new_size) };
        count(-(layout.size() as isize));
        new
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `dealloc`.
        unsafe { System.dealloc(old, layout) };
        count(-(layout.size() as isize));
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `run` returns, and the most memory it held at a time beyond what was
/// held before.
fn peak_bytes<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = LIVE.get();
    PEAK.set(before);
    let result = run();
    (result, (PEAK.get() - before) as u64)
}

fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, ImageError> {
    imaging::decode_scaled(bytes, limits, 40)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images").join(name)).unwrap()
}

/// Every legal picture of the fixtures.
const GOOD: [&str; 38] = [
    "baseline_444.jpg",
    "baseline_422.jpg",
    "baseline_420.jpg",
    "progressive_444.jpg",
    "progressive_422.jpg",
    "progressive_420.jpg",
    "restarts.jpg",
    "grey.jpg",
    "grey_progressive.jpg",
    "adobe_rgb.jpg",
    "adobe_rgb_numbered.jpg",
    "adobe_cmyk.jpg",
    "plain_cmyk.jpg",
    "adobe_ycck.jpg",
    "palette.png",
    "grey16.png",
    "lossy.webp",
    "lossy_alpha.webp",
    "lossless_alpha.webp",
    "lossless.webp",
    "rotated.webp",
    "rgb.jp2",
    "rgb_lossy.jp2",
    "rgb.j2k",
    "tiled.j2k",
    "grey.jp2",
    "grey16.jp2",
    "alpha.jp2",
    "large.jp2",
    "palette.jp2",
    "text_bomb.png",
    "profile_bomb.png",
    "bits24.bmp",
    "bits32.bmp",
    "masks16.bmp",
    "palette8.bmp",
    "palette4.bmp",
    "core8.bmp",
];

/// A picture with detail everywhere, so that its coded data is long.
fn textured(width: u32, height: u32) -> DynamicImage {
    let mut state = 0x2545_F491_u32;
    image::RgbImage::from_fn(width, height, |x, y| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        image::Rgb([(x * 2) as u8, (y * 2) as u8, state as u8])
    })
    .into()
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

// --- Writers of the containers, so that a defect is one argument away. ---

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn png_chunk(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&name[..], body].concat();
    [&(body.len() as u32).to_be_bytes()[..], &named, &crc(&named).to_be_bytes()].concat()
}

fn png_header(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let body = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    png_chunk(b"IHDR", &body)
}

fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat()].concat()
}

fn jpeg_frame(marker: u8, precision: u8, width: u16, height: u16, sampling: &[u8]) -> Vec<u8> {
    let mut frame = vec![0xFF, marker, 0, 8 + 3 * sampling.len() as u8, precision];
    frame.extend_from_slice(&height.to_be_bytes());
    frame.extend_from_slice(&width.to_be_bytes());
    frame.push(sampling.len() as u8);
    for (id, sampling) in sampling.iter().enumerate() {
        frame.extend_from_slice(&[id as u8 + 1, *sampling, 0]);
    }
    frame
}

fn jpeg_scan(components: u8) -> Vec<u8> {
    let mut scan = vec![0xFF, 0xDA, 0, 6 + 2 * components, components];
    scan.extend((1..=components).flat_map(|id| [id, 0]));
    scan.extend_from_slice(&[0, 63, 0, 0x12, 0x34, 0x56]);
    scan
}

fn jpeg(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![0xFF, 0xD8], parts.concat(), vec![0xFF, 0xD9]].concat()
}

fn webp(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut body = b"WEBP".to_vec();
    for (name, data) in chunks {
        body.extend_from_slice(*name);
        body.extend_from_slice(&(data.len() as u32).to_le_bytes());
        body.extend_from_slice(data);
        body.resize(body.len().next_multiple_of(2), 0);
    }
    [b"RIFF".to_vec(), (body.len() as u32).to_le_bytes().to_vec(), body].concat()
}

fn webp_canvas(flags: u8, width: u32, height: u32) -> Vec<u8> {
    let (w, h) = ((width - 1).to_le_bytes(), (height - 1).to_le_bytes());
    vec![flags, 0, 0, 0, w[0], w[1], w[2], h[0], h[1], h[2]]
}

fn webp_lossless(width: u32, height: u32) -> Vec<u8> {
    let header = (width - 1) | (height - 1) << 14;
    [&[0x2F][..], &header.to_le_bytes(), &[0; 20]].concat()
}

/// A lossless picture with this many groups of codes, each code of lengths
/// 1, 2, ... 9, 10, 10: 93 bits that ask for a table of 4 KiB.
fn webp_lossless_with_groups(groups: u16) -> Vec<u8> {
    let mut bits: Vec<bool> = Vec::new();
    let mut low_first = |value: u32, count: u32| bits.extend((0..count).map(|i| value >> i & 1 == 1));
    low_first(63, 14); // width - 1
    low_first(63, 14); // height - 1
    low_first(0, 4); // no alpha, version 0
    low_first(0, 1); // no transforms
    low_first(0, 1); // no cache
    low_first(1, 1); // groups
    low_first(0, 3); // a group for each block of 4 x 4
    low_first(0, 1); // their picture: no cache
    let [low, high] = (groups - 1).to_le_bytes();
    for symbol in [low, high, 0, 0, 0] {
        low_first(0b101, 3); // one symbol of eight bits
        low_first(symbol.into(), 8);
    }
    for _ in 0..u32::from(groups) * 5 {
        low_first(0, 1); // not simple
        low_first(14 - 4, 4);
        // Of 17, 18, 0, 1..=5, 16, 6..=10: 1 to 6 have three bits, 7 to 10 four.
        for length in [0, 0, 0, 3, 3, 3, 3, 3, 0, 3, 4, 4, 4, 4] {
            low_first(length, 3);
        }
        low_first(0b0011, 4); // so many symbols, in four bits: eleven
        low_first(11 - 2, 4);
        for code in [0b000, 0b100, 0b010, 0b110, 0b001, 0b101] {
            low_first(code, 3);
        }
        for code in [0b0011, 0b1011, 0b0111, 0b1111, 0b1111] {
            low_first(code, 4);
        }
    }
    let bytes = bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |v, &bit| v << 1 | u8::from(bit)));
    [0x2F].into_iter().chain(bytes).collect()
}

fn webp_lossy(width: u16, height: u16) -> Vec<u8> {
    [&[0x10, 0, 0, 0x9D, 1, 0x2A][..], &width.to_le_bytes(), &height.to_le_bytes(), &[0; 30]].concat()
}

fn jp2_box(name: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes()[..], name, body].concat()
}

fn jp2(header: &[u8], codestream: &[u8]) -> Vec<u8> {
    let colours = jp2_box(b"colr", &[1, 0, 0, 0, 0, 0, 16]);
    [
        jp2_box(b"jP  ", b"\r\n\x87\n"),
        jp2_box(b"ftyp", b"jp2 \0\0\0\0jp2 "),
        jp2_box(b"jp2h", &[&colours, header].concat()),
        jp2_box(b"jp2c", codestream),
    ]
    .concat()
}

/// The good raw codestream with bytes put over it.
fn j2k(patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = fixture("rgb.j2k");
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    bytes
}

/// Where a marker's segment starts in the good raw codestream, marker included.
fn j2k_marker(low: u8) -> usize {
    fixture("rgb.j2k").windows(2).position(|w| w == [0xFF, low]).unwrap()
}

fn j2k_inserted(segment: &[u8]) -> Vec<u8> {
    let mut bytes = fixture("rgb.j2k");
    let at = j2k_marker(0x90);
    bytes.splice(at..at, segment.iter().copied());
    bytes
}

/// A BMP of the fixtures with some bytes changed.
fn bmp(name: &str, patches: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = fixture(name);
    for (at, patch) in patches {
        bytes[*at..at + patch.len()].copy_from_slice(patch);
    }
    bytes
}

fn cut(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes[..at].to_vec()
}

/// Where the coded data of a JPEG starts.
fn jpeg_data(bytes: &[u8]) -> usize {
    let scan = bytes.windows(2).position(|w| w == [0xFF, 0xDA]).unwrap();
    scan + 2 + usize::from(bytes[scan + 3])
}

// --- The corpus. ---

/// Name of the defect, the bytes, the start of the expected error's debug form.
fn corpus() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const BMP_SIDE: [u8; 4] = 30_000u32.to_le_bytes();
    const IN_THE_HEADER: [u8; 4] = 30_000u32.to_be_bytes();
    let photo = encoded(&textured(160, 120), ImageFormat::Jpeg);
    let photo_png = encoded(&textured(160, 120), ImageFormat::Png);
    let photo_webp = encoded(&textured(160, 120), ImageFormat::WebP);
    let end = || png_chunk(b"IEND", b"");
    let data = || png_chunk(b"IDAT", b"\x78\x9c\x03\0\0\0\0\x01");
    let size = 8;
    let tile_part = j2k_marker(0x90);
    let middle = jpeg_data(&photo) + (photo.len() - jpeg_data(&photo)) / 2;

    vec![
        // Not a picture at all
        ("empty", vec![], "Empty"),
        ("one byte", vec![0xFF], "UnknownFormat"),
        ("text named .jpg", b"Dear sir or madam, please find attached".to_vec(), "UnknownFormat"),
        ("gif", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "UnknownFormat"),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0".to_vec(), "UnknownFormat"),
        ("pdf", b"%PDF-1.7\n".to_vec(), "UnknownFormat"),
        ("riff that is a sound", b"RIFF\x24\0\0\0WAVEfmt ".to_vec(), "UnknownFormat"),
        // Bombs in the header
        ("jpeg of 30000x30000", jpeg(&[jpeg_frame(0xC0, 8, 30_000, 30_000, &[0x11]), jpeg_scan(1)]), "TooManyPixels"),
        (
            "progressive jpeg of 30000x30000",
            jpeg(&[jpeg_frame(0xC2, 8, 30_000, 30_000, &[0x22, 0x11, 0x11]), jpeg_scan(3)]),
            "TooManyPixels",
        ),
        (
            "jpeg of 7000x7000 without data",
            jpeg(&[jpeg_frame(0xC0, 8, 7000, 7000, &[0x11]), jpeg_scan(1)]),
            "Truncated",
        ),
        ("png of 30000x30000", png(&[png_header(30_000, 30_000, 8, 2), data(), end()]), "TooManyPixels"),
        ("png of 2^31 x 2^31", png(&[png_header(1 << 31, 1 << 31, 8, 2), data(), end()]), "TooManyPixels"),
        ("16-bit png of 7000x7000", png(&[png_header(7000, 7000, 16, 6), data(), end()]), "TooMuchMemory"),
        ("webp canvas of 30000x30000", webp(&[(b"VP8X", webp_canvas(0, 30_000, 30_000))]), "TooManyPixels"),
        ("lossless webp of 16384x16384", webp(&[(b"VP8L", webp_lossless(16_384, 16_384))]), "TooManyPixels"),
        ("lossy webp of 16383x16383", webp(&[(b"VP8 ", webp_lossy(16_383, 16_383))]), "TooManyPixels"),
        ("codestream of 30000x30000", j2k(&[(size, &IN_THE_HEADER), (size + 4, &IN_THE_HEADER)]), "TooManyPixels"),
        ("jp2 of 30000x30000", jp2(&[], &j2k(&[(size, &IN_THE_HEADER), (size + 4, &IN_THE_HEADER)])), "TooManyPixels"),
        // Bombs elsewhere
        ("png whose pixels inflate to 32 MiB", fixture("pixel_bomb.png"), ""),
        ("png whose text inflates to 32 MiB", fixture("text_bomb.png"), "Ok"),
        ("png whose profile inflates to 32 MiB", fixture("profile_bomb.png"), "Ok"),
        (
            "webp whose codes take half a gigabyte",
            webp(&[(b"VP8L", webp_lossless_with_groups(26_000))]),
            "TooMuchMemory",
        ),
        ("webp whose codes take a megabyte, then end", webp(&[(b"VP8L", webp_lossless_with_groups(60))]), "Malformed"),
        (
            "jpeg of a thousand scans",
            jpeg(&[jpeg_frame(0xC2, 8, 8, 8, &[0x11]), jpeg_scan(1).repeat(1000)]),
            "Unsupported",
        ),
        (
            "jpeg of a hundred thousand tables",
            jpeg(&[[0xFF, 0xDB, 0, 2].repeat(100_000), jpeg_frame(0xC0, 8, 8, 8, &[0x11]), jpeg_scan(1)]),
            "Unsupported",
        ),
        (
            "codestream of four billion tiles",
            j2k(&[(24, &[0, 0, 0, 1, 0, 0, 0, 1]), (size, &[0, 0, 8, 0, 0, 0, 8, 0])]),
            "Malformed",
        ),
        (
            "jp2 with a palette of 255 columns",
            jp2(&jp2_box(b"pclr", &[&[0, 1, 255][..], &[7; 255], &[0; 255]].concat()), &fixture("rgb.j2k")),
            "Unsupported",
        ),
        (
            "jp2 that maps one channel ten thousand times",
            jp2(
                &[jp2_box(b"pclr", &[0, 1, 1, 7, 0]), jp2_box(b"cmap", &[0, 0, 1, 0].repeat(10_000))].concat(),
                &fixture("rgb.j2k"),
            ),
            "Unsupported",
        ),
        (
            "codestream with 30000 step sizes",
            j2k_inserted(&[&[0xFF, 0x5C, 0xEA, 0x63, 0x40][..], &[0x48; 60_000]].concat()),
            "Malformed",
        ),
        // Animations
        ("animated png", fixture("animated.png"), "Animated"),
        ("animated webp", fixture("animated.webp"), "Animated"),
        ("webp that says it is animated", webp(&[(b"VP8X", webp_canvas(2, 8, 8))]), "Animated"),
        // Cut short
        ("jpeg cut in half", cut(&photo, photo.len() / 2), "Truncated"),
        ("jpeg without its last byte", cut(&photo, photo.len() - 1), "Truncated"),
        ("jpeg without its end marker", cut(&photo, photo.len() - 2), "Truncated"),
        ("jpeg cut in half and closed", [&photo[..middle], &[0xFF, 0xD9]].concat(), "Truncated"),
        ("png cut in half", cut(&photo_png, photo_png.len() / 2), "Truncated"),
        ("png without its end", cut(&photo_png, photo_png.len() - 12), "Truncated"),
        ("webp cut in half", cut(&photo_webp, photo_webp.len() / 2), "Truncated"),
        ("codestream cut in half", cut(&fixture("rgb.j2k"), 557), "Truncated"),
        ("codestream without its end marker", cut(&fixture("rgb.j2k"), 1112), "Truncated"),
        ("jp2 cut in half", cut(&fixture("rgb.jp2"), 600), "Truncated"),
        ("codestream with a tile missing", j2k(&[(24, &[0, 0, 0, 32])]), "Truncated"),
        // Broken rules
        ("jpeg with no frame", jpeg(&[jpeg_scan(1)]), "Malformed"),
        ("jpeg with two frames", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0x11]).repeat(2), jpeg_scan(1)]), "Malformed"),
        ("jpeg with no scan", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0x11])]), "Malformed"),
        ("jpeg with no tables", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0x11]), jpeg_scan(1)]), "Malformed"),
        ("jpeg with no height", jpeg(&[jpeg_frame(0xC0, 8, 8, 0, &[0x11]), jpeg_scan(1)]), "Malformed"),
        ("jpeg sampled 0x0", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0x00]), jpeg_scan(1)]), "Malformed"),
        ("jpeg sampled 15x15", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0xFF]), jpeg_scan(1)]), "Malformed"),
        ("jpeg with a segment of length 1", jpeg(&[vec![0xFF, 0xDB, 0, 1]]), "Malformed"),
        ("jpeg inside a jpeg's header", [&[0xFF, 0xD8][..], &photo].concat(), "Malformed"),
        ("arithmetic-coded jpeg", jpeg(&[jpeg_frame(0xC9, 8, 8, 8, &[0x11]), jpeg_scan(1)]), "Unsupported"),
        ("lossless jpeg", jpeg(&[jpeg_frame(0xC3, 8, 8, 8, &[0x11]), jpeg_scan(1)]), "Unsupported"),
        ("12-bit jpeg", jpeg(&[jpeg_frame(0xC1, 12, 8, 8, &[0x11]), jpeg_scan(1)]), "Unsupported"),
        ("jpeg of two components", jpeg(&[jpeg_frame(0xC0, 8, 8, 8, &[0x11, 0x11]), jpeg_scan(2)]), "Unsupported"),
        ("png without pixels", png(&[png_header(0, 8, 8, 2), data(), end()]), "Malformed"),
        ("png with two headers", png(&[png_header(8, 8, 8, 2), png_header(8, 8, 8, 2), data(), end()]), "Malformed"),
        ("png with no data", png(&[png_header(8, 8, 8, 2), end()]), "Malformed"),
        ("png of 3 bits a sample", png(&[png_header(8, 8, 3, 2), data(), end()]), "Malformed"),
        ("png with a palette missing", png(&[png_header(8, 8, 8, 3), data(), end()]), "Malformed"),
        (
            "png with an unknown critical chunk",
            png(&[png_header(8, 8, 8, 2), png_chunk(b"XXXX", b""), end()]),
            "Unsupported",
        ),
        (
            "png with a wrong checksum",
            {
                let mut bytes = photo_png.clone();
                let at = bytes.len() - 20;
                bytes[at] ^= 1;
                bytes
            },
            "Malformed",
        ),
        ("webp without a picture", webp(&[(b"VP8X", webp_canvas(0, 8, 8))]), "Truncated"),
        (
            "webp with a canvas of another size",
            webp(&[(b"VP8X", webp_canvas(0, 8, 8)), (b"VP8L", webp_lossless(9, 9))]),
            "Malformed",
        ),
        ("webp that starts with its name", webp(&[(b"EXIF", vec![0; 8])]), "Malformed"),
        ("webp that is not a key frame", webp(&[(b"VP8 ", vec![0x11; 40])]), "Malformed"),
        (
            "jp2 with no header box",
            [jp2_box(b"jP  ", b"\r\n\x87\n"), jp2_box(b"ftyp", b"jp2 "), jp2_box(b"jp2c", &fixture("rgb.j2k"))]
                .concat(),
            "Malformed",
        ),
        (
            "jp2 with a box of length 4",
            [&jp2(&[], &[])[..12], &[0, 0, 0, 4, b'f', b't', b'y', b'p']].concat(),
            "Malformed",
        ),
        ("jp2 in CIELab", jp2(&jp2_box(b"colr", &[1, 0, 0, 0, 0, 0, 14]), &fixture("rgb.j2k")), "Unsupported"),
        ("codestream of 5 components", j2k(&[(40, &[0, 5])]), "Unsupported"),
        ("codestream of signed samples", j2k(&[(42, &[0x87])]), "Unsupported"),
        ("codestream of 38-bit samples", j2k(&[(42, &[37])]), "Unsupported"),
        ("codestream sampled 1 in 255", j2k(&[(43, &[255, 255])]), "Unsupported"),
        ("codestream of no size", j2k(&[(size, &[0; 8])]), "Malformed"),
        ("codestream with a tile out of range", j2k(&[(tile_part + 4, &[0, 9])]), "Malformed"),
        ("codestream with a tile of length 1", j2k(&[(tile_part + 6, &[0, 0, 0, 1])]), "Malformed"),
        ("codestream with a tile beyond the end", j2k(&[(tile_part + 6, &[9, 0, 0, 0])]), "Truncated"),
        ("codestream that changes its order", j2k_inserted(&[0xFF, 0x5F, 0, 9, 0, 0, 0, 1, 1, 3, 0]), "Unsupported"),
        // BMP: 10 where the pixels are, 14 header, 18 width, 22 height, 28 bits, 30 compression, 46 colours
        ("bmp of 30000x30000", bmp("bits24.bmp", &[(18, &BMP_SIDE), (22, &BMP_SIDE)]), "TooManyPixels"),
        ("bmp of 7000x7000 without data", bmp("bits24.bmp", &[(18, &[88, 27]), (22, &[88, 27])]), "Truncated"),
        ("bmp of 2^31 rows", bmp("bits24.bmp", &[(22, &[0, 0, 0, 0x80])]), "TooManyPixels"),
        ("bmp of a width below zero", bmp("bits24.bmp", &[(18, &[0xFF; 4])]), "Malformed"),
        ("bmp of no width", bmp("bits24.bmp", &[(18, &[0; 4])]), "Malformed"),
        ("bmp of no height", bmp("bits24.bmp", &[(22, &[0; 4])]), "Malformed"),
        ("bmp of one row more than there is", bmp("bits24.bmp", &[(22, &[33])]), "Truncated"),
        ("bmp of 2 planes", bmp("bits24.bmp", &[(26, &[2])]), "Malformed"),
        ("bmp of 2 bits", bmp("bits24.bmp", &[(28, &[2])]), "Malformed"),
        ("bmp of 64 bits", bmp("bits24.bmp", &[(28, &[64])]), "Malformed"),
        ("bmp in run lengths", bmp("palette8.bmp", &[(30, &[1])]), "Unsupported"),
        ("bmp around a jpeg", bmp("bits24.bmp", &[(30, &[4])]), "Unsupported"),
        ("bmp of 24 bits with masks", bmp("bits24.bmp", &[(30, &[3])]), "Malformed"),
        ("bmp with a mask of nothing", bmp("masks16.bmp", &[(54, &[0; 4])]), "Malformed"),
        ("bmp with a mask of holes", bmp("masks16.bmp", &[(54, &[0x05, 0])]), "Malformed"),
        ("bmp with a mask beyond its pixels", bmp("masks16.bmp", &[(54, &[0, 0, 1, 0])]), "Malformed"),
        ("bmp with pixels in its header", bmp("bits24.bmp", &[(10, &[20, 0])]), "Malformed"),
        ("bmp with pixels in its palette", bmp("palette8.bmp", &[(10, &[58, 0])]), "Malformed"),
        ("bmp with pixels beyond its end", bmp("bits24.bmp", &[(10, &[0xFF; 4])]), "Truncated"),
        ("bmp of 2^32 colours", bmp("palette8.bmp", &[(46, &[0xFF; 4])]), "Malformed"),
        ("bmp of a colour it does not have", bmp("palette8.bmp", &[(46, &[3])]), "Malformed"),
        ("bmp with a header of no known length", bmp("bits24.bmp", &[(14, &[41])]), "UnknownFormat"),
        ("codestream with packed headers", j2k_inserted(&[0xFF, 0x60, 0, 3, 0]), "Unsupported"),
    ]
}

#[test]
fn every_defect_gets_its_error_within_its_memory() {
    let limits = Limits::default();
    let mut wrong = Vec::new();
    for (name, bytes, expected) in corpus() {
        let (result, peak) = peak_bytes(|| decode(&bytes, &limits));
        let got = result.as_ref().map_or_else(|error| format!("{error:?}"), |_| "Ok".to_owned());
        // Refusals cost no more than a few copies of the input; decoders that
        // got to start may build their tables.
        let refused_early = ["TooMany", "TooMuch", "Unknown", "Empty", "Animated", "Unsupp"];
        let peak_max = match refused_early.iter().any(|kind| expected.starts_with(kind)) {
            true => 64 << 10,
            false => 2 << 20,
        } + 4 * bytes.len() as u64;
        if !got.starts_with(expected) || peak > peak_max {
            wrong.push(format!("{name}: {got} with {peak} bytes; expected {expected} within {peak_max}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn messages_say_what_to_do_and_show_nothing_of_the_picture() {
    for (name, bytes, expected) in corpus() {
        let Err(error) = decode(&bytes, &Limits::default()) else {
            continue;
        };
        let message = error.to_string();
        assert!(message.contains("; send ") || expected == "UnknownFormat", "{name}: {message}");
        if let ImageError::Malformed { detail, .. } | ImageError::Unsupported { detail, .. } = error {
            // Sentences of ours: no numbers, hex or quotes out of the data.
            let fixed = detail.chars().all(|c| c.is_ascii_alphanumeric() || " -,".contains(c));
            assert!(fixed && detail.len() < 60 && !detail.contains("0x"), "{name}: {detail}");
        }
    }
}

#[test]
fn more_bytes_than_the_limit_are_not_looked_at() {
    let bytes = encoded(&textured(40, 40), ImageFormat::Png);
    let limits = Limits { encoded_bytes_max: bytes.len() - 1, ..Limits::default() };
    let (result, peak) = peak_bytes(|| decode(&bytes, &limits));
    assert_eq!(result.err(), Some(ImageError::TooManyBytes { bytes: bytes.len(), bytes_max: bytes.len() - 1 }));
    assert_eq!(peak, 0);
    assert!(decode(&bytes, &Limits { encoded_bytes_max: bytes.len(), ..Limits::default() }).is_ok());
}

#[test]
fn a_picture_of_exactly_the_limit_passes_and_one_pixel_more_does_not() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let bytes = encoded(&textured(40, 30), format);
        assert!(imaging::decode(&bytes, &Limits { pixels_max: 1200, ..Limits::default() }).is_ok());
        let refused = imaging::decode(&bytes, &Limits { pixels_max: 1199, ..Limits::default() });
        assert_eq!(refused.err(), Some(ImageError::TooManyPixels { width: 40, height: 30, pixels_max: 1199 }));
    }
}

/// The least memory limit under which the picture decodes, and the memory it
/// then takes.
fn least_limit(bytes: &[u8], short_side_min: u32) -> (u64, u64) {
    let mut limits = Limits { decode_bytes_max: 0, ..Limits::default() };
    loop {
        let (result, peak) = peak_bytes(|| imaging::decode_scaled(bytes, &limits, short_side_min));
        match result {
            Err(ImageError::TooMuchMemory { bytes, .. }) if bytes > limits.decode_bytes_max => {
                limits.decode_bytes_max = bytes;
            }
            Ok(_) => return (limits.decode_bytes_max, peak),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn no_decode_takes_more_memory_than_was_asked_for() {
    let mut pictures: Vec<_> = GOOD.iter().map(|name| (name.to_string(), fixture(name))).collect();
    let large = textured(1200, 900);
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        pictures.push((format!("large {format:?}"), encoded(&large, format)));
    }
    for (name, picture) in [
        ("rgba16", large.to_rgba16().into()),
        ("grey", large.to_luma8().into()),
        ("grey16a", large.to_luma_alpha16().into()),
    ] {
        let picture: DynamicImage = picture;
        pictures.push((format!("large {name} png"), encoded(&picture, ImageFormat::Png)));
    }
    for (name, bytes) in pictures {
        for short_side_min in [10, u32::MAX] {
            let (asked, taken) = least_limit(&bytes, short_side_min);
            assert!(taken <= asked, "{name}: asked for {asked}, took {taken}");
        }
    }
}

#[test]
fn every_prefix_of_every_good_file_is_an_error() {
    for name in GOOD {
        let bytes = fixture(name);
        // Long files are bombs, whose middle is all alike.
        for length in (0..bytes.len()).step_by(if bytes.len() > 10_000 { 997 } else { 1 }) {
            match decode(&bytes[..length], &Limits::default()) {
                Ok(_) => panic!("{name} cut to {length} bytes decodes"),
                Err(
                    ImageError::Empty
                    | ImageError::UnknownFormat
                    | ImageError::Truncated(_)
                    | ImageError::Malformed { .. },
                ) => {}
                Err(error) => panic!("{name} cut to {length} bytes: {error}"),
            }
        }
    }
}

/// Small, so that an allocation out of proportion cannot hide.
const TIGHT: Limits = Limits { encoded_bytes_max: 1 << 20, pixels_max: 1 << 16, decode_bytes_max: 6 << 20 };

fn stays_within_limits(bytes: &[u8]) -> Result<(), TestCaseError> {
    for short_side_min in [8, u32::MAX] {
        let (result, peak) = peak_bytes(|| imaging::decode_scaled(bytes, &TIGHT, short_side_min));
        prop_assert!(peak <= TIGHT.decode_bytes_max, "took {peak} bytes");
        if let Ok(decoded) = result {
            let (width, height) = decoded.full_size;
            prop_assert!(u64::from(width) * u64::from(height) <= TIGHT.pixels_max);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_flipped_bits_stay_within_limits(
        which in 0..GOOD.len(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4),
    ) {
        let mut bytes = fixture(GOOD[which]);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        stays_within_limits(&bytes)?;
    }

    #[test]
    fn any_overwritten_header_stays_within_limits(
        which in 0..GOOD.len(),
        at in 0usize..200,
        with in proptest::collection::vec(prop_oneof![Just(0u8), Just(255), Just(1), any::<u8>()], 1..5),
    ) {
        let mut bytes = fixture(GOOD[which]);
        let at = at.min(bytes.len() - with.len());
        bytes[at..at + with.len()].copy_from_slice(&with);
        stays_within_limits(&bytes)?;
    }

    #[test]
    fn any_bytes_after_a_signature_stay_within_limits(
        which in 0usize..8,
        tail in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let signature: &[u8] = [
            &b""[..],
            &[0xFF, 0xD8, 0xFF],
            b"\x89PNG\r\n\x1a\n",
            b"RIFF\x40\0\0\0WEBP",
            b"\0\0\0\x0CjP  \r\n\x87\n",
            &[0xFF, 0x4F, 0xFF, 0x51],
            b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x04\0\0\0\x04\0\0\0\x01\0",
            b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x7C\0\0\0",
        ][which];
        stays_within_limits(&[signature, &tail].concat())?;
    }

    #[test]
    fn any_two_files_spliced_stay_within_limits(
        (first, second) in (0..GOOD.len(), 0..GOOD.len()),
        (at, from) in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (first, second) = (fixture(GOOD[first]), fixture(GOOD[second]));
        let (at, from) = (at.index(first.len()), from.index(second.len()));
        stays_within_limits(&[&first[..at], &second[from..]].concat())?;
    }
}
