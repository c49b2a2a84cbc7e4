"""Pipes from the operator's machine to hosts: the inventory, ssh, and the Event Socket."""
