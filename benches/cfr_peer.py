"""CFR iterations a second on Kuhn poker, this program's and OpenSpiel's in one run.

python3 benches/cfr_peer.py [PATH_OF_LLMAGENTOS]; needs pip install open_spiel. The program's start is taken out by timing
two lengths. Exits with 1 where it is below 50 times OpenSpiel's Python or below its C++.
"""

import json
import subprocess
import sys
import time

import pyspiel
from open_spiel.python.algorithms import cfr

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "target/release/llmagentos"


def ours(iterations):
    """Seconds for so many iterations, and NashConv of what they give."""
    command = [PROGRAM, "game", "play", "kuhn", "--method", "cfr", "--iterations", str(iterations), "--json"]
    start = time.perf_counter()
    answer = subprocess.run(command, check=True, capture_output=True).stdout
    seconds = time.perf_counter() - start
    return seconds, {point["iterations"]: point["nash_conv"] for point in json.loads(answer)["checkpoints"]}


def theirs(solver, iterations):
    """Iterations a second."""
    start = time.perf_counter()
    for _ in range(iterations):
        solver.evaluate_and_update_policy()
    return iterations / (time.perf_counter() - start)


def main():
    """Measures, compares, tells."""
    game = pyspiel.load_game("kuhn_poker")
    peer = pyspiel.CFRSolver(game)
    for _ in range(100):
        peer.evaluate_and_update_policy()
    short, points = ours(100_000)
    long, _ = ours(4_100_000)
    difference = abs(points[100] - pyspiel.nash_conv(game, peer.average_policy()))
    assert difference < 1e-9, f"NashConv after 100 iterations differs by {difference}"
    mine = 4_000_000 / (long - short)
    cpp = theirs(pyspiel.CFRSolver(game), 20_000)
    python = theirs(cfr.CFRSolver(game), 300)
    print(f"llmagentos {mine:,.0f} iterations/s; OpenSpiel C++ {cpp:,.0f} ({mine / cpp:.1f}x), Python {python:,.0f} ({mine / python:.0f}x)")
    sys.exit(0 if mine >= cpp and mine >= 50 * python else 1)


main()
