"""python3 -IS weigh.py FILE COMMAND...: runs the command and writes the KiB of its highest resident memory to FILE.

Linux counts what the process that forks has resident to its child's peak. This one has loaded next to nothing (8 MiB), so the
peak of a small child is its own, whoever asks for it."""
import posix
import sys

pid = posix.posix_spawnp(sys.argv[2], sys.argv[2:], posix.environ)
_, status, usage = posix.wait4(pid, 0)
with open(sys.argv[1], "w") as out:
    out.write(str(usage.ru_maxrss))
code = posix.waitstatus_to_exitcode(status)
posix._exit(code if code >= 0 else 128 - code)
