"""Guessing at one person's password."""

from gridwatch import Findings, Severity
from names import Config, Row, rules, windows


def detect(row: Row, config: Config, findings: Findings) -> None:
    """Called for each event that the rule waits for. It counts nothing and keeps nothing: windows do that."""
    failed = row.window(windows.FAILED_10M)
    if failed < config.burst or row.is_by_nobody():
        return
    addresses = row.window(windows.ADDRESSES_10M)
    severity = Severity.MEDIUM if addresses >= config.addresses else Severity.LOW
    findings.add(
        row.finding(rules.BURST, severity)
        .key(row.actor_id)
        .title(f"{failed} failed sign-ins of {row.who()} in 10 minutes")
        .window(windows.FAILED_10M)
        .label("failures", str(failed))
        .label("address", row.context_ip_address)
    )
