"""Proofs of a run, one for each test, and the lines of a terminal that report them."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NoReturn

import pytest

TIERS = {0: "host", 1: "register", 2: "call", 3: "service", 4: "failure"}
COLUMNS = 100
"""The widest line of a report."""
_HOST_COLUMNS = 20

NOT_TRIED = "not tried: "
"""Beginning of a skip's reason that tells an operator how to have the proof."""

Result = Literal["proved", "failed", "not tried", "does not apply"]


def not_tried(reason: str) -> NoReturn:
    """Skip a test that the operator can have run; the reason says by what."""
    pytest.skip(NOT_TRIED + reason)


def tier_name(tier: int) -> str:
    """Return the tier as people say it."""
    return f"T{tier} {TIERS.get(tier, '')}".rstrip()


@dataclass
class Proof:
    """One test of the run."""

    nodeid: str
    tier: int
    proved: str
    hosts: list[str]
    result: Result = "proved"
    reason: str = ""
    """Cause of a failure or of a skip, in one line."""
    seconds: float = 0.0
    details: str = ""
    evidence: list[dict[str, Any]] = field(default_factory=list)

    @property
    def tier_name(self) -> str:
        """The tier as people say it."""
        return tier_name(self.tier)

    @property
    def host(self) -> str:
        """The hosts in words."""
        return ", ".join(self.hosts)


@dataclass(frozen=True)
class Proofs:
    """All tests of a run, by tier."""

    proofs: Sequence[Proof]

    def of(self, result: Result) -> list[Proof]:
        """Return the proofs with that result."""
        return [proof for proof in self.proofs if proof.result == result]

    @property
    def tiers(self) -> list[tuple[str, list[Proof]]]:
        """Proofs with the result ``proved``, by the names of their tiers."""
        return [
            (tier_name(tier), list(proofs))
            for tier, proofs in groupby(self.of("proved"), key=lambda proof: proof.tier)
        ]

    def reasons(self, result: Result) -> list[tuple[str, list[Proof]]]:
        """Return the proofs with that result by their reason, the commonest first."""
        found: dict[str, list[Proof]] = {}
        for proof in self.of(result):
            found.setdefault(proof.reason, []).append(proof)
        return sorted(found.items(), key=lambda entry: -len(entry[1]))

    @property
    def hosts(self) -> list[str]:
        """The hosts that the proofs are about."""
        return list(dict.fromkeys(host for proof in self.proofs for host in proof.hosts))

    @property
    def count(self) -> str:
        """The numbers in words, such as `103 proved, 0 failed, 20 do not apply here`."""
        counted = Counter(proof.result for proof in self.proofs)
        said = [f"{counted['proved']} proved", f"{counted['failed']} failed"]
        if counted["not tried"]:
            said.append(f"{counted['not tried']} not tried")
        if number := counted["does not apply"]:
            said.append(f"{number} {'does' if number == 1 else 'do'} not apply here")
        return ", ".join(said)

    def lines(self, everything: bool = False) -> Iterator[tuple[str, bool]]:
        """Yield the report's lines, and whether each is about a failure.

        `everything` lists each proof that was not tried or does not apply.
        """
        if failed := self.of("failed"):
            yield "failed", True
            for proof in failed:
                yield self._line(proof, f"{proof.tier_name}: {proof.proved}"), True
                yield fitted(f"      {proof.reason}", COLUMNS), True
        for tier, proofs in self.tiers:
            yield tier, False
            for proof in proofs:
                yield self._line(proof, proof.proved), False
        for result in ("not tried", "does not apply"):
            if result == "not tried" or everything:
                yield from ((line, False) for line in self._reasons(result, everything))
        number = 0 if everything else len(self.of("does not apply"))
        more = f" (--all lists {'it' if number == 1 else 'them'})" if number else ""
        yield self.count + more, bool(failed)

    def _line(self, proof: Proof, text: str) -> str:
        end = f"{proof.seconds:6.1f} s"
        if len(self.hosts) > 1:
            widest = max(columns(one.host) for one in self.proofs)
            end = f"  {padded(proof.host, min(widest, _HOST_COLUMNS))}{end}"
        return f"  {padded(text, COLUMNS - 2 - columns(end))}{end}"

    def _reasons(self, result: Result, everything: bool) -> Iterator[str]:
        for reason, proofs in self.reasons(result):
            number = len(proofs)
            says = "do not apply" if result == "does not apply" and number > 1 else result
            yield fitted(f"{number} {says}: {reason}", COLUMNS)
            for proof in proofs if everything else ():
                yield fitted(f"  {proof.tier_name}: {proof.proved}", COLUMNS)


def columns(text: str) -> int:
    """Return the columns that a text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1
        for one in text
    )


def fitted(text: str, width: int) -> str:
    """Return the text in one line of so many columns, cut before its `[case]` where it is too
    wide."""
    if columns(text) <= width:
        return text
    start, bracket, case = text.rpartition(" [")
    end = bracket + case if case.endswith("]") and columns(case) < width // 2 else ""
    kept = start if end else text
    while kept and columns(kept) + 1 + columns(end) > width:
        kept = kept[:-1]
    return f"{kept.rstrip()}…{end}"


def padded(text: str, width: int) -> str:
    """Return the text in so many columns, cut or filled with blanks."""
    text = fitted(text, width)
    return text + " " * (width - columns(text))
