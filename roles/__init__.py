"""What is done to hosts: one folder a role, each with its facts, its operations and four verbs."""
