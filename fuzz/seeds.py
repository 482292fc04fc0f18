"""Makes most of fuzz/seeds: small synthetic pictures for the fuzzer to start from.
Needs Pillow with JPEG 2000; run by hand when a format is added:

    python3 fuzz/seeds.py

upsets-decoder.jpg is not made here: the fuzzer found it in 3 seconds. It panics
zune-jpeg 0.5.15 (idct/scalar.rs), which the engine contains.
"""

import io
import pathlib
import struct

from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
SIDES = (24, 17)  # not a multiple of any block size


def picture(mode):
    """A gradient with an edge in it: every coefficient of a block gets used."""
    width, height = SIDES
    image = Image.new("RGB", SIDES)
    for y in range(height):
        for x in range(width):
            image.putpixel((x, y), (x * 10 % 256, y * 14 % 256, 255 if (x // 5 + y // 3) % 2 else 16))
    return image.convert(mode)


def encoded(mode, form, **options):
    out = io.BytesIO()
    picture(mode).save(out, form, **options)
    return out.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def sixteen_bit_png():
    out = io.BytesIO()
    Image.frombytes("I;16", (8, 8), struct.pack("<64H", *range(0, 65536, 1024))).save(out, "PNG")
    return out.getvalue()


def webcam(jpeg):
    """The frame a webcam sends (Motion JPEG): no Huffman tables, no JFIF."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] not in (0xC4, 0xE0):
            out += jpeg[at:end]
        at = end
    return out + jpeg[at:]


def bmp(bits):
    """A BMP of 24 bits as Pillow writes it, of 32 from the top, or with a palette."""
    if bits == 24:
        return encoded("RGB", "BMP")
    if bits == 8:
        return encoded("P", "BMP")
    width, height = SIDES
    rows = b"".join(bytes((b, g, r, 0)) for r, g, b in picture("RGB").getdata())
    head = struct.pack("<IiiHHIIiiII", 40, width, -height, 1, 32, 0, len(rows), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(rows), 0, 0, 54) + head + rows


def codestream(jp2):
    """The raw codestream inside a JP2 file: from SOC on."""
    return jp2[jp2.index(b"\xff\x4f\xff\x51") :]


JPEG = {
    "baseline.jpg": encoded("RGB", "JPEG", quality=80, subsampling=0),
    "subsampled.jpg": encoded("RGB", "JPEG", quality=60, subsampling=2),
    "progressive.jpg": encoded("RGB", "JPEG", quality=70, progressive=True),
    "grey.jpg": encoded("L", "JPEG", quality=70),
    "cmyk.jpg": encoded("CMYK", "JPEG", quality=70),
    "restart.jpg": encoded("RGB", "JPEG", quality=70, restart_marker_blocks=1),
    "turned.jpg": encoded("RGB", "JPEG", quality=70, exif=exif(6)),
}
JPEG["webcam.jpg"] = webcam(JPEG["subsampled.jpg"])
JP2 = encoded("RGB", "JPEG2000", quality_mode="rates", quality_layers=[8])
OTHER = {
    "rgb.png": encoded("RGB", "PNG"),
    "rgba.png": encoded("RGBA", "PNG"),
    "palette.png": encoded("P", "PNG"),
    "bit.png": encoded("1", "PNG"),
    "sixteen.png": sixteen_bit_png(),
    "lossy.webp": encoded("RGB", "WEBP", quality=50),
    "lossless.webp": encoded("RGBA", "WEBP", lossless=True),
    "lossy.jp2": JP2,
    "lossless.jp2": encoded("RGB", "JPEG2000", irreversible=False),
    "grey.jp2": encoded("L", "JPEG2000"),
    "raw.j2k": codestream(JP2),
    "rows24.bmp": bmp(24),
    "rows32.bmp": bmp(32),
    "palette.bmp": bmp(8),
}


def write(target, files):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


write("image_bytes", {**JPEG, **OTHER})
write("jpeg_scaled", JPEG)
