"""Where things are on a Linux host. Written here once; templates, roles and tests read it.

What the release tool reads on a host by itself is written in it.
"""

from __future__ import annotations

from typing import Final

from callcenter.onhost import bans, ledger, release

__all__ = [
    "ACME",
    "ACME_ALARM_UNIT",
    "ACME_AUTHORITIES",
    "ACME_CERTIFICATE",
    "ACME_CURRENT",
    "ACME_HOOK",
    "ACME_HOOK_SECRET",
    "ACME_KAMAILIO_KEY",
    "ACME_OURS",
    "ACME_STATE",
    "ACME_TOOL",
    "ACME_TURN_KEY",
    "ACME_UNIT",
    "ACME_USERS",
    "ACME_WEB_KEY",
    "ADVERTISED",
    "ALARM",
    "ALARM_LOG",
    "ALARM_TOOL",
    "ALARM_UNIT",
    "APPLIED",
    "APT_AUTH",
    "APT_KEY",
    "APT_LISTS",
    "APT_PREFERENCES",
    "APT_SOURCES",
    "BANS",
    "BANS_ALARM",
    "BANS_ALARM_UNIT",
    "BANS_CONFIG",
    "BANS_FILTER",
    "BANS_FILTER_UNIT",
    "BANS_PASSWORD",
    "BANS_RULES",
    "BANS_TOOL",
    "BANS_UNIT",
    "BILLING_TOOL",
    "CALLS",
    "CALLS_CA",
    "CALLS_CONFIG",
    "CALLS_PASSWORD",
    "CALLS_SPOOL",
    "CALLS_TOOL",
    "CALLS_UNIT",
    "CAPS_DATABASE",
    "CERTS",
    "CONFIG",
    "CURRENT",
    "EVENT_SOCKET_CERTIFICATE",
    "EVENT_SOCKET_CLIENTS",
    "EVENT_SOCKET_CONFIG",
    "EVENT_SOCKET_KEY",
    "EVENT_SOCKET_UNIT",
    "FAXES",
    "FAX_CONFIG",
    "FAX_FOLDERS",
    "FAX_INTAKE",
    "FAX_PREPARE",
    "FAX_TIMER",
    "FAX_TOOL",
    "FIREWALL_RULES",
    "FIREWALL_TABLE",
    "FIREWALL_UNIT",
    "FS_CLI_CONFIG",
    "HTTP_GUARD_TOOL",
    "HTTP_GUARD_UNIT",
    "KAMAILIO",
    "KAMAILIO_ADVERTISED",
    "KAMAILIO_APPLIED",
    "KAMAILIO_CALLS",
    "KAMAILIO_CONFIG",
    "KAMAILIO_DROP_IN",
    "KAMAILIO_LOCATION",
    "KAMAILIO_TLS",
    "KAMAILIO_TLS_CERTIFICATE",
    "KAMAILIO_TLS_KEY",
    "KAMAILIO_UNIT",
    "LOCAL_REPOSITORY",
    "LOG",
    "LOGROTATE",
    "MANAGED",
    "PHONES",
    "PHONES_INDEX",
    "PHONES_SOCKET",
    "PHONES_STATE",
    "PHONES_TOOL",
    "PHONES_UNIT",
    "POOL_CA",
    "POOL_CONFIG",
    "POOL_OURS",
    "POOL_PORT",
    "POOL_SOCKET",
    "POOL_UNIT",
    "POSTGRES_CLUSTER",
    "POSTGRES_OURS",
    "RECORDINGS",
    "RELEASES",
    "RELEASE_TOOL",
    "RESTART_NEEDED",
    "RETENTION",
    "SMTP_CA",
    "SMTP_CONFIG",
    "SMTP_PASSWORD",
    "STATE",
    "STUN",
    "STUN_ANSWER",
    "STUN_DROP_IN",
    "STUN_TOOL",
    "TURN",
    "TURN_CERTIFICATE",
    "TURN_CONFIG",
    "TURN_KEY",
    "TURN_OURS",
    "TURN_UNIT",
    "TURN_USERS",
    "UNIT",
    "UNIT_DROP_IN",
    "USERS",
    "VOICEMAIL",
    "VOICEMAIL_DATABASE",
    "VOICEMAIL_MAIL",
    "VOICEMAIL_MAIL_CONFIG",
    "VOICEMAIL_MAIL_TOOL",
    "VOICEMAIL_MAIL_UNIT",
    "VOICEMAIL_PAGE_CONFIG",
    "VOICEMAIL_PAGE_SOCKET",
    "VOICEMAIL_PAGE_TOOL",
    "VOICEMAIL_PAGE_UNIT",
    "VOICEMAIL_RETENTION",
    "VOICEMAIL_TOOL",
    "WEB",
    "WEB_CERTIFICATE",
    "WEB_CONFIG",
    "WEB_KEY",
    "WEB_OURS",
    "WEB_PAGES",
    "WEB_UNIT",
    "WEB_USERS",
]

