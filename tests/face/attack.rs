//! Simulated presentation attacks: what a camera might see of a printed photo, of a
//! photo on a screen, and of a printed mask with holes for the eyes. Seeded; used by
//! `examples/attacks.rs` as well.
//!
//! These are drawings of attacks, made of photos: no paper, screen or camera was there.
//! They show whether the way from picture to error rate works, and what a network makes
//! of such pictures; how often a true attack passes only true attacks can say.

use image::{ImageBuffer, Rgb, RgbImage};

use super::picture::{Eyes, Random, jpeg, sample};

/// How a photo of somebody else is held before the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// On paper: its tone and margin, less contrast, the dots of the printer.
    Print,
    /// On a screen: grid of pixels and moiré, gamma, glare, frame.
    Replay,
    /// The printed face, cut out, with holes for the eyes, worn by another person.
    CutOut,
}

impl Attack {
    /// Every attack there is.
    pub const ALL: [Self; 3] = [Self::Print, Self::Replay, Self::CutOut];

    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Print => "print",
            Self::Replay => "replay",
            Self::CutOut => "cut_out",
        }
    }
}

/// A person's photo and where the eyes are in it.
#[derive(Clone, Copy)]
pub struct Portrait<'a> {
    pub photo: &'a RgbImage,
    pub eyes: Eyes,
}

/// Width and height of what the camera sees, in pixels.
const CAMERA: (u32, u32) = (480, 600);
/// Points looked at in each pixel, in a row and in a column.
const FINE: u32 = 2;

/// `Portrait` of the attacked, held up by `attacker`, as a JPEG.
pub fn attack(kind: Attack, of: Portrait<'_>, attacker: Portrait<'_>, random: &mut Random) -> Vec<u8> {
    match kind {
        Attack::Print => {
            let (flat, paper) = (Flat::held(of.photo, random), Paper::new(random));
            let (margin, backdrop) = (random.within(0.03, 0.1), Backdrop::new(random));
            camera(random, CAMERA, |x, y| {
                let [u, v] = flat.at(x, y);
                match outside(u, v) {
                    0.0 => paper.printed(light_at(of.photo, u, v), u, v, flat.aspect),
                    beyond if beyond < margin => paper.tone,
                    _ => backdrop.at(x, y),
                }
            })
        }
        Attack::Replay => {
            let (flat, screen) = (Flat::held(of.photo, random), Screen::new(random));
            let (frame, backdrop) = (random.within(0.03, 0.08), Backdrop::new(random));
            camera(random, CAMERA, |x, y| {
                let [u, v] = flat.at(x, y);
                match outside(u, v) {
                    0.0 => screen.shown(light_at(of.photo, u, v), u, v, flat.aspect),
                    beyond if beyond < frame => [0.012; 3],
                    _ => backdrop.at(x, y),
                }
            })
        }
        Attack::CutOut => {
            let (mask, paper) = (Mask::new(random), Paper::new(random));
            // As large as the other pictures, so that the printer's dots are seen alike.
            let zoom = CAMERA.1 as f32 / attacker.photo.height() as f32;
            let size = ((attacker.photo.width() as f32 * zoom) as u32, CAMERA.1);
            camera(random, size, |x, y| {
                let (px, py) = (x / zoom, y / zoom);
                let behind = light(inside(attacker.photo, px, py));
                // In distances between the eyes, from between them.
                let face = from_eyes(attacker.eyes, px, py);
                match mask.at(face) {
                    Covered::Not { shadow } => behind.map(|v| v * shadow),
                    Covered::By { place } => {
                        let (apart, middle) = (of.eyes.apart(), of.eyes.middle());
                        let ink = inside(of.photo, middle[0] + place[0] * apart, middle[1] + place[1] * apart);
                        paper.printed(light(ink), place[0] / 4.0, place[1] / 4.0, 1.0)
                    }
                }
            })
        }
    }
}

/// A flat thing held before the camera: a little turned, a little aslant.
struct Flat {
    middle: [f32; 2],
    /// Pixels of the camera that the photo's width takes.
    width: f32,
    /// Height over width of the photo.
    aspect: f32,
    turn: f32,
    slant: [f32; 2],
}

impl Flat {
    fn held(photo: &RgbImage, random: &mut Random) -> Self {
        let aspect = photo.height() as f32 / photo.width() as f32;
        let (wide, high) = (CAMERA.0 as f32, CAMERA.1 as f32);
        let share = random.within(0.6, 0.85);
        Self {
            middle: [wide * random.within(0.46, 0.54), high * random.within(0.46, 0.54)],
            width: share * wide.min(high / aspect),
            aspect,
            turn: (random.within(0.5, 6.0) * random.sign()).to_radians(),
            slant: [random.within(-0.12, 0.12), random.within(-0.12, 0.12)],
        }
    }

