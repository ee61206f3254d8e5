//! What the audit log can show of each technique: the part of the coverage report that no manifest can know.
//!
//! The reading of ATT&CK v19 for Slack is our own. "Visible" means that an entry says it; "partly", that it shows by volume,
//! by inference, or in Slack's verdict only; "not", that nothing in the log tells. A gap names the log that would close it.

/// How much of a technique shows in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Degree {
    Visible,
    Partly,
    Not,
}

/// One technique as it is done in or to Slack.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    pub technique: &'static str,
    /// What it is in Slack.
    pub means: &'static str,
    pub degree: Degree,
    /// What stays unseen, and why. Empty where all of it shows.
    pub unseen: &'static str,
    /// The log that would show the rest.
    pub closes: &'static str,
}

const fn sight(
    technique: &'static str,
    degree: Degree,
    means: &'static str,
    unseen: &'static str,
    closes: &'static str,
) -> Sight {
    Sight { technique, means, degree, unseen, closes }
}

use Degree::{Not, Partly, Visible};

const IDP: &str = "identity provider's sign-in log";
const ENDPOINT: &str = "EDR and browser telemetry on the endpoint";
const CONTENT: &str = "Discovery API or a DLP tool that reads messages";
const APPS: &str = "`admin.apps.activities.list` and the app's own logs";