CONFIG: Final = release.CONFIG
RELEASES: Final = f"{CONFIG}/releases"
CURRENT: Final = f"{CONFIG}/current"
"""The release that FreeSWITCH reads."""
APPLIED: Final = f"{CONFIG}/applied"
"""The last release that FreeSWITCH has accepted: what it starts with, what a rollback goes to."""
FS_CLI_CONFIG: Final = release.FS_CLI_CONFIG
UNIT: Final = release.UNIT
UNIT_DROP_IN: Final = f"/etc/systemd/system/{UNIT}.d/callcenter.conf"
CERTS: Final = release.CERTS
"""Keys of FreeSWITCH's own, which it makes at a start that finds none."""
LOG: Final = f"{release.LOGS}/freeswitch.log"
LOGROTATE: Final = "/etc/logrotate.d/freeswitch"

RECORDINGS: Final = "/var/lib/freeswitch/recordings"
RETENTION: Final = "/etc/systemd/system/callcenter-retention"
"""Path without .service and .timer."""

STATE: Final = "/var/lib/callcenter"
MANAGED: Final = f"{STATE}/managed"
"""Lists of the files that deploys have put on the host, so that what is not wanted goes away."""
RELEASE_TOOL: Final = "/usr/lib/callcenter/freeswitch-release"

ADVERTISED: Final = release.ADVERTISED
"""The public address that FreeSWITCH was last seen to announce, and which FreeSWITCH that was."""

RESTART_NEEDED: Final = release.RESTART_NEEDED
"""File that is there while a running FreeSWITCH is older than its packages or unit; a reboot clears
it."""

VOICEMAIL: Final = "/var/lib/freeswitch/storage/voicemail"
"""Messages and greetings, in the place of FreeSWITCH's packages. No deploy deletes any."""
VOICEMAIL_RETENTION: Final = "/etc/systemd/system/callcenter-voicemail"
"""Path without .service and .timer."""
VOICEMAIL_TOOL: Final = "/usr/lib/callcenter/voicemail-retention"
VOICEMAIL_DATABASE: Final = "/var/lib/freeswitch/db/voicemail_default.db"
VOICEMAIL_MAIL: Final = f"{STATE}/voicemail-mail"
"""Notes of which messages are mailed."""
VOICEMAIL_MAIL_CONFIG: Final = "/etc/callcenter/voicemail-mail.json"
VOICEMAIL_MAIL_TOOL: Final = "/usr/lib/callcenter/voicemail-mail"
VOICEMAIL_MAIL_UNIT: Final = "/etc/systemd/system/callcenter-voicemail-mail.service"
VOICEMAIL_PAGE_CONFIG: Final = "/etc/callcenter/voicemail-page.json"
VOICEMAIL_PAGE_SOCKET: Final = "/run/callcenter-voicemail-page/socket"
VOICEMAIL_PAGE_TOOL: Final = "/usr/lib/callcenter/voicemail-page"
VOICEMAIL_PAGE_UNIT: Final = f"/etc/systemd/system/{bans.VOICEMAIL}"

