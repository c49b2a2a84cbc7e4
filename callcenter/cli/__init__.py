"""The command ``callcenter``, one module a command. A module is imported when its command is named,
so that help and completion answer at once."""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

import click

from callcenter import __version__

__all__ = ["COMMANDS", "main"]

COMMANDS: Mapping[str, str] = {
    "new": "write a folder for a site of your own",
    "check": "check a site's description",
    "route": "print the way that a call takes at a moment, and why",
    "render": "list or print the files that a host would be given, without secrets",
    "plan": "print what a change from one description to another costs",
    "deploy": "bring the hosts to what their site describes",
    "drift": "fail where a deploy would change a host",
    "verify": "prove it: phones register, calls carry sound",
    "phone": "print how to point a Linphone at a site",
    "secrets": "list the secrets of a site and where they are kept, or make another",
    "phones": "list the links and QR codes by which phones configure themselves",
    "authority": "print the certificate of the site's own authority, which phones are given",
    "status": "show a switch's phones, calls, trunks, agents and who waits",
    "fs_cli": "ask FreeSWITCH on a switch",
    "logs": "print what the services of a host have logged",
    "siptrace": "print the SIP messages of a host as they go by",
    "bans": "list the addresses that are shut out for guessing, or let one in again",
    "billing": "prepaid accounts: money in and out, what is left, what was spent on what",
    "caps": "show what is used of each cap of calls outside",
    "notify": "call a list of numbers with a notice, and tell what became of each",
    "fax": "send a PDF or TIFF as a fax",
    "reference": "print every field of a Site with its meaning and default, as Markdown",
    "schema": "print the JSON Schema of a Site in YAML",
}
"""Names of the commands and their purposes, in the order of use."""


class _Commands(click.Group):
    """The commands, each from the module of its name."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"callcenter.cli.{name}").command
        return command

    def resolve_command(
        self, context: click.Context, words: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if words[0] not in COMMANDS and not words[0].startswith("-"):
            meant = difflib.get_close_matches(words[0], COMMANDS, 1)
            known = f"{meant[0]} is" if meant else f"there are {', '.join(COMMANDS)}"
            context.fail(f"{words[0]!r} is no command; {known}")
        return super().resolve_command(context, words)

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callcenter")
def _callcenter() -> None:
    """One typed description of a FreeSWITCH call centre, and what is done with it.

    A site is named by its inventory (inventories/prod), by a description in YAML (prod.yaml), or by
    the folder that holds either. The folder one stands in is the default.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code: 1 where something is refused, 2 where it is not
    understood."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    here = Path.cwd()
    try:
        done = _callcenter.main(words, prog_name="callcenter", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as asked:
        asked.show()
        return 2
    except click.ClickException as refused:
        refused.show()
        return refused.exit_code
    except click.Abort:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1
    except Exception as wrong:
        # Imported here: a command that was not understood needs none of the models.
        from callcenter.site import SiteError
        from callcenter.site.secrets import SecretUnavailable

        if not isinstance(wrong, SiteError | SecretUnavailable):
            raise
        print(wrong, file=sys.stderr)
        return 1
    finally:
        # A command stands in its site's folder; who called it may go on.
        os.chdir(here)
    return done if isinstance(done, int) else 0
