//! Points, boxes and the similarity that lays a face onto a template.
//!
//! Coordinates are index coordinates: the centre of the top left pixel is (0, 0)
//! for points; boxes count pixel edges, so that a whole picture is the box
//! `0, 0, width, height`. The half pixel between the two is below what the
//! networks resolve, and the embedders were trained with it.

/// x to the right, y down.
pub(super) type Point = [f32; 2];
/// The five alignment points as they lie in the picture: left eye, right eye,
/// nose, left mouth corner, right mouth corner.
pub(super) type Five = [Point; 5];

/// An axis-aligned box; may reach past the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Region {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Region {
    pub fn of(width: u32, height: u32) -> Self {
        Self { left: 0.0, top: 0.0, width: width as f32, height: height as f32 }
    }

    pub fn right(&self) -> f32 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f32 {
        self.top + self.height
    }

    pub fn area(&self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    pub fn centre(&self) -> Point {
        [self.left + self.width / 2.0, self.top + self.height / 2.0]
    }

    /// Geometric mean of the sides.
    pub fn side(&self) -> f32 {
        self.area().sqrt()
    }

    /// Grown by these shares of its own width and height.
    pub fn grown(&self, left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self {
            left: self.left - left * self.width,
            top: self.top - top * self.height,
            width: self.width * (1.0 + left + right),
            height: self.height * (1.0 + top + bottom),
        }
    }

    pub fn scaled(&self, x: f32, y: f32) -> Self {
        Self { left: self.left * x, top: self.top * y, width: self.width * x, height: self.height * y }
    }

    /// What of it lies within `other`; `None` where nothing does.
    pub fn within(&self, other: &Self) -> Option<Self> {
        let (left, top) = (self.left.max(other.left), self.top.max(other.top));
        let (width, height) = (self.right().min(other.right()) - left, self.bottom().min(other.bottom()) - top);
        (width > 0.0 && height > 0.0).then_some(Self { left, top, width, height })
    }

    /// Intersection over union, 0…1.
    pub fn overlap(&self, other: &Self) -> f32 {
        let width = self.right().min(other.right()) - self.left.max(other.left);
        let height = self.bottom().min(other.bottom()) - self.top.max(other.top);
        let both = width.max(0.0) * height.max(0.0);
        let either = self.area() + other.area() - both;
        if either > 0.0 { both / either } else { 0.0 }
    }
}

pub(super) fn distance(a: Point, b: Point) -> f32 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// `x' = a·x − b·y + dx`, `y' = b·x + a·y + dy`: rotation, one scale, shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Similarity {
    pub a: f32,
    pub b: f32,
    pub dx: f32,
    pub dy: f32,
}

impl Similarity {
    /// The similarity that maps `from` onto `to` with the least squared error
    /// (Umeyama, IEEE TPAMI 13(4), 1991, in its closed form for the plane).
    ///
    /// A reflection is never taken, however well it would fit. `None` where the
    /// points coincide or are not finite.
    pub fn fit(from: &[Point], to: &[Point]) -> Option<Self> {
        let count = from.len().min(to.len()) as f64;
        let mean = |points: &[Point], axis: usize| points.iter().map(|p| f64::from(p[axis])).sum::<f64>() / count;
        let (fx, fy, tx, ty) = (mean(from, 0), mean(from, 1), mean(to, 0), mean(to, 1));
        let (mut along, mut across, mut spread) = (0.0f64, 0.0f64, 0.0f64);
        for (f, t) in from.iter().zip(to) {
            let (x, y) = (f64::from(f[0]) - fx, f64::from(f[1]) - fy);
            let (u, v) = (f64::from(t[0]) - tx, f64::from(t[1]) - ty);
            along += x * u + y * v;
            across += x * v - y * u;
            spread += x * x + y * y;
        }
        let (a, b) = (along / spread, across / spread);
        let (dx, dy) = (tx - a * fx + b * fy, ty - b * fx - a * fy);
        let fit = Self { a: a as f32, b: b as f32, dx: dx as f32, dy: dy as f32 };
        // A vanishing scale has no inverse: the points do not lie like a face at all.
        let usable = [fit.a, fit.b, fit.dx, fit.dy].iter().all(|v| v.is_finite()) && fit.scale() > 1e-6;
        usable.then_some(fit)
    }