    /// Where in the photo, 0 to 1, the camera looks at this point.
    fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let (dx, dy) = ((x - self.middle[0]) / self.width, (y - self.middle[1]) / self.width);
        let (sin, cos) = self.turn.sin_cos();
        let (u, v) = (cos * dx - sin * dy, sin * dx + cos * dy);
        let far = 1.0 + self.slant[0] * u + self.slant[1] * v;
        [0.5 + u / far, 0.5 + v / far / self.aspect]
    }
}

/// How far outside the photo, in parts of its side.
fn outside(u: f32, v: f32) -> f32 {
    (-u).max(u - 1.0).max(-v).max(v - 1.0).max(0.0)
}

/// Ink on paper.
struct Paper {
    tone: [f32; 3],
    /// What the darkest ink gives back.
    black: f32,
    /// Dots in the photo's width.
    dots: f32,
    /// How much of the picture is dots.
    strength: f32,
    saturation: f32,
    /// How light falls off to one side.
    falling: [f32; 2],
}

impl Paper {
    fn new(random: &mut Random) -> Self {
        let white = random.within(0.72, 0.88);
        Self {
            tone: [white, white * random.within(0.95, 1.0), white * random.within(0.84, 0.97)],
            black: random.within(0.03, 0.09),
            dots: random.within(90.0, 170.0),
            strength: random.within(0.15, 0.45),
            saturation: random.within(0.6, 0.9),
            falling: [random.within(-0.25, 0.25), random.within(-0.25, 0.25)],
        }
    }

    fn printed(&self, ink: [f32; 3], u: f32, v: f32, aspect: f32) -> [f32; 3] {
        // Angles of cyan, magenta and yellow screens.
        const ANGLES: [f32; 3] = [0.262, 1.309, 0.0];
        let grey = ink.iter().sum::<f32>() / 3.0;
        let lit = 1.0 + self.falling[0] * (u - 0.5) + self.falling[1] * (v - 0.5);
        [0, 1, 2].map(|c| {
            let value = grey + (ink[c] - grey) * self.saturation;
            let (sin, cos) = ANGLES[c].sin_cos();
            let turn = std::f32::consts::TAU * self.dots;
            let (p, q) = (turn * (cos * u - sin * v * aspect), turn * (sin * u + cos * v * aspect));
            // A dot grows from the middle of its cell; its edge is soft.
            let cell = 0.5 + 0.25 * (p.cos() + q.cos());
            let dot = ((value - cell) * 6.0 + 0.5).clamp(0.0, 1.0);
            let value = value * (1.0 - self.strength) + dot * self.strength;
            self.tone[c] * (self.black + (1.0 - self.black) * value) * lit
        })
    }
}

/// A screen.
struct Screen {
    /// Pixels in the photo's width.
    pixels: f32,
    /// How dark it is between pixels.
    grid: f32,
    gamma: f32,
    black: f32,
    white: [f32; 3],
    glare: [f32; 4],
}

impl Screen {
    fn new(random: &mut Random) -> Self {
        let bright = random.within(0.8, 1.15);
        Self {
            pixels: random.within(220.0, 520.0),
            grid: random.within(0.15, 0.45),
            gamma: random.within(0.85, 1.25),
            black: random.within(0.005, 0.03),
            white: [bright * random.within(0.86, 0.98), bright * random.within(0.94, 1.0), bright],
            glare: [
                random.within(0.0, 1.0),
                random.within(0.0, 1.0),
                random.within(0.06, 0.2),
                random.within(0.05, 0.5),
            ],
        }
    }

    fn shown(&self, light: [f32; 3], u: f32, v: f32, aspect: f32) -> [f32; 3] {
        let turn = std::f32::consts::TAU * self.pixels;
        let rows = 1.0 - self.grid * (0.5 + 0.5 * (turn * v * aspect).cos());
        let [x, y, wide, strong] = self.glare;
        let far = ((u - x).powi(2) + (v - y).powi(2) * aspect * aspect) / (wide * wide);
        let glare = strong * (-far).exp();
        [0, 1, 2].map(|c| {
            // Red, green and blue lie side by side.
            let stripe = 1.0 - self.grid * (0.5 + 0.5 * (turn * u - std::f32::consts::TAU * c as f32 / 3.0).cos());
            self.white[c] * (self.black + light[c].powf(self.gamma) * rows * stripe * 1.3) + glare
        })
    }
}

/// A face cut out of paper, worn.
struct Mask {
    half: [f32; 2],
    middle: f32,
    hole: [f32; 2],
    /// How much larger than the face below, and how far off.
    size: f32,
    off: [f32; 2],
}

