"""The Site of inventories/lab-windows: the lab's, on Windows.

CALLCENTER_WINDOWS_INSTALLER  the MSI: a file here, or an https address that the host fetches;
                              default: FreeSWITCH-1.10.12-Release-x64.msi
CALLCENTER_WINDOWS_SHA256     of the MSI; needed with an address
"""

import os

from callcenter.site import Extension, LocalPackages, Media, Msi, Network, Site

site = Site(
    domain="windows.callcenter.test",
    timezone="Europe/Berlin",
    # Only its version counts here: the MSI's.
    packages=LocalPackages(version="1.10.12"),
    windows=Msi(
        os.environ.get("CALLCENTER_WINDOWS_INSTALLER", "FreeSWITCH-1.10.12-Release-x64.msi"),
        sha256=os.environ.get("CALLCENTER_WINDOWS_SHA256"),
    ),
    extensions=[*Extension.range(1000, 1019, ring_seconds=5)],
    # Windows has no Kamailio: phones of local networks only.
    network=Network(edge=False, sip_from=["10.0.0.0/8"]),
    media=Media(max_calls=100),
)
