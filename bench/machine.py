"""What a measurement stands on: the machine, its load, and what others did meanwhile."""

import datetime
import os
import platform
import resource
import time

CORES = len(os.sched_getaffinity(0))
CALM = 0.10  # part of all cores that others may use while we measure


class Watch:
    """The part of the machine that others used between its making and a call of foreign(), steal time included."""

    def __init__(self):
        self.begin = self._now()

    @staticmethod
    def _now():
        with open("/proc/stat", encoding="ascii") as stat:
            fields = [int(field) for field in stat.readline().split()[1:9]]
        idle = fields[3] + fields[4]
        own = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return time.monotonic(), (sum(fields) - idle) / os.sysconf("SC_CLK_TCK"), own

    def foreign(self):
        wall, busy, own = (now - then for now, then in zip(self._now(), self.begin))
        return max(0.0, busy - own) / (max(wall, 1e-9) * os.cpu_count())


def wait_until_calm(seconds, say):
    """Waits at most so long for others to be done, and says whether they are."""
    end, told = time.monotonic() + seconds, False
    while True:
        watch = Watch()
        time.sleep(1)
        if watch.foreign() <= CALM:
            return True
        if time.monotonic() >= end:
            return False
        if not told:
            say("others are using the machine; waiting")
            told = True


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def conditions():
    with open("/proc/meminfo", encoding="ascii") as info:
        memory_kib = int(info.readline().split()[1])
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "cpu": cpu_name(), "cores": CORES, "memory_gib": round(memory_kib / 2**20, 1),
            "system": f"{platform.system()} {platform.release()}", "load": os.getloadavg()}
