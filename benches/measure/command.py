"""`benches/bench`: every scenario with every program, cold and again unchanged, and the table at the end."""

import argparse
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field

from . import content, edges, table
from .audit import Audit, of_agent
from .cluster import Cluster
from .failure import BenchError
from .peers import PEERS

LENGTH = 6
TARGETS = {
    # design section 7: wall, requests
    ("chain", "cold"): ("critical path + 0.10 s", "≤ 40"),
    ("chain", "again"): ("≤ 0.08 s", "≤ 12"),
    ("500", "cold"): ("≤ 0.8 s", "≤ 515"),
    ("500", "again"): ("≤ 0.12 s", "≤ 10"),
    ("5000", "cold"): ("–", "–"),
    ("5000", "again"): ("–", "≤ 12"),
}
MEMORY = "≤ 15 MB"


@dataclass
class Cell:
    """The runs of one program in one scenario."""

    walls: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    memory: list = field(default_factory=list)
    paths: list = field(default_factory=list)
    reactions: list = field(default_factory=list)


def main(arguments):
    options = _options(arguments)
    try:
        cluster = Cluster()
        peers = [PEERS[name](cluster) for name in PEERS if name not in options.without]
        cells = _measure(cluster, peers, options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(_tables(cells, options))
    return 0


def _options(arguments):
    parser = argparse.ArgumentParser(prog="benches/bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="of each scenario; the large one runs once")
    parser.add_argument("--without", action="append", default=[], choices=[name for name in PEERS if name != "wesago"])
    parser.add_argument("--only", action="append", default=[], choices=["chain", "500", "5000"])
    return parser.parse_args(arguments)


def _measure(cluster, peers, options):
    contents = {"chain": content.chain(LENGTH), "500": content.config_maps(500), "5000": content.config_maps(5000)}
    cells = defaultdict(Cell)
    for scenario, wanted in contents.items():
        if options.only and scenario not in options.only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            written = wanted.write(folder)
            for peer in peers:
                for number in range(1 if scenario == "5000" else options.runs):
                    print(f"{scenario}: {peer.name}, run {number + 1}", file=sys.stderr, flush=True)
                    cluster.clear(wanted.name)
                    peer.prepare(wanted)
                    for state in ("cold", "again"):
                        _once(cluster, peer, wanted, written, cells[scenario, state, peer.name], state)
                cluster.clear(wanted.name)
    return cells


def _once(cluster, peer, wanted, written, cell, state):
    audit = Audit(cluster.audit_log)
    ran = peer.deploy(written, wanted)
    requests = audit.requests()
    cell.walls.append(ran.wall)
    cell.memory.append(ran.memory)
    cell.requests.append(len(of_agent(requests, peer.agent)))
    if peer.name == "wesago" and state == "cold" and len(wanted.stages) > 1:
        found = edges.measure(requests, peer.agent, len(wanted.stages))
        cell.paths.append(found.critical_path)
        cell.reactions.extend(found.reactions)


def _tables(cells, options):
    peers = [name for name in PEERS if name not in options.without]
    rows = [["scenario", "program", "wall", "requests", "memory", "wesago is faster by"]]
    for (scenario, state), (wall, requests) in TARGETS.items():
        if (scenario, state, "wesago") not in cells:
            continue
        ours = cells[scenario, state, "wesago"]
        for name in peers:
            cell = cells[scenario, state, name]
            faster = "" if name == "wesago" else table.ratio(ours.walls, cell.walls)
            title = {"chain": "18 objects, 6 stages"}.get(scenario, f"{scenario} ConfigMaps")
            title += ", unchanged" if state == "again" else ""
            measured = [table.seconds(cell.walls), table.count(cell.requests), table.megabytes(cell.memory)]
            rows.append([title if name == "wesago" else "", name, *measured, faster])
        rows.append(["", "design", wall, requests, MEMORY, ""])
    parts = [table.text(rows)]
    chain = cells.get(("chain", "cold", "wesago"))
    if chain:
        beyond = [wall - path for wall, path in zip(chain.walls, chain.paths)]
        parts.append(
            table.text(
                [
                    ["chain of 6 stages", "measured", "design"],
                    ["critical path", table.seconds(chain.paths), ""],
                    ["wall beyond it", table.seconds(beyond), "≤ 0.10 s"],
                    ["reaction per edge, p50 / max", table.milliseconds(chain.reactions), "≤ 5 / 10 ms"],
                ]
            )
        )
    return "\n\n".join(parts)
