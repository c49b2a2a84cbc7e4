"""Extensions as destinations, and what happens to calls that nobody answers."""

from __future__ import annotations

from collections.abc import Iterator

from callcenter.render._files import File
from callcenter.render.services._dialplan import config, leads_on, records
from callcenter.site import Site

__all__ = ["files"]


def files(site: Site) -> Iterator[File]:
    """Yield the dialplan that rings an extension for a service."""
    # What Kamailio names where an extension has no phone.
    absent = "USER_NOT_REGISTERED" + ("|SUBSCRIBER_ABSENT" if site.network.edge else "")
    yield config(
        "dialplan/services/extensions.xml",
        site,
        leads_on=leads_on(site),
        records=records(site),
        causes={"busy": "(?:USER_BUSY|CALL_REJECTED)", "not_registered": f"(?:{absent})"},
    )
