//! `chinhchu --version`: which program this is, and what it would run on: commit, model pack,
//! ONNX Runtime, processor.

use std::ffi::OsString;

use clap::Parser;

use super::settings::Settings;
use super::{GlobalArgs, outcome};
use crate::face::{Manifest, RecipeDigest, loaded_runtime};
use crate::matching::Dot;
use crate::{regular, search};

/// Version of the program.
pub(super) const NUMBER: &str = env!("CARGO_PKG_VERSION");
/// The commit it was built from, or `unknown`; found by `build.rs`.
pub(super) const COMMIT: &str = env!("CHINHCHU_BUILT_FROM");

/// The options that go with `--version`.
#[derive(Debug, Parser)]
#[command(name = "chinhchu", disable_version_flag = true, disable_help_flag = true)]
struct Typed {
    #[command(flatten)]
    global: GlobalArgs,
    /// Read by clap before this is.
    #[arg(long)]
    version: bool,
}

/// The answer, several lines. What is not there is said to be absent and is no error: this is
/// asked for where something is wrong.
pub(super) fn answer(args: Vec<OsString>) -> String {
    // Where the rest of the line makes no sense, the environment and the defaults count.
    let typed = Typed::try_parse_from(&args).or_else(|_| Typed::try_parse_from(["chinhchu"]));
    let global = typed.map_or_else(|_| GlobalArgs::default(), |typed| typed.global);
    let settings = Settings::new(&global);
    let mut lines = vec![format!("chinhchu {NUMBER}"), line("commit", COMMIT), line("build", &build())];
    match &settings {
        Ok(settings) => {
            lines.push(line("pack", &pack(settings)));
            lines.push(line("onnxruntime", &onnxruntime(settings)));
        }
        Err(failure) => {
            lines.push(line("pack", &format!("unknown: {failure}")));
            lines.push(line("onnxruntime", "unknown: the configuration cannot be read"));
        }
    }
    lines.push(line("processor", &features()));
    lines.push(line("loops", &loops()));
    lines.join("\n")
}

fn line(name: &str, value: &str) -> String {
    format!("{name:<12} {}", outcome::one_line(value))
}

fn build() -> String {
    let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("{kind}, {}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

/// Name, folder and recipe of the pack in use.
fn pack(settings: &Settings) -> String {
    let folder = match settings.pack_folder() {
        Ok(folder) => folder,
        Err(failure) => return format!("absent: {failure}"),
    };
    let shown = folder.display();
    let bytes = regular::read(&folder.join("pack.toml"), Manifest::BYTES_MAX);
    match bytes.map_err(|e| e.to_string()).and_then(|bytes| Manifest::parse(&bytes).map_err(|e| e.to_string())) {
        Ok(pack) => format!("{} in {shown}, recipe {}", pack.name, recipe(pack.recipe())),
        Err(why) => format!("unusable: {shown}: {why}"),
    }
}

fn recipe(digest: RecipeDigest) -> String {
    digest.to_string()
}

/// As it is loaded, not as it is named.
fn onnxruntime(settings: &Settings) -> String {
    match loaded_runtime(settings.onnxruntime()) {
        Ok(loaded) => {
            let version = loaded.version.unwrap_or_else(|| "of an unstated version".to_owned());
            format!("{version} from {} ({})", loaded.path.display(), loaded.build)
        }
        Err(error) => format!("absent: {error}"),
    }
}

/// What the processor can do of what the engine, or ONNX Runtime, makes use of.
fn features() -> String {
    #[cfg(target_arch = "x86_64")]
    {
        let all = [
            ("sse4.2", is_x86_feature_detected!("sse4.2")),
            ("avx", is_x86_feature_detected!("avx")),
            ("avx2", is_x86_feature_detected!("avx2")),
            ("fma", is_x86_feature_detected!("fma")),
            ("avx512f", is_x86_feature_detected!("avx512f")),
            ("avx512bw", is_x86_feature_detected!("avx512bw")),
            ("avx512vl", is_x86_feature_detected!("avx512vl")),
            ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
            ("avxvnni", is_x86_feature_detected!("avxvnni")),
        ];
        let has: Vec<&str> = all.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        format!(
            "x86_64 with {}",
            if has.is_empty() { "none of the extensions in use".to_owned() } else { has.join(" ") }
        )
    }
    #[cfg(not(target_arch = "x86_64"))]
    std::env::consts::ARCH.to_owned()
}

/// Which of its loops the engine takes on this processor.
fn loops() -> String {
    let (scan, join) = search::instruction_sets();
    format!("scan {scan}, join {join}, scores {}", Dot::best().name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_there_whatever_is_missing() {
        let args = ["chinhchu", "--version", "--pack", "/nowhere", "--onnxruntime", "/nowhere.so", "--nonsense"];
        for upto in [2, 4, 7] {
            let text = answer(args[..upto].iter().map(OsString::from).collect());
            for name in ["chinhchu ", "commit ", "build ", "pack ", "onnxruntime ", "processor ", "loops "] {
                assert_eq!(text.lines().filter(|line| line.starts_with(name)).count(), 1, "{name}: {text}");
            }
        }
        let text = answer(args[..4].iter().map(OsString::from).collect());
        assert!(text.contains("unusable: /nowhere"), "{text}");
        let digits = COMMIT.split(' ').next().unwrap();
        assert!(COMMIT == "unknown" || digits.len() >= 7 && digits.bytes().all(|b| b.is_ascii_hexdigit()), "{COMMIT}");
    }
}
