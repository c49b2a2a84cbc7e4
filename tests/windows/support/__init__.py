"""A Windows to test on: wine with real installers, services and remote logins, or a real host."""
