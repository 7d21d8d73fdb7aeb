"""CFR iterations a second on Kuhn and Leduc poker, this program's and OpenSpiel's in one run, and the time in which this
program finds all equilibria of random games.

python3 benches/cfr_peer.py [PATH_OF_LLMAGENTOS]; needs pip install open_spiel. The program's start is taken out of CFR by
timing two lengths; games are timed as whole commands. Exits with 1 where CFR on Kuhn poker is below 50 times OpenSpiel's
Python or below its C++, or a random 6 x 6 game takes more than a second.
"""

import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import pyspiel
from open_spiel.python.algorithms import cfr

PROGRAM = sys.argv[1] if len(sys.argv) > 1 else "target/release/llmagentos"


def seconds(*arguments):
    """Seconds that a command of the program takes, and what it prints."""
    start = time.perf_counter()
    answer = subprocess.run([PROGRAM, "game", *arguments], check=True, capture_output=True).stdout
    return time.perf_counter() - start, answer


def ours(game, method, few, many):
    """Iterations a second, and NashConv by iteration."""

    def play(iterations):
        return seconds("play", game, "--method", method, "--iterations", str(iterations), "--json")

    (short, answer), (long, _) = play(few), play(many)
    points = {point["iterations"]: point["nash_conv"] for point in json.loads(answer)["checkpoints"]}
    return (many - few) / (long - short), points


def theirs(solver, iterations):
    """Iterations a second."""
    start = time.perf_counter()
    for _ in range(iterations):
        solver.evaluate_and_update_policy()
    return iterations / (time.perf_counter() - start)


def solve(size, count):
    """Mean and greatest seconds for all equilibria of so many games, payoffs drawn from -50 to 50."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "game.json")
        for seed in range(count):
            chance = random.Random(1000 * size + seed)
            matrices = {name: [[chance.randint(-50, 50) for _ in range(size)] for _ in range(size)] for name in "AB"}
            path.write_text(json.dumps(matrices))
            taken.append(seconds("solve", str(path))[0])
    return sum(taken) / count, max(taken)


def main():
    """Measures, compares, tells."""
    game = pyspiel.load_game("kuhn_poker")
    peer = pyspiel.CFRSolver(game)
    for _ in range(100):
        peer.evaluate_and_update_policy()
    kuhn, points = ours("kuhn", "cfr", 100_000, 4_100_000)
    difference = abs(points[100] - pyspiel.nash_conv(game, peer.average_policy()))
    assert difference < 1e-9, f"NashConv after 100 iterations differs by {difference}"
    cpp, python = theirs(pyspiel.CFRSolver(game), 20_000), theirs(cfr.CFRSolver(game), 300)
    print(f"CFR, Kuhn: {kuhn:,.0f} iterations/s; OpenSpiel C++ {cpp:,.0f} ({kuhn / cpp:.1f}x), Python {python:,.0f} ({kuhn / python:.0f}x)")
    print(f"CFR+, Kuhn: {ours('kuhn', 'cfr+', 100_000, 4_100_000)[0]:,.0f}")
    leduc, _ = ours("leduc", "cfr", 1_000, 101_000)
    game = pyspiel.load_game("leduc_poker")
    print(f"CFR, Leduc: {leduc:,.0f}; OpenSpiel C++ {theirs(pyspiel.CFRSolver(game), 300):,.1f}, Python {theirs(cfr.CFRSolver(game), 20):,.1f}")
    slowest = 0.0
    for size, count in [(6, 20), (8, 10), (10, 5), (12, 3), (14, 2)]:
        mean, greatest = solve(size, count)
        slowest = greatest if size == 6 else slowest
        print(f"all equilibria, {size} x {size}: {1000 * mean:.1f} ms, mean of {count}; {1000 * greatest:.1f} ms at most")
    sys.exit(0 if kuhn >= cpp and kuhn >= 50 * python and slowest <= 1 else 1)


main()
