"""What the site says of the plan must be so in plans/wesago.yaml: graph, variables, image names.

Run: python3 -m unittest discover -s images/website/tests
"""

import json
import pathlib
import re
import unittest

WEBSITE = pathlib.Path(__file__).resolve().parents[1]
PLAN = (WEBSITE.parents[1] / "plans" / "wesago.yaml").read_text()
DOCUMENTS = {path.name: path.read_text() for path in sorted((WEBSITE / "site" / "docs").glob("*.md*"))}


def section(name):
    """The lines of one top-level key of the plan, without comments."""
    lines = PLAN.splitlines()
    body = lines[lines.index(f"{name}:") + 1:]
    end = next((number for number, line in enumerate(body) if re.match(r"[a-z]", line)), len(body))
    return [line for line in body[:end] if line.strip() and not line.lstrip().startswith("#")]


def plan_needs():
    """Stage to needs, read from the block style the plan is written in (no YAML library is at hand)."""
    needs, group, stage = {}, None, None
    for line in section("stages"):
        if match := re.fullmatch(r"  ([a-z-]+):", line):
            group, stage = None, match[1]
            needs[stage] = []
        elif line == "    stages:":
            group = stage
            del needs[group]
        elif group and (match := re.fullmatch(r"      ([a-z-]+):", line)):
            stage = f"{group}/{match[1]}"
            needs[stage] = []
        elif match := re.fullmatch(r" +needs: \[(.*)\]", line):
            needs[stage] = [need.strip() for need in match[1].split(",")]
    return needs


class TruthTest(unittest.TestCase):
    """The built-in plan against the words and the picture of the site."""

    def test_the_picture_is_the_plans_graph(self):
        picture = json.loads((WEBSITE / "site" / "src" / "data" / "stages.json").read_text())
        plan = plan_needs()
        left_out = set(picture["leftOut"])
        self.assertGreater(len(plan), 10)
        self.assertEqual({node["id"] for node in picture["nodes"]} | left_out, set(plan))
        wanted = {stage: sorted(set(needs) - left_out) for stage, needs in plan.items() if stage not in left_out}
        drawn = {stage: sorted(needs) for stage, needs in picture["needs"].items()}
        self.assertEqual(drawn, {stage: needs for stage, needs in wanted.items() if needs})

    def test_the_table_of_needs_is_the_plans_graph(self):
        rows = re.findall(r"^\| `([a-z/]+)` \| (.*?) \|", DOCUMENTS["stages.mdx"], re.MULTILINE)
        self.assertGreater(len(rows), 10)
        needs = []
        for stage, cell in rows:
            needs = needs if cell == "the same" else re.findall(r"`([a-z/]+)`", cell)
            self.assertEqual(needs, plan_needs()[stage], stage)

    def test_named_variables_exist(self):
        defined = {match[1] for line in section("variables") if (match := re.fullmatch(r"  ([a-z_]+):.*", line))}
        named = set()
        for text in DOCUMENTS.values():
            named |= set(re.findall(r"--set ([a-z_]+)=", text)) - {"name"}
            named |= set(re.findall(r"variable `([a-z_]+)`", text))
        self.assertGreater(len(named), 4)
        self.assertEqual(named - defined, set())

    def test_image_names_and_hosts_are_the_plans_defaults(self):
        guide = DOCUMENTS["getting-started.md"]
        images = set(re.findall(r"localhost/wesago/[a-z]+:\S+", guide))
        self.assertEqual(len(images), 2)
        for said in images | {"wesago.k3s", "wesago-website.k3s", "wesadmin"}:
            self.assertIn(said, guide)
            self.assertIn(f"default: {said}\n", PLAN)


if __name__ == "__main__":
    unittest.main()
