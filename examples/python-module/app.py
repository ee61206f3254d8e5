"""Sign-ins at night, as the smallest module that does something: one function from rows to findings."""

import json
import traceback

from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import Batch, Finding, Label

# Positions in module.toml.
ACTION, ACTOR_ID, ACTOR_EMAIL = 0, 1, 2
NIGHT = 0
# The host puts a line of this level into the fault, if the call ends badly.
LAST_WORDS = 2

# Settings, from `configure`. Not on the object: a new one is made for each call.
CONFIG: dict = {}


class Rules(exports.Rules):
    def configure(self, config_json: str) -> None:
        CONFIG.update(json.loads(config_json))

    def evaluate(self, rows: Batch) -> list[Finding]:
        try:
            return [self.finding(rows, row) for row in range(len(rows.seqs)) if self.at_night(rows.times_ms[row])]
        except Exception:
            log.write(LAST_WORDS, traceback.format_exc())
            raise

    def at_night(self, time_ms: int) -> bool:
        hour = time_ms // 3_600_000 % 24
        return CONFIG["from_hour"] <= hour < CONFIG["to_hour"]

    def finding(self, rows: Batch, row: int) -> Finding:
        who = text(rows, ACTOR_EMAIL, row) or text(rows, ACTOR_ID, row)
        return Finding(
            row=row,
            rule=NIGHT,
            severity=1,
            dedup_key=text(rows, ACTOR_ID, row),
            title=f"{who} signed in at night",
            evidence=[],
            windows=[],
            labels=[Label("action", text(rows, ACTION, row))],
        )


def text(rows: Batch, field: int, row: int) -> str:
    """Texts stand column by column, as numbers into a dictionary over one heap of bytes."""
    number = rows.texts[field * len(rows.seqs) + row]
    start, end = rows.dict_offsets[number], rows.dict_offsets[number + 1]
    return bytes(rows.dict_bytes[start:end]).decode()
