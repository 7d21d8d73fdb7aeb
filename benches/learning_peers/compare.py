#!/usr/bin/env python3
"""PPO and DQN on CartPole-v1 beside Stable-Baselines3: the same machine, one thread each, turn by turn in one run.

Prints environment steps a second of processor time, after how many steps the frozen policy first reaches 475 on average,
and what it reaches at the end. See README.md beside this file.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOLVED = 475.0
EPISODES = 20

# rl-baselines3-zoo, hyperparams/ppo.yml and dqn.yml, CartPole-v1; steps and evaluations as in benches/learning.rs.
COURSES = {
    "ppo": {
        "copies": 8,
        "steps": 72_000,
        "every": 2_000,
        "settings": {
            "n_steps": 32,
            "batch_size": 256,
            "gae_lambda": 0.8,
            "gamma": 0.98,
            "n_epochs": 20,
            "ent_coef": 0.0,
            "learning_rate": lambda left: left * 0.001,
            "clip_range": lambda left: left * 0.2,
        },
    },
    "dqn": {
        "copies": 1,
        "steps": 50_000,
        "every": 2_000,
        "settings": {
            "learning_rate": 2.3e-3,
            "batch_size": 64,
            "buffer_size": 100_000,
            "learning_starts": 1000,
            "gamma": 0.99,
            "target_update_interval": 10,
            "train_freq": 256,
            "gradient_steps": 128,
            "exploration_fraction": 0.16,
            "exploration_final_eps": 0.04,
            "policy_kwargs": {"net_arch": [256, 256]},
        },
    },
}


def packages():
    """The peer, or a message that says how to get it."""
    try:
        import gymnasium
        import stable_baselines3
        import torch
    except ImportError as error:
        sys.exit(
            f"{error}\n\nThis comparison needs Stable-Baselines3: `{sys.executable} -m pip install stable-baselines3` "
            "in a virtual environment of its own, then run this script with that environment's python."
        )
    torch.set_num_threads(1)
    return gymnasium, stable_baselines3, torch


def theirs(algorithm, seed, modules):
    """Trains one seed of Stable-Baselines3."""
    gymnasium, stable_baselines3, _ = modules
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.evaluation import evaluate_policy

    course = COURSES[algorithm]
    judge = make_vec_env("CartPole-v1", n_envs=EPISODES, seed=seed + 1000)
    seen = {"away": 0.0, "reached": None, "last": 0.0, "next": course["every"]}

    class Evaluate(BaseCallback):
        def _on_step(self):
            if self.num_timesteps >= seen["next"]:
                seen["next"] += course["every"]
                before = time.process_time()
                mean, _ = evaluate_policy(self.model, judge, n_eval_episodes=EPISODES, deterministic=True)
                seen["away"] += time.process_time() - before
                seen["last"] = float(mean)
                if seen["reached"] is None and mean >= SOLVED:
                    seen["reached"] = self.num_timesteps
            return True

    kind = {"ppo": stable_baselines3.PPO, "dqn": stable_baselines3.DQN}[algorithm]
    world = make_vec_env("CartPole-v1", n_envs=course["copies"], seed=seed)
    model = kind("MlpPolicy", world, seed=seed, device="cpu", **course["settings"])
    before = time.process_time()
    model.learn(course["steps"], callback=Evaluate())
    seconds = time.process_time() - before - seen["away"]
    mean, _ = evaluate_policy(model, judge, n_eval_episodes=EPISODES, deterministic=True)
    return {"reached": seen["reached"], "end": float(mean), "speed": model.num_timesteps / seconds}


LINE = re.compile(r"seed (\d+): evaluation ≥ [\d.]+ at (\w+), .*; at the end ([\d.]+); (\d+) steps a second")


def ours(algorithm, seed):
    """Trains one seed of this project."""
    command = ["cargo", "bench", "--quiet", "--bench", "learning", "--", f"cart_pole_{algorithm}", f"seed={seed}"]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        sys.exit("cargo is not in PATH: this project's side is its own benchmark")
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(command)} failed:\n{error.stderr}")
    found = LINE.search(ran.stdout)
    if not found or int(found[1]) != seed:
        sys.exit(f"{' '.join(command)} said what this script cannot read:\n{ran.stdout}")
    reached = None if found[2] == "never" else int(found[2])
    return {"reached": reached, "end": float(found[3]), "speed": float(found[4])}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--algorithms", nargs="+", default=list(COURSES), choices=list(COURSES))
    arguments.add_argument("--seeds", type=int, default=5)
    arguments.add_argument("--json", action="store_true", help="print one JSON object instead of lines")
    arguments = arguments.parse_args()
    modules = packages()
    gymnasium, stable_baselines3, torch = modules
    versions = {
        "stable-baselines3": stable_baselines3.__version__,
        "torch": torch.__version__,
        "gymnasium": gymnasium.__version__,
    }
    result = {"versions": versions, "algorithms": {}}
    for algorithm in arguments.algorithms:
        rows = {"theirs": [], "ours": []}
        for seed in range(arguments.seeds):
            rows["theirs"].append(theirs(algorithm, seed, modules))
            rows["ours"].append(ours(algorithm, seed))
            if not arguments.json:
                for side in ("theirs", "ours"):
                    row = rows[side][-1]
                    reached = row["reached"] or "never"
                    print(
                        f"{algorithm} seed {seed} {side}: {row['speed']:.0f} steps a CPU-second; "
                        f"≥ {SOLVED:.0f} at {reached}; at the end {row['end']:.1f}",
                        flush=True,
                    )
        speed = {side: statistics.median(row["speed"] for row in rows[side]) for side in rows}
        rows["ratio"] = speed["ours"] / speed["theirs"]
        result["algorithms"][algorithm] = rows
        if not arguments.json:
            print(
                f"{algorithm}: {speed['theirs']:.0f} and {speed['ours']:.0f} steps a CPU-second (medians): "
                f"{rows['ratio']:.1f} times as many"
            )
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print(", ".join(f"{name} {version}" for name, version in versions.items()))


if __name__ == "__main__":
    main()
