"""Bring every host of an inventory to what its Site describes.

pyinfra inventories/prod deploy/callcenter.py
"""

from pyinfra import host, inventory

from callcenter.site import LocalPostgres, Site, Switch
from callcenter.site.site_hosts import SiteHosts
from roles import (
    certificates,
    firewall,
    freeswitch,
    kamailio,
    pool,
    postgresql,
    turn,
    web,
    windows,
)
from roles.host import HostState, preflight
from roles.host.operations import passed, those_before

site: Site = host.data.site
switch = Switch.of(host.name, host.data)
is_edge = "edges" in host.groups
edges, switches = (
    [Switch.of(one.name, one.data) for one in inventory.get_group(name, [])]
    for name in ("edges", "switches")
)
others = switches if is_edge else edges
# Kamailio and FreeSWITCH on two hosts: this one and the other.
inside = (switch, others[0]) if others else None
# Kamailio's host before this switch, and FreeSWITCH's behind this edge.
edge = edges[0] if edges and not is_edge else None
behind = switches[0] if switches and is_edge else None
all_hosts = SiteHosts.of(switch, switches, edges)

if edges:
    kamailio.preflight(site=site, edges=edges, switches=switches)
if switch.is_windows:
    there = windows.Found.on_host(apart=edge is not None)
    windows.preflight(site=site, switch=switch, found=there, edge=edge)
else:
    found = host.get_fact(HostState)
    if is_edge:
        preflight(site=site, switch=switch, found=found, service="kamailio")
    else:
        preflight(site=site, switch=switch, found=found, edge=edge)
        freeswitch.preflight(site=site, switch=switch, found=found)
        pool.preflight(site=site, switches=len(switches))
        web.preflight(site=site, switches=switches)
        turn.preflight(site=site, switches=switches)
    certificates.preflight(site=site, hosts=len(edges or switches))

passed(name="Linux and Windows hosts alike")

if is_edge:
    kamailio.install(site=site, found=found)
    web.install(site=site, found=found, hosts=all_hosts, accounts=True)
    turn.install(site=site, hosts=all_hosts, found=found)
    certificates.install(site=site, found=found, mails=False)

    opened = firewall.look(found)
    # The rules of a Site without it do not hold it to voice.
    turn.retire(site=site, hosts=all_hosts, found=found)
    firewall.configure(
        site=site, found=found, present=opened, rtp=False, inside=inside, hosts=all_hosts
    )
    certificates.activate(site=site, found=found)
    kamailio.configure(site=site, edge=switch, behind=behind)
    kamailio.activate(site=site, edge=switch, behind=behind, found=found)
    firewall.activate(
        site=site, found=found, present=opened, rtp=False, inside=inside, hosts=all_hosts
    )
    turn.activate(site=site, hosts=all_hosts)
    web.activate(site=site, switch=switch, hosts=all_hosts, behind=behind)
    web.retire(site=site, switch=switch, found=found, accounts=True)
    certificates.retire(site=site, found=found)

if others:
    # What both have they begin together: an edge is ready before a switch leaves its phones to it.
    those_before(name="The edge is ready")

if switch.is_windows:
    windows.install(site=site, found=there)
    windows.activate(site=site, switch=switch, edge=edge)
    windows.configure(site=site, found=there, edge=edge)
elif not is_edge:
    here = site.network.edge and edge is None
    freeswitch.install(site=site, found=found)
    if isinstance(site.database, LocalPostgres):
        postgresql.install(site=site, found=found)
        postgresql.activate(site=site)
    freeswitch.configure(site=site, switch=switch, found=found, edge=edge)
    pool.install(site=site, found=found)
    if here:
        kamailio.install(site=site, found=found)
    turn.install(site=site, hosts=all_hosts, found=found)
    if edge is None:
        web.install(site=site, found=found, hosts=all_hosts)
        certificates.install(site=site, found=found, mails=True)

    opened = firewall.look(found)
    # The rules of a Site without it do not hold it to voice, however long calls are waited for.
    turn.retire(site=site, hosts=all_hosts, found=found)
    # Phones are Kamailio's until it makes room for FreeSWITCH, in the moment in which that comes.
    leaves = not here and kamailio.runs(found)
    now = None if leaves else inside
    firewall.configure(site=site, found=found, present=opened, inside=now, hosts=all_hosts)
    if edge is None:
        # Where an authority gives none, what runs goes on with the files that it has.
        certificates.activate(site=site, found=found)
    if here:
        kamailio.configure(site=site, edge=switch, behind=switch)
    closing = firewall.closing(site, found, opened, inside, all_hosts) if leaves else None
    freeswitch.activate(site=site, switch=switch, edge=edge, closing=closing)
    if here:
        kamailio.activate(site=site, edge=switch, behind=switch, found=found)
    else:
        kamailio.retire(found=found)
    freeswitch.retire(site=site, switch=switch, found=found)
    # What holds it to voice is there before it runs.
    turn.activate(site=site, hosts=all_hosts)
    firewall.activate(site=site, found=found, present=opened, inside=inside, hosts=all_hosts)
    pool.retire(site=site, found=found)
    if edge is None:
        web.activate(site=site, switch=switch, hosts=all_hosts)
    web.retire(site=site, switch=switch, found=found, shown=edge is None)
    certificates.retire(site=site, found=found, shown=edge is None)
    if not isinstance(site.database, LocalPostgres):
        postgresql.retire(found=found)
