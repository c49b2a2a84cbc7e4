"""JSON Schema of the YAML form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from callcenter.site._model import Described, built
from callcenter.site._ranges import RANGE
from callcenter.site.blocks import NUMBERS
from callcenter.site.destinations import KEYS

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["schema_of"]


def schema_of(cls: type[Site]) -> dict[str, Any]:
    """Return the JSON Schema of the YAML form."""
    schema = TypeAdapter(built(cls)).json_schema(schema_generator=Described)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["patternProperties"] = {"^x-": {"description": "Place for YAML's anchors."}}
    extensions = schema["properties"]["extensions"]
    span = {"type": "string", "pattern": rf"^\s*{RANGE.pattern}\s*$"}
    shorthand = [
        {"type": "integer", "minimum": 10},
        {"type": "string", "pattern": r"^\s*[0-9]{2,15}\s*$"},
        span,
    ]
    extensions["items"] = {"anyOf": [extensions["items"], *shorthand]}
    definitions = schema["$defs"]
    for source in (
        "SignalWire",
        "AptRepository",
        "LocalPackages",
        "LocalPostgres",
        "RemotePostgres",
    ):
        definitions[source].setdefault("required", []).append("source")
    numbers = definitions["Extension"]["properties"]["number"]["anyOf"]
    numbers.append(span)
    agents = definitions["Agent"]["properties"]["extension"]
    agents.setdefault("anyOf", []).append(span)
    # Beside a block of DIDs; elsewhere `check` refuses it.
    target = definitions["ToExtension"]["properties"]["extension"]
    target["anyOf"].append(span)
    block = {"type": "string", "pattern": rf"^\s*{NUMBERS.pattern}\s*$"}
    number = definitions["Did"]["properties"]["number"]
    single = {key: number.pop(key) for key in ("type", "pattern")}
    number["anyOf"] = [single, block]
    # One that has a default, too, is chosen by its key.
    for destination, key in KEYS.items():
        definitions[destination]["required"] = sorted(
            {key, *definitions[destination].get("required", ())}
        )
    # An extension's own secrets are named after its number: no one value is the default.
    del definitions["Extension"]["properties"]["password"]["default"]
    del definitions["EventSocketUser"]["properties"]["password"]["default"]
    del definitions["Mailbox"]["properties"]["pin"]["default"]
    definitions["EventSocket"]["properties"]["password"]["default"] = {"secret": "esl"}
    definitions["Guessers"]["properties"]["password"]["default"] = {"secret": "guessers"}
    return schema
