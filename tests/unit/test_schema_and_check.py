"""An editor's verdict and ours are the same: the published JSON Schema and ``Site.load``, on
generated Sites, right ones and ones with one fault."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from callcenter.site import Site, SiteError

pytestmark = pytest.mark.usefixtures("own_folder")

ROOT = Path(__file__).parents[2]
jsonschema: Any = pytest.importorskip(
    "jsonschema", reason="jsonschema is not installed, which checks the schema"
)
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs/site.schema.json").read_text(encoding="utf-8"))
)
CHECK = TypeAdapter(Site)
Data = dict[str, Any]
Path_ = tuple[str | int, ...]
Fault = tuple[str, Path_, Any]
"""A fault's kind, its place, and what stands there instead."""

LEAVE_OUT = object()
MAPPINGS = frozenset({"options", "skills", "speed_dials", "exceptions", "headers"})
"""Fields whose keys the operator makes up."""
WORDS = frozenset(
    {"language", "strategy", "mode", "live_calls", "transport", "dialling", "per", "each", "to"}
)
"""Fields that take one of a few words."""
GRAMMARS = frozenset({"domain", "name", "trunk", "caller_id", "url", "ivr", "queue", "number"})
"""Fields whose text is of a closed grammar, none of which takes ``No such!``."""

words = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=20)
seconds = st.integers(5, 60)


