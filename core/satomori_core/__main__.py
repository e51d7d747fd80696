"""`python -m satomori_core` is the `satomori` program; the supervisor starts its parts so."""

from satomori_core.cli import main

main()
