"""Deploy that prepares an image: it installs the packages of a Site and configures nothing."""

from pyinfra import host

from callcenter.site import Site
from roles import freeswitch
from roles.host import HostState

site: Site = host.data.site
freeswitch.install(site=site, found=host.get_fact(HostState))
