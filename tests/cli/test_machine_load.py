"""The warning of a crowded machine."""

import os

import pytest

from ssd_plugin.cli.machine_load import crowded


@pytest.fixture
def load(monkeypatch):
    """A function that sets the load of a machine with four cores."""
    monkeypatch.setattr(os, 'cpu_count', lambda: 4)
    return lambda value: monkeypatch.setattr(os, 'getloadavg', lambda: (value, 0.0, 0.0))


def test_more_work_than_cores_is_a_warning(load):
    load(5.25)
    assert crowded().startswith('the load of this machine is 5.2, more than its 4 cores')


def test_as_much_work_as_cores_is_none(load):
    load(4.0)
    assert crowded() is None
