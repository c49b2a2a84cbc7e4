"""The lab's Site without a switch: what FreeSWITCH would do is switched off."""

from callcenter.site import Extension, FeatureCodes, Firewall, Media, Network, Site

site = Site(
    domain="edges.callcenter.test",
    timezone="Europe/Berlin",
    extensions=[
        *Extension.range(1000, 1019, ring_seconds=5),
        Extension(2000, name="Front desk", ring_seconds=5),
    ],
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(mode="bypass", max_calls=100),
    features=FeatureCodes(echo=None, tone=None),
)
