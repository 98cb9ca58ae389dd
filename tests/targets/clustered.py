# SPDX-License-Identifier: MIT
"""Dask clusters that are recorded by giltracer.dask: clustered.py MODE.

Each mode is a function below. In each task `keep` has the GIL for 100 ms, 3 times, while the worker's
event loop and others want it. What a test looks at is printed as one line of JSON.
"""
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import distributed

import giltracer.dask

AGENT = {"gil_source": "agent"}  # neither root nor perf is needed
SECONDS = 30


def keep(_number):
    libc = ctypes.PyDLL(None)  # its functions keep the GIL
    for _ in range(3):
        libc.usleep(100000)
        time.sleep(0.01)
    return os.getpid()


def die(_number):
    os.kill(os.getpid(), signal.SIGKILL)


def left_in_worker(dask_worker):
    """What there is of giltracer in it."""
    found = [name for name in dask_worker.plugins if "giltracer" in name]
    found += [thread.name for thread in threading.enumerate() if thread.name == "giltracer"]
    found += [name for name in os.listdir(dask_worker.local_directory) if "giltracer" in name]
    part = sys.modules.get("giltracer._dask_worker")
    return found + list(part._recordings if part else [])


def left_in(client):
    """The threads of giltracer end as soon as they have answered."""
    end = time.monotonic() + 5
    while any(client.run(left_in_worker).values()) and time.monotonic() < end:
        time.sleep(0.05)
    return sum(client.run(left_in_worker).values(), [])


def cluster(**more):
    return distributed.LocalCluster(dashboard_address=None, **dict(
        dict(n_workers=2, threads_per_worker=1, local_directory=os.getcwd()), **more))


def tell(report=None, **found):
    if report is not None:
        found.update(missing=report.missing, workers=report.workers, text=str(report),
                     outputs=report.outputs, html=report._repr_html_(), messages=report.messages)
        try:
            found["summary"] = report.summary
        except giltracer.TraceError as error:
            found["no_summary"] = str(error)
    print(json.dumps(found), flush=True)


def refusal(*arguments, **options):
    try:
        with giltracer.dask.trace(*arguments, **options):
            return "it was recorded"
    except (giltracer.TraceError, TypeError, ValueError) as error:
        return "%s: %s" % (type(error).__name__, error)


def joining():
    """Two workers from the beginning, and one that joins meanwhile."""
    with cluster() as local, distributed.Client(local) as client:
        with giltracer.dask.trace(client, "all.json", "all.html", **AGENT) as report:
            local.scale(3)
            client.wait_for_workers(3, timeout=SECONDS)
            tasks = [client.submit(keep, number, workers=[address])
                     for number, address in enumerate(client.nthreads())]
            pids = client.gather(tasks)
        tell(report, pids=pids, left=left_in(client), addresses=list(client.nthreads()))


def threads():
    """Each has several threads. By the source that giltracer takes by itself."""
    with cluster(threads_per_worker=3) as local, distributed.Client(local) as client:
        with giltracer.dask.trace(client, "all.json.gz", state_detect=True,
                                  fail_if="wait > 1%") as report:
            tasks = [client.submit(keep, number, workers=[address])
                     for number, address in enumerate(list(client.nthreads()) * 2)]
            pids = client.gather(tasks)
        tell(report, pids=pids, left=left_in(client))


def kill(client, address):
    """Until it has gone and Dask has started another one."""
    dying = client.submit(die, address, workers=[address], retries=0)
    end = time.monotonic() + SECONDS
    while address in client.scheduler_info()["workers"] and time.monotonic() < end:
        time.sleep(0.05)
    dying.cancel()
    client.wait_for_workers(2, timeout=SECONDS)


def killed():
    """One dies, Dask starts another one, and that dies, too."""
    with cluster() as local, distributed.Client(local) as client, warnings.catch_warnings(
            record=True) as caught:
        warnings.simplefilter("always")
        first, second = client.nthreads()
        with giltracer.dask.trace(client, "all.json", **AGENT) as report:
            client.gather(client.submit(keep, 1, workers=[second]))
            kill(client, first)
            joined, = set(client.nthreads()) - {first, second}
            end = time.monotonic() + SECONDS
            while joined not in str(client.get_events("giltracer")) and time.monotonic() < end:
                time.sleep(0.05)
            kill(client, joined)
        works = client.submit(sum, [1, 2]).result()
        tell(report, killed=first, joined=joined, other=second, works=works, left=left_in(client),
             warned=[str(one.message) for one in caught if one.category is RuntimeWarning])


