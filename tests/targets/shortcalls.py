# SPDX-License-Identifier: MIT
"""Very many short calls within a few long ones.

    shortcalls.py [COUNT]    calls of leaf; 100 of them in each call of group
"""
import sys


def leaf(value):
    return value + 1


def group(count):
    value = 0
    for _ in range(count):
        value = leaf(value)
    return value


def main(count):
    for _ in range(count // 100):
        group(100)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000000)
