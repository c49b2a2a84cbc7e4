"""Files outside FreeSWITCH's configuration: unit, logs, package source, firewall."""

from __future__ import annotations

import base64
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from callcenter.onhost import alarm, bans, delivery, http_guard, ledger, stun, voicemail_mail
from callcenter.render import packet_filter, paths, users
from callcenter.render._files import File, Tree
from callcenter.render._templates import plain
from callcenter.render.freeswitch import CLI_CONFIG, MAILER
from callcenter.render.services import http_applications, records, voicemails
from callcenter.site import AptRepository, LocalPostgres, SignalWire, Site, SiteError, Switch
from callcenter.site.authorities import ACME_PORT

__all__ = [
    "PackageSource",
    "apt",
    "asks",
    "billing",
    "firewall",
    "package_source",
    "postgresql",
    "public_address",
    "sends_mail",
    "stun_tool",
    "unit",
]

SIGNALWIRE_USER = "signalwire"


@dataclass(frozen=True)
class PackageSource:
    """How apt reaches FreeSWITCH's packages."""

    uri: str
    suite: str
    components: tuple[str, ...] = ()
    key: bytes | None = None
    """The repository's signing key; None where it is fetched from the repository or not needed."""
    key_url: str | None = None
    """Address at which the repository itself offers its key."""
    login: tuple[str, str] | None = None
    login_field: str = ""
    """The Site's field that the login's secret comes from, for whoever must mend it."""

    @property
    def signed(self) -> bool:
        """Whether apt checks the repository's signature."""
        return self.key is not None or self.key_url is not None

    def files(self) -> Iterator[File]:
        """Yield apt's own files. The login is root's alone."""
        yield File(
            paths.APT_SOURCES,
            plain(
                "system/apt.sources.j2",
                uri=self.uri,
                suite=self.suite,
                components=self.components,
                key=paths.APT_KEY if self.signed else None,
            ),
        )
        if self.key is not None:
            yield File(paths.APT_KEY, self.key)
        if self.login is not None:
            user, password = self.login
            address = urlsplit(self.uri)
            # apt sends a login over plain http only where the entry says http.
            scheme = "http://" if address.scheme == "http" else ""
            yield File(
                paths.APT_AUTH,
                plain(
                    "system/apt.auth.j2",
                    machine=f"{scheme}{address.netloc}{address.path}",
                    user=user,
                    password=password,
                ),
                0o600,
            )


def package_source(site: Site, codename: str) -> PackageSource:
    """Return the source that the Site names, for a host of this Debian release."""
    source = site.packages
    if isinstance(source, SignalWire):
        return PackageSource(
            uri=source.url,
            suite=codename,
            components=("main",),
            key_url=f"{source.url}/{source.key_name}",
            login=(SIGNALWIRE_USER, site.reveal(source.token)),
            login_field="packages.token",
        )
    if isinstance(source, AptRepository):
        if not source.key.is_file():
            raise SiteError(
                [f"Site.packages.key: {source.key} is no file; give the repository's signing key"]
            )
        login = None
        if source.password is not None:
            login = (source.user, site.reveal(source.password))
        return PackageSource(
            uri=source.url,
            suite=source.suite or codename,
            components=tuple(source.components),
            key=_binary_key(source.key),
            login=login,
            login_field="packages.password",
        )
    return PackageSource(uri=f"file:{paths.LOCAL_REPOSITORY}", suite="./")


_ARMOUR = re.compile(
    rb"-----BEGIN PGP (?P<kind>[A-Z ]+)-----[ \t]*\r?\n(?:[^\r\n]+\r?\n)*[ \t]*\r?\n"
    rb"(?P<body>[A-Za-z0-9+/=\s]+?)(?:\r?\n=[A-Za-z0-9+/]{4})?\s*-----END PGP",
)


