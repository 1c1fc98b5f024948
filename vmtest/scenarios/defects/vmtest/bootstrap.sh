#!/bin/sh
# SPDX-License-Identifier: MIT
# For shellcheck: a blank in the name makes two of it.
rm -rf $1/build
