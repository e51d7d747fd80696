"""What is moved from afar: commands judged, written down, carried out, read back, and ended in time."""