/// In the order of the techniques' numbers.
#[rustfmt::skip]
pub const SIGHTS: &[Sight] = &[
    sight("T1020", Partly, "files fetched by a script", "reads by plain API calls are not logged; only file downloads and exports are", APPS),
    sight("T1021.007", Not, "into Slack through the identity provider's tile", "it looks like any other sign-in", IDP),
    sight("T1048", Partly, "data exfiltrated by mail, links or forwarding", "messages that are posted are not logged", CONTENT),
    sight("T1059.009", Partly, "Slack's CLI and API abused to run an attacker's calls", "ordinary API calls are not logged", APPS),
    sight("T1069.003", Not, "listing user groups and channels", "reads of lists are not logged", APPS),
    sight("T1070", Partly, "traces removed: messages, files, channels, DLP violations", "a user who deletes their own message may leave no entry", CONTENT),
    sight("T1078", Partly, "signing in with a stolen account", "a sign-in with the right password, device and network looks like any other", IDP),
    sight("T1078.001", Not, "default accounts", "Slack has none", "nothing: it does not apply"),
    sight("T1078.004", Partly, "signing in to Slack with a stolen account, an owner's above all", "a sign-in with the right password, device and network looks like any other", IDP),
    sight("T1080", Partly, "a file that many people open is replaced by a malicious one", "only what Slack's scanner finds is logged", ENDPOINT),
    sight("T1087.004", Not, "listing the organization's people", "`users.list` and views of profiles are not logged", APPS),
    sight("T1098", Visible, "roles, permissions and groups with roles", "", ""),
    sight("T1098.001", Visible, "passkeys and tokens added", "", ""),
    sight("T1098.003", Visible, "roles of the organization and of workspaces", "", ""),
    sight("T1098.005", Partly, "a device trusted", "a new passkey is logged; a device's enrolment in device management is not", IDP),
    sight("T1110", Partly, "guessing passwords", "where single sign-on is enforced, failures stay at the identity provider", IDP),
    sight("T1110.001", Partly, "guessing one user's password", "where single sign-on is enforced, failures stay at the identity provider", IDP),
    sight("T1110.002", Not, "passwords cracked offline", "it happens outside Slack", "no log shows it"),
    sight("T1110.003", Partly, "one password tried on many users", "where single sign-on is enforced, failures stay at the identity provider", IDP),
    sight("T1110.004", Partly, "passwords leaked elsewhere tried here", "where single sign-on is enforced, failures stay at the identity provider", IDP),
    sight("T1119", Partly, "collection by a script", "reads of history by a token are not logged; those by Slack's MCP tools are", APPS),
    sight("T1136.003", Visible, "users, guests and owners created", "", ""),
    sight("T1199", Visible, "access through a partner organization: Slack Connect", "what external people do inside their own organization", "the partner's audit log"),
    sight("T1204", Partly, "a user opens a malicious file or link", "only what Slack's scanner finds is logged", ENDPOINT),
    sight("T1204.002", Partly, "a user opens a malicious file", "only what Slack's scanner finds is logged", ENDPOINT),
    sight("T1213.005", Partly, "messages read in bulk", "reading history and searching, by people or tokens, are not logged; joins, previews, MCP tools and Slack's own verdicts are", CONTENT),
    sight("T1222", Visible, "the permissions of channels and files are changed", "", ""),
    sight("T1484.002", Visible, "an identity provider or a domain is added or changed", "", ""),
    sight("T1485", Visible, "channels, workspaces, files and messages deleted", "", ""),
    sight("T1486", Partly, "ransomware spread as a file", "only what Slack's scanner finds is logged", ENDPOINT),
    sight("T1489", Visible, "apps that people rely on are removed or restricted", "", ""),
    sight("T1499.003", Visible, "everybody is signed out", "", ""),
    sight("T1505", Visible, "persistence in Slack itself: apps, workflows", "", ""),
    sight("T1518", Not, "which apps are installed", "reads of lists are not logged", APPS),
    sight("T1526", Not, "which services are connected", "reads of lists are not logged", APPS),
    sight("T1528", Partly, "consent given to a malicious app", "the grant is logged; the theft of a token is not", APPS),
    sight("T1530", Visible, "files and exports taken from Slack's storage", "", ""),
    sight("T1531", Visible, "accounts deactivated, demoted, signed out", "", ""),
    sight("T1534", Not, "internal phishing by message", "messages are not in the log", CONTENT),
    sight("T1537", Partly, "data transferred to another organization", "what leaves in messages of a shared channel is not logged", CONTENT),
    sight("T1538", Not, "viewing admin pages", "views are not logged; exports from those pages are", "browser telemetry"),
    sight("T1539", Partly, "a session cookie stolen", "the theft is not logged; the session's move is, where network or client change", ENDPOINT),
    sight("T1550.001", Partly, "an app's token used by somebody else", "plain API calls are not logged", APPS),
    sight("T1550.004", Partly, "a session cookie used elsewhere", "it shows only where network or client change", ENDPOINT),
    sight("T1552.008", Partly, "passwords searched for in chat", "searches are not logged, except those of MCP tools and what DLP rules catch", CONTENT),
    sight("T1556", Visible, "the requirements of authentication are changed", "a single user's second factor is not logged", "`has_2fa` of `users.list`, day by day"),
    sight("T1556.006", Partly, "second factors no longer required", "the requirement is logged; a single user's second factor is not", "`has_2fa` of `users.list`, day by day"),
    sight("T1556.007", Visible, "single sign-on weakened or given exemptions", "", ""),
    sight("T1556.009", Visible, "conditions of access (devices, addresses, browsers) weakened", "", ""),
    sight("T1557", Not, "a proxy between user and sign-in page", "Slack sees an ordinary sign-in", IDP),
    sight("T1566.001", Partly, "a malicious file sent", "only what Slack's scanner finds is logged", CONTENT),
    sight("T1566.002", Not, "a malicious link sent", "messages are not in the log", CONTENT),
    sight("T1566.003", Not, "a lure in a direct message or over Slack Connect", "messages are not in the log", CONTENT),
    sight("T1566.004", Not, "a call in a huddle", "what is said is not logged", "people who report it"),
    sight("T1567", Partly, "data exfiltrated through links, Slack Connect, workflows and exports", "posts to webhooks are not logged", CONTENT),
    sight("T1567.004", Not, "data exfiltrated through a webhook", "posts to webhooks are not logged", CONTENT),
    sight("T1600", Visible, "keys of Enterprise Key Management taken away", "", ""),
    sight("T1606.002", Not, "a forged SAML response", "it looks like any other sign-in", IDP),
    sight("T1621", Not, "repeated second-factor prompts until the user accepts one", "it happens at the identity provider", IDP),
    sight("T1648", Partly, "workflows and functions that act for an attacker", "what a workflow does when it runs is not logged; its publication is", APPS),
    sight("T1657", Not, "fraud or extortion by message", "messages are not in the log", CONTENT),
    sight("T1671", Visible, "an app that keeps its access when its owner has left", "", ""),
    sight("T1684.001", Partly, "a profile that looks like somebody else's", "names are logged; pictures and messages are not", CONTENT),
    sight("T1685", Visible, "DLP, barriers, device management, anomaly responses switched off", "", ""),
    sight("T1685.002", Visible, "the log itself: EKM logging, its retention, the app that reads it", "", ""),
    sight("T1686", Visible, "address ranges that may sign in are widened", "", ""),
    sight("T1686.001", Visible, "address ranges that may sign in are widened, in the cloud", "", ""),
];
