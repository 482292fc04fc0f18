//! Networks rewritten so that ONNX Runtime runs them faster, or at all.
//!
//! What is done when a network is loaded, a file each:
//!
//! - a detector of a family that takes pictures of any size, exported for one, is let have
//!   any ([`onnx::OnnxGraph::free_sides`]);
//! - inputs that are constants of the file, as old exporters wrote them, are inputs no
//!   more ([`onnx::OnnxGraph::keep_input`]): ONNX Runtime would ask for them in every run;
//! - [`fold`]: quantised weights become float32 weights, once;
//! - [`tiny`]: weights too small to matter become zero, since subnormal numbers are slow;
//! - [`prelu`]: `PRelu` in other operators;
//! - [`widen`]: depthwise convolutions of an odd number of channels, filled up with
//!   channels of zeros.
//!
//! The last two are about layout. ONNX Runtime's fast convolutions work in a layout of
//! their own, channels in blocks of 8 or 16. What they cannot do in it costs twice: it
//! runs slowly, and everything around it is carried out of the layout and back.
//!
//! All but the last keep the result to the bit. Templates must not move, so networks that
//! make them are only rewritten so ([`Rewrite::Exact`]); with channels filled up, sums of
//! the same values are made in another order and the result moves by its last digits.
//! The rewritten network is as deterministic as any: the same input gives the same bits.
//!
//! [`onnx`] takes the file apart only as far as needed: what is not understood is
//! copied byte by byte, and a network that it cannot rewrite is left to ONNX Runtime,
//! which says what is wrong with it. What is no whole network is found before ([`check`]).

mod fold;
mod onnx;
mod prelu;
mod tiny;
mod widen;

use std::borrow::Cow;

use super::Role;
use super::manifest::{Family, NetworkSpec};
use onnx::OnnxModel;
#[cfg(test)]
pub(super) use onnx::made;

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

/// Whether the bytes are a whole ONNX network whose weights are numbers. Whether it fits the
/// manifest is found where ONNX Runtime makes a session of it.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn check(model: &[u8]) -> Result<(), String> {
    onnx::fault(model).map_or(Ok(()), Err)
}

/// The network of `spec` as it is run; as it stands in the file where there is nothing to
/// do.
pub(super) fn prepared<'a>(model: &'a [u8], spec: &NetworkSpec) -> Cow<'a, [u8]> {
    let any_size = spec.family == Family::YuNet;
    rewritten(model, Rewrite::of(spec.role), &spec.input, any_size).map_or(Cow::Borrowed(model), Cow::Owned)
}

/// The network with `input` as its one input, in operators that ONNX Runtime is fast in,
/// for pictures of any size where it is asked for; `None` where the model stays as it is.
fn rewritten(bytes: &[u8], rewrite: Rewrite, input: &str, any_size: bool) -> Option<Vec<u8>> {
    let mut model = OnnxModel::read(bytes)?;
    let graph = &mut model.graph;
    let mut changed = any_size && graph.free_sides(input)?;
    changed |= graph.keep_input(input);
    changed |= fold::fold(graph);
    changed |= tiny::clear(graph);
    changed |= rewrite == Rewrite::Rounding && widen::widen(graph)?;
    changed |= prelu::replace(graph)?;
    changed.then(|| model.write())
}

/// [`prepared`] of a network of no family, for tests.
#[cfg(test)]
pub(super) fn faster<'a>(model: &'a [u8], rewrite: Rewrite, input: &str) -> Cow<'a, [u8]> {
    rewritten(model, rewrite, input, false).map_or(Cow::Borrowed(model), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::onnx::made::{MadeModel, conv, inputs_of, node};
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
        let (exact, rounding) = (faster(&bytes, Rewrite::Exact, "in"), faster(&bytes, Rewrite::Rounding, "in"));
        let channels = |bytes: &[u8]| OnnxModel::read(bytes).unwrap().graph.tensor("d").map(|t| t.dims()[0]);
        assert_eq!(channels(&exact), Some(12));
        assert_eq!(channels(&rounding), None, "its wider self has a name of its own");
    }

    #[test]
    fn constants_that_are_listed_as_inputs_are_constants() {
        let mut made = MadeModel::new(7);
        made.tensor("w", &[12, 3, 1, 1], &[1.0; 36]).node(conv(&["in", "w"], "out", 1));
        made.named(11, "in").named(11, "w").named(11, "read by nobody");
        let after = faster(&made.bytes(), Rewrite::Exact, "in").into_owned();
        assert_eq!(inputs_of(&after), ["in"]);
        assert!(OnnxModel::read(&after).unwrap().graph.tensor("w").is_some());
        // An input that a node reads and that has no default is for its caller to give.
        let two =
            MadeModel::new(7).node(node("Add", &["in", "other"], "out")).named(11, "in").named(11, "other").bytes();
        assert_eq!(faster(&two, Rewrite::Exact, "in"), two);
    }

    #[test]
    fn what_is_no_model_is_left_alone() {
        for untouched in [&b"no model at all"[..], b""] {
            assert!(matches!(faster(untouched, Rewrite::Rounding, "in"), Cow::Borrowed(bytes) if bytes == untouched));
        }
    }

    #[test]
    fn a_network_is_whole_has_operators_and_its_weights_are_numbers() {
        let whole = model();
        assert_eq!(check(&whole), Ok(()));
        for part in [&whole[..whole.len() / 2], &b"no model at all"[..], b""] {
            assert!(check(part).unwrap_err().contains("no ONNX network"));
        }
        assert!(check(&MadeModel::new(7).bytes()).unwrap_err().contains("no operators"));
        let with = |values: &[f32]| {
            let mut made = MadeModel::new(7);
            made.tensor("w", &[values.len() as i64], values).node(node("Mul", &["in", "w"], "out"));
            check(&made.bytes())
        };
        assert_eq!(with(&[1.0, f32::MAX]), Ok(()));
        assert_eq!(with(&[f32::INFINITY]), Ok(()), "a bound that bounds nothing");
        for values in [&[f32::NAN][..], &[1.0, f32::NAN], &[f32::NEG_INFINITY, 1.0]] {
            assert!(with(values).unwrap_err().contains("`w` holds a value that is not finite"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_broken(noise in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..2000) {
            let mut broken = model();
            let at = at % broken.len();
            broken.splice(at..(at + noise.len()).min(broken.len()), noise);
            faster(&broken, Rewrite::Rounding, "in");
            let _ = check(&broken);
        }
    }
}
