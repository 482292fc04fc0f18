//! Any bytes walk as TLV to an end or an error, and what BER becomes has
//! definite lengths throughout.
#![no_main]

use chinhchu::chip::tlv::{TlvError, TlvReader};
use chinhchu::chip::to_definite;
use libfuzzer_sys::fuzz_target;

fn walk(reader: TlvReader<'_>, depth: usize) -> Result<(), TlvError> {
    for tlv in reader {
        let tlv = tlv?;
        assert!(tlv.raw.len() > tlv.value.len());
        if tlv.is_constructed() && depth > 0 {
            walk(tlv.children(), depth - 1)?;
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = walk(TlvReader::new(bytes), 32);
    if let Ok(definite) = to_definite(bytes) {
        assert!(definite.len() <= bytes.len() + 64);
        walk(TlvReader::new(&definite), 64).expect("definite lengths read back");
        assert!(to_definite(&definite).expect("definite already") == definite);
    }
});
