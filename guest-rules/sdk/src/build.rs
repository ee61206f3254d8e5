//! For build scripts: turns `module.toml` into the constants, accessors and `Config` that a module is written with.
//!
//! ```ignore
//! // build.rs
//! fn main() {
//!     gridwatch_sdk::build::manifest();
//! }
//! ```
//!
//! The build fails on anything wrong with the manifest, an action that Slack doesn't have among it.

use gridwatch_manifest::{ConfigKind, Manifest};
use std::fmt::Write as _;
use std::path::Path;

/// Reads `module.toml` beside the build script and writes `$OUT_DIR/manifest.rs`.
///
/// Ends the process with the manifest's problems if there are any, or if `Cargo.toml` has another version.
pub fn manifest() {
    println!("cargo::rerun-if-changed=module.toml");
    let problem = match std::fs::read_to_string("module.toml") {
        Err(e) => format!("module.toml: {e}"),
        Ok(text) => match Manifest::parse(&text) {
            Err(e) => e.to_string(),
            Ok(manifest) if manifest.version.to_string() != cargo_version() => {
                format!("version: it is {} here, and {} in Cargo.toml", manifest.version, cargo_version())
            }
            Ok(manifest) => match std::fs::write(Path::new(&out_dir()).join("manifest.rs"), code(&manifest)) {
                Err(e) => format!("manifest.rs: {e}"),
                Ok(()) => return,
            },
        },
    };
    for line in problem.lines() {
        // As compilers write a place: `module.toml:12:3: …`.
        let separator = if line.starts_with(|c: char| c.is_ascii_digit()) { ":" } else { ": " };
        println!("cargo::error=module.toml{separator}{line}");
    }
    std::process::exit(1);
}

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write through the environment")]
fn out_dir() -> String {
    std::env::var("OUT_DIR").unwrap_or_else(|_| ".".into())
}

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script the version through the environment")]
fn cargo_version() -> String {
    std::env::var("CARGO_PKG_VERSION").unwrap_or_default()
}

/// For actor and entity, the declared fields that name them, with their positions; nothing for whom none is declared.
fn labels(manifest: &Manifest) -> Vec<(&'static str, Vec<(&'static str, usize)>)> {
    let parts = |whose: &str| -> Vec<(&'static str, usize)> {
        LABEL_PARTS.into_iter().filter_map(|part| Some((part, manifest.field(&format!("{whose}.{part}"))?))).collect()
    };
    ["actor", "entity"].into_iter().map(|whose| (whose, parts(whose))).filter(|(_, parts)| !parts.is_empty()).collect()
}

/// The Rust text for a manifest.
pub fn code(manifest: &Manifest) -> String {
    let mut out = String::from("// Generated from module.toml by gridwatch_sdk::build.\n");
    constants(&mut out, "fields", "Text", manifest.fields.iter().map(|f| f.label()));
    constants(&mut out, "windows", "Window", manifest.windows.iter().map(|w| w.name.as_str()));
    constants(&mut out, "rules", "Rule", manifest.rules.iter().map(|r| r.id.as_str()));
    accessors(&mut out, manifest);
    config(&mut out, manifest);
    out
}

fn constants<'a>(out: &mut String, module: &str, kind: &str, names: impl Iterator<Item = &'a str>) {
    let _ = writeln!(out, "#[allow(dead_code)]\npub mod {module} {{");
    for (at, name) in names.enumerate() {
        let constant = identifier(name).to_uppercase();
        let _ = writeln!(
            out,
            "    /// `{name}`\n    pub const {constant}: ::gridwatch_sdk::{kind} = ::gridwatch_sdk::{kind}({at});"
        );
    }
    out.push_str("}\n");
}

/// The fields that [`accessors`] makes a label of: the e-mail first, for a name can be changed by whoever bears it.
const LABEL_PARTS: [&str; 3] = ["email", "name", "id"];

