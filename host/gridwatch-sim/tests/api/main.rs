//! The simulator as a client meets it: over TCP, against the facts known about Slack's Audit Logs API.

mod client;
mod control;
mod errors;
mod faults;
mod pages;
mod people;
mod rotation;
mod web;
