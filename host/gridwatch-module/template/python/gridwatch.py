"""What a gridwatch module in Python is written with: rows to read, findings to make.

`gridwatch module build` makes `names.py` of module.toml: `Row` with a property for each field, `Config` with the settings, and
positions of fields, windows and rules. A detection depends on nothing but its row and its configuration; counting is the host's
business (windows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

# A baseline that is too young to know says this.
_LEARNING = 2**64 - 1


class Severity(IntEnum):
    """OCSF's severity_id. The host caps it at what the manifest allows the rule."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5


def is_nobody(user: str) -> bool:
    """Is it no account: absent, or a stand-in that Slack writes where nobody in particular acted?"""
    return user in ("", "USLACKUSER", "USLACKSECURITY", "USLACKBOT")


def first_or(texts: Iterable[str], otherwise: str) -> str:
    """The first of these texts that is given."""
    return next((text for text in texts if text), otherwise)


@dataclass(frozen=True)
class Seen:
    """When a first- or last-seen window saw its key before this row: `at_ms` is None if it didn't."""

    at_ms: int | None
    learning: bool = False

    def is_never(self) -> bool:
        return self.at_ms is None and not self.learning


@dataclass(frozen=True)
class Usual:
    """What a baseline window says; None while it learns."""

    count: int | None

    def is_exceeded(self, count: int, times: int, floor: int) -> bool:
        """At least `times` the usual, and at least `floor`? Never while learning: what isn't known can't be exceeded."""
        return self.count is not None and count >= floor and count >= self.count * times


@dataclass(frozen=True)
class Compared:
    """What a period holds now, beside what is usual for the same key."""

    now: int
    usual: Usual
    periods: int

    def is_unusual(self, times: int, known: int, unknown: int, periods: int) -> bool:
        """At least `times` the usual; and at least `known` with so many former `periods`, else at least `unknown`."""
        if self.usual.count is None:
            return self.now >= unknown
        return self.usual.is_exceeded(self.now, times, unknown if self.periods < periods else known)


class Finding:
    """One finding, built up; rule and severity come from `Row.finding`."""

    def __init__(self, row: int, rule: int, severity: Severity) -> None:
        self._row, self._rule, self._severity = row, rule, severity
        self._key = self._title = ""
        self._evidence: list[int] = []
        self._windows: list[int] = []
        self._labels: list[tuple[str, str]] = []

    def key(self, key: str) -> Finding:
        """Findings of one rule with one key in one period are one alert."""
        self._key = key
        return self

    def title(self, title: str) -> Finding:
        """One line that says what happened to whom: the reader may see nothing else."""
        self._title = title
        return self

    def window(self, window: int) -> Finding:
        """Cites what a window counted as evidence."""
        self._windows.append(window)
        return self

    def evidence(self, row: RowBase) -> Finding:
        """Cites another row of this batch."""
        self._evidence.append(row.seq)
        return self

    def label(self, key: str, value: str) -> Finding:
        """A fact beside the title."""
        self._labels.append((key, value))
        return self

    def labels(self, labels: dict[str, str]) -> Finding:
        """The labels whose value is given."""
        self._labels.extend((key, value) for key, value in labels.items() if value)
        return self


class Findings:
    """Where a detection puts its findings."""

    def __init__(self) -> None:
        self._all: list[Finding] = []

    def add(self, finding: Finding) -> None:
        self._all.append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        self._all.extend(findings)


class Batch:
    """Columns as the host sent them. A text is decoded once, however many rows have it."""

    # Asks the host for a whole column; None where the manifest doesn't ask for the grant.
    contains_many: Callable[[str, list[int]], Any] | None = None

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self._len = len(rows.seqs)
        self._texts: dict[int, str] = {0: ""}
        self._heap = bytes(rows.dict_bytes)
        self._lookups: dict[tuple[str, int], list[bool]] = {}

    def rows(self, row: Callable[[Batch, int], RowBase]) -> Iterator[RowBase]:
        return (row(self, at) for at in range(self._len))

    def text(self, field: int, at: int) -> str:
        number = self._rows.texts[field * self._len + at]
        text = self._texts.get(number)
        if text is None:
            offsets = self._rows.dict_offsets
            text = self._texts[number] = self._heap[offsets[number] : offsets[number + 1]].decode()
        return text

    def is_in(self, table: str, field: int, at: int) -> bool:
        answers = self._lookups.get((table, field))
        if answers is None:
            answers = self._lookups[table, field] = self._asked(table, field)
        return answers[at]

    def _asked(self, table: str, field: int) -> list[bool]:
        ask = Batch.contains_many
        if ask is None:
            raise RuntimeError('the manifest has no `grants = ["lookup"]`')
        ids = list(self._rows.texts[field * self._len : (field + 1) * self._len])
        return [answer != 0 for answer in ask(table, ids)]


class RowBase:
    """One event, as far as the module asked for it. `names.Row` adds what the manifest declares."""

    __slots__ = ("_at", "_batch")

    def __init__(self, batch: Batch, at: int) -> None:
        self._batch, self._at = batch, at

    def text(self, field: int) -> str:
        """A field's text; "" for absent, null and empty alike."""
        return self._batch.text(field, self._at)

    def window(self, window: int) -> int:
        """The value that the host's window has for this row."""
        rows = self._batch._rows
        value: int = rows.windows[window * self._batch._len + self._at]
        return value

    def first_seen(self, window: int) -> Seen:
        value = self.window(window)
        return Seen(None, value == 1) if value < 2 else Seen(value)

    def last_seen(self, window: int) -> Seen:
        return self.first_seen(window)

    def usual(self, window: int) -> Usual:
        value = self.window(window)
        return Usual(None if value == _LEARNING else value)

    def compared(self, now: int, usual: int, periods: int) -> Compared:
        return Compared(self.window(now), self.usual(usual), self.window(periods))

    @property
    def time_ms(self) -> int:
        """Event time in milliseconds since 1970."""
        value: int = self._batch._rows.times_ms[self._at]
        return value

    @property
    def seq(self) -> int:
        value: int = self._batch._rows.seqs[self._at]
        return value

    def is_in(self, table: str, field: int) -> bool:
        """Is the field's text in a table that the configuration fills? Asked once for the whole batch."""
        return self._batch.is_in(table, field, self._at)

    def finding(self, rule: int, severity: Severity) -> Finding:
        """Starts a finding of this row."""
        return Finding(self._at, rule, severity)


def story(error: BaseException) -> str:
    """What went wrong and where. Without `traceback`, which looks for source files, and there are none."""
    places, frame = [], error.__traceback__
    while frame is not None and len(places) < 20:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno} in {code.co_name}")
        frame = frame.tb_next
    return f"{type(error).__name__}: {error} ({' < '.join(reversed(places))})"
