"""The simulated sample region: an independent second implementation of every wire, importing nothing of Satomori."""
