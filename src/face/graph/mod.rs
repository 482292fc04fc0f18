//! Networks rewritten so that ONNX Runtime runs them faster.
//!
//! ONNX Runtime's fast convolutions work in a layout of their own, channels in
//! blocks of 8 or 16. What they cannot do in it costs twice: it runs slowly, and
//! everything around it is carried out of the layout and back. Two such things
//! fill the networks of the default pack, and each has a file here:
//!
//! - [`prelu`]: `PRelu` in other operators, the same to the bit;
//! - [`widen`]: depthwise convolutions of an odd number of channels, filled up
//!   with channels of zeros. Sums of the same values are then made in another
//!   order, so the result moves by its last digits.
//!
//! Templates must not move, so networks that make them are only rewritten to the
//! bit ([`Rewrite::Exact`]). The rewritten network is as deterministic as any: the
//! same input gives the same bits.
//!
//! [`onnx`] takes the file apart only as far as needed: what is not understood is
//! copied byte by byte, and a file that does not parse is left to ONNX Runtime,
//! which says what is wrong with it.

mod onnx;
mod prelu;
mod widen;

use std::borrow::Cow;

use super::Role;
use onnx::Model;

/// What may become of a network's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rewrite {
    /// They stay what they are, to the bit.
    Exact,
    /// They may differ by the rounding of sums.
    Rounding,
}

impl Rewrite {
    /// What a network may be rewritten to: templates and where the face is stay.
    pub fn of(role: Role) -> Self {
        match role {
            Role::Detector | Role::Landmarks | Role::Embedder => Self::Exact,
            Role::Pose | Role::Liveness => Self::Rounding,
        }
    }
}

/// The network in operators that ONNX Runtime is fast in, or as it is where there
/// is nothing to do.
pub(super) fn faster(model: &[u8], rewrite: Rewrite) -> Cow<'_, [u8]> {
    rewritten(model, rewrite).map_or(Cow::Borrowed(model), Cow::Owned)
}

/// `None` where the model stays as it is.
fn rewritten(bytes: &[u8], rewrite: Rewrite) -> Option<Vec<u8>> {
    let mut model = Model::read(bytes)?;
    let widened = rewrite == Rewrite::Rounding && widen::widen(&mut model.graph)?;
    let replaced = prelu::replace(&mut model.graph)?;
    (widened || replaced).then(|| model.write())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::onnx::made::{MadeModel, conv, node};
    use super::*;

    /// Three channels, a `PRelu`, a depthwise convolution, and one that leads out.
    fn model() -> Vec<u8> {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[12, 3, 1, 1], &[1.0; 36]).tensor("a", &[12, 1, 1], &[0.1; 12]);
        made.tensor("d", &[12, 1, 3, 3], &[1.0; 108]).tensor("v", &[4, 12, 1, 1], &[1.0; 48]);
        made.node(conv(&["in", "w"], "x", 1)).node(node("PRelu", &["x", "a"], "y"));
        made.node(conv(&["y", "d"], "z", 12)).node(conv(&["z", "v"], "out", 1));
        made.bytes()
    }

    #[test]
    fn what_makes_templates_is_never_widened() {
        for role in [Role::Detector, Role::Landmarks, Role::Embedder] {
            assert_eq!(Rewrite::of(role), Rewrite::Exact);
        }
        let bytes = model();
        let (exact, rounding) = (faster(&bytes, Rewrite::Exact), faster(&bytes, Rewrite::Rounding));
        let channels = |bytes: &[u8]| Model::read(bytes).unwrap().graph.tensor("d").map(|t| t.dims()[0]);
        assert_eq!(channels(&exact), Some(12));
        assert_eq!(channels(&rounding), None, "its wider self has a name of its own");
    }

    #[test]
    fn what_is_no_model_is_left_alone() {
        for untouched in [&b"no model at all"[..], b""] {
            assert!(matches!(faster(untouched, Rewrite::Rounding), Cow::Borrowed(bytes) if bytes == untouched));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_broken(noise in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..2000) {
            let mut broken = model();
            let at = at % broken.len();
            broken.splice(at..(at + noise.len()).min(broken.len()), noise);
            faster(&broken, Rewrite::Rounding);
        }
    }
}
