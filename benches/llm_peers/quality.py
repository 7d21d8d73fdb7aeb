"""Whether the embedded model says what llama.cpp says: every position of a few texts, from all tokens before it.

A text is a list of passages, each from its own beginning. A position that an earlier passage had too, behind the same
tokens, counts once.
"""

import json
import math
import os
import pathlib
import subprocess
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
POSITIONS = 1000
SERVED = 2048
# Enough passages for so many positions, where each brings some twenty new ones.
PASSAGES = 60


def texts(llmagentos):
    """Name and passages. What scenarios send comes first: decisions depend on it."""
    desk = prompts(llmagentos, "customer_service", ["--ticks", "3000"])
    prose = [paragraph for page in ["ARCHITECTURE.md", "GENERATION.md", "PROMPTS.md"] for paragraph in paragraphs(page)]
    return {
        "what customers say, with examples (customer_service)": [one for one in desk if "Request:" in one],
        "situations that a policy decides in (customer_service)": [one for one in desk if "Situation:" in one],
        "this project's documentation (docs)": ["\n\n".join(prose)],
        "Declaration of Independence, 1776": [(HERE / "texts/declaration.txt").read_text().strip()],
        "Alice's Adventures in Wonderland, 1865": [(ROOT / "tests/suite/data/passage.txt").read_text().strip()],
    }


def prompts(llmagentos, scenario, more):
    """The different prompts of a run and of what it is compared with, without the chat template's marks, in order."""
    with tempfile.TemporaryDirectory() as folder:
        run = [llmagentos, "run", str(ROOT / f"scenarios/{scenario}.toml"), "--out", folder, "--quiet", *more]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = {}
        for path in sorted(pathlib.Path(folder).rglob("llm.jsonl")):
            for line in open(path):
                request = json.loads(line).get("request")
                if request:
                    prompt = request["prompt"]
                    found["\n\n".join(filter(None, [prompt["system"], prompt["prefix"] + prompt["suffix"]]))] = None
    return list(found)


def paragraphs(page):
    for block in (ROOT / "docs" / page).read_text().split("\n\n"):
        if block[:1].isalpha() and "|" not in block and "](" not in block:
            yield block.replace("\n", " ")


class Server:
    """llama.cpp, asked for one position after another."""

    def __init__(self, xllamacpp, model, threads):
        params = xllamacpp.CommonParams()
        params.model.path = model
        params.hostnames = ["127.0.0.1"]
        params.port = 20000 + os.getpid() % 20000
        params.n_parallel = 1
        params.n_ctx = SERVED
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = threads
        params.cpuparams_batch.n_threads = threads
        params.verbosity = -1
        self.server = xllamacpp.Server(params)
        self.base = f"http://127.0.0.1:{params.port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(self.base + "/health")
                break
            except OSError:
                time.sleep(0.1)

    def post(self, path, body):
        data = json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=600))

    def tokens(self, text):
        return self.post("/tokenize", {"content": text, "add_special": False, "parse_special": False})["tokens"]

    def score(self, tokens, position):
        """Log-probability of the token that stands there, the likeliest token, and by how much it leads."""
        found = self.post("/completion", {
            "prompt": tokens[:position], "n_predict": 1, "n_probs": 2, "temperature": 0, "cache_prompt": True,
            "post_sampling_probs": False, "logit_bias": [[tokens[position], 1000.0]],
        })["completion_probabilities"][0]
        assert found["id"] == tokens[position], "the server took another token"
        first, second = found["top_logprobs"][:2]
        return found["logprob"], first["id"], first["logprob"] - second["logprob"]


def worker(arguments):
    import xllamacpp

    server = Server(xllamacpp, arguments.model, arguments.threads)
    rows = []
    for name, passages in texts(arguments.llmagentos).items():
        passages = passages[:PASSAGES]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "text"
            path.write_text("\f".join(passages))
            score = [*arguments.perplexity.split(), arguments.model, str(path), "--json"]
            ours = json.loads(subprocess.run(score, check=True, stdout=subprocess.PIPE, cwd=ROOT).stdout)
        rows.append([name, *compare(server, passages, ours)])
    print(json.dumps(rows), flush=True)
    os._exit(0)


def compare(server, passages, ours):
    seen, mine, theirs, same, clear = set(), [], [], [], []
    for text, scores in zip(passages, ours):
        tokens = server.tokens(text)
        assert [score["token"] for score in scores] == tokens[1:], "the tokens differ"
        for position in range(1, min(len(tokens), SERVED - 1)):
            if len(same) > POSITIONS + 50:
                break
            if tuple(tokens[: position + 1]) in seen:
                continue
            seen.add(tuple(tokens[: position + 1]))
            log_probability, likeliest, lead = server.score(tokens, position)
            theirs.append(log_probability)
            mine.append(scores[position - 1]["log_probability"])
            same.append(likeliest == scores[position - 1]["likeliest"])
            if lead >= 0.1:
                clear.append(same[-1])
    def perplexity(logs):
        return math.exp(-sum(logs) / len(logs))

    def share(found):
        return 100 * sum(found) / len(found)

    assert len(same) >= POSITIONS, f"only {len(same)} positions"
    mine, theirs = perplexity(mine), perplexity(theirs)
    return len(same), mine, theirs, 100 * (mine / theirs - 1), share(same), share(clear), len(clear)


def show(rows):
    print(f"{'':60}{'positions':>10}{'perplexity':>12}{'llama.cpp':>12}{'differs':>9}{'agree':>9}{'clear':>9}{'of':>7}")
    for name, count, mine, theirs, differs, same, clear, of in rows:
        print(f"{name:60}{count:10}{mine:12.3f}{theirs:12.3f}{differs:8.2f}%{same:8.2f}%{clear:8.2f}%{of:7}")