FAXES: Final = "/var/lib/freeswitch/faxes"
"""A folder a fax: what has arrived, with ``incoming`` and ``unsent``. No deploy deletes any."""
FAX_FOLDERS: Final = "/etc/tmpfiles.d/callcenter-fax.conf"
FAX_TIMER: Final = "/etc/systemd/system/callcenter-fax"
"""Path without .service, .timer and .path."""
FAX_INTAKE: Final = "/etc/systemd/system/callcenter-fax-intake.service"
FAX_PREPARE: Final = "/etc/systemd/system/callcenter-fax-prepare@.service"
FAX_TOOL: Final = "/usr/lib/callcenter/fax"
FAX_CONFIG: Final = f"{FAX_TOOL}.json"
"""Settings beside the program: what converts documents sees nothing of /etc/callcenter."""
CALLS: Final = f"{STATE}/calls"
"""Call detail records in files. No deploy deletes any."""
CALLS_SPOOL: Final = f"{CALLS}/spool"
"""Folder that FreeSWITCH writes them to."""
CALLS_TOOL: Final = "/usr/lib/callcenter/deliver-calls"
CALLS_UNIT: Final = "/etc/systemd/system/callcenter-calls.service"
CALLS_CONFIG: Final = "/etc/callcenter/calls.json"
CALLS_PASSWORD: Final = "/etc/callcenter/calls-password"
CALLS_CA: Final = "/etc/callcenter/calls-ca.pem"
CAPS_DATABASE: Final = "/var/lib/freeswitch/db/caps.db"
"""Calls that caps count. No deploy deletes any."""
PHONES: Final = "/etc/callcenter/phones"
"""Folder of what each phone is given."""
PHONES_INDEX: Final = f"{PHONES}.json"
"""Extensions by digest of their link."""
PHONES_STATE: Final = f"{STATE}/phones"
"""Folder of the links that were used. It goes with the service."""
PHONES_SOCKET: Final = "/run/callcenter-phones/socket"
PHONES_TOOL: Final = "/usr/lib/callcenter/phones"
PHONES_UNIT: Final = "/etc/systemd/system/callcenter-phones.service"
WEB: Final = "/run/callcenter-web"
"""Folder of nginx: what it is started by, and what it holds for a moment."""
WEB_CONFIG: Final = "/etc/callcenter/web.conf"
WEB_CERTIFICATE: Final = "/etc/callcenter/web.pem"
WEB_KEY: Final = "/etc/callcenter/web.key"
WEB_AUTHORITY: Final = "/etc/callcenter/web-authority.pem"
"""Certificates by which a host is known that gives links out."""
AUTHORITIES: Final = "/etc/ssl/certs/ca-certificates.crt"
"""Debian's, by its package ca-certificates."""
WEB_UNIT: Final = "/etc/systemd/system/callcenter-web.service"
WEB_PAGES: Final = "/usr/share/callcenter/web"
"""Folder of the page that is a phone."""
WEB_USERS: Final = "/etc/sysusers.d/callcenter-web.conf"
WEB_OURS: Final = f"{STATE}/nginx"
"""File that is there where a deploy has installed nginx."""
TURN: Final = "/run/callcenter-turn"
"""Folder of coturn: what it is started by, and its database of who may log in."""
TURN_CONFIG: Final = "/etc/callcenter/turn.conf"
TURN_USERS: Final = "/etc/callcenter/turn-users.sql"
TURN_CERTIFICATE: Final = "/etc/callcenter/turn.pem"
TURN_KEY: Final = "/etc/callcenter/turn.key"
TURN_UNIT: Final = "/etc/systemd/system/callcenter-turn.service"
TURN_OURS: Final = f"{STATE}/coturn"
"""File that is there where a deploy has installed coturn."""
BILLING_TOOL: Final = "/usr/lib/callcenter/ledger"
# Prepaid accounts had it first: another name would end the calls that they pay for.
POOL_UNIT: Final = "/etc/systemd/system/callcenter-billing.service"
POOL_CONFIG: Final = "/etc/callcenter/billing-pool.ini"
POOL_CA: Final = "/etc/callcenter/billing-ca.pem"
POOL_SOCKET: Final = ledger.SOCKET
"""The folder of the pool's socket, for FreeSWITCH and root alone."""
POOL_PORT: Final = ledger.PORT
"""The port by which that socket is named. Nothing listens at it."""
POOL_OURS: Final = f"{STATE}/pgbouncer"
"""File that is there where a deploy has installed PgBouncer."""
EVENT_SOCKET_CONFIG: Final = "/etc/callcenter/event-socket.conf"
EVENT_SOCKET_CERTIFICATE: Final = "/etc/callcenter/event-socket.pem"
EVENT_SOCKET_KEY: Final = "/etc/callcenter/event-socket.key"
EVENT_SOCKET_CLIENTS: Final = "/etc/callcenter/event-socket-clients.pem"
EVENT_SOCKET_UNIT: Final = "/etc/systemd/system/callcenter-event-socket.service"
HTTP_GUARD_TOOL: Final = "/usr/lib/callcenter/http-guard"
HTTP_GUARD_UNIT: Final = "/etc/systemd/system/callcenter-http.service"
ALARM: Final = f"{STATE}/alarm"
"""Folder of what an alarm has read and still has to mail. It goes with the alarm."""
ALARM_LOG: Final = f"{ALARM}/limits.log"
"""File to which FreeSWITCH writes a line for each limit that is hit."""
ALARM_TOOL: Final = "/usr/lib/callcenter/limit-alarm"
ALARM_UNIT: Final = "/etc/systemd/system/callcenter-alarm.service"
BANS: Final = f"{STATE}/bans"
"""Bans of each address so far. It goes with the guessers' programs."""
BANS_ALARM: Final = f"{STATE}/bans-alarm"
"""Reports of guessing from many addresses, to be mailed."""
BANS_ALARM_UNIT: Final = "/etc/systemd/system/callcenter-bans-alarm.service"
BANS_CONFIG: Final = "/etc/callcenter/bans.json"
BANS_PASSWORD: Final = "/etc/callcenter/bans-password"
BANS_RULES: Final = "/etc/callcenter/bans.nft"
BANS_FILTER: Final = "/run/callcenter-bans/filter"
"""Socket at which the packet filter is told of a ban."""
BANS_TOOL: Final = "/usr/lib/callcenter/bans"
BANS_UNIT: Final = "/etc/systemd/system/callcenter-bans.service"
BANS_FILTER_UNIT: Final = "/etc/systemd/system/callcenter-bans-filter.service"
POSTGRES_CLUSTER: Final = "/etc/postgresql-common/createcluster.d/callcenter.conf"
"""Settings that Debian's postgresql makes its cluster with."""
POSTGRES_OURS: Final = f"{STATE}/postgresql"
"""File that is there where a deploy has installed PostgreSQL."""

