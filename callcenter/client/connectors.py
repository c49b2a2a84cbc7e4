"""The Windows connectors, where pyinfra looks for them. No package ``roles`` is installed: its
name is too common a word for everybody's environment."""

from callcenter.client.home import enter

enter()

from roles.windows.connectors import WinRM, WinSSH  # noqa: E402

__all__ = ["WinRM", "WinSSH"]
