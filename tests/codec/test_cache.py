"""What was made last is kept, made once, and bounded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from napari_sft.codec.cache import Cache


@pytest.fixture
def made():
    return []


@pytest.fixture
def get(made):
    cache = Cache(10, len)

    def get(key, size=4):
        def make():
            made.append(key)
            return key * size

        return cache.get(key, make)

    get.cache = cache
    return get


def test_a_value_is_made_once(get, made):
    assert get('a') == get('a') == 'aaaa'
    assert made == ['a']


def test_the_one_used_longest_ago_goes_first(get, made):
    for key in 'abacab':
        get(key)
    assert ''.join(made) == 'abcb'
    assert get.cache.nbytes == 8
    assert get.cache.peek('c') is None
    assert get.cache.peek('b') == 'bbbb'


def test_a_value_larger_than_the_limit_is_kept_until_the_next(get, made):
    assert get('a', 20) == get('a') == 'a' * 20
    get('b')
    assert get.cache.nbytes == 4
    get('a', 20)
    assert made == ['a', 'b', 'a']


def test_failing_to_make_a_value_leaves_nothing(get, made):
    def fail():
        raise ValueError('no')

    with pytest.raises(ValueError, match='no'):
        get.cache.get('a', fail)
    assert get.cache.peek('a') is None
    assert get('a') == 'aaaa'


def test_threads_that_ask_at_once_share_one_making():
    cache, made, ready = Cache(100, len), [], threading.Barrier(4)

    def ask(_):
        ready.wait()

        def make():
            made.append(1)
            threading.Event().wait(0.01)
            return 'value'

        return cache.get('key', make)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {'value'}
    assert made == [1]
