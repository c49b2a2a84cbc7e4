"""Deploy that prepares an image: it installs the packages of a Site and configures nothing."""

from pyinfra import host

from callcenter.site import Site
from roles import freeswitch, kamailio
from roles.host import HostState

site: Site = host.data.site
found = host.get_fact(HostState)
freeswitch.install(site=site, found=found)
kamailio.install(site=site, found=found)
