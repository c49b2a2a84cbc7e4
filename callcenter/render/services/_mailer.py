"""Program by which a host mails."""

from typing import Final

__all__ = ["MAILER"]

MAILER: Final = "msmtp"
"""Debian's: it hands a mail to one server and keeps nothing."""
