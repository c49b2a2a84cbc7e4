"""Call detail records: where a line about each call is kept, and for how long."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import KW_ONLY
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from callcenter.site._model import Problem, model
from callcenter.site._types import Domain, grammar
from callcenter.site.certificates import check_certificates
from callcenter.site.secrets import Secret

if TYPE_CHECKING:
    from callcenter.site.site import Site

__all__ = ["Cdr", "LocalPostgres", "RemotePostgres", "check_database"]


_IDENTIFIER = r"[a-z_][a-z0-9_]{0,62}"


def _identifier(text: str) -> str:
    if not re.fullmatch(_IDENTIFIER, text):
        raise ValueError("is no name of PostgreSQL's; use small letters, digits and _")
    return text


Identifier = Annotated[str, AfterValidator(_identifier), grammar(_IDENTIFIER)]
"""Name that PostgreSQL takes without quotes: 63 signs at most."""


@model
class LocalPostgres:
    """PostgreSQL on the switch itself, by Debian's package. It listens on its socket alone, and
    lets in who the system says it is, so there is no password. Each switch has its own."""

    _: KW_ONLY
    source: Literal["local"] = "local"
    """Word that chooses this database in YAML."""
    name: Identifier = "callcenter"
    """Name of the database, which is made where it is not there."""


@model
class RemotePostgres:
    """A PostgreSQL of the operator's own, reached by TLS with its name in its certificate."""

    host: Domain
    """Name of the server, which must stand in its certificate."""
    _: KW_ONLY
    source: Literal["remote"] = "remote"
    """Word that chooses this database in YAML."""
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] = 5432
    """TCP port of the server."""
    name: Identifier = "callcenter"
    """Name of the database, which must be there."""
    user: Identifier = "callcenter"
    """Role that the switch logs in as. It must be allowed to make the table ``calls``, or be given
    its rights."""
    password: Secret
    """Password of that role. The host keeps it in a file that root and FreeSWITCH may read."""
    ca_file: Path | None = None
    """Certificate (PEM, on this machine) of the authority that signed the server's. Default: the
    host's own authorities."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            pass
        else:
            raise Problem("host", "is an address, which no certificate is for; give its name")
        if self.ca_file is not None:
            check_certificates("ca_file", self.ca_file)
        return self


@model
class Cdr:
    """A record of every call. FreeSWITCH writes it to the host's own disk when the call ends; a
    service of the host delivers it, so no call waits for a database, and none is lost while it is
    down."""

    to: Literal["database", "json", "csv"] = "json"
    """Place of the records. ``database``: the table ``calls`` of Site.database. ``json``, ``csv``:
    a file a day below ``/var/lib/callcenter/calls``, for FreeSWITCH and root alone."""
    _: KW_ONLY
    keep_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = 365
    """Days after which a record is deleted, from the database or the files. Many laws set a limit,
    in both directions."""


def check_database(site: Site) -> None:
    """Refuse records or prices without a database, and a database without use."""
    wanted = site.cdr is not None and site.cdr.to == "database"
    if wanted and site.database is None:
        raise Problem(
            "cdr.to",
            "'database' needs one; give database=LocalPostgres(), or use 'json' or 'csv'",
        )
    if site.prepaid is not None and site.database is None:
        raise Problem("billing", "needs a database; give database=LocalPostgres()")
    if site.shares_caps and not isinstance(site.database, RemotePostgres):
        raise Problem(
            "caps_counted_by",
            "'site' needs a database that all switches reach; give database=RemotePostgres(…), or "
            "use 'switch'",
        )
    if site.database is not None and not wanted and not site.needs_pool:
        raise Problem(
            "database",
            'is used by nothing; give cdr=Cdr("database"), billing=Billing(…) or '
            "caps_counted_by='site', or leave it out",
        )
