"""The timing protocol replayed on recorded and made-up machines, 200 times each: does its interval hold the truth?"""

import json

import paired
import tools

SERIES = tools.ROOT / "tests" / "data" / "series"
TIMED = False  # the replays' clock is fake, so nothing can be disturbed
ROUNDS = (1,)
# The least share of replays, over all series, that must turn out so.
SHARES = {"held": 0.93, "not_faster": 0.95, "found": 0.95}
QUICK = 0.5  # of llama-bench's default time, for an answer to 2 % on quiet series


def metrics():
    return ([paired.Metric(name, paired.Goal(1, None)) for name in SHARES] +
            [paired.Metric("quick", paired.Goal(None, 1))])


class Comparison:
    def __init__(self, ours, _):
        self.program = ours.bench("statistics")
        for name in ("quiet", "one_core_loaded", "bursty"):
            if not (SERIES / f"{name}.csv").exists():
                raise tools.Missing(f"tests/data/series/{name}.csv is missing: bench/record_series records it")
        self.series = None

    def strop(self, _):
        if self.series is None:  # every run would say the same
            self.series = json.loads(tools.output_of([self.program, *sorted(SERIES.glob("*.csv"))]))
        worst = {name: min(series[name] for series in self.series) for name in SHARES}
        worst["quick"] = max(self._quick(series) for series in self._quiet())
        return worst

    def _quiet(self):
        return [series for series in self.series if series["series"] in ("quiet", "still")]

    @staticmethod
    def _quick(series):
        """Seconds to the answer over llama-bench's. An answer that did not come is no quick answer."""
        late = series["quick_settled"] < 0.95 or series["quick_held"] < 0.93
        return 1e9 if late else series["quick_seconds"] / series["llama_bench_seconds"]

    def peer(self, _):
        return {**SHARES, "quick": QUICK}

    def conditions(self):
        return {"replays": 200, **{series["series"]: {key: value for key, value in series.items() if key != "series"}
                                   for series in self.series or []}}
