"""Jobs in a thread of their own: newest wins, cancel, errors, an end."""

from __future__ import annotations

import threading

import pytest

pytest.importorskip('qtpy')

from napari_sft.codec.errors import ModelError
from napari_sft.plugin.engine import Engine


@pytest.fixture
def engine(qtbot):
    engine = Engine()
    yield engine
    engine.stop()


@pytest.fixture
def heard(engine):
    """Everything the engine says, in order."""
    said = []
    for name in ('started', 'cancelled'):
        getattr(engine, name).connect(lambda name=name: said.append(name))
    for name in ('finished', 'failed', 'reported'):
        getattr(engine, name).connect(
            lambda x, name=name: said.append((name, x))
        )
    engine.progressed.connect(lambda *x: said.append(('progressed', *x)))
    return said


def until_cancelled(task, started=None):
    """A job that shows signs of life until it is told to end."""
    if started is not None:
        started.set()
    while True:
        task.progress(0, 1)
        task.cancelled.wait(0.005)


def threads():
    return [t for t in threading.enumerate() if 'napari-sft' in t.name]


def test_result_comes_back_to_the_main_thread(qtbot, engine):
    places = []
    engine.finished.connect(lambda _: places.append(threading.get_ident()))
    with qtbot.waitSignal(engine.finished) as signal:
        engine.request(lambda task: threading.get_ident())
    assert places == [threading.get_ident()]
    assert signal.args[0] != threading.get_ident()


def test_progress_and_parts_come_before_the_result(qtbot, engine, heard):
    def job(task):
        task.progress(1, 2)
        task.report('part')
        return 'whole'

    with qtbot.waitSignal(engine.finished):
        engine.request(job)
    assert heard == [
        'started',
        ('progressed', 1, 2),
        ('reported', 'part'),
        ('finished', 'whole'),
    ]


def test_newest_request_wins_over_running_and_waiting(qtbot, engine, heard):
    started = threading.Event()
    engine.request(lambda task: until_cancelled(task, started))
    qtbot.waitUntil(started.is_set)
    ran = []
    with qtbot.waitSignal(engine.finished):
        for number in range(20):
            engine.request(lambda task, n=number: ran.append(n) or n)
    assert ran == [19]
    assert [x for x in heard if x[0] != 'progressed'] == [
        'started',
        'started',
        ('finished', 19),
    ]


def test_late_result_of_a_superseded_job_is_dropped(qtbot, engine, heard):
    go, started = threading.Event(), threading.Event()

    def stubborn(task):
        started.set()
        go.wait(5)
        return 'old'

    engine.request(stubborn)
    qtbot.waitUntil(started.is_set)
    engine.request(lambda task: 'new')
    with qtbot.waitSignal(engine.finished):
        go.set()
    assert ('finished', 'old') not in heard
    assert ('finished', 'new') in heard


@pytest.mark.parametrize(
    'error', [RuntimeError('out of memory'), ModelError('no weights')]
)
def test_any_error_is_told_and_the_engine_goes_on(qtbot, engine, error):
    def fail(task):
        raise error

    with qtbot.waitSignal(engine.failed) as signal:
        engine.request(fail)
    assert signal.args == [error]
    assert not engine.busy
    with qtbot.waitSignal(engine.finished):
        engine.request(lambda task: 1)


def test_cancel_ends_a_running_job(qtbot, engine):
    engine.request(until_cancelled)
    with qtbot.waitSignal(engine.progressed):
        pass
    assert engine.busy
    with qtbot.waitSignal(engine.cancelled):
        engine.cancel()
    assert not engine.busy


def test_cancel_forgets_a_waiting_job(qtbot, engine):
    ran = []
    engine.request(until_cancelled)
    engine.request(ran.append)
    with qtbot.waitSignal(engine.cancelled):
        engine.cancel()
    qtbot.wait(30)
    assert not ran
    assert not engine.busy


def test_stop_leaves_no_thread_and_says_nothing_more(qtbot, engine, heard):
    engine.request(until_cancelled)
    with qtbot.waitSignal(engine.progressed):
        pass
    assert threads()
    engine.stop()
    assert not threads()
    assert heard[-1] == 'cancelled'
    heard.clear()
    qtbot.wait(30)
    assert not heard


def test_stopped_engine_starts_again(qtbot, engine):
    engine.request(until_cancelled)
    engine.stop()
    with qtbot.waitSignal(engine.finished) as signal:
        engine.request(lambda task: 'again')
    assert signal.args == ['again']


def test_long_work_pauses_while_urgent_work_is_done(qtbot, engine):
    slow = Engine(gives_way_to=engine)
    go, started = threading.Event(), threading.Event()
    order = []

    def urgent(task):
        started.set()
        go.wait(5)
        order.append('urgent')

    def patient(task):
        task.check()
        order.append('patient')

    engine.request(urgent)
    qtbot.waitUntil(started.is_set)
    with qtbot.waitSignal(slow.finished):
        slow.request(patient)
        qtbot.wait(80)
        go.set()
    assert order == ['urgent', 'patient']
    slow.stop()


def test_paused_work_can_be_cancelled(qtbot, engine):
    slow = Engine(gives_way_to=engine)
    engine.request(until_cancelled)
    slow.request(lambda task: task.check())
    qtbot.waitUntil(lambda: slow.busy)
    qtbot.wait(20)
    with qtbot.waitSignal(slow.cancelled):
        slow.cancel()
    slow.stop()
