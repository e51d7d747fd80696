"""Sources: each reads one line (a bus, a port, a broker) and hands on readings."""