enum Covered {
    /// By nothing; near the mask's edge in its shadow.
    Not { shadow: f32 },
    /// By what is at this place of the printed face, in its distances between the eyes.
    By { place: [f32; 2] },
}

impl Mask {
    fn new(random: &mut Random) -> Self {
        Self {
            half: [random.within(0.95, 1.1), random.within(1.35, 1.55)],
            middle: random.within(0.5, 0.6),
            hole: [random.within(0.2, 0.26), random.within(0.11, 0.15)],
            size: random.within(1.0, 1.12),
            off: [random.within(-0.05, 0.05), random.within(-0.05, 0.05)],
        }
    }

    fn at(&self, [x, y]: [f32; 2]) -> Covered {
        let ellipse = |dx: f32, dy: f32, half: [f32; 2]| (dx / half[0]).powi(2) + (dy / half[1]).powi(2);
        let edge = ellipse(x, y - self.middle, self.half);
        let hole = ellipse(x.abs() - 0.5, y, self.hole);
        if edge <= 1.0 && hole > 1.0 {
            return Covered::By { place: [(x - self.off[0]) / self.size, (y - self.off[1]) / self.size] };
        }
        // It stands off a little.
        let near = if edge > 1.0 { (edge - 1.0) / 0.25 } else { (1.0 - hole) / 0.8 };
        Covered::Not { shadow: 0.6 + 0.4 * near.clamp(0.0, 1.0) }
    }
}

/// What is behind: a wall, lit from one side.
struct Backdrop {
    colour: [f32; 3],
    slope: [f32; 2],
}

impl Backdrop {
    fn new(random: &mut Random) -> Self {
        let grey = random.within(0.08, 0.5);
        Self {
            colour: [0; 3].map(|_| grey * random.within(0.85, 1.15)),
            slope: [random.within(-0.4, 0.4), random.within(-0.4, 0.4)],
        }
    }

    fn at(&self, x: f32, y: f32) -> [f32; 3] {
        let (u, v) = (x / CAMERA.0 as f32 - 0.5, y / CAMERA.1 as f32 - 0.5);
        self.colour.map(|c| c * (1.0 + self.slope[0] * u + self.slope[1] * v))
    }
}

fn from_eyes(eyes: Eyes, x: f32, y: f32) -> [f32; 2] {
    let (apart, middle) = (eyes.apart(), eyes.middle());
    [(x - middle[0]) / apart, (y - middle[1]) / apart]
}

/// A point of the photo, the outermost pixel beyond its edge.
fn inside(photo: &RgbImage, x: f32, y: f32) -> [f32; 3] {
    sample(photo, x.clamp(0.0, photo.width() as f32 - 1.0), y.clamp(0.0, photo.height() as f32 - 1.0))
}

/// Light of a point that is given in parts of the photo's sides.
fn light_at(photo: &RgbImage, u: f32, v: f32) -> [f32; 3] {
    light(inside(photo, u * photo.width() as f32 - 0.5, v * photo.height() as f32 - 0.5))
}

/// Light of 0…255 values, 0 to 1 (gamma 2.2, near enough to sRGB).
fn light(values: [f32; 3]) -> [f32; 3] {
    values.map(|v| (v / 255.0).powf(2.2))
}

/// A camera that looks at a scene: a lens not quite sharp, a sensor that is not quiet,
/// a JPEG.
fn camera(random: &mut Random, size: (u32, u32), scene: impl Fn(f32, f32) -> [f32; 3]) -> Vec<u8> {
    let (exposure, noise) = (random.within(0.9, 1.15), random.within(1.0, 3.5));
    let (soft, quality) = (random.within(0.4, 0.9), 85 + random.below(11) as u8);
    let sharp: RgbImage = ImageBuffer::from_fn(size.0, size.1, |x, y| {
        let mut sum = [0.0f32; 3];
        for i in 0..FINE * FINE {
            let fine = |pixel: u32, at: u32| pixel as f32 + (at as f32 + 0.5) / FINE as f32;
            let seen = scene(fine(x, i % FINE), fine(y, i / FINE));
            sum.iter_mut().zip(seen).for_each(|(sum, v)| *sum += v);
        }
        Rgb(sum.map(|v| (255.0 * (exposure * v / (FINE * FINE) as f32).clamp(0.0, 1.0).powf(1.0 / 2.2)) as u8))
    });
    let mut seen = image::imageops::blur(&sharp, soft);
    for value in seen.iter_mut() {
        // Three even numbers together are nearly normal.
        let grain = noise * (0..3).map(|_| random.within(-1.0, 1.0)).sum::<f32>();
        *value = (f32::from(*value) + grain).round().clamp(0.0, 255.0) as u8;
    }
    jpeg(&seen, quality)
}