STUN: Final = "/etc/systemd/system/callcenter-stun"
"""Path without .service and .timer."""
STUN_TOOL: Final = "/usr/lib/callcenter/public-address"
STUN_ANSWER: Final = release.STUN_ANSWER
"""The last good answer of the STUN server, as FreeSWITCH reads it."""
STUN_DROP_IN: Final = f"/etc/systemd/system/{UNIT}.d/stun.conf"
"""Drop-in whose name comes after UNIT_DROP_IN, which begins anew what is done before a start."""

SMTP_CONFIG: Final = "/etc/callcenter/msmtprc"
SMTP_PASSWORD: Final = "/etc/callcenter/smtp-password"
"""File beside the configuration, since msmtp takes a password in it from its owner alone."""
SMTP_CA: Final = "/etc/callcenter/smtp-ca.pem"

USERS: Final = "/etc/sysusers.d/callcenter.conf"
"""Users that our units run as."""

APT_SOURCES: Final = "/etc/apt/sources.list.d/freeswitch.sources"
APT_KEY: Final = "/etc/apt/keyrings/freeswitch.gpg"
APT_AUTH: Final = "/etc/apt/auth.conf.d/freeswitch.conf"
APT_PREFERENCES: Final = "/etc/apt/preferences.d/freeswitch"
LOCAL_REPOSITORY: Final = "/var/lib/callcenter/packages"
APT_LISTS: Final = "/run/callcenter-apt-lists"
"""Mark of when a deploy has last had apt read the package sources' lists."""

