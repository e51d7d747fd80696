"""For a board: copied to its root, MicroPython starts this after each reset."""

import time

import machine
import network

from micropython_node.node import Node, load

settings = load("config.json")
wlan = network.WLAN(network.STA_IF)
wlan.active(True)
wlan.connect(settings["wifi"]["ssid"], settings["wifi"]["password"])  # it comes back by itself; nobody waits for it
try:
    Node(settings).run()
except Exception as error:  # noqa: BLE001 - whatever it is: nobody is there to look, so start again
    print(repr(error))
    time.sleep(10)
    machine.reset()
