"""Read a pyinfra inventory file without pyinfra: its hosts, their data, and the Site they share.

The phones that prove a site cannot live in a process that pyinfra's command has patched for gevent,
so verification reads the same file, by the same rules, itself.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from callcenter.site import Site, SiteError, Switch
from callcenter.site._faults import collecting
from callcenter.site.edges import OWN, before_switches
from callcenter.site.families import other_family
from callcenter.site.logins import login_problems
from callcenter.site.secrets import SecretUnavailable
from callcenter.site.site_hosts import SiteHosts
from callcenter.site.where import needs_switch, not_relayed, one_count, one_giver, one_ledger

__all__ = ["Host", "Inventory", "load"]


@dataclass(frozen=True)
class Host:
    """One host: pyinfra's own data and the switch that it is."""

    name: str
    groups: tuple[str, ...]
    data: Mapping[str, Any]
    others: tuple[Host, ...] = ()
    """Switches that it stands before where it is an edge, edges before it where it is a switch."""

    switches: tuple[Host, ...] = ()
    """Switches of the whole inventory."""

    @property
    def is_edge(self) -> bool:
        """Whether Kamailio runs on it rather than FreeSWITCH."""
        return "edges" in self.groups

    @property
    def login_address(self) -> str | None:
        """The name or address that ssh connects to, unless a configuration of ssh's may say another
        one."""
        if "ssh_config_file" in self.data:
            return None
        return str(self.data.get("ssh_hostname", self.name))

    @property
    def switch(self) -> Switch:
        """The addresses of the switch, or edge, on this host."""
        return Switch.of(self.name, self.data)

    @property
    def edge(self) -> Switch | None:
        """Kamailio's host before this switch, where that is another one."""
        return self.others[0].switch if self.others and not self.is_edge else None

    @property
    def behind(self) -> Switch | None:
        """FreeSWITCH's host behind Kamailio on this one, which may be the same."""
        if not self.is_edge:
            return self.switch
        return self.others[0].switch if self.others else None

    @property
    def all_hosts(self) -> SiteHosts:
        """All hosts of the Site, as this one sees them."""
        edges = [self.switch if self.is_edge else one.switch for one in self.others[:1]]
        return SiteHosts.of(self.switch, [one.switch for one in self.switches], edges)

    @property
    def inside(self) -> tuple[Switch, Switch] | None:
        """This host and the other one, where Kamailio and FreeSWITCH are on two."""
        return (self.switch, self.others[0].switch) if self.others else None


@dataclass(frozen=True)
class Inventory:
    """All hosts of a file."""

    path: Path
    hosts: tuple[Host, ...]

    @property
    def edges(self) -> tuple[Host, ...]:
        """The hosts on which Kamailio runs rather than FreeSWITCH."""
        return tuple(host for host in self.hosts if host.is_edge)

    @property
    def switches(self) -> tuple[Host, ...]:
        """The hosts on which FreeSWITCH runs."""
        return tuple(host for host in self.hosts if not host.is_edge)

    @property
    def linux_switch(self) -> Host | None:
        """The first switch on Linux, by which commands reach FreeSWITCH."""
        return next((host for host in self.switches if not host.switch.is_windows), None)

    @property
    def site(self) -> Site:
        """The Site, which every host must share."""
        sites = {host.data["site"] for host in self.hosts if "site" in host.data}
        data = self.path.parent / "group_data" / f"{self.path.stem}.py"
        if not sites:
            raise SiteError([f"{self.path}: has no site; write one in {data}"])
        if len(sites) > 1:
            raise SiteError([f"{self.path}: its hosts must share one site; define it in {data}"])
        (site,) = sites
        if not isinstance(site, Site):
            raise SiteError([f"{self.path}: site must be a Site; use Site(…) or Site.load('…')"])
        if all(host.is_edge for host in self.hosts) and (lines := needs_switch(site)):
            raise SiteError(lines)
        edges, switches = ([one.switch for one in of] for of in (self.edges, self.switches))
        if lines := before_switches(site, edges, switches) or [
            *not_relayed(site, switches),
            *one_giver(site, switches),
            *one_ledger(site, len(switches)),
            *one_count(site, len(switches)),
        ]:
            raise SiteError(lines)
        if lines := site.placed(
            f"{host.name}: {line}"
            for host in self.hosts
            for line in other_family(site, host.switch, host.login_address)
        ):
            raise SiteError(lines)
        return site


