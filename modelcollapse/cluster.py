"""`sweep --slurm`: one job for each shard of a sweep, submitted with submitit."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from modelcollapse.theory.arguments import InputError

from . import sweeping
from .division import Jobs
from .terminal import refused, whole

ASKED = {
    "partition": "slurm_partition", "account": "slurm_account", "qos": "slurm_qos", "constraint": "slurm_constraint",
    "cpus": "cpus_per_task", "gpus": "gpus_per_node", "time": "timeout_min", "memory": "mem_gb",
    "at_once": "slurm_array_parallelism",
}  # fmt: skip
EVERYWHERE = ("cpus_per_task", "gpus_per_node", "timeout_min", "mem_gb")  # what a job on this machine may ask for, too


def asked(text: str) -> tuple[str, dict[str, Any]]:
    """What jobs ask for: where they run (slurm, local), and their parameters by the names of submitit.

    >>> asked("partition=long,cpus=4,time=2h")
    ('slurm', {'slurm_partition': 'long', 'cpus_per_task': 4, 'timeout_min': 120})
    """
    where, out = "slurm", dict[str, Any]()
    for each in text.split(","):
        name, given, value = (part.strip() for part in each.partition("="))
        if not given or not value or name not in (*ASKED, "cluster"):
            raise refused("slurm", text, f"NAME=VALUE with commas; names are {', '.join(ASKED)}, and cluster")
        if name == "cluster":
            if value not in ("slurm", "local"):
                raise refused("slurm", text, "cluster is slurm; or local, to run the jobs on this machine")
            where = value
        elif name in ("cpus", "gpus", "at_once"):
            out[ASKED[name]] = whole("slurm", value)
        elif name == "time":
            out[ASKED[name]] = max(1, round((sweeping.quantity("time", value) or 0) / 60))
        elif name == "memory":
            out[ASKED[name]] = (sweeping.quantity("memory", value) or 0) / 1e9
        else:
            out[ASKED[name]] = value
    return where, out


def job(arguments: Sequence[str]) -> int:
    """Run one shard: in a process of its own, so that it starts as from a shell. Gives its exit code, 0 or 1."""
    done = subprocess.run([sys.executable, "-m", "modelcollapse", *arguments], check=False)
    if done.returncode not in (0, 1):  # 1: a cell is further from theory than chance allows, which is a result
        raise RuntimeError(f"modelcollapse {' '.join(arguments)}: exit code {done.returncode}")
    return done.returncode


def submit(options: Mapping[str, Any], way: Jobs) -> list[Any]:
    """Submit the shards of a sweep with these options; they write their pieces beside its file. Gives the jobs.

    Raises InputError without the extra ``cluster``, without a cluster, and for what it does not take.
    """
    where, parameters = asked(way.slurm)
    try:
        import submitit
    except ModuleNotFoundError:
        raise InputError("--slurm needs the extra cluster: pip install 'modelcollapse[cluster]'") from None
    try:
        executor = submitit.AutoExecutor(folder=logs(way.out), cluster=where)
        own = parameters if where == "slurm" else {name: parameters[name] for name in EVERYWHERE if name in parameters}
        executor.update_parameters(name="modelcollapse", **own)
        plain = command(options)
        to = ["--out", str(way.out.absolute()), "--json"]
        lists = [[*plain, *to, "--shard", f"{i}/{way.n}"] for i in range(1, way.n + 1)]
        return list(executor.map_array(job, lists))
    except (RuntimeError, OSError, submitit.core.utils.FailedSubmissionError) as problem:
        raise refused("slurm", way.slurm, " ".join(str(problem).split())) from None


def logs(out: Path) -> Path:
    """Where the jobs write what they say."""
    return Path(f"{out.absolute()}.jobs")


def then(way: Jobs) -> str:
    """What to do when all jobs have ended."""
    name = shlex.quote(str(way.out))
    if way.out.suffix == ".zarr":
        return f"{name} is whole"
    pieces = f"{shlex.quote(str(way.out.with_suffix('')))}-*-of-{way.n}{way.out.suffix}"
    return f"modelcollapse sweep --merge {pieces} --out {name}"


def command(options: Mapping[str, Any]) -> list[str]:
    """The command line of these options.

    >>> command({"samples": "10,100", "double": True, "time": None, "seed": 3})
    ['sweep', '--samples', '10,100', '--double', '--seed', '3']
    """
    out = ["sweep"]
    for name, value in options.items():
        if value is None or value is False:
            continue
        out += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return out