    pub fn apply(&self, p: Point) -> Point {
        [self.a * p[0] - self.b * p[1] + self.dx, self.b * p[0] + self.a * p[1] + self.dy]
    }

    pub fn scale(&self) -> f32 {
        self.a.hypot(self.b)
    }

    pub fn inverse(&self) -> Self {
        let squared = self.a * self.a + self.b * self.b;
        let (a, b) = (self.a / squared, -self.b / squared);
        Self { a, b, dx: -(a * self.dx - b * self.dy), dy: -(b * self.dx + a * self.dy) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn points() -> impl Strategy<Value = Vec<Point>> {
        prop::collection::vec([-200.0f32..200.0, -200.0f32..200.0], 5)
            .prop_filter("points that coincide fix nothing", |p| distance(p[0], p[1]) > 20.0)
    }

    fn similarity() -> impl Strategy<Value = Similarity> {
        (-3.1f32..3.1, 0.1f32..8.0, -300.0f32..300.0, -300.0f32..300.0).prop_map(|(turn, scale, dx, dy)| Similarity {
            a: scale * turn.cos(),
            b: scale * turn.sin(),
            dx,
            dy,
        })
    }

    proptest! {
        #[test]
        fn a_known_similarity_is_recovered(from in points(), known in similarity()) {
            let to: Vec<Point> = from.iter().map(|&p| known.apply(p)).collect();
            let fit = Similarity::fit(&from, &to).unwrap();
            for &p in &from {
                prop_assert!(distance(fit.apply(p), known.apply(p)) < 0.05, "{fit:?} {known:?}");
            }
        }

        #[test]
        fn the_inverse_leads_back(p in [-500.0f32..500.0, -500.0f32..500.0], known in similarity()) {
            prop_assert!(distance(known.inverse().apply(known.apply(p)), p) < 0.05);
        }

        #[test]
        fn a_mirrored_face_is_never_mirrored_back(from in points(), known in similarity()) {
            let mirrored: Vec<Point> = from.iter().map(|&[x, y]| known.apply([-x, y])).collect();
            if let Some(fit) = Similarity::fit(&from, &mirrored) {
                // The determinant of a similarity without reflection is its scale squared.
                let [o, x, y] = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]].map(|p| fit.apply(p));
                let turn = (x[0] - o[0]) * (y[1] - o[1]) - (x[1] - o[1]) * (y[0] - o[0]);
                prop_assert!(turn > 0.0);
            }
        }

        #[test]
        fn the_fit_is_the_least_squares_one(
            from in points(), to in points(), nudge in (-0.01f32..0.01, -0.01f32..0.01, -1.0f32..1.0, -1.0f32..1.0),
        ) {
            let error = |s: &Similarity| -> f64 {
                from.iter().zip(&to).map(|(&f, &t)| f64::from(distance(s.apply(f), t)).powi(2)).sum()
            };
            if let Some(fit) = Similarity::fit(&from, &to) {
                let other = Similarity {
                    a: fit.a + nudge.0, b: fit.b + nudge.1, dx: fit.dx + nudge.2, dy: fit.dy + nudge.3,
                };
                prop_assert!(error(&fit) <= error(&other) * (1.0 + 1e-4) + 1e-3);
            }
        }

        #[test]
        fn overlap_is_symmetric_and_bounded(
            a in [0.0f32..100.0, 0.0f32..100.0, 0.0f32..50.0, 0.0f32..50.0],
            b in [0.0f32..100.0, 0.0f32..100.0, 0.0f32..50.0, 0.0f32..50.0],
        ) {
            let region = |v: [f32; 4]| Region { left: v[0], top: v[1], width: v[2], height: v[3] };
            let (a, b) = (region(a), region(b));
            prop_assert_eq!(a.overlap(&b), b.overlap(&a));
            prop_assert!((0.0..=1.0001).contains(&a.overlap(&b)));
        }
    }

    #[test]
    fn points_on_top_of_each_other_have_no_fit() {
        let template = [[1.0, 2.0], [3.0, 4.0], [5.0, 1.0]];
        assert!(Similarity::fit(&[[7.0, 7.0]; 3], &template).is_none());
        assert!(Similarity::fit(&[[f32::NAN, 7.0]; 3], &template).is_none());
    }
}
