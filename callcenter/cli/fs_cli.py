"""``callcenter fs_cli``: one command of FreeSWITCH's own."""

from __future__ import annotations

from pathlib import Path

import click

from callcenter.cli.sites import inventory_of
from callcenter.cli.switches import ask, fs_cli, printable, switch_of

__all__ = ["command"]


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--site", type=click.Path(path_type=Path), default=Path(), help="Path of the site.")
@click.option("--host", help="One of its switches (default: the first).")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
def command(site: Path, host: str | None, words: tuple[str, ...]) -> None:
    """Ask FreeSWITCH on a switch, such as: callcenter fs_cli show calls"""
    [said] = ask(switch_of(inventory_of(site), host), [fs_cli(" ".join(words))])
    click.echo(printable(said))
