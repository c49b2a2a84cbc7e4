"""Site and host to files. Pure: knows nothing of pyinfra and asks no host."""

from callcenter.render import (
    acme,
    apt,
    beside,
    freeswitch,
    kamailio,
    packet_filter,
    pool,
    postgresql,
    public_address,
    services,
    turn,
    web,
    windows,
)
from callcenter.render._files import Difference, File, Tree

__all__ = [
    "Difference",
    "File",
    "Tree",
    "acme",
    "apt",
    "beside",
    "freeswitch",
    "kamailio",
    "packet_filter",
    "pool",
    "postgresql",
    "public_address",
    "services",
    "turn",
    "web",
    "windows",
]
