"""Runs each command that comes in, a line of tab-separated arguments, and prints a line for it:

    exit code (negative: the signal), peak resident KiB, CPU seconds, wall seconds, the first line of standard error

    python3 measure.py SECONDS < COMMANDS

A command is killed after SECONDS of wall time, and may reserve 8 GiB of addresses. Only the standard library is used.
"""

import os
import resource
import subprocess
import sys
import tempfile
import threading
import time

ADDRESSES = 8 << 30


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))


def main(seconds):
    for line in sys.stdin:
        with tempfile.TemporaryFile() as told:
            begun = time.monotonic()
            child = subprocess.Popen(line.rstrip("\n").split("\t"), stdout=subprocess.DEVNULL, stderr=told, preexec_fn=limit)
            timer = threading.Timer(seconds, child.kill)
            timer.start()
            _, status, usage = os.wait4(child.pid, 0)
            timer.cancel()
            wall = time.monotonic() - begun
            child.returncode = code = os.waitstatus_to_exitcode(status)
            told.seek(0)
            first = (told.read().decode(errors="replace").splitlines() or [""])[0]
        cpu = usage.ru_utime + usage.ru_stime
        print(code, usage.ru_maxrss, f"{cpu:.3f}", f"{wall:.3f}", first.replace("\t", " "), sep="\t", flush=True)


if __name__ == "__main__":
    main(float(sys.argv[1]))
