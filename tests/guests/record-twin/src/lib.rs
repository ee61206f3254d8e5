//! The ten checks of `bench-checks` over a list of records. Exists in WASM only.

#![cfg(target_arch = "wasm32")]
#![allow(missing_debug_implementations, unsafe_code, reason = "generated bindings")]

wit_bindgen::generate!({ path: "wit", world: "twin" });

struct Twin;

export!(Twin);

impl Guest for Twin {
    fn evaluate(events: Vec<Event>) -> Vec<u32> {
        let fires = |(row, event): (usize, &Event)| all_ten(event).then_some(row as u32);
        events.iter().enumerate().filter_map(fires).collect()
    }
}

fn all_ten(event: &Event) -> bool {
    let checks = [
        event.action == "user_login",
        event.actor_type == "user",
        event.actor_id == "W0000000007",
        event.actor_email.ends_with("@evil.example"),
        event.entity_type == "user",
        event.entity_id == "W0000000007",
        event.ip_address.starts_with("203.0.113."),
        event.ua == "python-requests/2.32",
        event.domain == "acme",
        event.details_type == "sso",
    ];
    checks.iter().all(|holds| *holds)
}
