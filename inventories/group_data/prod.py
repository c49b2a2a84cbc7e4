"""The production Site: an example to edit. Fields left out have the default that stands here.

Secrets are not written here: ``secret("name")`` looks in the environment
(CALLCENTER_SECRET_NAME), then in a sops or age file where ``encrypted_secrets`` names one, then in
the Site's own secret file, where it makes a strong random value at first use.
"""

from callcenter.site import (
    EventSocket,
    Extension,
    FeatureCodes,
    Firewall,
    Guessers,
    Maintenance,
    Media,
    Network,
    SignalWire,
    Site,
    secret,
)

site = Site(
    # Phones register as number@domain. It also names the Site's secret file, and is part of every
    # a1-hash: change it, and every phone needs a new password.
    domain="cc.example.net",
    timezone="Europe/Berlin",
    language="en",
    # Where FreeSWITCH's packages come from. Also AptRepository(url=…, key=…), or LocalPackages()
    # for a folder of .deb files on this machine.
    packages=SignalWire(token=secret("signalwire"), version="1.10.12"),
    extensions=[
        # What all of a range have is said once: Extension.range(1000, 1019, voicemail=True).
        *Extension.range(1000, 1019),
        # Whom it does not answer may leave a message; its PIN is a secret, too.
        Extension(2000, name="Front desk", ring_seconds=20, voicemail=True),
    ],
    network=Network(
        sip_port=5060,
        transports=("udp", "tcp"),
        rtp_ports=(16384, 32767),
        # Phones here are told the switch's own address, all others its public one.
        local_networks=("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        # The networks of your offices, such as ("203.0.113.0/24",), where phones are nowhere else.
        sip_from="anywhere",
    ),
    firewall=Firewall(enabled=True, ssh_from="anywhere", tcp_ports=()),
    guessers=Guessers(enabled=True),
    media=Media(
        codecs=("OPUS", "G722", "PCMU", "PCMA"),
        mode="default",
        max_calls=500,
        max_calls_per_second=30,
    ),
    event_socket=EventSocket(port=8021),
    features=FeatureCodes(echo="9196", tone="9197"),
    # What a deploy may do to calls that are up when only a restart applies a change.
    maintenance=Maintenance(live_calls="drain", drain_seconds=600),
)