/// A method for each declared field, `detail(name)` for those under `details`, and from what is declared of actor and entity
/// `who()` with `is_by_nobody()`, and `entity_label()`.
fn accessors(out: &mut String, manifest: &Manifest) {
    let fields = || manifest.fields.iter().enumerate().map(|(at, f)| (at, f.label()));
    out.push_str("/// The fields that the manifest declares.\n#[allow(dead_code)]\npub trait Fields<'b> {\n");
    for (_, name) in fields() {
        let _ = writeln!(out, "    /// `{name}`; \"\" if absent.\n    fn {}(&self) -> &'b str;", identifier(name));
    }
    let details = fields().any(|(_, name)| name.starts_with("details."));
    if details {
        out.push_str("    /// `details.<name>`; \"\" if absent. Panics on a name the manifest doesn't declare.\n");
        out.push_str("    fn detail(&self, name: &str) -> &'b str;\n");
    }
    let labels = labels(manifest);
    for (whose, parts) in &labels {
        let parts: Vec<String> = parts.iter().map(|(name, _)| format!("`{whose}.{name}`")).collect();
        let _ = writeln!(out, "    /// The first that is given of {}; else a word for nobody.", parts.join(", "));
        let _ = writeln!(out, "    fn {}(&self) -> &'b str;", label_of(whose));
    }
    let actor = manifest.field("actor.id");
    if actor.is_some() {
        out.push_str(
            "    /// Nobody in particular acted: `gridwatch_sdk::is_nobody`.\n    fn is_by_nobody(&self) -> bool;\n",
        );
        out.push_str(
            "    /// Who acted, as a key; this, where nobody in particular did.\n    fn doer_or(&self, thing: &'b str) -> &'b str;\n",
        );
    }
    out.push_str("}\n");
    out.push_str("impl<'b> Fields<'b> for ::gridwatch_sdk::Row<'b> {\n");
    for (at, name) in fields() {
        let method = identifier(name);
        let _ = writeln!(
            out,
            "    #[inline]\n    fn {method}(&self) -> &'b str {{ self.text(::gridwatch_sdk::Text({at})) }}"
        );
    }
    for (whose, parts) in &labels {
        let texts: Vec<String> =
            parts.iter().map(|(_, at)| format!("self.text(::gridwatch_sdk::Text({at}))")).collect();
        let unnamed = if *whose == "actor" { "somebody unnamed" } else { "something unnamed" };
        let _ = writeln!(out, "    fn {}(&self) -> &'b str {{", label_of(whose));
        if let Some(at) = actor.filter(|_| *whose == "actor") {
            let id = format!("self.text(::gridwatch_sdk::Text({at}))");
            let _ = writeln!(out, "        if !{id}.is_empty() && ::gridwatch_sdk::is_nobody({id}) {{");
            out.push_str("            return \"Slack (no actor named)\";\n        }\n");
        }
        let _ = writeln!(out, "        let texts = [{}];", texts.join(", "));
        let _ = writeln!(out, "        texts.into_iter().find(|text| !text.is_empty()).unwrap_or({unnamed:?})\n    }}");
    }
    if let Some(at) = actor {
        let is_nobody = format!("::gridwatch_sdk::is_nobody(self.text(::gridwatch_sdk::Text({at})))");
        let _ = writeln!(out, "    fn is_by_nobody(&self) -> bool {{ {is_nobody} }}");
        let actor = format!("self.text(::gridwatch_sdk::Text({at}))");
        let doer = format!("if {is_nobody} {{ thing }} else {{ {actor} }}");
        let _ = writeln!(out, "    fn doer_or(&self, thing: &'b str) -> &'b str {{ {doer} }}");
    }
    if !details {
        out.push_str("}\n");
        return;
    }
    out.push_str("    #[inline]\n    fn detail(&self, name: &str) -> &'b str {\n        match name {\n");
    for (at, name) in fields() {
        if let Some(name) = name.strip_prefix("details.") {
            let _ = writeln!(out, "            {name:?} => self.text(::gridwatch_sdk::Text({at})),");
        }
    }
    out.push_str(
        "            other => panic!(\"details.{other} is not among the manifest's fields\"),\n        }\n    }\n}\n",
    );
}

