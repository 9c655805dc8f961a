"""Run a command in a small process, of which a child's peak of memory is its own, and write what it
took to a file: seconds by the clock, seconds of the processor, MB and the exit code."""

import json
import resource
import subprocess
import sys
from threading import Timer
from time import perf_counter

path, limit, *command = sys.argv[1:]
begin = perf_counter()
with subprocess.Popen(command) as process:
    timer = Timer(float(limit), process.kill)  # `wait` with a limit would look every 50 ms
    timer.start()
    code = process.wait()
    clock = perf_counter() - begin
    timer.cancel()
used = resource.getrusage(resource.RUSAGE_CHILDREN)
megabytes = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
with open(path, "w", encoding="ascii") as stream:
    json.dump([clock, used.ru_utime + used.ru_stime, megabytes, code], stream)
