"""Windows hosts for pyinfra: two connectors, and facts and operations in words of cmd.exe."""
