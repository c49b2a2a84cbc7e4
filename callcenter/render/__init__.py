"""Site and host to files. Pure: knows nothing of pyinfra and asks no host."""

from callcenter.render import acme, freeswitch, kamailio, system, web, windows
from callcenter.render._files import Difference, File, Tree

__all__ = [
    "Difference",
    "File",
    "Tree",
    "acme",
    "freeswitch",
    "kamailio",
    "system",
    "web",
    "windows",
]
