#!/usr/bin/env python3
"""The statistics of the benchmarks, on made samples."""

import random
import unittest

import paired

CLAIM = paired.Metric("rate", paired.Goal(0.95, 1.05))


def rounds(count, peer, noise, seed=7):
    """Rounds in which strop does 100 and the peer 100 / `peer`, with a relative noise of each run."""
    draw = random.Random(seed)

    def run(value):
        return {"rate": value * (1 + noise * draw.gauss(0, 1))}
    return [{"strop": [run(100), run(100)], "peer": [run(100 / peer), run(100 / peer)],
             "again": [run(100), run(100)]} for _ in range(count)]


class Verdicts(unittest.TestCase):
    def test_equal_contestants_pass(self):
        self.assertEqual(paired.Finding(CLAIM, rounds(12, 1.0, 0.005)).verdict(), "pass")

    def test_ten_percent_less_fails(self):
        self.assertEqual(paired.Finding(CLAIM, rounds(12, 0.9, 0.005)).verdict(), "fail")

    def test_a_ratio_whose_interval_crosses_the_bound_fails(self):
        finding = paired.Finding(CLAIM, rounds(24, 0.95, 0.01))
        self.assertLess(finding.ratio.low, 0.95)
        self.assertEqual(finding.verdict(), "fail")

    def test_a_wide_control_is_noisy_even_at_ratio_one(self):
        self.assertEqual(paired.Finding(CLAIM, rounds(8, 1.0, 0.2)).verdict(), "noisy")

    def test_the_control_may_be_as_wide_as_a_third_of_what_is_claimed(self):
        self.assertAlmostEqual(CLAIM.tolerance, 0.05 / 3)
        self.assertAlmostEqual(paired.Metric("seconds", paired.Goal(None, 0.4)).tolerance, 0.2)
        self.assertAlmostEqual(paired.Metric("seconds", paired.Goal(None, 1), 0.1).tolerance, 0.1)

    def test_a_control_away_from_one_is_noisy(self):
        drifting = rounds(12, 1.0, 0.001)
        for round_ in drifting:
            for run in round_["again"]:
                run["rate"] *= 1.01
        self.assertEqual(paired.Finding(CLAIM, drifting).verdict(), "noisy")


class Rounds(unittest.TestCase):
    def test_a_linear_drift_cancels(self):
        round_ = {name: [] for name in paired.NAMES}
        for place, name in enumerate(paired.order(0)):
            round_[name].append({"rate": 100 * 1.01 ** place})
        self.assertAlmostEqual(paired.ratio(round_, "rate", "strop", "peer"), 1.0, places=12)
        self.assertAlmostEqual(paired.ratio(round_, "rate", "strop", "again"), 1.0, places=12)

    def test_one_disturbed_turn_of_many_does_not_count(self):
        round_ = {"strop": [{"rate": 100}] * 7 + [{"rate": 20}], "peer": [{"rate": 100}] * 8}
        self.assertEqual(paired.ratio(round_, "rate", "strop", "peer"), 1.0)

    def test_everybody_begins_equally_often(self):
        self.assertEqual({paired.order(number)[0] for number in range(3)}, set(paired.NAMES))


class Lines(unittest.TestCase):
    def test_a_goal_with_one_side_is_one_number(self):
        self.assertEqual(str(paired.Goal(None, 1)), "1")
        self.assertEqual(str(paired.Goal(0.95, 1.05)), "0.95-1.05")

    def test_the_worst_finding_speaks(self):
        good = paired.Finding(CLAIM, rounds(12, 1.0, 0.005))
        bad = paired.Finding(CLAIM, rounds(12, 0.9, 0.005))
        self.assertIs(paired.worst([good, bad]), bad)
        self.assertRegex(bad.line("x"), r"^x: ratio 0\.\d+ \[0\.\d+, 0\.\d+\] goal 0\.95-1\.05: fail$")


if __name__ == "__main__":
    unittest.main()
