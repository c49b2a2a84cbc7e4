"""Bring every host of an inventory to what its Site describes.

pyinfra inventories/prod deploy/callcenter.py
"""

from pyinfra import host, inventory

from callcenter.site import LocalPostgres, Site, Switch
from roles import billing, certificates, firewall, freeswitch, kamailio, postgresql, web, windows
from roles.host import HostState, preflight
from roles.host.operations import passed

site: Site = host.data.site
switch = Switch.of(host.name, host.data)
is_edge = "edges" in host.groups

if switch.is_windows:
    there = windows.Found.on_host()
    windows.preflight(site=site, switch=switch, found=there)
else:
    found = host.get_fact(HostState)
    asking = sum(len(inventory.get_group(name, [])) for name in ("switches", "edges"))

    if is_edge:
        preflight(site=site, switch=switch, found=found, service="kamailio")
        kamailio.preflight(site=site, switches=len(inventory.get_group("switches", [])))
    else:
        preflight(site=site, switch=switch, found=found)
        freeswitch.preflight(site=site, switch=switch, found=found)
        switches = len(inventory.get_group("switches", []))
        billing.preflight(site=site, switches=switches)
        web.preflight(site=site, switches=switches)
    certificates.preflight(site=site, hosts=asking)

passed(name="Linux and Windows hosts alike")

if switch.is_windows:
    windows.install(site=site, found=there)
    windows.activate(site=site, switch=switch)
    windows.configure(site=site, found=there)
elif is_edge:
    kamailio.install(site=site, found=found)
    certificates.install(site=site, found=found, mails=False)

    opened = firewall.look(found)
    firewall.configure(site=site, found=found, present=opened, rtp=False)
    certificates.activate(site=site, found=found)
    kamailio.configure(site=site, switch=switch, alone=True)
    kamailio.activate(site=site, switch=switch, found=found, alone=True)
    firewall.activate(site=site, found=found, present=opened, rtp=False)
    certificates.retire(site=site, found=found)
else:
    freeswitch.install(site=site, found=found)
    if isinstance(site.database, LocalPostgres):
        postgresql.install(site=site, found=found)
        postgresql.activate(site=site)
    freeswitch.configure(site=site, switch=switch, found=found)
    billing.install(site=site, found=found)
    if site.network.edge:
        kamailio.install(site=site, found=found)
    else:
        kamailio.retire(found=found)
    web.install(site=site, found=found)
    certificates.install(site=site, found=found, mails=True)

    opened = firewall.look(found)
    firewall.configure(site=site, found=found, present=opened)
    # Where an authority gives none, what runs goes on with the files that it has.
    certificates.activate(site=site, found=found)
    if site.network.edge:
        kamailio.configure(site=site, switch=switch)
    freeswitch.activate(site=site, switch=switch)
    freeswitch.retire(site=site, switch=switch, found=found)
    if site.network.edge:
        kamailio.activate(site=site, switch=switch, found=found)
    firewall.activate(site=site, found=found, present=opened)
    billing.retire(site=site, found=found)
    web.activate(site=site, switch=switch)
    web.retire(site=site, switch=switch, found=found)
    certificates.retire(site=site, found=found)
    if not isinstance(site.database, LocalPostgres):
        postgresql.retire(found=found)