def _binary_key(path: Path) -> bytes:
    """Return a key as apt takes it in a file that ends in .gpg: without armour."""
    content = path.read_bytes()
    if b"PRIVATE KEY BLOCK" in content:
        raise SiteError([f"Site.packages.key: {path} is a private key; give the public one"])
    parts = []
    for armour in _ARMOUR.finditer(content):
        try:
            parts.append(base64.b64decode(b"".join(armour["body"].split()), validate=True))
        except ValueError:
            raise SiteError(
                [f"Site.packages.key: {path} is damaged; fetch the signing key again"]
            ) from None
    return b"".join(parts) or content


def apt(site: Site, codename: str) -> Tree:
    """Render where packages come from, and at which version."""
    return Tree(
        [
            File(
                paths.APT_PREFERENCES,
                plain("system/apt.preferences.j2", version=site.packages.version),
            ),
            *package_source(site, codename).files(),
        ]
    )


def unit(site: Site, *, realtime: bool) -> Tree:
    """Render how the service runs, how its releases change, what becomes of its logs. ``realtime``:
    whether the host grants realtime scheduling."""
    values = {"site": site, "paths": paths, "realtime": realtime, "cli_config": CLI_CONFIG}
    return Tree(
        [
            File(paths.USERS, plain("system/users.j2", users=users)),
            File(paths.RELEASE_TOOL, plain("system/freeswitch-release.j2", **values), 0o755),
            File(paths.UNIT_DROP_IN, plain("system/freeswitch-unit.conf.j2", **values)),
            File(paths.LOGROTATE, plain("system/logrotate.j2", **values)),
            *(
                File(f"{paths.RETENTION}.{kind}", plain(f"system/retention.{kind}.j2", **values))
                for kind in ("service", "timer")
                if records(site)
            ),
            *_voicemail(site),
            *_faxes(site),
            *_mail(site),
            *_calls(site),
            *_alarm(site),
            *_bans(site),
            *_http_guard(site),
            *_event_socket(site),
        ]
    )


def _voicemail(site: Site) -> Iterator[File]:
    """Yield the files that tell what becomes of old messages, and how new ones are sent."""
    if not site.mailboxes:
        return
    values = {
        "site": site,
        "paths": paths,
        "days": site.voicemail.keep_days,
        "folder": f"{paths.VOICEMAIL}/{voicemails.PROFILE}/{site.domain}",
    }
    if site.voicemail.keep_days is not None:
        yield File(paths.VOICEMAIL_TOOL, plain("system/voicemail-retention.j2", **values), 0o755)
        for kind in ("service", "timer"):
            text = plain(f"system/voicemail.{kind}.j2", **values)
            yield File(f"{paths.VOICEMAIL_RETENTION}.{kind}", text)
    yield from _voicemail_mail(site)


def mailed_mailboxes(site: Site) -> dict[str, str]:
    """Return the mail addresses that messages are sent to, by extension."""
    boxes = {one.number: one.mailbox.email for one in site.mailboxes if one.mailbox is not None}
    return {number: email for number, email in boxes.items() if email is not None}


def _voicemail_mail(site: Site) -> Iterator[File]:
    """Yield the program that mails voicemail messages, its settings and its unit."""
    mailboxes = mailed_mailboxes(site)
    if site.smtp is None or not mailboxes:
        return
    sender = site.smtp.sender
    settings = voicemail_mail.Settings(
        database=paths.VOICEMAIL_DATABASE,
        folder=paths.VOICEMAIL,
        state=f"{paths.VOICEMAIL_MAIL}/mailed.json",
        domain=site.domain,
        sender=sender,
        attach=site.voicemail.attach,
        check=site.voicemail.check,
        mailer=(MAILER, "-C", paths.SMTP_CONFIG, "-f", sender),
        mailboxes=mailboxes,
    )
    text = json.dumps(asdict(settings), indent=2) + "\n"
    yield File(paths.VOICEMAIL_MAIL_CONFIG, text.encode(), 0o640, users.MAIL)
    yield File(paths.VOICEMAIL_MAIL_TOOL, inspect.getsource(voicemail_mail).encode(), 0o755)
    folder = paths.VOICEMAIL_MAIL.removeprefix("/var/lib/")
    unit = plain(
        "system/voicemail-mail.service.j2", site=site, paths=paths, users=users, folder=folder
    )
    yield File(paths.VOICEMAIL_MAIL_UNIT, unit)


