"""The benchmark's figures: medians, the best, ratios, goals, the three files made of them; and
when a count of instructions is a regression."""

import json
import pathlib
import sys
import tempfile
import unittest
import xml.dom.minidom

BENCH = pathlib.Path(__file__).resolve().parents[1] / "bench"
sys.path[:0] = [str(BENCH), str(BENCH / "instructions")]
import cases  # noqa: E402  pylint: disable=wrong-import-position
import instructions  # noqa: E402  pylint: disable=wrong-import-position
import rows  # noqa: E402  pylint: disable=wrong-import-position


def case(**more):
    words = {"name": "one", "title": "One <&> thing", "job": "up", "rate": 1, "contains": "a job",
             "goals": {"best": 2.0, "hitch": 4.0}, **more}
    return cases.Case(**words)


SAMPLES = {"fedgate": [10, 30, 20], "haproxy": [90, 50, 70], "hitch": [80, 100, 60]}


class Rows(unittest.TestCase):
    def test_a_ratio_says_how_many_times_as_much_the_best_peer_needs(self):
        for quote, ours, best, ratio in (("median", 20, "haproxy", 3.5),
                                         ("best", 10, "haproxy", 5)):
            with self.subTest(quote=quote):
                row = rows.row_of(case(quote=quote), SAMPLES)
                self.assertEqual((row["ours"], row["best"], row["ratio_to_best"]),
                                 (ours, best, ratio))
                self.assertEqual(row["spread"]["hitch"], [60, 100])

    def test_a_goal_is_met_when_the_peer_needs_so_many_times_as_much(self):
        for goals, met in (({"best": 3.5}, True), ({"best": 3.51}, False), ({"hitch": 4}, True),
                           ({"hitch": 4.01}, False), ({"nginx": 0.1}, False)):
            with self.subTest(goals=goals):
                row = rows.row_of(case(goals=goals), SAMPLES)
                self.assertEqual([goal["met"] for goal in row["goals"]], [met])

    def test_who_was_not_measured_is_left_out(self):
        row = rows.row_of(case(), {"fedgate": [], "haproxy": [5], "hitch": []})
        self.assertEqual((row["ours"], row["peers"], row["ratio_to_best"]), (None, {"haproxy": 5},
                                                                            None))
        row = rows.row_of(case(), {"fedgate": [2]})
        self.assertEqual((row["ours"], row["peers"], row["best"]), (2, {}, None))

    def test_growth_is_measured_by_the_first(self):
        row = rows.growth_row("g", "Growth", "us", {"10": [4, 6, 5], "100": [10], "none": []})
        self.assertEqual(row["growth"], {"10": 1, "100": 2})

    def test_what_grows_has_a_most(self):
        for goal, met in ((("100", "value", 10), True), (("100", "value", 9.9), False),
                          (("100", "growth", 2), True), (("100", "growth", 1.9), False),
                          (("1000", "value", 1e9), False)):
            with self.subTest(goal=goal):
                row = rows.growth_row("g", "Growth", "us", {"10": [5], "100": [10]}, [goal])
                self.assertEqual([one["met"] for one in row["goals"]], [met])

    def test_the_files_say_what_the_rows_say(self):
        made = {"machine": "here", "method": "so", "peers": ["haproxy", "hitch"],
                "rows": [{**rows.row_of(case(), SAMPLES), "allowed": ["haproxy", "hitch"]}],
                "growth": [rows.growth_row("g", "Growth", "us", {"10": [4], "100": [10]})],
                "failed": ["nginx is not installed"]}
        with tempfile.TemporaryDirectory() as directory:
            rows.write(made, pathlib.Path(directory))
            text = {end: pathlib.Path(directory, f"report.{end}").read_text(encoding="utf-8")
                    for end in ("json", "md", "svg")}
        self.assertEqual(json.loads(text["json"]), made)
        for words in ("**3.50** (haproxy)", "70 [50..90]", "2.00 of the best: 3.50, met",
                      "4.00 of hitch: 4.00, met", "* `one`: a job.", "nginx is not installed"):
            self.assertIn(words, text["md"])
        drawn = xml.dom.minidom.parseString(text["svg"]).toxml()
        self.assertIn("3.50 (haproxy)", drawn)

    def test_cases_are_chosen_by_the_beginnings_of_their_names(self):
        self.assertEqual(cases.chosen(""), cases.NAMES)
        self.assertEqual(cases.chosen("bulk, rsa"), ["rsa", "bulk-up", "bulk-down"])
        self.assertRaises(ValueError, cases.chosen, "bulk nothing")


class Instructions(unittest.TestCase):
    def test_more_than_the_tolerance_is_a_regression(self):
        for found, figure, fine, said in (
                (1000, 1000, True, "+0.0 %"), (1005, 1000, True, "+0.5 %"),
                (1006, 1000, False, "regression"), (995, 1000, True, "-0.5 %"),
                (990, 1000, True, "better"), (1000, None, False, "no figure")):
            with self.subTest(found=found, figure=figure):
                words, verdict = instructions.verdict("scan", found, figure)
                self.assertEqual(verdict, fine)
                self.assertIn(said, words)

    def test_every_path_has_its_figure(self):
        self.assertEqual(list(instructions.read_figures()), list(instructions.PATHS))


if __name__ == "__main__":
    unittest.main(verbosity=2)
