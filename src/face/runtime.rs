//! ONNX Runtime: found, loaded once per process, and one [`Network`] per
//! verified file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::{TensorElementType, TensorRef};

use super::manifest::NetworkSpec;
use super::{FaceError, PackError};

/// Names the library in the environment.
const VARIABLE: &str = "CHINHCHU_ONNXRUNTIME";
/// Where `scripts/setup` puts it, below the project's folder.
const CACHE: &str = ".cache/onnxruntime";
/// What it is called, before a version.
const LIBRARY: &str = if cfg!(target_os = "macos") { "libonnxruntime.dylib" } else { "libonnxruntime.so" };

/// One environment per process is all ONNX Runtime allows.
static ENVIRONMENT: Mutex<Option<Loaded>> = Mutex::new(None);

/// The environment, and the library it is of.
struct Loaded {
    environment: Environment,
    path: PathBuf,
}

/// Loads ONNX Runtime, or returns the one that is loaded already: a process has
/// one, and a second path is not looked at.
pub(super) fn environment(library: Option<&Path>) -> Result<Environment, PackError> {
    let mut slot = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(loaded) = &*slot {
        return Ok(loaded.environment.clone());
    }
    let path = match library {
        Some(path) => absolute(path),
        None => find(),
    };
    let failed = |e: &dyn std::fmt::Display| PackError::Runtime { detail: e.to_string() };
    // The loader would wait for good for what is written into a pipe.
    if let Err(error) = crate::regular::open(&path)
        && error.kind() == std::io::ErrorKind::InvalidInput
    {
        return Err(failed(&format_args!("{}: {error}", path.display())));
    }
    let environment = ort::init_from(&path)
        .map_err(|e| failed(&e))?
        .with_name("chinhchu")
        .with_telemetry(false)
        .build()
        .map_err(|e| failed(&e))?;
    *slot = Some(Loaded { environment: environment.clone(), path });
    Ok(environment)
}

/// The library that is loaded, where one is.
pub(super) fn loaded_path() -> Option<PathBuf> {
    let slot = ENVIRONMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    slot.as_ref().map(|loaded| loaded.path.clone())
}

/// `ort` would take a relative path from the executable's folder; people mean
/// the one they are in.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn find() -> PathBuf {
    if let Some(path) = std::env::var_os(VARIABLE).filter(|v| !v.is_empty()) {
        return absolute(Path::new(&path));
    }
    search_roots().find_map(|root| library_in(&root.join(CACHE))).unwrap_or_else(|| LIBRARY.into())
}

/// The current folder, then the executable's folder and its ancestors.
fn search_roots() -> impl Iterator<Item = PathBuf> {
    let executable = std::env::current_exe().ok();
    let ancestors: Vec<PathBuf> =
        executable.iter().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned).collect();
    std::env::current_dir().into_iter().chain(ancestors)
}

/// `libonnxruntime.so` or the highest of `libonnxruntime.so.*` in a folder.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with(LIBRARY)))
        .collect();
    found.sort();
    found.pop()
}

/// How much work to put into a session before it runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// To run it many times.
    Run,
    /// To look at its inputs and outputs only.
    Inspect,
}

/// A network that is about to be loaded.
pub(super) struct Source<'a> {
    pub environment: &'a Environment,
    pub spec: &'a NetworkSpec,
    /// Those its digest was checked of.
    pub bytes: Arc<[u8]>,
    pub effort: Effort,
}

impl Source<'_> {
    /// Why it cannot be used.
    pub fn unfit(&self, detail: String) -> PackError {
        PackError::Network { role: self.spec.role, file: self.spec.file.clone(), detail }
    }
}

/// A network ready to run on one thread.
pub(super) struct Network {
    session: Session,
    outputs: Vec<String>,
    shape: Vec<i64>,
    output_shapes: Vec<Vec<i64>>,
}

