//! Which ONNX Runtime is loaded: the version the library itself states.

use std::ffi::{CStr, c_char};
use std::path::{Path, PathBuf};

use super::{PackError, runtime};

/// The library in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedRuntime {
    /// What it was loaded from; a bare name is one of the system's libraries.
    pub path: PathBuf,
    /// The version it states; `None` where it states none.
    pub version: Option<String>,
    /// What it says of its build.
    pub build: String,
}

/// Loads ONNX Runtime, where it is not loaded yet, and asks it who it is.
///
/// # Errors
/// [`PackError::Runtime`] where it cannot be loaded.
pub fn loaded_runtime(library: Option<&Path>) -> Result<LoadedRuntime, PackError> {
    runtime::environment(library)?;
    let path = runtime::loaded_path().unwrap_or_default();
    let version = stated_version(&path);
    Ok(LoadedRuntime { version, build: ort::info().to_owned(), path })
}

/// The start of ONNX Runtime's `OrtApiBase` (`onnxruntime_c_api.h`), unchanged since its first
/// version: everything else is reached through it.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "C" fn(u32) -> *const (),
    get_version_string: unsafe extern "C" fn() -> *const c_char,
}

#[allow(unsafe_code, reason = "ort hands out the API and not the version, which only the C interface states")]
fn stated_version(path: &Path) -> Option<String> {
    // SAFETY: this very library is loaded and initialised already, by `ort`; loading it again
    // only counts the use of it, and runs no initialiser.
    let library = unsafe { libloading::Library::new(path) }.ok()?;
    // SAFETY: `ort` has called this symbol with this signature when it loaded the library.
    let base: libloading::Symbol<'_, unsafe extern "C" fn() -> *const ApiBase> =
        unsafe { library.get(b"OrtGetApiBase") }.ok()?;
    // SAFETY: it takes nothing and returns a pointer to a constant of the library, or null.
    let base = unsafe { base().as_ref() }?;
    // SAFETY: it takes nothing and returns a constant of the library.
    let version = unsafe { (base.get_version_string)() };
    if version.is_null() {
        return None;
    }
    // SAFETY: a text that ends with a zero and lives as long as the library, which is still open.
    unsafe { CStr::from_ptr(version) }.to_str().ok().map(str::to_owned)
}
