"""The units booted for real: systemd as process 1 in namespaces of its own, over a copy of this system's files."""
