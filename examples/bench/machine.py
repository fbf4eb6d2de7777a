"""The machine and the versions a benchmark ran with, and how busy the machine is."""
import datetime
import os
import platform
import subprocess

from common import cores, first_line, processor

WANTED_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def flags():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            have = next((line.split(":")[1].split() for line in f if line.startswith("flags")), [])
    except OSError:
        have = []
    return [w for w in WANTED_FLAGS if w in have]


def memory_gib():
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30, 1)


def load():
    """Processes that wanted a core in the last minute, this benchmark's own among them."""
    return os.getloadavg()[0]


def versions(bin_dir):
    try:
        text = subprocess.run([os.path.join(bin_dir, "od-train"), "--version"], capture_output=True, text=True, timeout=20).stdout
    except OSError:
        return []
    return [line.strip() for line in text.split("\n") if line.strip()]


def describe(bin_dir):
    here = os.path.dirname(os.path.abspath(__file__))
    return {"date": datetime.date.today().isoformat(), "cpu": processor() or platform.processor(), "cores": cores(), "flags": flags(),
            "memory_gib": memory_gib(), "kernel": platform.release(), "load": load(), "versions": versions(bin_dir),
            "commit": first_line(["git", "-C", here, "describe", "--always", "--dirty"])}