def load(path: str | Path) -> Inventory:
    """Load the inventory at ``path``; as with pyinfra, all its hosts are in a group of its name."""
    path = Path(path)
    if not path.is_file():
        raise SiteError([f"{path}: cannot be read; give an inventory such as inventories/prod"])
    groups = {
        name: value for name, value in _executed(path).items() if isinstance(value, list | tuple)
    }
    members: dict[str, list[str]] = {}
    own: dict[str, dict[str, Any]] = {}
    for group, value in groups.items():
        if group.startswith("_") or not _is_group(value):
            continue
        hosts, shared = value if isinstance(value, tuple) else (value, {})
        for entry in hosts:
            name, data = entry if isinstance(entry, tuple) else (entry, {})
            members.setdefault(name, []).append(group)
            own.setdefault(name, {}).update({**shared, **data})
    if not own:
        raise SiteError([f"{path}: has no host; write switches = hosts(…) with at least one"])
    folder = path.parent / "group_data"
    file_group = path.name.rsplit(".", 1)[0]
    data_of = {group: _group_data(folder / f"{group}.py") for group in {"all", file_group, *groups}}
    found = Inventory(
        path,
        tuple(
            Host(
                name,
                (*members[name], file_group),
                {
                    **data_of["all"],
                    **data_of[file_group],
                    **_merged(data_of[group] for group in members[name]),
                    **own[name],
                },
            )
            for name in own
        ),
    )
    if lines := [
        f"{host.name}.{line}" for host in found.hosts for line in login_problems(host.data)
    ]:
        raise SiteError(lines)
    if both := [one.name for one in found.hosts if {"edges", "switches"} <= {*one.groups}]:
        raise SiteError([f"edges[{name!r}]: is in switches, too; {OWN}" for name in both])
    return replace(
        found,
        hosts=tuple(
            replace(
                host,
                others=found.switches if host.is_edge else found.edges,
                switches=found.switches,
            )
            for host in found.hosts
        ),
    )


def _is_group(value: list[Any] | tuple[Any, ...]) -> bool:
    hosts = value[0] if isinstance(value, tuple) and value else value
    return isinstance(hosts, list) and all(isinstance(entry, str | tuple) for entry in hosts)


def _merged(many: Iterator[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for one in many for key, value in one.items()}


def _group_data(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    with collecting(path) as faults:
        try:
            values = _executed(path)
        except SiteError as wrong:
            if not faults.lines:
                raise
            # Code that fails may do so for want of a model that was refused.
            fails = wrong.__cause__ is not None and not isinstance(wrong.__cause__, SiteError)
            raise SiteError([*faults.lines, *(() if fails else wrong.problems)]) from wrong
    if faults.lines:
        raise SiteError(faults.lines)
    return {key: value for key, value in values.items() if not key.startswith("_")}


def _executed(path: Path) -> dict[str, Any]:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    values: dict[str, Any] = {"__file__": str(path)}
    try:
        code = compile(path.read_text(encoding="utf-8"), str(path), "exec")
    except (OSError, UnicodeDecodeError) as wrong:
        raise SiteError([f"{path}: cannot be read ({type(wrong).__name__})"]) from None
    except SyntaxError as wrong:
        raise SiteError([f"{path}: is no Python at line {wrong.lineno}: {wrong.msg}"]) from None
    try:
        exec(code, values)
    except SecretUnavailable:
        raise
    except Exception as wrong:
        frames = traceback.extract_tb(wrong.__traceback__)
        lines = [one.lineno for one in frames if one.filename == str(path)]
        if isinstance(wrong, SiteError):
            # What the file itself refuses is about no line of it. Of YAML that it has loaded, the
            # place is told already.
            if wrong.placed or not lines or frames[-1].filename == str(path):
                raise
            raise SiteError([f"{path}:{lines[-1]}: {line}" for line in wrong.problems]) from wrong
        # A name that is not there, a lab that is not up: the operator's own code, in one line.
        where = f" at line {lines[-1]}" if lines else ""
        said = " ".join(str(wrong).split())
        raise SiteError([f"{path}: fails{where}: {type(wrong).__name__}: {said}"]) from wrong
    return values
