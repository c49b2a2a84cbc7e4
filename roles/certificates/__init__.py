"""The certificate that phones by TLS are shown, where an authority gives it over ACME."""

from __future__ import annotations

import shlex

from pyinfra import host, logger
from pyinfra.api import deploy

from callcenter.render import Tree, acme, paths
from callcenter.site import Site
from callcenter.site.where import one_asked
from roles import files
from roles.certificates import operations
from roles.certificates.facts import AcmeState
from roles.host import State, packages
from roles.host.operations import passed, refuse

__all__ = ["AcmeState", "activate", "install", "operations", "preflight", "retire"]


@deploy("Certificates: preflight")
def preflight(site: Site, hosts: int) -> None:
    """Make sure that the host which asks is the one that is asked."""
    wrong = one_asked(site, hosts)
    for line in wrong:
        logger.error(f"{host.print_prefix}{line}")
    refuse(name="An authority can ask", problems=wrong)
    passed(name="For every host")


@deploy("Certificates: install")
def install(site: Site, found: State, *, mails: bool) -> None:
    """Bring what asks an authority, and its user, which the packet filter names.

    + mails: whether the host can send mail
    """
    if site.acme is None:
        return
    packages.package(
        name="Package", wanted=acme.PACKAGE, mark=paths.ACME_OURS, installed=found.packages
    )
    files.tree(
        name="Who asks",
        group="certificates",
        wanted=acme.configuration(site, mails=mails),
        first={paths.ACME_USERS: shlex.join(["systemd-sysusers", paths.ACME_USERS])},
    )


@deploy("Certificates: activate")
def activate(site: Site, found: State) -> None:
    """Get the first certificate, before a service needs it; its timer renews it from then on."""
    # Where preflight could not look at the host, it has said why.
    if site.acme is None or not found.root:
        return
    present = host.get_fact(AcmeState)
    for line in present.complaints():
        logger.warning(f"{host.print_prefix}{line}")
    operations.obtained(name="Certificate", wanted=acme.wanted(site))


@deploy("Certificates: retire")
def retire(site: Site, found: State, *, shown: bool = True) -> None:
    """Take away all of it, once no service reads it any more.

    + shown: whether phones come to this host
    """
    # It never comes without its package, and asking for its files would cost each run a command.
    if (site.acme is not None and shown) or acme.PACKAGE not in found.packages:
        return
    files.tree(
        name="Nobody asks",
        group="certificates",
        wanted=Tree([]),
        after={f"{paths.ACME_UNIT}.timer": operations.GONE},
    )
    packages.no_package(
        name="No package",
        unwanted=acme.PACKAGE,
        mark=paths.ACME_OURS,
        installed=found.packages,
    )
