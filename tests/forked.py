"""Process that tests/forks.py starts: it goes on as a command of Python's, once for each run."""

from __future__ import annotations

import atexit
import functools
import gc
import inspect
import json
import os
import runpy
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module, metadata
from select import POLLIN, poll
from typing import NoReturn


def serve(number: int, imported: Sequence[str]) -> None:
    """Fork for each run that is asked for, and return in the child as if it had been started so."""
    # Those of before gevent: with its own, a hub would be running that a fork cannot take along.
    fork, wait = os.fork, os.wait4
    asking = socket.socket(fileno=number)
    # As for the programs there, and not this file's folder.
    sys.path[0] = os.path.dirname(sys.executable)
    # What is installed stays, and pyinfra goes through it four times in each run.
    metadata.entry_points = functools.cache(metadata.entry_points)  # type: ignore[assignment]
    for name in imported:
        import_module(name)
    if "pyinfra_cli.main" in imported:
        _hasten()
    gc.freeze()
    # Runs are short, and to look for garbage in what all of them have takes a part of each.
    gc.set_threshold(100_000)
    runs: dict[int, tuple[int, int]] = {}
    waiting = poll()
    waiting.register(asking, POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready in runs:
                waiting.unregister(ready)
                child, told = runs.pop(ready)
                _, status, used = wait(child, 0)
                _tell(told, [status, used.ru_utime + used.ru_stime])
                os.close(told)
                os.close(ready)
                continue
            asked = socket.recv_fds(asking, 64, 4)[1]
            if not asked:
                sys.exit()
            child = fork()
            if not child:
                asking.close()
                # Who waits for the end of another run is told by the last that has this.
                for other, (_, told) in runs.items():
                    os.close(other)
                    os.close(told)
                _become(asked)
                return
            *others, told = asked
            for descriptor in others:
                os.close(descriptor)
            _tell(told, child)
            runs[ended := os.pidfd_open(child)] = child, told
            waiting.register(ended, POLLIN)


def _hasten() -> None:
    """Have pyinfra find but once, or not at all, what each of its operations looks for."""
    from pyinfra.api import arguments, util

    arguments.all_global_arguments = functools.cache(arguments.all_global_arguments)
    # It orders operations by the numbers of the lines that lead to them, and reads no line.
    util.stack = functools.partial(inspect.stack, 0)
    util.getframeinfo = functools.partial(inspect.getframeinfo, context=0)
    # Where each module is, is found at the first question.
    inspect.getmodule(inspect.currentframe())


def _tell(whom: int, what: object) -> None:
    """Write a line, also to somebody who has gone."""
    with suppress(BrokenPipeError):
        os.write(whom, json.dumps(what).encode() + b"\n")


def _become(asked: Sequence[int]) -> None:
    """Take what a run was asked for with, as a process that is started."""
    *streams, told = asked
    os.close(told)
    for target, descriptor in enumerate(streams):
        os.dup2(descriptor, target)
        os.close(descriptor)
    with open(0, closefd=False) as request:
        request.seek(0)
        sys.argv, folder, environment = json.load(request)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    # As it is at a start; what is there twice is found where it is first.
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))


def _end(status: int) -> NoReturn:
    """End as Python does, but leave what is imported to the kernel: Python would take each piece of
    it apart, and the kernel copy for that what it has shared."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2:])
    command, *words = sys.argv
    try:
        if command == sys.executable and words[:1] == ["-m"]:
            sys.argv = words[1:]
            sys.path[0] = os.getcwd()
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
            sys.exit()
        # At the depth at which the command calls it: pyinfra orders operations by the stack.
        sys.exit(import_module("pyinfra_cli.main").main())
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        _end((ended.code or 0) & 0xFF)
