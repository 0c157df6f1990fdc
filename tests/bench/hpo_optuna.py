#!/usr/bin/python3
"""Optuna on the problems of hpo_problems.cpp, for bench_hpo*.cpp; prints "name number..." a line.

  hpo_optuna.py cost SAMPLER TRIALS                seconds of an ask and tell at the end of so many trials, 10 floats
  hpo_optuna.py sqlite SAMPLER TRIALS CLIENTS      asks and tells a second on SQLite, 10 floats: one process, then so many
  hpo_optuna.py function NAME SAMPLER SEEDS        median regret after 100 and 200 trials
  hpo_optuna.py table FOLDER NAME SEEDS            mean best of multivariate TPE after 50, 100, 200 and its standard errors
"""
import math
import multiprocessing
import subprocess
import sys
import tempfile
import time
import warnings

import optuna

warnings.filterwarnings("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)

TABLES = {
    "protein": ("fcnet_protein_structure.csv.xz", [-2, -2, 4, 3, 3, 6, -2, 6, 6], 1),
    "cifar100": ("nb201_cifar100.csv.xz", [-5] * 6, -1),
    "kc1": ("mlp_kc1.csv.xz", [10, 10, 3, 10, 10], -1),
}


def sampler(name, seed):
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "sobol":
        return optuna.samplers.QMCSampler(seed=seed, scramble=True)
    if name == "tpe":
        return optuna.samplers.TPESampler(seed=seed, multivariate=True)
    if name == "tpe-independent":
        return optuna.samplers.TPESampler(seed=seed)
    if name == "cma-es":
        return optuna.samplers.CmaEsSampler(seed=seed)
    return optuna.samplers.NSGAIISampler(seed=seed, population_size=20)


def branin(x):
    b, c = 5.1 / (4 * math.pi ** 2), 5 / math.pi
    return (x[1] - b * x[0] ** 2 + c * x[0] - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


def hartmann(a, p):
    heights = [1.0, 1.2, 3.0, 3.2]
    return lambda x: -sum(
        h * math.exp(-sum(w * (v - q * 1e-4) ** 2 for v, w, q in zip(x, ra, rp)))
        for h, ra, rp in zip(heights, a, p))


def rosenbrock(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def ackley(x):
    n = len(x)
    waves = sum(math.cos(2 * math.pi * v) for v in x)
    return -20 * math.exp(-0.2 * math.sqrt(sum(v * v for v in x) / n)) - math.exp(waves / n) + 20 + math.e


def rastrigin(x):
    return 10 * len(x) + sum(v * v - 10 * math.cos(2 * math.pi * v) for v in x)


FUNCTIONS = {
    "Branin": (branin, [(-5, 10), (0, 15)], 0.39788735772973816),
    "Hartmann3": (hartmann([[3, 10, 30], [0.1, 10, 35]] * 2,
                           [[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]),
                  [(0, 1)] * 3, -3.86278214782076),
    "Hartmann6": (hartmann([[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8],
                            [17, 8, 0.05, 10, 0.1, 14]],
                           [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
                            [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]),
                  [(0, 1)] * 6, -3.32236801141551),
    "Rosenbrock4": (rosenbrock, [(-5, 10)] * 4, 0),
    "Ackley5": (ackley, [(-32.768, 32.768)] * 5, 0),
    "Rastrigin5": (rastrigin, [(-5.12, 5.12)] * 5, 0),
}


def bests(study, objective, counts):
    """The best value after each of so many trials."""
    found, best, out = 0, math.inf, []
    for count in counts:
        while found < count:
            trial = study.ask()
            value = objective(trial)
            study.tell(trial, value)
            best = min(best, value)
            found += 1
        out.append(best)
    return out


def one_function(job):
    name, kind, seed = job
    value, box, bottom = FUNCTIONS[name]
    study = optuna.create_study(sampler=sampler(kind, seed))
    found = bests(study, lambda t: value([t.suggest_float(f"x{i}", *ends) for i, ends in enumerate(box)]), [100, 200])
    return [number - bottom for number in found]


ROWS = {}


def load(folder, name):
    text = subprocess.run(["xz", "-dc", f"{folder}/{TABLES[name][0]}"], capture_output=True, text=True, check=True).stdout
    for line in text.splitlines()[1:]:
        key, values = line.split(",", 1)
        numbers = [float(v) for v in values.replace(";", ",").split(",")]
        ROWS[key] = sum(numbers) / len(numbers)


def one_table(job):
    name, seed = job
    _, sizes, sign = TABLES[name]

    def objective(trial):
        key = "".join(
            str(trial.suggest_int(f"k{i}", 0, n - 1) if n > 0 else trial.suggest_categorical(f"k{i}", list(range(-n))))
            for i, n in enumerate(sizes))
        return sign * ROWS[key]

    study = optuna.create_study(sampler=sampler("tpe", seed))
    return [sign * number for number in bests(study, objective, [50, 100, 200])]


def cost(kind, trials):
    """Fills by the sampler itself where it is quick, by random points where it is not."""
    distributions = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(10)}
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2) if kind.startswith("tpe") else sampler(kind, 1))

    def ask_tell():
        trial = study.ask(distributions)
        study.tell(trial, sum((v - 0.3) ** 2 for v in trial.params.values()))

    for _ in range(trials):
        ask_tell()
    if kind.startswith("tpe"):
        study.sampler = sampler(kind, 1)
    timed = 20
    start = time.perf_counter()
    for _ in range(timed):
        ask_tell()
    return (time.perf_counter() - start) / timed


def sqlite_loop(job):
    storage, kind, trials, seed = job
    distributions = {f"x{i}": optuna.distributions.FloatDistribution(0, 1) for i in range(10)}
    study = optuna.load_study(study_name="bench", storage=storage, sampler=sampler(kind, seed))
    for _ in range(trials):
        trial = study.ask(distributions)
        study.tell(trial, trial.params["x0"])


def sqlite(kind, trials, processes):
    """Durable, as SQLite is by default, in the folder where the other side's ledger lies, too."""
    with tempfile.TemporaryDirectory() as folder:
        storage = f"sqlite:///{folder}/study.db"
        optuna.create_study(study_name="bench", storage=storage)
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            pool.map(sqlite_loop, [(storage, kind, 1, seed) for seed in range(processes)])  # imports are not measured
            start = time.perf_counter()
            pool.map(sqlite_loop, [(storage, kind, trials // processes, seed) for seed in range(processes)], 1)
            return trials // processes * processes / (time.perf_counter() - start)


def main():
    what = sys.argv[1]
    if what == "cost":
        print("seconds", cost(sys.argv[2], int(sys.argv[3])))
    elif what == "sqlite":
        for processes in (1, int(sys.argv[4])):
            print("pairs", sqlite(sys.argv[2], int(sys.argv[3]), processes))
    elif what == "function":
        with multiprocessing.Pool() as pool:
            found = pool.map(one_function, [(sys.argv[2], sys.argv[3], seed) for seed in range(1, int(sys.argv[4]) + 1)])
        for at, column in zip((100, 200), zip(*found)):
            print(at, sorted(column)[len(column) // 2])
    elif what == "table":
        load(sys.argv[2], sys.argv[3])
        with multiprocessing.Pool() as pool:
            found = pool.map(one_table, [(sys.argv[3], seed) for seed in range(1, int(sys.argv[4]) + 1)])
        for at, column in zip((50, 100, 200), zip(*found)):
            mean = sum(column) / len(column)
            spread = math.sqrt(sum((v - mean) ** 2 for v in column) / max(1, len(column) - 1))
            print(at, mean, spread / math.sqrt(len(column)))


if __name__ == "__main__":
    main()
