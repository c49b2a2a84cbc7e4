"""What is done to hosts: one folder a role, each with its facts, its operations and four verbs."""

from callcenter.site.connectors import find_plugin

# The role ``windows`` is made of the plugin's facts and operations.
find_plugin()
