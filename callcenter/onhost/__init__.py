"""Programs that are copied to hosts as whole files. Each imports the standard library and Debian's
python3 modules, and nothing of ours."""