/// Who acted is asked far more often than what it was done to.
fn label_of(whose: &str) -> &str {
    if whose == "actor" { "who" } else { "entity_label" }
}

fn config(out: &mut String, manifest: &Manifest) {
    out.push_str("/// The settings that the manifest declares, with its defaults.\n");
    out.push_str("#[derive(Clone, Debug, ::gridwatch_sdk::serde::Deserialize)]\n");
    out.push_str("#[serde(crate = \"::gridwatch_sdk::serde\", deny_unknown_fields)]\npub struct Config {\n");
    for (name, key) in &manifest.config {
        let kind = match key.kind {
            ConfigKind::Integer { .. } | ConfigKind::Span { .. } => "u64",
            ConfigKind::Boolean => "bool",
            ConfigKind::Texts => "Vec<String>",
        };
        let unit = if matches!(key.kind, ConfigKind::Span { .. }) { " In seconds." } else { "" };
        let _ = writeln!(out, "    /// {}{unit}\n    pub {}: {kind},", key.help.replace('\n', " "), identifier(name));
    }
    // Clippy would have it derived where every default happens to be the type's own.
    out.push_str("}\n#[allow(clippy::derivable_impls)]\nimpl Default for Config {\n");
    out.push_str("    fn default() -> Self {\n        Self {\n");
    for (name, key) in &manifest.config {
        let value = match (key.kind, key.default.as_array()) {
            (ConfigKind::Texts, Some(items)) => {
                format!(
                    "[{}].map(String::from).to_vec()",
                    items.iter().map(|i| i.to_string()).collect::<Vec<_>>().join(", ")
                )
            }
            _ => key.for_module(&key.default).to_string(),
        };
        let value = if value == "[].map(String::from).to_vec()" { "Vec::new()".into() } else { value };
        let _ = writeln!(out, "            {}: {value},", identifier(name));
    }
    out.push_str("        }\n    }\n}\n");
}

fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = r#"
                [[rule]]
                id = "r"
                title = "r"
                actions = ["user_login"]
                condition = "c"
                threshold = "t"
                severity = "low"
                fold = "24h"
                attack = []
                playbook = { verify = [{ do = "ask" }], contain = [{ do = "reset" }] }
            "#;

    fn manifest(fields: &str, more: &str) -> Manifest {
        let head = "name = \"m\"\nversion = \"1.0.0\"\nabi = \"gridwatch:detect@1\"\ntitle = \"t\"";
        Manifest::parse(&format!("{head}\nfields = [{fields}]\n{RULE}\n{more}")).unwrap()
    }

    #[test]
    fn a_module_gets_a_span_in_seconds() {
        let setting = "[config.lately]\ntype = \"span\"\nhelp = \"How long.\"\ndefault = \"90m\"";
        let code = code(&manifest("", setting));
        assert!(code.contains("    /// How long. In seconds.\n    pub lately: u64,"), "{code}");
        assert!(code.contains("            lately: 5400,"), "{code}");
    }

    #[test]
    fn a_label_is_what_is_declared_the_email_first() {
        let code = code(&manifest(r#""actor.id", "context.network", "actor.email""#, ""));
        let texts = "[self.text(::gridwatch_sdk::Text(2)), self.text(::gridwatch_sdk::Text(0))]";
        assert!(code.contains("fn who(&self) -> &'b str {") && code.contains(texts), "{code}");
        assert!(code.contains("is_nobody(self.text(::gridwatch_sdk::Text(0)))"), "{code}");
        assert!(code.contains("fn context_network(&self)") && !code.contains("entity_label"), "{code}");
    }
}
