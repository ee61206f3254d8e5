//! The contract between host and modules can't rot: what was compiled against a released one is loaded and judged by this host for ever, and a
//! change of `wit/detect.wit` that would break it is refused here.
//!
//! `tests/abi/` has, of each release, the WIT and compiled modules. They are never built again; a release adds its own.

use gridwatch_cases::Case;
use gridwatch_detect::{Component, Engine};
use gridwatch_module::cases::{self, Loaded};
use gridwatch_tests::host::root;
use std::collections::BTreeMap;
use std::path::PathBuf;
use wit_parser::{Function, Resolve, Type, TypeDefKind, WorldItem, WorldKey};

fn abi() -> PathBuf {
    root().join("tests/abi")
}

fn files(ending: &str) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(abi()).expect("tests/abi").map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> = listing.filter(|path| path.extension().is_some_and(|end| end == ending)).collect();
    files.sort();
    files
}

#[test]
fn modules_compiled_for_a_released_abi_are_loaded_and_find_what_they_found() {
    let engine = Engine::new(None).expect("an engine");
    let mut loaded = 0;
    for file in files("zst") {
        let name = file.display();
        let bytes = zstd::decode_all(std::fs::File::open(&file).expect("a module")).expect("packed with zstd");
        let granted =
            Component::manifest_of(&bytes).unwrap_or_else(|e| panic!("{name}: {e}")).grants.into_iter().collect();
        let component = Component::from_bytes(bytes, &granted, usize::MAX).unwrap_or_else(|e| panic!("{name}: {e}"));
        let module = Loaded::new(&engine, &component).unwrap_or_else(|e| panic!("{name}: {e}"));
        // The cases of then are kept beside it: they say what it found.
        let cases =
            Case::read_dir(&file.with_extension("").with_extension("cases")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report = cases::test(&module, &cases);
        let problems: Vec<&String> = report.cases.iter().flat_map(|case| &case.problems).collect();
        assert!(problems.is_empty(), "{name}: {problems:#?}");
        loaded += cases.len();
    }
    assert!(loaded > 0, "no modules in {}", abi().display());
}

#[test]
fn the_contract_breaks_no_module_that_was_released() {
    let now = Contract::of(&std::fs::read_to_string(root().join("wit/detect.wit")).expect("the WIT"));
    let released = files("wit");
    assert!(!released.is_empty());
    for file in released {
        let then = Contract::of(&std::fs::read_to_string(&file).expect("a WIT"));
        let broken = then.broken_by(&now);
        assert!(
            broken.is_empty(),
            "wit/detect.wit would break modules built for {}:\n{}",
            file.display(),
            broken.join("\n")
        );
    }
}

/// A WIT as far as compiled modules depend on it: the shape of each function and type, by interface.
#[derive(Debug)]
struct Contract {
    imports: BTreeMap<String, BTreeMap<String, String>>,
    exports: BTreeMap<String, BTreeMap<String, String>>,
}

impl Contract {
    fn of(text: &str) -> Self {
        let mut resolve = Resolve::new();
        let package = resolve.push_str("detect.wit", text).expect("a WIT");
        let world = resolve.select_world(&[package], Some("module")).expect("its world");
        let world = &resolve.worlds[world];
        let shapes = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| {
            items
                .filter_map(|(key, item)| match item {
                    WorldItem::Interface { id, .. } => {
                        let interface = &resolve.interfaces[*id];
                        let functions =
                            interface.functions.iter().map(|(name, f)| (name.clone(), function(&resolve, f)));
                        Some((resolve.name_world_key(key), functions.collect()))
                    }
                    _ => None,
                })
                .collect()
        };
        // An import that is there for its types alone has no functions that anybody could miss.
        let imports: BTreeMap<_, BTreeMap<String, String>> = shapes(&mut world.imports.iter());
        Self { imports, exports: shapes(&mut world.exports.iter()) }
    }

    /// What modules built for this one would miss or get otherwise. A host may gain imported interfaces and functions of them; it may ask
    /// nothing more of modules, and no type that crosses may grow.
    fn broken_by(&self, now: &Self) -> Vec<String> {
        let mut broken = Vec::new();
        for (name, functions) in &self.imports {
            let others = now.imports.get(name);
            for (function, shape) in functions {
                match others.and_then(|others| others.get(function)) {
                    None => broken.push(format!("{name} no longer offers `{function}`")),
                    Some(other) if other != shape => {
                        broken.push(format!("{name}: `{function}` was {shape}, and is {other}"))
                    }
                    Some(_) => {}
                }
            }
        }
        for (name, functions) in &now.exports {
            match self.exports.get(name) {
                None => broken.push(format!("{name} is asked of modules that never had it")),
                Some(before) => {
                    broken.extend(functions.iter().filter_map(|(function, shape)| match before.get(function) {
                        None => Some(format!("{name}: `{function}` is asked of modules that never had it")),
                        Some(other) if other != shape => {
                            Some(format!("{name}: `{function}` was {other}, and is {shape}"))
                        }
                        Some(_) => None,
                    }))
                }
            }
        }
        broken.extend(
            self.exports
                .keys()
                .filter(|name| !now.exports.contains_key(*name))
                .map(|name| format!("{name} is no longer asked of modules")),
        );
        broken
    }
}

fn function(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<String> = function.params.iter().map(|param| shape(resolve, &param.ty)).collect();
    let result = function.result.as_ref().map(|result| format!(" -> {}", shape(resolve, result))).unwrap_or_default();
    format!("({}){result}", params.join(", "))
}

/// A type by its parts, whatever it is called: what two components compare when they meet.
fn shape(resolve: &Resolve, ty: &Type) -> String {
    let Type::Id(id) = ty else { return format!("{ty:?}").to_lowercase() };
    let optional = |ty: &Option<Type>| ty.as_ref().map_or("_".into(), |ty| shape(resolve, ty));
    match &resolve.types[*id].kind {
        TypeDefKind::Type(inner) => shape(resolve, inner),
        TypeDefKind::List(inner) => format!("list<{}>", shape(resolve, inner)),
        TypeDefKind::Option(inner) => format!("option<{}>", shape(resolve, inner)),
        TypeDefKind::Result(result) => format!("result<{}, {}>", optional(&result.ok), optional(&result.err)),
        TypeDefKind::Tuple(tuple) => {
            format!("tuple<{}>", tuple.types.iter().map(|ty| shape(resolve, ty)).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("{}: {}", field.name, shape(resolve, &field.ty)));
            format!("record {{ {} }}", fields.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter().map(|case| format!("{}({})", case.name, optional(&case.ty)));
            format!("variant {{ {} }}", cases.collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Enum(cases) => {
            format!("enum {{ {} }}", cases.cases.iter().map(|case| case.name.clone()).collect::<Vec<_>>().join(", "))
        }
        TypeDefKind::Flags(flags) => {
            format!("flags {{ {} }}", flags.flags.iter().map(|flag| flag.name.clone()).collect::<Vec<_>>().join(", "))
        }
        other => panic!("{} can't cross: {other:?}", resolve.types[*id].name.as_deref().unwrap_or("a type")),
    }
}

#[test]
fn each_way_of_breaking_a_module_is_seen_and_growing_is_none() {
    let text = std::fs::read_to_string(root().join("wit/detect.wit")).expect("the WIT");
    let then = Contract::of(&text);
    let after = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        then.broken_by(&Contract::of(&text.replacen(from, to, 1)))
    };
    for (from, to, told) in [
        ("title: string,", "title: string,\n        more: u32,", "`evaluate` was"),
        ("seqs: list<u64>,", "seqs: list<u32>,", "`evaluate` was"),
        ("write: func(level: u8, message: string);", "write: func(level: u8);", "`write` was"),
        ("write: func(level: u8, message: string);", "say: func(message: string);", "no longer offers `write`"),
        ("    import kv;\n", "", "no longer offers `get-many`"),
        ("evaluate: func", "tick: func(now: u64);\n    evaluate: func", "`tick` is asked of modules that never had it"),
        ("export rules;", "export rules;\n    export log;", "log@1.0.0 is asked of modules"),
        ("result<list<u8>, u32>", "result<list<u8>, u64>", "`contains-many` was"),
    ] {
        let broken = after(from, to).join("\n");
        assert!(broken.contains(told), "{to}: {broken}");
    }
    let grown = after(
        "write: func(level: u8, message: string);",
        "write: func(level: u8, message: string);\n    flush: func();",
    );
    assert_eq!(grown, Vec::<String>::new());
}

#[test]
fn the_sdks_bindings_are_made_of_this_contract_by_the_release_that_the_lock_has() {
    let bindings = std::fs::read_to_string(root().join("guest-rules/sdk/src/guest/bindings.rs")).expect("the bindings");
    let wit = std::fs::read(root().join("wit/detect.wit")).expect("the WIT");
    let digest = gridwatch_module::digest::of(&wit);
    assert!(
        bindings.contains(&format!("wit/detect.wit sha256:{digest}")),
        "make bindings.rs anew: its first lines say how"
    );
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("the lock");
    // wasmtime's own tools bring an older one.
    let version = gridwatch_module::scaffold::WIT_BINDGEN.trim_start_matches('=');
    assert!(lock.contains(&format!("name = \"wit-bindgen\"\nversion = \"{version}\"")), "{version} isn't in the lock");
    assert!(
        bindings.contains(&format!("as wit-bindgen {version} expands it")),
        "bindings.rs is of another release than {version}"
    );
    let pinned = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    assert!(
        pinned.contains(&format!("wit-bindgen = {{ version = \"={version}\"")),
        "the workspace has another release"
    );
}
