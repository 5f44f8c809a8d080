//! Writes the recorded language cases as a corpus: `corpus/corefile/NAME`, beside this file.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// One seed: the Corefile, and behind a byte 0x1e the first file that it imports.
fn seed(case: &Value) -> Option<Vec<u8>> {
    let mut bytes = case["corefile"].as_str()?.as_bytes().to_vec();
    let file = case["files"].as_object().and_then(|files| files.values().next()?.as_str());
    if let Some(text) = file {
        bytes.push(0x1e);
        bytes.extend_from_slice(text.as_bytes());
    }
    Some(bytes)
}

fn main() -> Result<(), Box<dyn Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = home.join("corpus/corefile");
    fs::create_dir_all(&corpus)?;
    for line in fs::read_to_string(home.join("../../corefile/testdata/language.jsonl"))?.lines() {
        let case: Value = serde_json::from_str(line)?;
        if let (Some(name), Some(bytes)) = (case["id"].as_str(), seed(&case)) {
            fs::write(corpus.join(name.replace('/', "-")), bytes)?;
        }
    }
    Ok(())
}
