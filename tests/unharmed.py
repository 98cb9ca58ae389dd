# SPDX-License-Identifier: MIT
"""tests/targets/unharmed.py, running: a program that notices what is done to it."""
import pathlib
import subprocess

import harness
from harness import Running, target


class Unharmed(Running):
    """It must be so in the end."""

    def __init__(self, python, folder, seconds, *mode):
        self.start(python, target("unharmed"), self.build(folder), str(seconds), *mode)

    def start(self, *words):
        super().__init__(*words, stderr=subprocess.STDOUT)

    @classmethod
    def of(cls, *words):
        """With another way to start it."""
        made = cls.__new__(cls)
        made.start(*words)
        return made

    @staticmethod
    def build(folder):
        """Its object, in that folder."""
        made = pathlib.Path(folder, "unharmed.so")
        if not made.exists():
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(made),
                            str(harness.TARGETS / "unharmed.c"), "-lm"], check=True)
        return made

    def is_over(self):
        return self.process.poll() is not None

    def check(self):
        said = self.process.stdout.read()
        assert said == b"unharmed\n" and self.process.wait() == 0, said
