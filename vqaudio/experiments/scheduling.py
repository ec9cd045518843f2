"""Schedulers: this machine, a Ray cluster, or a Slurm array.

Each yields (job, its record or its error).
"""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from vqaudio.errors import InputError
from vqaudio.experiments.job import Failed, Job, Stopped
from vqaudio.experiments.worker import Starter, run

Outcome = tuple[Job, dict | Exception]


def here(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """Run in processes on this machine, which share its cores.

    Ctrl-C asks each to stop after its current step, and waits for it.
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
        except BaseException:  # Ctrl-C, or the consumer closed the generator
            start.stop()
            raise


def with_ray(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """Run on the Ray cluster at RAY_ADDRESS, or a local one; each run uses one CPU."""
    try:
        import ray
    except ImportError:
        raise InputError("Ray is not installed. Run `pip install 'ray[data]'`, or omit --on ray.") from None
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
    """Run as one Slurm array through submitit; all nodes must see the runs' folder."""
    if shutil.which("sbatch") is None:
        raise InputError("There is no Slurm here: `sbatch` is not on the PATH. Try --on submitit on this machine.")
    yield from _array(jobs, at_once, limits, "slurm")


def with_submitit(jobs: list[Job], at_once: int | None, limits: dict) -> Iterator[Outcome]:
    """Run the same array as local processes, to try it out."""
    yield from _array(jobs, at_once, limits, "local")


def _array(jobs: list[Job], at_once: int | None, limits: dict, cluster: str) -> Iterator[Outcome]:
    try:
        import submitit
        from submitit.helpers import as_completed as finished
    except ImportError:
        raise InputError("submitit is not installed. Run `pip install submitit`.") from None
    executor = submitit.AutoExecutor(folder=jobs[0].folder.resolve().parent / "submitit", cluster=cluster)
    executor.update_parameters(
        name="vqaudio", timeout_min=limits["minutes"], cpus_per_task=limits["cores"], mem_gb=limits["memory_gb"],
        slurm_array_parallelism=at_once or len(jobs), **({"slurm_partition": limits["partition"]} if limits["partition"] else {}),
    )
    jobs = [replace(job, folder=job.folder.resolve(), threads=limits["cores"]) for job in jobs]
    handed = executor.map_array(_outcome, [run] * len(jobs), jobs)
    job_of = dict(zip(handed, jobs))
    for one in finished(handed):
        try:
            yield job_of[one], one.result()
        except submitit.core.utils.UncompletedJobError as error:
            yield job_of[one], Failed(str(error).strip().splitlines()[0])


def _outcome(do: Callable[[Job], dict], job: Job) -> dict | Exception:
    """The record, or the error as a value, because a scheduler may wrap exceptions."""
    try:
        return do(job)
    except (Failed, Stopped) as error:
        return error


SCHEDULERS = {"here": here, "ray": with_ray, "slurm": with_slurm, "submitit": with_submitit}