@st.composite
def sites(draw: st.DrawFn) -> Data:
    """Draw a right Site, of some of the fields, as YAML has it."""
    numbers = draw(st.lists(st.integers(1000, 1899), min_size=3, max_size=6, unique=True))
    made: Data = {
        "domain": draw(words) + draw(st.sampled_from([".example.net", ".Example.org", ".test"])),
        "extensions": [
            draw(
                st.sampled_from([number, str(number), f" {number} "])
                | st.fixed_dictionaries(
                    {"number": st.just(number)},
                    optional={"name": texts, "ring_seconds": seconds, "record": st.booleans()},
                )
            )
            for number in numbers
        ],
    }
    made["extensions"] += draw(st.sampled_from([[], ["1900-1909"], [{"number": "1900-1905"}]]))
    made["extensions"].append({"number": 2000, "voicemail": True})
    one = st.sampled_from(numbers)
    ways = [
        st.fixed_dictionaries({"extension": one | one.map(str)}),
        st.just({"voicemail": 2000}),
        st.fixed_dictionaries({"hang_up": st.sampled_from(["USER_BUSY", "CALL_REJECTED"])}),
        st.just({"ivr": "main"}),
        st.just({"queue": "sales", "priority": 30}),
        st.just({"hours": "office", "open": {"extension": 2000}, "closed": {"ring_group": "all"}}),
    ]
    way = st.one_of(ways)
    made |= {
        "hours": [{"name": "office", "weekly": ["Mon-Fri 09:00-18:00"], "holidays": ["12-25"]}],
        "ivrs": [
            {
                "name": "main",
                "greeting": {"say": "Welcome."},
                "options": draw(st.dictionaries(st.sampled_from("1234*"), way, min_size=1)),
            }
        ],
        "queues": [{"name": "sales", "number": draw(st.sampled_from([7000, "7000"]))}],
        "agents": [
            {"extension": numbers[0], "skills": {"sales": draw(st.integers(1, 5))}},
            {"extension": str(numbers[1]), "skills": {"sales": 1}, "wrap_up": draw(seconds)},
        ],
        "ring_groups": [
            {"name": "all", "members": numbers[:2], "otherwise": draw(st.one_of(ways[:3]))}
        ],
    }
    made["ring_groups"][0] |= draw(
        st.fixed_dictionaries(
            {}, optional={"strategy": st.just("in-turn"), "ring_seconds": seconds}
        )
    )
    more: dict[str, st.SearchStrategy[Any]] = {
        "timezone": st.sampled_from(["Europe/Berlin", "UTC"]),
        "language": st.sampled_from(["en", "zh"]),
        "dialling": st.sampled_from(["en-bloc", "digit-by-digit"]),
        "notices": st.builds(
            lambda way: [{"name": "storm", "announcement": {"say": "A storm."}, "otherwise": way}],
            way,
        ),
        "conferences": st.just([{"name": "weekly", "number": 3000, "pin": {"secret": "weekly"}}]),
        "parking": st.just({"first": 5901, "last": "5910", "max_wait": 60}),
        "speed_dials": st.dictionaries(st.sampled_from(["*01", "*02"]), one | one.map(str)),
        "voicemail": st.fixed_dictionaries({"keep_days": st.none() | st.integers(1, 90)}),
        "recording": st.fixed_dictionaries({"keep_days": st.integers(1, 90)}),
        "hold_music": st.sampled_from(["tune", None, {"say": "Please wait."}]),
        "network": st.fixed_dictionaries(
            {"sip_from": st.sampled_from(["anywhere", ["192.0.2.0/24", "2001:db8::/32"]])},
            optional={"sip_port": st.just(5070), "transports": st.just(["tcp"])},
        ),
        "firewall": st.sampled_from(
            [{"enabled": False}, {"tcp_ports": [9100, {"port": 80, "sources": ["192.0.2.5"]}]}]
        ),
        "media": st.fixed_dictionaries(
            {"max_calls": st.integers(10, 500)}, optional={"mode": st.just("default")}
        ),
        "features": st.sampled_from([{"echo": "*96"}, {"echo": None, "tone": 9198}]),
        "cdr": st.sampled_from([{"to": "json"}, {"to": "csv", "keep_days": 30}]),
        "maintenance": st.fixed_dictionaries({"live_calls": st.sampled_from(["stop", "drain"])}),
        "event_socket": st.just(
            {"port": 8022, "users": [{"name": "a", "events": ["ALL"], "commands": ["show"]}]}
        ),
        "smtp": st.just({"host": "mail.example.net", "sender": "pbx@example.net"}),
        "applications": st.just([{"name": "survey", "port": 8084, "number": 6300}]),
        "http_applications": st.just([{"name": "menu", "url": "https://a.example.net/start"}]),
        "guessers": st.fixed_dictionaries({"enabled": st.booleans()}),
        "x-anchor": st.just({"any": ["thing"]}),
        "trunks": st.builds(
            lambda channels: [
                {
                    "name": "a",
                    "host": "192.0.2.1",
                    "channels": channels,
                    "caller_id": "+4930123456",
                },
                {
                    "name": "b",
                    "host": "sip.example.net",
                    "networks": ["192.0.2.0/24"],
                    "username": "u",
                    "password": {"secret": "b"},
                    "caller_id": "+4930123456",
                },
            ],
            st.integers(1, 30),
        ),
    }
    for field in draw(st.lists(st.sampled_from(sorted(more)), max_size=6, unique=True)):
        made[field] = draw(more[field])
    if "trunks" in made:
        made |= {
            "outbound": [
                {"name": "r", "pattern": r"^0\d{5,9}$", "strip": 1, "prefix": "+49",
                 "trunks": ["a", "b"]}
            ],
            "inbound": [
                {"number": "+4930123456", "to": draw(way)},
                {"number": "+49301235000-009", "to": {"extension": 2000}, "trunk": "b"},
            ],
            "emergency": [{"number": draw(st.sampled_from([112, "112"])), "trunks": ["a"]}],
            "outbound_limits": {"countries": ["+49"], "calls": 2},
            "caps": [{"name": "day", "per": "day", "calls": 20, "each": "extension"}],
        }  # fmt: skip
    return made


