"""Contestants run in turns, ratios of what ran close together, and an interval that says how far to trust them.

A comparison gives three contestants: `strop`, `peer`, and `again`, which is `strop` a second time. A round runs each of
them twice, in an order and then in its reverse (A B C C B A), so that a drift of the machine cancels; the next round
begins with another of them. One round gives one ratio: the geometric mean of both runs of one over that of the other.
"""

import math
import random
import statistics

NAMES = ("strop", "peer", "again")
RESAMPLES = 4000
MANY = 5  # turns of a round
ROUNDING = 1e-6  # what repeats exactly need not do so to the last bit


class Goal:
    """Where the ratio strop / peer must lie. An open side is None."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __str__(self):
        return "-".join(f"{bound:g}" for bound in (self.low, self.high) if bound is not None)

    def claimed(self):
        """How far from sameness the nearest side of the goal lies."""
        return min(abs(1 - bound) for bound in (self.low, self.high) if bound is not None)

    def holds(self, interval):
        """Do both ends of the interval meet it?"""
        return ((self.low is None or interval.low >= self.low) and
                (self.high is None or interval.high <= self.high))

    def slack(self, ratio):
        """Distance to the nearer bound, as a part of it; negative outside."""
        slacks = [ratio / self.low - 1] if self.low is not None else []
        slacks += [1 - ratio / self.high] if self.high is not None else []
        return min(slacks)


class Metric:
    """A ratio that is judged. tolerance: the half-width its A/A control may have, a third of what is claimed unless given."""

    def __init__(self, name, goal, tolerance=None):
        self.name, self.goal = name, goal
        self.tolerance = goal.claimed() / 3 if tolerance is None else tolerance


class Interval:
    """The median of ratios with its 95 % bootstrap interval."""

    def __init__(self, ratios):
        draw = random.Random(1)
        self.middle = statistics.median(ratios)
        medians = sorted(statistics.median(draw.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES))
        self.low = medians[int(0.025 * RESAMPLES)]
        self.high = medians[int(0.975 * RESAMPLES) - 1]

    def half_width(self):
        return (self.high - self.low) / 2

    def __str__(self):
        return f"{self.middle:.4f} [{self.low:.4f}, {self.high:.4f}]"


def order(number, timed=True):
    """Who runs in round `number`, first to last. Without a clock once is enough, and Strop goes first."""
    if not timed:
        return ("strop", "peer", "again")
    first = number % len(NAMES)
    forward = NAMES[first:] + NAMES[:first]
    return forward + forward[::-1]


def ratio(round_, metric, above, below):
    """round_: {contestant: [{metric: value}, ...]}, as many runs of each."""
    logs = [math.log(a[metric] / b[metric]) for a, b in zip(round_[above], round_[below])]
    # Of many turns a disturbed one must not count; of two, which are an order and its reverse, both must.
    return math.exp((statistics.median if len(logs) >= MANY else statistics.fmean)(logs))


class Finding:
    """What the rounds say about one metric."""

    def __init__(self, metric, rounds):
        self.metric = metric
        self.ratio = Interval([ratio(round_, metric.name, "strop", "peer") for round_ in rounds])
        self.control = Interval([ratio(round_, metric.name, "strop", "again") for round_ in rounds])

    def calm(self):
        """Does the same thing measured twice look the same, to the precision that the claim needs?"""
        return (self.control.low - ROUNDING <= 1 <= self.control.high + ROUNDING and
                self.control.half_width() <= self.metric.tolerance)

    def verdict(self):
        if not self.calm():
            return "noisy"
        return "pass" if self.metric.goal.holds(self.ratio) else "fail"

    def line(self, name):
        return f"{name}: ratio {self.ratio} goal {self.metric.goal}: {self.verdict()}"


def worst(findings):
    """The finding that speaks for all: a fail before a noisy one before a pass, then the nearest to its bound."""
    rank = {"fail": 0, "noisy": 1, "pass": 2}
    return min(findings, key=lambda finding: (rank[finding.verdict()],
                                              finding.metric.goal.slack(finding.ratio.middle)))


def settled(findings):
    """Would more rounds change nothing?"""
    return all(finding.verdict() == "pass" for finding in findings)
