//! The module that the README shows, word for word: it compiles, natively and as WASM, and its cases hold.

include!(concat!(env!("OUT_DIR"), "/readme.rs"));
