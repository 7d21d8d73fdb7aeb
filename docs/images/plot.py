#!/usr/bin/env python3
"""Draws how many cases each contender of a customer-service run resolved right, stretch by stretch of ticks.

    python3 docs/images/plot.py RUN_FOLDER [TICKS_PER_POINT] > docs/images/learning.svg

Reads `episodes.csv` of the run and of every folder below its `compare/`. A point is the share of cases that ended
right among all that ended in its stretch (500 ticks, unless told), and stands at the stretch's end. Needs nothing but
Python's standard library, and writes the same bytes for the same run.
"""

import csv
import json
import sys
from pathlib import Path

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 130, 46, 50
# Okabe and Ito's colours, which can be told apart by people with any colour vision.
COLOURS = ["#0072b2", "#009e73", "#d55e00", "#cc79a7", "#666666", "#e69f00", "#56b4e9"]


def shares(episodes, ticks, stretch):
    """[(end of stretch, share right)], stretches in which no case ended left out."""
    ended, right = {}, {}
    with open(episodes, newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            place = int(row["tick"]) // stretch
            ended[place] = ended.get(place, 0) + 1
            right[place] = right.get(place, 0) + (row["outcome"] == "right")
    return [(min((place + 1) * stretch, ticks), right[place] / ended[place]) for place in sorted(ended)]


def spread(wanted, gap):
    """Heights of labels, as near to the wanted ones as a gap between them allows."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = {}
    below = -1e9
    for index in order:
        below = placed[index] = max(wanted[index], below + gap)
    return [placed[index] for index in range(len(wanted))]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    stretch = int(sys.argv[2]) if len(sys.argv) == 3 else 500
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    ticks = manifest["ticks"]
    contenders = [("this run (learning)", folder)]
    contenders += [(place.name, place) for place in sorted(folder.glob("compare/*")) if place.is_dir()]
    lines = [(name, shares(place / "episodes.csv", ticks, stretch)) for name, place in contenders]

    def x(tick):
        return LEFT + (WIDTH - LEFT - RIGHT) * tick / ticks

    def y(share):
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>Share of cases resolved right, per {stretch} ticks</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="24" fill="#222222" font-size="15">Share of cases resolved right, per {stretch} ticks '
        f'({manifest["scenario"]}, seed {manifest["seed"]})</text>',
    ]
    for tenth in range(0, 11, 2):
        height = y(tenth / 10)
        out.append(f'<path d="M{LEFT} {height:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{height + 4:.1f}" fill="#444444" text-anchor="end">{tenth * 10}%</text>')
    parts = next((parts for parts in (5, 6, 4) if ticks % (parts * 100) == 0), 5)
    for part in range(parts + 1):
        tick = ticks * part // parts
        out.append(
            f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 20}" fill="#444444" text-anchor="middle">{tick}</text>'
        )
    out.append(f'<text x="{x(ticks / 2):.1f}" y="{HEIGHT - 10}" fill="#444444" text-anchor="middle">tick</text>')
    heights = spread([y(points[-1][1]) if points else y(0) for _, points in lines], 17)
    for index, (name, points) in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{x(tick):.1f},{y(share):.1f}" for tick, share in points)
        width, dashes = (3, "") if index == 0 else (1.8, ' stroke-dasharray="6 3"')
        out.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dashes} '
            'stroke-linejoin="round"/>'
        )
        label = name.replace("&", "&amp;").replace("<", "&lt;")
        out.append(f'<text x="{WIDTH - RIGHT + 8}" y="{heights[index] + 4:.1f}" fill="{colour}">{label}</text>')
    out.append("</svg>")
    print("\n".join(out))


main()
