"""``callcenter new``: a folder for a site of the operator's own, from the shipped example."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import tempfile
import zoneinfo
from collections.abc import Mapping
from pathlib import Path

import click

from callcenter.cli.check import check
from callcenter.cli.schema import schema
from callcenter.client import home
from callcenter.site import SiteError

__all__ = ["command", "new"]

EXAMPLE = {
    "host": "cc1.example.net",
    "domain": "cc.example.net",
    "public_ip": "203.0.113.10",
    "timezone": "Europe/Berlin",
}
"""Words of the example that a new site has its own for."""

_WORD = re.compile(r"[A-Za-z0-9.:@/_-]+")
"""Signs that Python's quotes hold as they are. Whether it is a name, the fields say."""

_FILES = {
    "config.py": '''"""Ends a run that would look at no host; pyinfra reads this first."""

from callcenter.client.named import refuse

refuse()
''',
    "deploy/callcenter.py": '''"""Bring every host of an inventory to what its Site describes.

pyinfra inventories/prod deploy/callcenter.py

What is deployed besides may stand below the line that includes the call centre.
"""

from pyinfra import local

from callcenter.client import home

home.enter()
local.include(str(home.DEPLOY))
''',
    ".gitignore": ".secrets/\n__pycache__/\nreports/\n",
}

_README = """# A call centre

`inventories/prod` names the hosts, `{site}` describes what they are. What
is written there is brought to the hosts, and proved:

    callcenter check
    callcenter deploy
    callcenter verify --phones 1017,1018,1019

`callcenter phone` tells how to point a phone at it. `.secrets/` holds the passwords that were made
for it: keep a copy, and keep it out of the repository (docs/secrets.md of pyinfra-callcenter).
"""

_IN_PYTHON = "inventories/group_data/prod.py"
_IN_YAML = "inventories/group_data/prod.yaml"
_SCHEMA = "site.schema.json"
_LOADS = f'''from callcenter.site import Site

site = Site.load("{_IN_YAML}")
'''


def new(
    folder: Path,
    *,
    host: str,
    domain: str,
    address: str | None,
    public_ip: str | None,
    timezone: str,
    yaml: bool = False,
) -> list[Path]:
    """Write a folder for a site, and return its files. ``yaml`` says what language the Site is
    written in. What ``check`` would refuse is refused, and
    so is a folder that holds anything, but what a run that was cut short has begun."""
    given = {"address": address, "public_ip": public_ip}
    if not any(given.values()) and _is_address(host):
        given["address"] = host
    for what, text in {"host": host, "domain": domain, **given}.items():
        if text and not _WORD.fullmatch(text):
            raise SiteError([f"{what}: {text!r} is no name and no address"])
    if timezone not in zoneinfo.available_timezones():
        raise SiteError([f"time zone: {timezone!r} is none; use one such as Europe/Berlin"])
    hosts = (home.INVENTORIES / "prod").read_text(encoding="utf-8")
    described = _IN_YAML if yaml else _IN_PYTHON
    site = (home.INVENTORIES / f"group_data/{Path(described).name}").read_text(encoding="utf-8")
    data = "".join(f'"{name}": "{text}", ' for name, text in given.items() if text)
    hosts = hosts.replace(f'"public_ip": "{EXAMPLE["public_ip"]}", ', data)
    hosts = hosts.replace(f'"{EXAMPLE["host"]}"', f'"{host}"')
    files = {**_FILES, "README.md": _README.format(site=described), "inventories/prod": hosts}
    if yaml:
        # What the shipped example says of itself is no matter of this one.
        first, rest = site.split("\n", 1)
        site = f"{first.replace('docs/', '')}\n{rest[rest.index('# Phones') :]}"
        site = site.replace(f"domain: {EXAMPLE['domain']}\n", f'domain: "{domain}"\n')
        site = site.replace(f"timezone: {EXAMPLE['timezone']}\n", f"timezone: {timezone}\n")
        files |= {_IN_PYTHON: _LOADS, _IN_YAML: site, _SCHEMA: schema()}
    else:
        site = site.replace(f'"{EXAMPLE["domain"]}"', f'"{domain}"')
        site = site.replace(f'"{EXAMPLE["timezone"]}"', f'"{timezone}"')
        files[_IN_PYTHON] = site
    if folder.exists() and not (folder.is_dir() and _begun(folder, files)):
        raise SiteError([f"{folder}: is there already; give the name of a folder that is not"])
    with tempfile.TemporaryDirectory() as tried, contextlib.chdir(tried):
        _write(Path(), files)
        if refusals := check(Path(), secrets=False):
            raise SiteError(refusals)
    _write(folder, files)
    return [folder / name for name in files]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _begun(folder: Path, files: Mapping[str, str]) -> bool:
    """Tell whether a folder holds nothing but beginnings of these files."""
    return all(
        (name := path.relative_to(folder).as_posix()) in files
        and not path.is_symlink()
        and files[name].encode().startswith(path.read_bytes())
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--host", prompt="Host (a name that ssh can reach)", help="Host that ssh can reach.")
@click.option("--domain", prompt="SIP domain of the phones", help="SIP domain of the phones.")
@click.option("--address", help="Address on the host's own interface.")
@click.option("--public-ip", help="Address that phones on the internet are told.")
@click.option("--timezone", default="Europe/Berlin", help="Time zone of the Site's hours.")
@click.option("--yaml", is_flag=True, help="Write the Site in YAML, with an editor's schema.")
def command(
    folder: Path,
    host: str,
    domain: str,
    address: str | None,
    public_ip: str | None,
    timezone: str,
    yaml: bool,
) -> None:
    """Write a folder for a site of your own: its inventory, its description, its deploy file."""
    for path in new(
        folder,
        host=host,
        domain=domain,
        address=address,
        public_ip=public_ip,
        timezone=timezone,
        yaml=yaml,
    ):
        click.echo(path)
    click.echo(
        f"\nNext: edit {folder}/{_IN_YAML if yaml else _IN_PYTHON} (packages, extensions), then\n"
        f"  cd {folder}\n  callcenter check\n  callcenter deploy\n"
        "  callcenter verify --phones 1017,1018,1019"
    )
