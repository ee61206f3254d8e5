//! The modules of `guest-rules`, compiled for this machine.

use gridwatch_cases::Run;
use gridwatch_manifest::Manifest;
use gridwatch_rules::pipeline::{Asked, ModuleOutcome, Prepared, Service, ServiceId};
use gridwatch_sdk::testing::native;
use gridwatch_stories::benchmark::Facts;
use gridwatch_tests::labelled::{settings, tables};
use std::collections::BTreeMap;

/// Each module of `guest-rules` with its manifest under these settings, by name.
macro_rules! natives {
    ($facts:expr, $($krate:ident),+) => {
        BTreeMap::from([$({
            let manifest = Manifest::parse(include_str!(concat!("../../../guest-rules/", natives!(@dir $krate), "/module.toml"))).expect("a manifest");
            let settings = settings(&manifest, $facts);
            let run = native(&manifest, &settings, tables($facts), $krate::detect);
            let config = manifest.configuration(&settings).expect("settings");
            (manifest.name.clone(), (manifest.with_settings(&config), run))
        }),+])
    };
    (@dir sign_in) => { "sign-in" };
    (@dir $krate:ident) => { stringify!($krate) };
}

pub(crate) type Natives = BTreeMap<String, (Manifest, Run)>;

pub(crate) fn natives(facts: &Facts) -> Natives {
    natives!(
        facts,
        ai,
        anomaly,
        apps,
        authentication,
        channels,
        connect,
        controls,
        encryption,
        exports,
        files,
        lookalikes,
        people,
        places,
        privilege,
        sessions,
        settings,
        sign_in,
        spreading,
        tokens,
        watched
    )
}

/// What the modules make of their batches.
pub(crate) fn evaluated(
    services: &[Service],
    prepared: &Prepared,
    natives: &mut Natives,
) -> Vec<(ServiceId, ModuleOutcome)> {
    let run = |(service, asked): (&Service, &Asked)| {
        let outcome = natives.get_mut(&service.manifest.name).map(|(_, run)| run(&asked.batch)).unwrap_or_default();
        (asked.service, outcome)
    };
    services.iter().zip(&prepared.asked).map(run).collect()
}