def places(value: object, path: Path_ = ()) -> Iterator[tuple[Path_, object]]:
    """Yield each place of a description and what stands there; nothing of what is anybody's."""
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            if not str(key).startswith("x-"):
                yield from places(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from places(below, (*path, index))


def faults_of_form(data: Data) -> list[Fault]:
    """List what can be wrong at one place of a description, whatever stands at the others."""
    out: list[Fault] = [("a key is missing", (key,), LEAVE_OUT) for key in ("domain", "extensions")]
    for path, value in places(data):
        word = next((one for one in reversed(path) if isinstance(one, str)), "")
        if path:
            out.append(("lists in a list", path, [[0]]))
        if isinstance(value, dict):
            if word not in MAPPINGS or len(path) % 2 == 0:
                out.append(("an unknown key", (*path, "colour"), "red"))
            if path and "name" in value and path[0] != "extensions":
                out.append(("a key is missing", (*path, "name"), LEAVE_OUT))
        elif isinstance(value, int) and not isinstance(value, bool):
            out.append(("below its range", path, -1))
        elif isinstance(value, bool):
            out.append(("text for true or false", path, "yes"))
        elif isinstance(value, str) and word in WORDS:
            out.append(("no word of a choice", path, "never"))
        elif isinstance(value, str) and word in GRAMMARS and path[0] != "extensions":
            out.append(("no text of its grammar", path, "No such!"))
    return out


def broken(data: Data, path: Path_, value: object) -> Data:
    """Return the description with something else at one place."""
    made = copy.deepcopy(data)
    there: Any = made
    for step in path[:-1]:
        there = there[step]
    if value is LEAVE_OUT:
        del there[path[-1]]
    else:
        there[path[-1]] = value
    return made


def loaded(data: Data, file: Path) -> Site:
    """Load a description from a file; JSON is YAML, too."""
    file.write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
    return Site.load(file)


def is_refused(data: Data) -> bool:
    """Tell whether Site.load refuses a description. Its file is not written and parsed: that is
    most of the time."""
    try:
        CHECK.validate_python({k: v for k, v in data.items() if not k.startswith("x-")})
    except (SiteError, ValidationError):
        return True
    return False


def generated(examples: int) -> settings:
    """Run a test so many times, the same each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


ANYTHING: list[Any] = [None, True, 7, 10**7, 1.5, "7", "", "Bad One", [], ["a"], {"a": 1}, [{}]]


def test_both_take_what_is_right_and_refuse_what_is_of_the_wrong_form(tmp_path: Path) -> None:
    """50 Sites, and 200 that are these with one fault."""
    seen: Counter[str] = Counter()

    @generated(50)
    @given(data=sites(), which=st.data())
    def both(data: Data, which: st.DataObject) -> None:
        assert loaded(data, tmp_path / "site.yaml")
        assert not [*SCHEMA.iter_errors(data)]
        faults = faults_of_form(data)
        kinds = st.sampled_from(sorted({kind for kind, _, _ in faults}))
        for kind in which.draw(st.lists(kinds, min_size=4, max_size=4, unique=True)):
            _, path, value = which.draw(st.sampled_from([one for one in faults if one[0] == kind]))
            wrong = broken(data, path, value)
            assert is_refused(wrong), (kind, path)
            assert not SCHEMA.is_valid(wrong), (kind, path)
            seen[kind] += 1

    both()
    assert seen.total() >= 200
    assert len(seen) == 7


def test_what_an_editor_refuses_is_refused() -> None:
    """250 Sites with anything at one place. What only a whole Site shows is beyond a schema."""
    seen: Counter[str] = Counter()

    @generated(50)
    @given(data=sites(), which=st.data())
    def both(data: Data, which: st.DataObject) -> None:
        for value in which.draw(st.lists(st.sampled_from(ANYTHING), min_size=5, max_size=5)):
            path, _ = which.draw(st.sampled_from([*places(data)][1:]))
            other = broken(data, path, value)
            takes, checks = SCHEMA.is_valid(other), not is_refused(other)
            assert takes or not checks, (path, value)
            seen["both take" if checks else "check alone" if takes else "both refuse"] += 1

    both()
    assert seen.total() >= 250
    assert seen["both refuse"] > 100
