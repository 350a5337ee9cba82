import inspect
from collections.abc import Sequence
from typing import Literal

import pytest
from torch import Tensor

from ssd_plugin.cli.signatures import accepts, fits, settings_of


@pytest.mark.parametrize(
    'value, kind, expected',
    [
        (1, int, True),
        (1.0, int, True),
        (1.5, int, False),
        ('1', int, False),
        (1, float, True),
        (True, bool, True),
        (2, bool, False),
        ('a', Literal['a', 'b'], True),
        ('c', Literal['a', 'b'], False),
        (None, int | None, True),
        (None, int, False),
        ([1, 2], tuple[int, int], True),
        ([1, 'b'], Sequence[int], False),
        ('ab', Sequence[str], False),
        ([[2], None], Sequence[Sequence[float] | None], True),
        ([[2], [None]], Sequence[Sequence[float] | None], False),
        ({}, dict | None, True),
        ([], dict | None, False),
        ('x', float | Tensor, False),
        # What a config cannot say is not decided.
        (object(), int, True),
    ],
)
def test_a_value_fits_its_annotation(value, kind, expected):
    assert fits(value, kind) is expected


@pytest.mark.parametrize(
    'kind, value, expected',
    [
        (int, 'x', False),
        (int, {}, False),
        (dict, 3, False),
        (str, 3, False),
        # As in MMDetection's own configs.
        (dict | None, [{}], True),
        (tuple[int, int], (0.01, 0.01), True),
        (list[int], 5, True),
        (float, (114, 114, 114), True),
        (int | str, 'x', True),
    ],
)
def test_only_values_of_another_kind_are_refused_by_an_inexact_annotation(kind, value, expected):
    parameter = inspect.Parameter('x', inspect.Parameter.KEYWORD_ONLY, annotation=kind)
    assert accepts(parameter, value, strict=False) is expected


class Base:
    def __init__(self, a: int, b: str = ''): ...


class Middle(Base):
    def __init__(self, c: float, **kwargs): ...


class Open:
    def __init__(self, **kwargs): ...


def test_keyword_arguments_that_are_passed_on_are_those_of_the_base():
    found = settings_of(Middle)
    assert list(found.parameters) == ['c', 'a', 'b'] and found.complete
    assert settings_of(lambda x, y=1: None).complete and list(settings_of(lambda x: None).parameters) == ['x']
    # Its constructor consumes them in ways that a signature does not say.
    assert not settings_of(Open).complete