def _faxes(site: Site) -> Iterator[File]:
    """Yield the files that tell where faxes are kept and for how long, and what takes them on and
    mails them."""
    if not site.faxes:
        return
    intake = paths.FAX_INTAKE.rpartition("/")[2]
    values = {"site": site, "paths": paths, "mailer": MAILER, "users": users, "intake": intake}
    yield File(paths.FAX_FOLDERS, plain("system/fax.tmpfiles.j2", **values))
    yield File(paths.FAX_TOOL, plain("system/fax.j2", **values), 0o755)
    for kind in ("service", "timer", "path"):
        yield File(f"{paths.FAX_TIMER}.{kind}", plain(f"system/fax.{kind}.j2", **values))
    yield File(paths.FAX_INTAKE, plain("system/fax-intake.service.j2", **values))
    yield File(paths.FAX_PREPARE, plain("system/fax-prepare.service.j2", **values))


def sends_mail(site: Site) -> bool:
    """Tell whether anything of the Site mails."""
    return site.smtp is not None and bool(
        mailed_mailboxes(site)
        or any(one.mail for one in site.faxes)
        or site.outbound_limits.alarm
        or site.guessers.alarm
        or site.acme
    )


def _mail(site: Site) -> Iterator[File]:
    """Yield the files that tell how the host reaches the mail server."""
    smtp = site.smtp
    if smtp is None or not sends_mail(site):
        return
    yield File(paths.SMTP_CONFIG, plain("system/msmtprc.j2", smtp=smtp, site=site, paths=paths))
    if smtp.password is not None:
        # The word keeps the value out of diffs.
        text = f"password {site.reveal(smtp.password)}\n".encode()
        yield File(paths.SMTP_PASSWORD, text, 0o640, users.MAIL)
    if smtp.ca_file is not None:
        yield File(paths.SMTP_CA, smtp.ca_file.read_bytes())


def _calls(site: Site) -> Iterator[File]:
    """Yield the files of what delivers call detail records."""
    if (cdr := site.cdr) is None:
        return
    given: dict[str, Any] = {
        "to": cdr.to,
        "keep_days": cdr.keep_days,
        "spool": paths.CALLS_SPOOL,
        "folder": paths.CALLS,
    }
    if cdr.to == "database" and (database := site.database) is not None:
        if isinstance(database, LocalPostgres):
            given["database"] = {"dbname": database.name}
        else:
            given["database"] = {
                "host": database.host,
                "port": database.port,
                "dbname": database.name,
                "user": database.user,
                "password": paths.CALLS_PASSWORD,
                "sslmode": "verify-full",
                "sslrootcert": paths.CALLS_CA if database.ca_file else AUTHORITIES,
            }
            # The word keeps the value out of diffs.
            text = f"password {site.reveal(database.password)}\n".encode()
            yield File(paths.CALLS_PASSWORD, text, 0o640, "freeswitch")
            if database.ca_file is not None:
                yield File(paths.CALLS_CA, database.ca_file.read_bytes())
    yield File(paths.CALLS_CONFIG, (json.dumps(given, indent=2) + "\n").encode())
    yield File(paths.CALLS_TOOL, inspect.getsource(delivery).encode(), 0o755)
    below = {"folder": paths.CALLS, "spool": paths.CALLS_SPOOL}
    names = {name: path.removeprefix("/var/lib/") for name, path in below.items()}
    yield File(paths.CALLS_UNIT, plain("system/calls.service.j2", paths=paths, **names))


