"""What the benchmarks of this folder and of examples/gpu share: children with a time limit, and what ran where."""
import json
import os
import signal
import subprocess
import sys
import threading

GIB = 2.0 ** 30
HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(Exception):
    """A run that gave no figure, and why: a line of the report and not the end."""


def first_line(argv):
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=20).stdout.strip().split("\n")[0]
    except (OSError, subprocess.TimeoutExpired):
        return ""


def last_lines(path, n=5):
    with open(path, encoding="utf-8", errors="replace") as f:
        lines = [line.rstrip() for line in f.read().replace("\r", "\n").split("\n") if line.strip()]
    return lines[-n:]


def read_metrics(path):
    """The updates of od-train's metrics.jsonl that are complete."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")[:-1]                  # what follows the last newline is not complete
    return [json.loads(line) for line in lines]


def processor():
    """The processor's name as Linux gives it."""
    if not os.path.exists("/proc/cpuinfo"):
        return ""
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        return next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "")


def cores():
    return len(os.sched_getaffinity(0))


class Process:
    """A child with a time limit, its standard error in a file; ends by itself, by wait(), or when time is up.
    weighed: its peak memory is exact also where it is below this process's own (weigh.py)."""

    def __init__(self, argv, limit, notes, weighed=False, **more):
        self.argv, self.limit, self.notes = argv, limit, notes
        self.expired, self.weight = False, notes + ".kib" if weighed else None
        wrapper = [sys.executable, "-IS", os.path.join(HERE, "weigh.py"), self.weight] if weighed else []
        with open(notes, "wb") as f:
            self.child = subprocess.Popen(wrapper + argv, stderr=f, start_new_session=True, **more)
        self.timer = threading.Timer(max(limit, 1), self.expire)
        self.timer.start()

    def expire(self):
        self.expired = True
        self.kill()

    def kill(self):
        try:
            os.killpg(self.child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def ended(self, flags=os.WNOHANG):
        """True once the child is gone; collects its status and its memory, which subprocess would throw away."""
        if self.child.returncode is None:
            pid, status, self.usage = os.wait4(self.child.pid, flags)
            if pid:
                self.child.returncode = os.waitstatus_to_exitcode(status)
        return self.child.returncode is not None

    def wait(self, killed=False):
        """Peak resident memory in GiB; Failed says why the child failed."""
        self.ended(0)
        self.timer.cancel()
        name = next(os.path.basename(a) for a in self.argv if "python" not in os.path.basename(a))
        if self.expired:
            raise Failed(f"{name}: stopped after {self.limit:.0f} s")
        if self.child.returncode and not killed:
            raise Failed(" | ".join([f"{name}: status {self.child.returncode}"] + last_lines(self.notes)))
        if self.weight:
            with open(self.weight, encoding="ascii") as f:
                return int(f.read()) / 2 ** 20
        return self.usage.ru_maxrss / 2 ** 20
