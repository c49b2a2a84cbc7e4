"""The lab's Site: small, with the packages that FREESWITCH_APT or /srv/freeswitch-apt holds."""

from dataclasses import replace

from callcenter.site import (
    Agent,
    Billing,
    Cap,
    Cdr,
    Conference,
    Did,
    Emergency,
    Extension,
    Fax,
    FeatureCodes,
    Firewall,
    Hours,
    Ivr,
    LocalPackages,
    LocalPostgres,
    Media,
    Network,
    Notice,
    OutboundLimits,
    PagingGroup,
    Parking,
    Queue,
    Rate,
    Recording,
    RingGroup,
    Route,
    Site,
    Trunk,
    extension,
    hang_up,
    ivr,
    open_during,
    queue,
    ring_group,
    say,
    secret,
)
from lab.network import GATEWAY

site = Site(
    domain="lab.callcenter.test",
    timezone="Europe/Berlin",
    packages=LocalPackages(),
    extensions=[
        Extension(1000, ring_seconds=5, routes=["national"]),
        *Extension.range(1001, 1003, ring_seconds=5),
        Extension(1004, ring_seconds=5, pickup_groups=["sales"]),
        Extension(1005, ring_seconds=5, pickup_groups=["sales", "support"]),
        Extension(1006, ring_seconds=5, pickup_groups=["support"]),
        *Extension.range(1007, 1009, ring_seconds=5),
        # So many, and more than one mailbox, because the acceptance tests run side by side; for
        # the same reason not everything leads to one extension.
        *Extension.range(1020, 1059, ring_seconds=5),
        *Extension.range(1060, 1063, ring_seconds=5, voicemail=True),
        Extension(2001, name="Recorded", ring_seconds=5, record=True),
        Extension(2002, name="Prepaid", ring_seconds=5, routes=["national"], account="prepaid"),
        *Extension.range(2003, 2005, ring_seconds=5),
        *Extension.range(1010, 1017, ring_seconds=5),
        Extension(1018, ring_seconds=5, voicemail=True),
        Extension(1019, ring_seconds=5),
        Extension(2000, name="Front desk", ring_seconds=5),
    ],
    network=Network(sip_from="anywhere"),
    firewall=Firewall(ssh_from="anywhere"),
    media=Media(max_calls=100),
    features=FeatureCodes(
        forward="*72",
        forward_off="*73",
        do_not_disturb="*78",
        do_not_disturb_off="*79",
        pickup="*85",
        intercom="*80",
    ),
    database=LocalPostgres(),
    cdr=Cdr("database", keep_days=30),
    speed_dials={"*01": "1000"},
    conferences=[
        Conference(
            "weekly",
            number=3000,
            pin=secret("conference/weekly"),
            moderator_pin=secret("conference/weekly-moderator"),
            announce="words",
            max_members=3,
        ),
        Conference("open", number=3001),
    ],
    recording=Recording(announcement=say("This call is recorded.")),
    faxes=[Fax("office", number=3200)],
    parking=Parking(5901, 5920, number=5900, max_wait=10),
    # The carrier is this machine: the acceptance tests play it.
    # Not asked whether it is there: it is, while a test plays it.
    trunks=[
        Trunk(
            "carrier",
            host=GATEWAY,
            port=5066,
            channels=2,
            caller_id="+4930123400",
            ping_seconds=None,
        )
    ],
    inbound=[
        Did("+4930123400", to=extension(2005)),
        Did("+4930123470", last="+4930123479", to=queue("sales")),
    ],
    outbound=[
        Route("national", pattern=r"^0[1-9]\d{5,10}$", strip=1, prefix="+49", trunks=["carrier"])
    ],
    outbound_limits=OutboundLimits(countries=["+49"]),
    emergency=[Emergency("112", trunks=["carrier"])],
    # Quick: ten cents a second, asked for each second.
    billing=Billing(
        currency="EUR", rates=[Rate("+49", "6.00")], heartbeat_seconds=1, low_balance="0.80"
    ),
    # More than all tests call; they see that each is counted.
    caps=[Cap("all", per="day", calls=100_000)],
    hours=[
        Hours("always", ["Mon-Sun 00:00-24:00"], night="*280"),
        Hours("office", ["Mon-Fri 09:00-18:00"], holidays=["12-25", "01-01"]),
    ],
    ivrs=[
        Ivr(
            "main",
            say("Welcome. For sales, press 1. For the front desk, press 0."),
            number=6000,
            options={
                "1": ring_group("sales"),
                "3": open_during("always", extension(2000), otherwise=hang_up("USER_BUSY")),
                "4": ivr("more"),
                "5": queue("sales"),
                "0": extension(2000),
            },
            direct_dial=False,
            wait_seconds=2,
            attempts=2,
            otherwise=extension(2004),
        ),
        Ivr(
            "more",
            say("Dial an extension, or press star to return."),
            options={"*": ivr("main")},
            direct_dial=True,
            wait_seconds=2,
        ),
    ],
    queues=[
        Queue(
            "sales",
            number=7000,
            announce_position=True,
            max_wait=60,
            max_wait_without_agents=5,
            otherwise=extension(2003),
            record=True,
        )
    ],
    agents=[
        Agent("1002", skills={"sales": 1}, ring_seconds=5, wrap_up=3),
        Agent("1003", skills={"sales": 1}, ring_seconds=5, wrap_up=3),
    ],
    notices=[Notice("storm", say("A storm is coming. Stay at home."), number=6200)],
    ring_groups=[
        RingGroup(
            "sales", ["1000", "1001"], number=6100, ring_seconds=5, otherwise=extension(2000)
        ),
        RingGroup("support", ["1000", "1001"], number=6101, strategy="in-turn", ring_seconds=5),
    ],
    paging_groups=[
        PagingGroup("hall", ["1056", "1057", "1058"], number=7900, from_extensions=["1058", "1059"])
    ],
)

# Each of several switches would have balances of its own, and has counts of its own.
_site_of_several = replace(
    site,
    caps_counted_by="switch",
    billing=None,
    extensions=[replace(one, account=None) for one in site.extensions],
)
