//! A module's cases, run against its component, whatever language it is in: on the host's own windows and folding, in the sandbox.

use gridwatch_cases::{Case, Run, gaps};
use gridwatch_detect::{Component, Engine, Limits, Module, Refused};
use gridwatch_manifest::Manifest;
use serde_json::{Map, Value};
use std::path::Path;
use std::sync::Arc;

/// A module that was compiled once, to be started as often as there are runs of a case.
#[derive(Debug)]
pub struct Loaded {
    module: Module,
    /// As declared: with the defaults of its settings.
    pub manifest: Arc<Manifest>,
}

impl Loaded {
    /// # Errors
    /// It can't be compiled, or doesn't start with its default settings.
    pub fn new(engine: &Engine, component: &Component) -> Result<Self, Refused> {
        let limits = Arc::new(Limits::default());
        let module = Module::load(engine, component, &Map::new(), Arc::default(), limits)?;
        Ok(Self { module, manifest: component.manifest.clone() })
    }

    /// The module as a case wants it, just started.
    ///
    /// # Errors
    /// It refuses the case's settings, or doesn't start with them.
    pub fn of(&self, case: &Case) -> Result<Module, Refused> {
        self.module.again(&case.config, Arc::new(case.tables()))
    }

    /// Do settings go together, as the module sees it?
    pub fn accepts(&self, settings: &Map<String, Value>) -> bool {
        self.module.again(settings, Arc::default()).is_ok()
    }

    /// A way to run a case. What the module refuses is told as what failed on each row.
    pub fn run(&self, case: &Case) -> Run {
        match self.of(case) {
            Ok(mut module) => Box::new(move |batch| module.evaluate(batch).outcome),
            Err(refused) => {
                let reason = refused.to_string();
                Box::new(move |batch| gridwatch_detect::module::refused(batch.rows(), &reason))
            }
        }
    }
}

/// What came of a module's cases.
#[derive(Debug, Default)]
pub struct Report {
    pub cases: Vec<Tried>,
    /// Kinds of cases that rules lack, and rules named that aren't.
    pub gaps: Vec<String>,
}

/// One case.
#[derive(Debug)]
pub struct Tried {
    pub name: String,
    pub kind: &'static str,
    /// One sentence: what happens in it.
    pub about: String,
    /// What doesn't hold, each with what was expected and what the windows said.
    pub problems: Vec<String>,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.gaps.is_empty() && self.cases.iter().all(|case| case.problems.is_empty())
    }
}

/// Every `*.json` of a folder.
///
/// # Errors
/// The folder can't be read, a file is no case, or there is none.
pub fn read(folder: &Path) -> Result<Vec<Case>, String> {
    let cases = Case::read_dir(folder)?;
    match cases.is_empty() {
        true => Err(format!("{}: no cases; a rule without cases is one that nobody knows works", folder.display())),
        false => Ok(cases),
    }
}

/// Runs every case with several batch sizes and without triggers, and says what doesn't hold and what is missing.
pub fn test(loaded: &Loaded, cases: &[Case]) -> Report {
    let tried = |case: &Case| Tried {
        name: case.name.clone(),
        kind: case.kind.name(),
        about: case.about.clone(),
        problems: case.problems(&loaded.manifest, || loaded.run(case)),
    };
    Report { cases: cases.iter().map(tried).collect(), gaps: gaps(&loaded.manifest, cases, |case| loaded.run(case)) }
}
