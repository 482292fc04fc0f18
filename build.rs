//! Generates the Rust side of the wire contract in `proto/` with a protobuf
//! compiler written in Rust, so that building needs no `protoc`.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(["chinhchu/v1/matching.proto"], ["proto"])?;
    // The encoded descriptor set is what the reflection service serves.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("chinhchu_v1.bin");
    fs::write(&out, protox::prost::Message::encode_to_vec(&descriptors))?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