def others(refusing, hostile):
    """Workers without the package, with a giltracer that refuses, and with a name that is a path and
    markup. One of them joins while it is recorded."""
    def start(name, **environment):
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli.dask_worker", local.scheduler_address, "--name",
             name, "--nthreads", "1", "--no-dashboard", "--local-directory", os.getcwd()],
            env=dict(os.environ, **environment), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    with cluster(n_workers=0) as local, distributed.Client(local) as client:
        started = [start("bare", PYTHONPATH=""), start("refusing", GILTRACER=refusing),
                   start(hostile)]
        client.wait_for_workers(3, timeout=SECONDS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with giltracer.dask.trace(client, "all.json", **AGENT) as report:
                started.append(start("bare, too", PYTHONPATH=""))
                client.wait_for_workers(4, timeout=SECONDS)
                names = {address: str(worker["name"]) for address, worker in
                         client.scheduler_info()["workers"].items()}
                tasks = [client.submit(keep, number, workers=[address])
                         for number, address in enumerate(names)]
                pids = client.gather(tasks)
        tell(report, names=names, pids=pids, left=left_in(client),
             warned=[str(one.message) for one in caught if one.category is RuntimeWarning])
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def damaged(fetch):
    """Of two workers the report of one comes damaged."""
    def fetched(session, address, state, path):
        why = fetch(session, address, state, path)
        if os.path.basename(path) == "worker-0.json.gz":
            os.truncate(path, os.path.getsize(path) // 2)
        return why
    return fetched


def limits():
    """Reports that are too large, one that is damaged; then a block that raises."""
    whole = giltracer.dask._Session.fetch, giltracer.dask.WORKER_BYTES
    with cluster() as local, distributed.Client(local) as client:
        giltracer.dask._Session.fetch = damaged(whole[0])
        giltracer.dask.CHUNK_BYTES = 1000
        with giltracer.dask.trace(client, "damaged.json", **AGENT) as report:
            client.gather(client.map(keep, range(4)))
        giltracer.dask._Session.fetch = whole[0]
        giltracer.dask.WORKER_BYTES = 100
        large = refusal(client, **AGENT)
        giltracer.dask.WORKER_BYTES = whole[1]
        tell(report, large=large, left=left_in(client))
        with giltracer.dask.trace(client, "all.json", **AGENT):
            client.gather(client.map(keep, range(4, 8)))
            raise KeyError("of the program")


def in_process():
    """Two workers in this process, once; and what is refused."""
    with cluster(processes=False) as local, distributed.Client(local) as client:
        with giltracer.dask.trace(client, "all.json", **AGENT) as report:
            nested = refusal(client)
            giltracer.dask._traced.clear()  # as another process would not know
            other = refusal(client, **AGENT)
            client.gather([client.submit(keep, number, workers=[address])
                           for number, address in enumerate(client.nthreads())])
        with giltracer.trace(**AGENT):
            recorded = refusal(client, **AGENT)
        tell(report, nested=nested, other=other, recorded=recorded, left=left_in(client),
             addresses=list(client.nthreads()),
             option=refusal(client, keep="x"), pid=refusal(client, pid=1), client=refusal("x"),
             unknown=refusal(client, no_such_thing=True), condition=refusal(client, fail_if="nonsense"),
             output=refusal(client, "nowhere/x.html"), ending=refusal(client, "x.docx"),
             again=refusal(client, **AGENT))


def closed():
    """The cluster goes away in the block."""
    with cluster(n_workers=1) as local, distributed.Client(local) as client, \
            warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with giltracer.dask.trace(client, "all.json", **AGENT) as report:
                client.close()
                local.close()
        except giltracer.TraceError as error:
            tell(report, error=str(error), warned=[str(one.message) for one in caught
                                                   if one.category is RuntimeWarning])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
