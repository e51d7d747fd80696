"""`micropython -m micropython_node [config.json]`."""

import sys

from micropython_node.node import Node, load

Node(load(sys.argv[1] if len(sys.argv) > 1 else "config.json")).run()
