//! What a manifest declares, as constants and accessors of the language that a rule is written in: a name that the manifest doesn't
//! declare is an error there, so what a module reads is what its manifest says it reads.
//!
//! Rust's are the SDK's own (`gridwatch_sdk::build::code`).

use gridwatch_manifest::{ConfigKind, Manifest};
use std::fmt::Write as _;

/// The parts that name an actor or entity, the e-mail first, for a name can be changed by whoever bears it.
const LABEL_PARTS: [&str; 3] = ["email", "name", "id"];
/// What nobody in particular is called.
const NOBODY: &str = "Slack (no actor named)";

/// The text of `names.py`.
pub fn python(manifest: &Manifest) -> String {
    let mut out = String::from(
        "\"\"\"Generated from module.toml by `gridwatch module build`: don't edit.\"\"\"\n\nfrom typing import Any\n\n\
         from gridwatch import RowBase, first_or, is_nobody\n",
    );
    for (class, names) in groups(manifest) {
        let _ = writeln!(out, "\n\nclass {class}:");
        if names.is_empty() {
            out.push_str("    pass\n");
        }
        for (at, name) in names.iter().enumerate() {
            let _ = writeln!(out, "    {} = {at}", constant(name));
        }
    }
    out.push_str("\n\nclass Row(RowBase):\n    \"\"\"One event, with the fields that the manifest declares.\"\"\"\n\n    __slots__ = ()\n");
    for (at, field) in manifest.fields.iter().enumerate() {
        let (name, method) = (field.label(), identifier(field.label()));
        let _ = writeln!(
            out,
            "\n    @property\n    def {method}(self) -> str:\n        \"\"\"`{name}`; \"\" if absent.\"\"\"\n        return self.text({at})"
        );
    }
    for label in labels(manifest) {
        let Label { whose, texts, nobody, unnamed } = &label;
        let method = if *whose == "actor" { "who" } else { "entity_label" };
        let _ = writeln!(
            out,
            "\n    def {method}(self) -> str:\n        \"\"\"The first that is given of {}.\"\"\"",
            label.told()
        );
        if let Some(at) = nobody {
            let _ = writeln!(
                out,
                "        if self.text({at}) and is_nobody(self.text({at})):\n            return \"{NOBODY}\""
            );
        }
        let texts: Vec<String> = texts.iter().map(|(_, at)| format!("self.text({at})")).collect();
        let _ = writeln!(out, "        return first_or(({},), \"{unnamed}\")", texts.join(", "));
    }
    if let Some(at) = manifest.field("actor.id") {
        let _ = writeln!(
            out,
            "\n    def is_by_nobody(self) -> bool:\n        \"\"\"Nobody in particular acted.\"\"\"\n        return is_nobody(self.text({at}))\n\n    \
             def doer_or(self, thing: str) -> str:\n        \"\"\"Who acted, as a key; this, where nobody in particular did.\"\"\"\n        \
             return thing if is_nobody(self.text({at})) else self.text({at})"
        );
    }
    out.push_str("\n\nclass Config:\n    \"\"\"The settings that the manifest declares, with its defaults filled in by the host.\"\"\"\n\n    def __init__(self, given: dict[str, Any]) -> None:\n");
    for (name, key) in &manifest.config {
        let kind = match key.kind {
            ConfigKind::Integer { .. } | ConfigKind::Span { .. } => "int",
            ConfigKind::Boolean => "bool",
            ConfigKind::Texts => "list[str]",
        };
        let _ = writeln!(out, "        self.{}: {kind} = given[\"{name}\"]", identifier(name));
    }
    if manifest.config.is_empty() {
        out.push_str("        pass\n");
    }
    out
}

