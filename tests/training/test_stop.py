"""The first signal asks, the second ends; elsewhere than in the main thread nothing is touched."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from ganvas.training import stop as stop_module
from ganvas.training.stop import StopRequest


def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # the handler runs between two instructions of the main thread


@pytest.mark.parametrize(
    ("number", "counted"),
    [(signal.SIGINT, signal.SIGINT), (signal.SIGTERM, signal.SIGTERM), (signal.SIGUSR1, signal.SIGTERM)],
)
def test_the_first_signal_is_remembered_and_training_goes_on(number, counted):
    with StopRequest() as stop:
        assert (stop.requested, stop.signal) == (False, None)
        send(number)
        assert (stop.requested, stop.signal) == (True, counted)


def test_before_training_begins_usr1_ends_as_sigterm_does():
    code = "import os, signal; from ganvas.training.stop import usr1_as_sigterm\n"
    code += "with usr1_as_sigterm(): os.kill(os.getpid(), signal.SIGUSR1); print('still here', flush=True)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, "")


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with StopRequest():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_the_same_signal_passed_on_by_a_launcher_counts_once(monkeypatch):
    monkeypatch.setattr(stop_module, "ECHO_S", 60.0)
    with StopRequest() as stop:
        send(signal.SIGINT)
        send(signal.SIGTERM)  # as torchrun does with a Ctrl-C that the terminal has sent to all already
        time.sleep(0.05)
        assert stop.signal == signal.SIGINT


def test_other_signals_are_none_of_its_business():
    heard = []
    before = signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    try:
        with StopRequest() as stop:
            for _ in range(3):
                send(signal.SIGUSR2)
            assert not stop.requested
        assert heard == [signal.SIGUSR2] * 3
    finally:
        signal.signal(signal.SIGUSR2, before)


def test_outside_the_main_thread_it_is_inert():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def work():
        with StopRequest() as stop:
            seen.extend([stop.requested, signal.getsignal(signal.SIGTERM) is before])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False, True]


HANGING = """
import hashlib, sys, time
from ganvas.training import stop as module
module.ECHO_S = 0.1
with module.StopRequest() as stop:
    print("ready", flush=True)
    while not stop.requested:
        time.sleep(0.01)
    print("asked", flush=True)
    try:
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1) if "deaf" in sys.argv else time.sleep(60)
    finally:
        print("cleaned up", flush=True)
"""


@pytest.mark.parametrize(
    ("first", "second", "code", "words"),
    [
        (signal.SIGINT, signal.SIGINT, 130, []),
        (signal.SIGTERM, signal.SIGTERM, 143, []),
        (signal.SIGUSR1, signal.SIGUSR1, 143, []),
        (signal.SIGTERM, signal.SIGINT, 130, ["deaf"]),  # in a library that does not return
    ],
)
def test_the_second_signal_ends_at_once_and_cleans_nothing_up(first, second, code, words):
    process = subprocess.Popen([sys.executable, "-c", HANGING, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(first)
    assert process.stdout.readline() == "asked\n"
    time.sleep(0.2)
    began = time.monotonic()
    process.send_signal(second)
    said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (code, "")
    assert time.monotonic() - began < 1
