"""``callcenter schema``: what an editor needs of a Site in YAML."""

from __future__ import annotations

import json

import click

from callcenter.site import Site

__all__ = ["command", "schema"]


def schema() -> str:
    """Return the text of docs/site.schema.json."""
    return json.dumps(Site.schema(), indent=2, ensure_ascii=False) + "\n"


@click.command()
def command() -> None:
    """Print the JSON Schema of a Site in YAML."""
    click.echo(schema(), nl=False)