def _alarm(site: Site) -> Iterator[File]:
    """Yield what mails that a limit was hit, or that passwords are guessed from many addresses."""
    limits, guesses = site.outbound_limits.alarm, site.guessers.alarm
    if limits is not None or guesses is not None:
        yield File(paths.ALARM_TOOL, inspect.getsource(alarm).encode(), 0o755)
    if limits is not None:
        yield _alarm_unit(site, paths.ALARM_UNIT, paths.ALARM, limits, users.FREESWITCH)
    if guesses is not None:
        yield _alarm_unit(site, paths.BANS_ALARM_UNIT, paths.BANS_ALARM, guesses, users.BANS)


def _alarm_unit(site: Site, path: str, folder: str, to: str, writer: str) -> File:
    values = {"site": site, "paths": paths, "users": users, "mailer": MAILER, "writer": writer}
    name = folder.removeprefix("/var/lib/")
    return File(path, plain("system/alarm.service.j2", **values, folder=name, alarm_to=to))


def _bans(site: Site) -> Iterator[File]:
    """Yield what shuts out addresses that guess."""
    if not site.shuts_out:
        return
    own = packet_filter.own(site)
    settings = {
        "never": own,
        "port": site.event_socket.port,
        "password": paths.BANS_PASSWORD,
        "socket": paths.BANS_FILTER,
        "state": f"{paths.BANS}/bans.json",
        "report": f"{paths.BANS_ALARM}/{alarm.LOG}" if site.guessers.alarm else None,
    }
    yield File(paths.BANS_CONFIG, (json.dumps(settings, indent=2) + "\n").encode())
    # The word keeps the value out of diffs.
    password = f"password {site.reveal(site.guessers.password)}\n".encode()
    yield File(paths.BANS_PASSWORD, password, 0o640, users.BANS)
    yield File(paths.BANS_TOOL, inspect.getsource(bans).encode(), 0o755)
    rules = plain(
        "firewall/bans.nft.j2",
        table=bans.TABLE,
        first=bans.FIRST,
        sip_port=site.network.sip_port,
        rtp=site.network.rtp_ports,
        strangers=packet_filter.strangers(site),
        # An edge counts failures of SIP itself, and FreeSWITCH's 403 is none.
        sip=not site.network.edge,
    )
    yield File(paths.BANS_RULES, rules)
    values = {
        "site": site,
        "paths": paths,
        "users": users,
        "folder": paths.BANS.removeprefix("/var/lib/"),
        "filter": paths.BANS_FILTER_UNIT.rpartition("/")[2],
    }
    yield File(paths.BANS_FILTER_UNIT, plain("system/bans-filter.service.j2", **values))
    yield File(paths.BANS_UNIT, plain("system/bans.service.j2", **values))


def _http_guard(site: Site) -> Iterator[File]:
    """Yield the files of what asks HTTP applications."""
    if not site.http_applications:
        return
    folder = http_applications.FOLDER
    values = {"site": site, "paths": paths, "users": users, "folder": folder}
    # Run by its own name, by which the preflight knows who has the port.
    text = "#!/usr/bin/python3 -I\n" + inspect.getsource(http_guard)
    yield File(paths.HTTP_GUARD_TOOL, text.encode(), 0o755)
    yield File(paths.HTTP_GUARD_UNIT, plain("system/http-guard.service.j2", **values))


TLS = "stunnel4"
"""Debian's package, and the user and group that it makes."""


def _event_socket(site: Site) -> Iterator[File]:
    """Yield the files of what speaks TLS before the Event Socket."""
    if (tls := site.event_socket.tls) is None:
        return
    values = {"site": site, "paths": paths, "tls": tls}
    yield File(paths.EVENT_SOCKET_CONFIG, plain("system/event-socket.conf.j2", **values))
    yield File(paths.EVENT_SOCKET_UNIT, plain("system/event-socket.service.j2", **values))
    yield File(paths.EVENT_SOCKET_CERTIFICATE, tls.certificate.read_bytes())
    yield File(paths.EVENT_SOCKET_CLIENTS, tls.clients.read_bytes())
    yield File(paths.EVENT_SOCKET_KEY, tls.key.read_bytes(), 0o640, TLS)


