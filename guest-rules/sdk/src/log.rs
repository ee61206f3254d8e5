//! Lines to the host's log: limited in number and length, for an author's eyes. A detection's result is its findings.

/// Something is wrong with the module itself.
pub fn warn(message: &str) {
    write(4, message);
}

/// For finding out what a module does; off unless the host's log level shows it.
pub fn debug(message: &str) {
    write(7, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: u8, message: &str) {
    crate::guest::bindings::gridwatch::detect::log::write(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: u8, message: &str) {
    eprintln!("module log <{level}> {message}");
}
