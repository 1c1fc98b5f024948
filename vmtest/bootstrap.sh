#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets a machine up: the distribution's packages that are missing, then the virtual environment.
#
# usage: bootstrap.sh VENV
#
# Works on Debian 12/13 and Ubuntu 24.04, as root or as a user who may use sudo. A stamp holds the
# hash of everything this depends on, so a second run does nothing.
set -eu

venv=${1:?usage: bootstrap.sh VENV}
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

say() { printf '%s\n' "setup: $*" >&2; }
die() { say "$*"; exit 1; }

want=$(cat pyproject.toml vmtest/bootstrap.sh | sha256sum | cut -d' ' -f1)

# What must be found, and the package that brings it: a program, or "py:MODULE" or "file:PATH".
needs='
qemu-system-x86_64   qemu-system-x86
qemu-img             qemu-utils
mmdebstrap           mmdebstrap
mke2fs               e2fsprogs
busybox              busybox-static
depmod               kmod
ssh-keygen           openssh-client
git                  git
py:ensurepip         python3-venv
py:venv              python3-venv
file:/usr/share/keyrings/debian-archive-keyring.gpg  debian-archive-keyring
file:/etc/ssl/certs/ca-certificates.crt              ca-certificates
'

missing_packages() {
	printf '%s\n' "$needs" | while read -r what package; do
		case $what in
		'') continue ;;
		py:*) python3 -c "import ${what#py:}" 2>/dev/null && continue ;;
		file:*) [ -e "${what#file:}" ] && continue ;;
		*) PATH=$PATH:/usr/sbin:/sbin command -v "$what" >/dev/null && continue ;;
		esac
		printf '%s\n' "$package"
	done | sort -u | paste -s -d ' ' -
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null || die "'$*' needs root, and there is no sudo"
		sudo "$@"
	fi
}

if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$want" ] && [ -z "$(missing_packages)" ]; then
	exit 0
fi

command -v python3 >/dev/null || as_root env DEBIAN_FRONTEND=noninteractive \
	sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends python3' >&2 ||
	die "no python3, and apt-get cannot install it"

packages=$(missing_packages)
if [ -n "$packages" ]; then
	command -v apt-get >/dev/null ||
		die "not a Debian or Ubuntu; install what these Debian packages bring: $packages"
	say "installing $packages"
	as_root apt-get update -q >&2 || die "apt-get update failed: see its messages above"
	# shellcheck disable=SC2086 # a list of words
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends $packages >&2 ||
		die "apt-get could not install: $packages"
	left=$(missing_packages)
	[ -z "$left" ] || die "still missing after the installation: $left"
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
	die "Python 3.11 or newer is needed, this is $(python3 --version)"

# A virtual environment remembers its path and its Python: one that was moved is made anew.
if ! "$venv/bin/python" -c 'import sys' 2>/dev/null; then
	say "making the virtual environment $venv"
	rm -rf "$venv"
	python3 -m venv "$venv" || die "python3 -m venv $venv failed"
fi
say "installing the Python packages"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable '.[dev]' >&2 ||
	die "pip could not install the Python packages: see its messages above"
printf '%s\n' "$want" >"$venv/.stamp"
say "done"
