"""Bring every host of an inventory to what its Site describes.

pyinfra inventories/prod deploy/callcenter.py
"""

from pyinfra import host

from callcenter.site import Site, Switch
from roles import firewall, freeswitch
from roles.host import HostState, preflight

site: Site = host.data.site
switch = Switch.of(host.name, host.data)
found = host.get_fact(HostState)

preflight(site=site, switch=switch, found=found)
freeswitch.preflight(site=site, found=found)

freeswitch.install(site=site, found=found)
freeswitch.configure(site=site, found=found)

firewall.activate(site=site, found=found)
freeswitch.activate(site=site, switch=switch, found=found)
