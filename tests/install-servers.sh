#!/usr/bin/env bash
# Installs the real servers and the browser that the tests use, where we may; tells what is missing where we may not.
# With the argument `venv`: only what Debian's Python lacks to make virtual environments.
set -eu
if [ "${1:-}" = venv ]; then
  wanted="python3-venv"
else
  wanted=""
  need() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || wanted="$wanted $2"; }
  need mosquitto mosquitto
  need mosquitto_pub mosquitto-clients
  need faketime faketime
  need influxd influxdb
  need nginx nginx-light
  need mbpoll mbpoll
  need chromium chromium
  need g++ g++
  need nft nftables
  need make make
  need avr-gcc gcc-avr
  [ -e /usr/lib/avr/include/avr/io.h ] || wanted="$wanted avr-libc"
  [ -e /usr/include/simavr/sim_avr.h ] || wanted="$wanted libsimavr-dev"
  need fc-list fontconfig
  need openssl openssl
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted="$wanted postgresql"
  ls /usr/share/fonts/opentype/noto/NotoSansCJK* >/dev/null 2>&1 || wanted="$wanted fonts-noto-cjk"
fi
[ -n "$wanted" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, and this is no Debian or Ubuntu:$wanted (tests that need them are skipped)" >&2
  exit 0
fi
sudo=""
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "not installed, and not allowed to:$wanted (tests that need them are skipped)" >&2
    echo "to install them: sudo apt-get install --no-install-recommends$wanted" >&2
    exit 0
  fi
  sudo="sudo"
fi
echo "installing with apt:$wanted"
# A policy of 101 keeps the packages from starting their services: the tests start their own servers.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
  $sudo chmod +x "$policy"
  trap '$sudo rm -f "$policy"' EXIT
fi
$sudo apt-get update -q >/dev/null || true
for package in $wanted; do
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q --no-install-recommends "$package" >/dev/null ||
    echo "could not install $package (tests that need it are skipped)" >&2
done
