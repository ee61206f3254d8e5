"""Between the host and rule.py. Written by `gridwatch module build`."""

import json

import gridwatch
import names
import rule
from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import log
from wit_world.imports.types import Batch, Finding, Label
{lookup}
# The host puts a line of this level into the fault, if the call ends badly.
LAST_WORDS = 2

# Not on the object: a new one is made for each call.
CONFIG = []


class Rules(exports.Rules):
    def configure(self, config_json: str) -> None:
        try:
            config = names.Config(json.loads(config_json))
            problems = list(getattr(rule, "problems", lambda _: [])(config))
        except Exception as error:
            problems = [gridwatch.story(error)]
        if problems:
            raise Err(problems)
        CONFIG[:] = [config]

    def evaluate(self, rows: Batch) -> list[Finding]:
        findings = gridwatch.Findings()
        try:
            for row in gridwatch.Batch(rows).rows(names.Row):
                rule.detect(row, CONFIG[0], findings)
            return [made(finding) for finding in findings._all]
        except Exception as error:
            text = gridwatch.story(error)
            log.write(LAST_WORDS, text[:1000])
            raise Err(text) from None


def made(f: gridwatch.Finding) -> Finding:
    labels = [Label(key, value) for key, value in f._labels]
    return Finding(f._row, f._rule, int(f._severity), f._key, f._title, f._evidence, f._windows, labels)
