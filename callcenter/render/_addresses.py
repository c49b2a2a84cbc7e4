"""Addresses as SIP, and whatever else has ports behind them, writes them."""

from __future__ import annotations

__all__ = ["bracketed"]


def bracketed(host: str) -> str:
    """Return a name or an address, that of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