/// The text of `names.js`.
pub fn javascript(manifest: &Manifest) -> String {
    let mut out = String::from(
        "// Generated from module.toml by `gridwatch module build`: don't edit.\n\nimport { RowBase, firstOr, isNobody } from './sdk/gridwatch.js';\n",
    );
    for (group, names) in groups(manifest) {
        let _ = writeln!(out, "\nexport const {group} = Object.freeze({{");
        for (at, name) in names.iter().enumerate() {
            let _ = writeln!(out, "  {}: {at},", constant(name));
        }
        out.push_str("});\n");
    }
    out.push_str("\n/** One event, with the fields that the manifest declares. */\nexport class Row extends RowBase {");
    for (at, field) in manifest.fields.iter().enumerate() {
        let (name, method) = (field.label(), identifier(field.label()));
        let _ = writeln!(
            out,
            "\n  /** `{name}`; \"\" if absent. */\n  get {method}() {{\n    return this.text({at});\n  }}"
        );
    }
    for label in labels(manifest) {
        let Label { whose, texts, nobody, unnamed } = &label;
        let method = if *whose == "actor" { "who" } else { "entityLabel" };
        let _ = writeln!(out, "\n  /** The first that is given of {}. */\n  {method}() {{", label.told());
        if let Some(at) = nobody {
            let _ = writeln!(
                out,
                "    if (this.text({at}) !== '' && isNobody(this.text({at}))) {{\n      return '{NOBODY}';\n    }}"
            );
        }
        let texts: Vec<String> = texts.iter().map(|(_, at)| format!("this.text({at})")).collect();
        let _ = writeln!(out, "    return firstOr([{}], '{unnamed}');\n  }}", texts.join(", "));
    }
    if let Some(at) = manifest.field("actor.id") {
        let _ = writeln!(
            out,
            "\n  /** Nobody in particular acted. */\n  isByNobody() {{\n    return isNobody(this.text({at}));\n  }}\n\n  \
             /** Who acted, as a key; this, where nobody in particular did. */\n  doerOr(thing) {{\n    return this.isByNobody() ? thing : this.text({at});\n  }}"
        );
    }
    out.push_str("}\n\n/**\n * The settings that the manifest declares, with its defaults filled in by the host.\n * @typedef {object} Config\n");
    for (name, key) in &manifest.config {
        let kind = match key.kind {
            ConfigKind::Integer { .. } | ConfigKind::Span { .. } => "number",
            ConfigKind::Boolean => "boolean",
            ConfigKind::Texts => "string[]",
        };
        let help = key.help.replace('\n', " ").replace("*/", "* /");
        let _ = writeln!(out, " * @property {{{kind}}} {name} {help}");
    }
    out.push_str(" */\n");
    out
}

fn groups(manifest: &Manifest) -> [(&'static str, Vec<&str>); 3] {
    [
        ("fields", manifest.fields.iter().map(|field| field.label()).collect()),
        ("windows", manifest.windows.iter().map(|window| window.name.as_str()).collect()),
        ("rules", manifest.rules.iter().map(|rule| rule.id.as_str()).collect()),
    ]
}

struct Label {
    whose: &'static str,
    /// The declared fields that name them, with their positions.
    texts: Vec<(&'static str, usize)>,
    /// Position of the id that tells whether anybody acted.
    nobody: Option<usize>,
    unnamed: &'static str,
}

impl Label {
    fn told(&self) -> String {
        self.texts.iter().map(|(part, _)| format!("`{}.{part}`", self.whose)).collect::<Vec<_>>().join(", ")
    }
}

fn labels(manifest: &Manifest) -> Vec<Label> {
    let parts = |whose: &str| -> Vec<_> {
        LABEL_PARTS.into_iter().filter_map(|part| Some((part, manifest.field(&format!("{whose}.{part}"))?))).collect()
    };
    let actor = Label {
        whose: "actor",
        texts: parts("actor"),
        nobody: manifest.field("actor.id"),
        unnamed: "somebody unnamed",
    };
    let entity = Label { whose: "entity", texts: parts("entity"), nobody: None, unnamed: "something unnamed" };
    [actor, entity].into_iter().filter(|label| !label.texts.is_empty()).collect()
}

fn constant(name: &str) -> String {
    identifier(name).to_uppercase()
}

/// A name of the manifest as a name in code: they have letters, digits, `.`, `-`, `_` and `#`, and what comes out may begin with a
/// digit only where the manifest's name does.
fn identifier(name: &str) -> String {
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let text = crate::scaffold::manifest_text("a-rule");
        Manifest::parse(&text).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn both_languages_get_the_same_names() {
        let (python, javascript) = (python(&manifest()), javascript(&manifest()));
        for (py, js) in [
            ("class windows:\n    FAILED_10M = 0", "windows = Object.freeze({\n  FAILED_10M: 0,"),
            ("class rules:\n    BURST = 0", "rules = Object.freeze({\n  BURST: 0,"),
            ("def context_ip_address(self) -> str:", "get context_ip_address() {"),
            (
                "first_or((self.text(3), self.text(2), self.text(1),)",
                "firstOr([this.text(3), this.text(2), this.text(1)]",
            ),
            ("self.burst: int = given[\"burst\"]", "@property {number} burst"),
            ("def is_by_nobody(self)", "isByNobody() {"),
        ] {
            assert!(python.contains(py), "{py}\n{python}");
            assert!(javascript.contains(js), "{js}\n{javascript}");
        }
    }
}