KAMAILIO: Final = "/etc/kamailio/callcenter"
KAMAILIO_CONFIG: Final = release.KAMAILIO_CONFIG
KAMAILIO_ADVERTISED: Final = release.KAMAILIO_ADVERTISED
"""Kamailio's table of the public address, where a STUN server is asked for it. No deploy writes
it."""
KAMAILIO_TLS: Final = f"{KAMAILIO}/tls.cfg"
KAMAILIO_TLS_CERTIFICATE: Final = f"{KAMAILIO}/tls.pem"
KAMAILIO_TLS_KEY: Final = f"{KAMAILIO}/tls.key"
KAMAILIO_UNIT: Final = release.KAMAILIO_UNIT
KAMAILIO_DROP_IN: Final = f"/etc/systemd/system/{KAMAILIO_UNIT}.d/callcenter.conf"
KAMAILIO_LOCATION: Final = "/var/lib/kamailio/location.db"
"""Database of the addresses at which the phones last registered."""
KAMAILIO_CALLS: Final = "/var/lib/kamailio/calls.db"
"""Database of whose a call is that is up."""
KAMAILIO_APPLIED: Final = "/run/kamailio/applied"
"""Digests of what the running Kamailio has read."""

FIREWALL_RULES: Final = release.FIREWALL_RULES
FIREWALL_UNIT: Final = "callcenter-firewall.service"
FIREWALL_TABLE: Final = "callcenter"

ACME: Final = "/etc/callcenter/acme"
"""Folder of what an authority has given over ACME, as services read it. No deploy writes it."""
ACME_CURRENT: Final = f"{ACME}/current"
"""Link to the folder of what is valid now: a certificate and its keys change in one moment."""
ACME_CERTIFICATE: Final = f"{ACME_CURRENT}/chain.pem"
ACME_KAMAILIO_KEY: Final = f"{ACME_CURRENT}/kamailio.key"
ACME_WEB_KEY: Final = f"{ACME_CURRENT}/callcenter-web.key"
"""Key under the name of the user that reads it, as the one before."""
ACME_TURN_KEY: Final = f"{ACME_CURRENT}/callcenter-turn.key"
ACME_AUTHORITIES: Final = "/etc/callcenter/acme-authorities.pem"
"""Certificates by which the directory's server is known."""
ACME_STATE: Final = f"{STATE}/acme"
"""Folder of accounts, and of what was asked for. It goes with the service."""
ACME_HOOK: Final = "/usr/lib/callcenter/acme-hook"
"""Program of the operator's that puts records into the DNS."""
ACME_HOOK_SECRET: Final = "/etc/callcenter/acme-hook-secret"
ACME_TOOL: Final = "/usr/lib/callcenter/acme"
ACME_UNIT: Final = "/etc/systemd/system/callcenter-acme"
"""Path without .service and .timer."""
ACME_ALARM_UNIT: Final = "/etc/systemd/system/callcenter-acme-alarm.service"
ACME_USERS: Final = "/etc/sysusers.d/callcenter-acme.conf"
ACME_OURS: Final = f"{STATE}/lego"
"""File that is there where a deploy has installed lego."""
