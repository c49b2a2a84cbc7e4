"""The lab's Site: small, with the packages that FREESWITCH_APT or /srv/freeswitch-apt holds."""

from callcenter.site import Extension, LocalPackages, Media, Site

site = Site(
    domain="lab.callcenter.test",
    timezone="Europe/Berlin",
    packages=LocalPackages(),
    extensions=[
        *Extension.range(1000, 1019, ring_seconds=5),
        Extension(2000, name="Front desk", ring_seconds=5),
    ],
    media=Media(max_calls=100),
)