impl Network {
    /// Makes a session of verified bytes and checks that it has the one input
    /// and the outputs its manifest names, all float32.
    pub fn load(source: &Source<'_>) -> Result<Self, PackError> {
        let spec = source.spec;
        let session =
            session(source.environment, &source.bytes, source.effort).map_err(|e| source.unfit(e.to_string()))?;
        let floats = |outlet: &ort::value::Outlet| {
            let dtype = outlet.dtype();
            match (dtype.tensor_type(), dtype.tensor_shape()) {
                (Some(TensorElementType::Float32), Some(shape)) => Ok(shape.to_vec()),
                _ => Err(source.unfit(format!("`{}` is {dtype}, not a float32 tensor", outlet.name()))),
            }
        };
        let [input] = session.inputs() else {
            return Err(source.unfit(format!("it has {} inputs, not one", session.inputs().len())));
        };
        if input.name() != spec.input {
            return Err(source.unfit(format!("its input is `{}`, not `{}`", input.name(), spec.input)));
        }
        let shape = floats(input)?;
        let output_shapes = spec
            .outputs
            .iter()
            .map(|name| match session.outputs().iter().find(|o| o.name() == name) {
                Some(outlet) => floats(outlet),
                None => Err(source.unfit(format!("it has no output `{name}`"))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { outputs: spec.outputs.clone(), shape, output_shapes, session })
    }

    /// Declared shape of the input; −1 where it is free.
    pub fn shape(&self) -> &[i64] {
        &self.shape
    }

    /// Declared shapes of the outputs, in the manifest's order.
    pub fn output_shapes(&self) -> &[Vec<i64>] {
        &self.output_shapes
    }

    /// Runs on `data` of `shape` (batch, planes, height, width) and hands the
    /// outputs, in the manifest's order, to `read`.
    pub fn run<R>(
        &mut self,
        shape: [usize; 4],
        data: &[f32],
        read: impl FnOnce(&[&[f32]]) -> Result<R, FaceError>,
    ) -> Result<R, FaceError> {
        let failed = |e: ort::Error| FaceError::Inference(e.to_string());
        let tensor = TensorRef::from_array_view((shape, data)).map_err(failed)?;
        let values = self.session.run(ort::inputs![tensor]).map_err(failed)?;
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for name in &self.outputs {
            let value = values.get(name).ok_or_else(|| FaceError::Inference(format!("no output `{name}`")))?;
            outputs.push(value.try_extract_tensor::<f32>().map_err(failed)?.1);
        }
        read(&outputs)
    }
}

fn session(environment: &Environment, bytes: &[u8], effort: Effort) -> ort::Result<Session> {
    let level = match effort {
        Effort::Run => GraphOptimizationLevel::All,
        Effort::Inspect => GraphOptimizationLevel::Disable,
    };
    // One thread per session and none of ONNX Runtime's own: workers scale with
    // cores by being many, and nothing spins while there is no work.
    Session::builder(environment)?
        .with_optimization_level(level)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_parallel_execution(false)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .commit_from_memory(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::Pack;
    use crate::face::graph::made::{tensors, with_all_values};
    use crate::face::graph::{Rewrite, faster};
    use crate::face::role::Role;
    use crate::face::softmax;

    /// Most that a probability of the liveness network may move by a rewrite that
    /// changes the rounding of its sums: a verdict could only change where a score is
    /// this near to the threshold. Of 3,500 photos of `cfp-dev`, squashed whole to the network's
    /// size: at most 1.3e-5.
    const LIVENESS_MOVES_MAX: f32 = 1e-4;
    /// The same for the logits of the pose network, whose values are near 10.
    const POSE_MOVES_MAX: f32 = 1e-3;

    /// The weights of a pack and ONNX Runtime; `None` where they are not there.
    fn loaded(name: &str) -> Option<(Environment, Pack)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let (Ok(pack), Ok(environment)) = (Pack::load_to_fit(&folder), environment(None)) else {
            eprintln!("SKIPPED: the weights of pack {name} or ONNX Runtime are not there; run scripts/setup");
            return None;
        };
        Some((environment, pack))
    }

    /// The file of a role as it is and as it runs; `None` where it is not there.
    fn as_it_is_and_faster(role: Role, rewrite: Rewrite) -> Option<(Environment, Vec<u8>, Vec<u8>)> {
        let (environment, pack) = loaded("faceplugin")?;
        let spec = pack.manifest().networks().find(|spec| spec.role == role).expect("the pack has it");
        let bytes = std::fs::read(pack.dir().join(&spec.file)).unwrap();
        let faster = faster(&bytes, rewrite, &spec.input).into_owned();
        assert_ne!(faster, bytes, "{role} is rewritten");
        Some((environment, bytes, faster))
    }

    /// Made-up pictures: flat, ramps, noise.
    fn pictures(planes: usize, height: usize, width: usize, scale: f32, shift: f32) -> Vec<Vec<f32>> {
        let made = |value: &dyn Fn(usize) -> usize| {
            (0..planes * height * width).map(|i| (value(i) % 256) as f32 * scale + shift).collect::<Vec<f32>>()
        };
        vec![made(&|_| 128), made(&|i| i % width * 2), made(&|i| i / width * 2), made(&|i| (i * 7919) ^ (i / 13))]
    }

    fn outputs(session: &mut Session, side: usize, picture: &[f32]) -> Vec<Vec<f32>> {
        let tensor = TensorRef::from_array_view(([1, 3, side, side], picture)).unwrap();
        let outputs = session.run(ort::inputs![tensor]).unwrap();
        (0..outputs.len()).map(|i| outputs[i].try_extract_tensor::<f32>().unwrap().1.to_vec()).collect()
    }

    /// Shown here on every processor, though only some are slow with such numbers.
    #[test]
    fn no_weight_and_no_value_within_a_network_is_subnormal() {
        for name in ["default", "faceplugin", "sface", "yunet"] {
            let Some((environment, pack)) = loaded(name) else { continue };
            for spec in pack.manifest().networks() {
                let bytes = pack.bytes(spec).expect("a network of the pack");
                let subnormal = |values: &[f32]| values.iter().filter(|v| v.is_subnormal()).count();
                let weights: usize = tensors(&bytes).iter().map(|(_, _, values)| subnormal(values)).sum();
                assert_eq!(weights, 0, "weights of {name}/{}", spec.file);
                let all = with_all_values(&bytes);
                let mut session = session(&environment, &all, Effort::Inspect).unwrap();
                let input = session.inputs()[0].dtype().tensor_shape().unwrap().to_vec();
                let sides: Vec<usize> =
                    input.iter().skip(1).map(|&side| if side > 0 { side as usize } else { 320 }).collect();
                let [planes, height, width] = sides[..] else { panic!("{name}/{} takes {input:?}", spec.file) };
                for picture in pictures(planes, height, width, 1.0 / spec.divisor[0], -spec.mean[0] / spec.divisor[0]) {
                    let tensor = TensorRef::from_array_view(([1, planes, height, width], &picture[..])).unwrap();
                    let outputs = session.run(ort::inputs![tensor]).unwrap();
                    let floats =
                        outputs.values().filter_map(|v| v.try_extract_tensor::<f32>().ok().map(|t| subnormal(t.1)));
                    assert_eq!(floats.sum::<usize>(), 0, "values within {name}/{}", spec.file);
                }
            }
        }
    }

    #[test]
    fn a_network_rewritten_to_the_bit_gives_the_same_to_the_bit() {
        for (role, side) in [(Role::Embedder, 112), (Role::Liveness, 128)] {
            let Some((environment, bytes, faster)) = as_it_is_and_faster(role, Rewrite::Exact) else { return };
            let [mut before, mut after] =
                [bytes, faster].map(|bytes| session(&environment, &bytes, Effort::Run).unwrap());
            for picture in pictures(3, side, side, 1.0 / 128.0, -1.0) {
                assert_eq!(outputs(&mut before, side, &picture), outputs(&mut after, side, &picture), "{role}");
            }
        }
    }

    #[test]
    fn a_network_rewritten_up_to_rounding_says_the_same() {
        for (role, side, scale, shift, moves_max) in
            [(Role::Liveness, 128, 1.0, 0.0, LIVENESS_MOVES_MAX), (Role::Pose, 224, 1.0 / 58.0, -2.1, POSE_MOVES_MAX)]
        {
            let Some((environment, bytes, faster)) = as_it_is_and_faster(role, Rewrite::Rounding) else { return };
            let load = |bytes: &[u8]| session(&environment, bytes, Effort::Run).unwrap();
            let (mut before, mut after, mut again) = (load(&bytes), load(&faster), load(&faster));
            for picture in pictures(3, side, side, scale, shift) {
                let now = outputs(&mut after, side, &picture);
                assert_eq!(now, outputs(&mut again, side, &picture), "{role}: the same bits in every session");
                let then = outputs(&mut before, side, &picture);
                for (then, now) in then.iter().zip(&now) {
                    let read = |logits: &[f32]| match role {
                        Role::Liveness => softmax(logits.to_vec()),
                        _ => logits.to_vec(),
                    };
                    let apart = read(then).iter().zip(read(now)).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(apart <= moves_max, "{role} moves by {apart}");
                }
            }
        }
    }
}
