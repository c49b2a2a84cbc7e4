"""Bring every host of an inventory to what its Site describes.

pyinfra inventories/prod deploy/callcenter.py
"""

from pyinfra import host, inventory

from callcenter.site import Site, Switch
from roles import firewall, freeswitch, kamailio
from roles.host import HostState, preflight

site: Site = host.data.site
switch = Switch.of(host.name, host.data)
found = host.get_fact(HostState)

if "edges" in host.groups:
    preflight(site=site, switch=switch, found=found, service="kamailio")
    kamailio.preflight(site=site, switches=len(inventory.get_group("switches", [])))

    kamailio.install(found=found)
    kamailio.configure(site=site, switch=switch)

    firewall.activate(site=site, found=found, rtp=False)
    kamailio.activate(site=site, switch=switch)
else:
    preflight(site=site, switch=switch, found=found)
    freeswitch.preflight(site=site, found=found)

    freeswitch.install(site=site, found=found)
    freeswitch.configure(site=site, found=found)

    firewall.activate(site=site, found=found)
    freeswitch.activate(site=site, switch=switch, found=found)
