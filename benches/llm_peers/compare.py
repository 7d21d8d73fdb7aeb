#!/usr/bin/env python3
"""The embedded model beside llama.cpp: the same GGUF file, the same threads, turn by turn in one run.

Makes a virtual environment with a built llama.cpp (the package xllamacpp) and prints what each does and the ratios.
See README.md.
"""

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import quality

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE = "xllamacpp"
PREFILLS = [256, 512]
BATCHES = [1, 8, 32, 64]
WRITTEN = 64
SHARED, OWN, DECISIONS = 300, 40, 32


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llmagentos", default=str(HERE.parent.parent / "target/release/llmagentos"))
    parser.add_argument("--model", default="smollm2-135m-instruct-q4_1", help="an id of the catalogue, or a GGUF file")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3, help="turns that each takes; the best of each measure is given")
    parser.add_argument("--venv", default=str(HERE / ".venv"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quality", action="store_true", help="compare what the two say instead of how fast they are")
    parser.add_argument("--perplexity", default="cargo run --quiet --release --example perplexity --",
                        help="the command that scores a text, for --quality")
    parser.add_argument("--worker", choices=["all", "plain", "quality"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker == "quality":
        return quality.worker(arguments)
    if arguments.worker:
        return worker(arguments)

    model = arguments.model
    if not os.path.exists(model):
        asked = subprocess.run([arguments.llmagentos, "assets", "path", model], check=True, stdout=subprocess.PIPE)
        model = asked.stdout.decode().strip()
    python = environment(pathlib.Path(arguments.venv))
    if arguments.quality:
        ask = [str(python), __file__, "--worker", "quality", "--model", model, "--threads", str(arguments.threads)]
        ask += ["--llmagentos", arguments.llmagentos, "--perplexity", arguments.perplexity]
        rows = json.loads(run(ask).splitlines()[-1])
        print(json.dumps(rows, indent=2)) if arguments.json else quality.show(rows)
        return
    ours, theirs, kind, notes = {}, {}, "all", []
    about = {}
    for _ in range(arguments.rounds):
        bench = [arguments.llmagentos, "bench", "llm", "--model", model, "--threads", str(arguments.threads)]
        found = json.loads(run(bench + ["--repetitions", "1", "--json", "--quiet"]))
        about["llmagentos"] = {**found["identity"], "threads": found["threads"]}
        keep(ours, flat(found))
        peer = [str(python), __file__, "--model", model, "--threads", str(arguments.threads)]
        try:
            text = run(peer + ["--worker", kind])
        except subprocess.CalledProcessError as error:
            if kind == "plain":
                raise
            notes.append(f"llama.cpp ended with code {error.returncode} with its own weight layouts (AMX, repacking); "
                         "measured without them (no_extra_bufts)")
            kind = "plain"
            text = run(peer + ["--worker", kind])
        found = json.loads(text.splitlines()[-1])
        about["llama.cpp"] = found.pop("about")
        keep(theirs, found)
    rows = [(name, ours[name], theirs[name], ratio(name, ours[name], theirs[name])) for name in ours if name in theirs]
    if arguments.json:
        print(json.dumps({"about": about, "notes": notes, "rows": [list(row) for row in rows]}, indent=2))
        return
    print(f"model: {os.path.basename(model)}, {arguments.threads} threads, best of {arguments.rounds} turns each")
    for name, what in about.items():
        print(f"{name}: {what}")
    for note in notes:
        print(f"note: {note}")
    print(f"{'':34}{'llmagentos':>12}{'llama.cpp':>12}{'ratio':>8}")
    for name, mine, other, times in rows:
        print(f"{name:34}{mine:12.2f}{other:12.2f}{times:8.2f}")


def environment(folder):
    """The interpreter of a virtual environment with the package, made where it is missing."""
    python = folder / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, stdout=sys.stderr)
    if subprocess.run([str(python), "-c", f"import {PACKAGE}"], stderr=subprocess.DEVNULL).returncode:
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", PACKAGE], check=True, stdout=sys.stderr)
    return python


def run(command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def flat(bench):
    rows = {"load (s)": bench["load_seconds"]}
    rows.update({f"prefill {row['size']} (tokens/s)": row["tokens_per_second"] for row in bench["prefill"]})
    rows.update({f"decode, batch {row['size']} (tokens/s)": row["tokens_per_second"] for row in bench["decode"]})
    rows["menu decisions a second"] = bench["menu_decisions_per_second"]
    rows["memory at 64 sequences (MiB)"] = bench["decode_64_peak_mib"]
    return {name: value for name, value in rows.items() if value is not None}


def less_is_better(name):
    return name.endswith("(s)") or name.endswith("(MiB)")


def keep(best, found):
    for name, value in found.items():
        choose = min if less_is_better(name) else max
        best[name] = choose(best[name], value) if name in best else value


def ratio(name, mine, other):
    """How many times as good: above 1 this project is ahead."""
    return other / mine if less_is_better(name) else mine / other


def worker(arguments):
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.hostnames = ["127.0.0.1"]
    params.port = 20000 + os.getpid() % 20000
    params.n_parallel = 64
    params.n_ctx = 64 * 640
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = arguments.threads
    params.cpuparams_batch.n_threads = arguments.threads
    params.no_extra_bufts = arguments.worker == "plain"
    params.verbosity = -1
    started = time.perf_counter()
    server = xllamacpp.Server(params)
    loaded = time.perf_counter() - started
    base = f"http://127.0.0.1:{params.port}"

    def post(body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(base + "/completion", data, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))

    for _ in range(600):
        try:
            urllib.request.urlopen(base + "/health")
            break
        except OSError:
            time.sleep(0.1)
    draw = random.Random(os.getpid())

    def tokens(count):
        # Ordinary tokens; the first few hundred of a vocabulary are bytes and marks.
        return [draw.randrange(1000, 20000) for _ in range(count)]

    plain = {"temperature": 0, "cache_prompt": False, "ignore_eos": True}
    post({"prompt": tokens(64), "n_predict": 8, **plain})
    rows = {"load (s)": loaded}
    for size in BATCHES[::-1]:
        with ThreadPoolExecutor(size) as pool:
            def timed(written):
                bodies = [{"prompt": tokens(20), "n_predict": written, **plain} for _ in range(size)]
                started = time.perf_counter()
                found = list(pool.map(post, bodies))
                return time.perf_counter() - started, sum(one["tokens_predicted"] for one in found)

            short, first = timed(1)
            long, written = timed(WRITTEN)
            rows[f"decode, batch {size} (tokens/s)"] = (written - first) / (long - short)
        if size == 64:
            rows["memory at 64 sequences (MiB)"] = memory("VmHWM:")
    for size in PREFILLS:
        timings = post({"prompt": tokens(size), "n_predict": 1, **plain})["timings"]
        rows[f"prefill {size} (tokens/s)"] = timings["prompt_n"] / timings["prompt_ms"] * 1000
    rows["menu decisions a second"] = decide(post, tokens)
    about = {"build": str(xllamacpp.BUILD_INFO), "system": xllamacpp.get_system_info().strip(),
             "no_extra_bufts": params.no_extra_bufts, "threads": arguments.threads}
    print(json.dumps({**rows, "about": about}), flush=True)
    # The server has threads of its own that need not be waited for.
    os._exit(0)


def decide(post, tokens):
    """A shared beginning kept by the server, an own end computed, the probabilities of the next token asked for: one
    decision among options of one token. The better of one slot asked in turn and eight slots side by side."""
    shared = tokens(SHARED)
    ask = {"n_predict": 1, "temperature": 0, "cache_prompt": True, "n_probs": 10}

    def body(slot):
        return {"prompt": shared + tokens(OWN), "id_slot": slot, **ask}

    best = 0.0
    for slots in [1, 8]:
        with ThreadPoolExecutor(slots) as pool:
            list(pool.map(post, [body(slot) for slot in range(slots)]))
            started = time.perf_counter()
            list(pool.map(post, [body(number % slots) for number in range(DECISIONS)]))
            best = max(best, DECISIONS / (time.perf_counter() - started))
    return best


def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    return None


if __name__ == "__main__":
    main()