def asks(switch: Switch) -> str:
    """Return what the tool that asks a STUN server is given: whom, and from which address."""
    assert switch.stun_server is not None
    server, port = switch.stun_server
    return f"{server} {port} {switch.bind_address}"


def stun_tool() -> bytes:
    """Return the program that asks."""
    return b"#!/usr/bin/python3 -I\n" + inspect.getsource(stun).encode()


def public_address(switch: Switch) -> Tree:
    """Render the files of what asks a STUN server, before each start of FreeSWITCH and each minute,
    where the host has one to ask."""
    if switch.stun is None:
        return Tree([])
    values = {"paths": paths, "asks": asks(switch)}
    return Tree(
        [
            File(paths.STUN_TOOL, stun_tool(), 0o755),
            File(paths.STUN_DROP_IN, plain("system/stun-unit.conf.j2", **values)),
            *(
                File(f"{paths.STUN}.{kind}", plain(f"system/stun.{kind}.j2", **values))
                for kind in ("service", "timer")
            ),
        ]
    )


AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's own choice of them."""


def postgresql(site: Site) -> Tree:
    """Render the file that tells how Debian's PostgreSQL makes its cluster, where the Site has one
    on the switch."""
    if not isinstance(site.database, LocalPostgres):
        return Tree([])
    return Tree([File(paths.POSTGRES_CLUSTER, b"listen_addresses = ''\n")])


def billing(site: Site) -> Tree:
    """Render what reaches the accounts of prepaid calls, where the Site has any."""
    if site.prepaid is None or (database := site.database) is None:
        return Tree([])
    values: dict[str, Any] = {"paths": paths, "database": database, "ca": AUTHORITIES}
    files = []
    if not isinstance(database, LocalPostgres):
        # As its file wants it. The template's words keep the value out of diffs.
        password = site.reveal(database.password).replace("'", "''")
        values["password"] = f"'{password}'"
        if database.ca_file is not None:
            values["ca"] = paths.BILLING_CA
            files.append(File(paths.BILLING_CA, database.ca_file.read_bytes()))
    pool = plain("system/billing-pool.ini.j2", **values)
    return Tree(
        [
            *files,
            File(paths.BILLING_POOL, pool, 0o640, "freeswitch"),
            File(paths.BILLING_TOOL, inspect.getsource(ledger).encode(), 0o755),
            File(paths.BILLING_UNIT, plain("system/billing.service.j2", **values)),
        ]
    )


def firewall(
    site: Site, ssh_ports: Iterable[int], *, rtp: bool = True, outgoing: Sequence[str] = ()
) -> Tree:
    """Render the packet filter's rules and unit, or nothing where the Site switches it off.
    ``rtp``: whether voice comes to the host. ``outgoing``: rules that stay until the service has
    changed."""
    if not site.firewall.enabled:
        return Tree([])
    values = {
        "site": site,
        "paths": paths,
        "table": paths.FIREWALL_TABLE,
        "ssh_ports": sorted(set(ssh_ports)),
        "rtp": rtp,
        "users": users,
        "outgoing": outgoing,
        "further": packet_filter.further(site),
        "matches": packet_filter.matches,
        "strangers": packet_filter.strangers(site),
        "acme_port": ACME_PORT,
        "egress": packet_filter.egress(site) if rtp and site.firewall.egress else {},
    }
    return Tree(
        [
            File(paths.FIREWALL_RULES, plain("firewall/rules.nft.j2", **values), 0o644),
            File(
                f"/etc/systemd/system/{paths.FIREWALL_UNIT}",
                plain("firewall/unit.service.j2", **values),
            ),
        ]
    )
