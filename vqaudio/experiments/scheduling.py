"""Who runs the runs: this machine, a Ray cluster, or a Slurm array. Each gives (job, its record or what went wrong)."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from vqaudio.errors import InputError
from vqaudio.experiments.worker import Failed, Job, Starter, Stopped, run

Outcome = tuple[Job, dict | Exception]


def here(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """In processes of this machine, as many at once as are asked for and as it has cores, which they share out.

    Ctrl-C asks each to stop after the step in hand, and waits for them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = max(1, min(at_once or cores, cores, len(jobs)))
    threads = None if "OMP_NUM_THREADS" in os.environ else cores // at_once
    start = Starter()
    with ThreadPoolExecutor(at_once) as pool:
        futures = {pool.submit(_outcome, start, replace(job, threads=threads)): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BaseException:  # Ctrl-C, or whoever wanted the outcomes has had enough
            start.stop()
            raise


def with_ray(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """On the Ray cluster that RAY_ADDRESS names, else on one of this machine: a run is a task of one CPU."""
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not there: `pip install 'ray[data]'`, or leave --on ray out.") from None
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="error", include_dashboard=False)
    task = ray.remote(num_cpus=1, max_retries=0, max_calls=1)(_outcome)
    waiting, running = list(reversed(jobs)), {}
    while waiting or running:
        while waiting and len(running) < (at_once or len(jobs)):
            job = waiting.pop()
            running[task.remote(run, replace(job, folder=job.folder.resolve(), threads=job.threads or 1))] = job
        done, _ = ray.wait(list(running))
        for one in done:
            job = running.pop(one)
            try:
                yield job, ray.get(one)
            except ray.exceptions.RayError as error:
                yield job, Failed(str(error).strip().splitlines()[-1])


def with_slurm(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """As one Slurm array, through submitit; its folder and this one must be seen by all nodes."""
    if shutil.which("sbatch") is None:
        raise InputError("There is no Slurm here: `sbatch` is not on the PATH. --on submitit tries the same on this machine.")
    yield from _array(jobs, at_once, limits, "slurm")


def with_submitit(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """The same array as processes of this machine, all at once: to try it out."""
    yield from _array(jobs, at_once, limits, "local")


def _array(jobs: list[Job], at_once: int | None, limits: dict, cluster: str) -> Iterator[Outcome]:
    try:
        import submitit
        from submitit.helpers import as_completed as finished
    except ImportError:
        raise InputError("submitit is not there: `pip install submitit`.") from None
    executor = submitit.AutoExecutor(folder=jobs[0].folder.resolve().parent / "submitit", cluster=cluster)
    executor.update_parameters(
        name="vqaudio", timeout_min=limits["minutes"], cpus_per_task=limits["cores"], mem_gb=limits["memory_gb"],
        slurm_array_parallelism=at_once or len(jobs), **({"slurm_partition": limits["partition"]} if limits["partition"] else {}),
    )
    jobs = [replace(job, folder=job.folder.resolve(), threads=limits["cores"]) for job in jobs]
    handed = executor.map_array(_outcome, [run] * len(jobs), jobs)
    told = dict(zip(handed, jobs))
    for one in finished(handed):
        try:
            yield told[one], one.result()
        except submitit.core.utils.UncompletedJobError as error:
            yield told[one], Failed(str(error).strip().splitlines()[0])


def _outcome(do: Callable[[Job], dict], job: Job) -> dict | Exception:
    """The record, or what went wrong, as a value: an exception of ours need not survive a scheduler's own wrapping."""
    try:
        return do(job)
    except (Failed, Stopped) as error:
        return error


SCHEDULERS = {"here": here, "ray": with_ray, "slurm": with_slurm, "submitit": with_submitit}
