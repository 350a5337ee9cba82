import math

import pytest

from ssd_plugin.option_ranges import check_counts, check_fractions, check_number, is_range


@pytest.mark.parametrize(
    'value, expected',
    [
        ((1, 2), True),
        ([1, 1.5], True),
        ((1, 4), True),
        ((0.9, 2), False),
        ((1, 4.1), False),
        ((2, 1), False),
        ((1, math.nan), False),
        ((1,), False),
        ('12', False),
        (('1', '2'), False),
        (1, False),
        (None, False),
    ],
)
def test_a_range_has_two_increasing_numbers_within_the_limits(value, expected):
    assert is_range(value, 1, 4) == expected


@pytest.mark.parametrize('limits, value', [((), 0), ((0, 1), 1), ((-1,), -1), ((-math.inf, 1), -9), ((0, 255), 0.5)])
def test_a_number_in_its_range_passes(limits, value):
    check_number('beta', value, *limits)


@pytest.mark.parametrize(
    'limits, value, message',
    [
        (dict(), -0.1, 'beta must be a number of 0 or more, got -0.1'),
        (dict(), math.nan, 'beta must be a number of 0 or more, got nan'),
        (dict(), math.inf, 'beta must be a number of 0 or more, got inf'),
        (dict(), 'x', "beta must be a number of 0 or more, got 'x'"),
        (dict(), None, 'beta must be a number of 0 or more, got None'),
        (dict(highest=1), 1.1, 'beta must be a number from 0 to 1, got 1.1'),
        (dict(above=True), 0, 'beta must be a number above 0, got 0'),
        (dict(above=True, highest=1), 0, 'beta must be a number above 0 and up to 1, got 0'),
        (dict(lowest=-math.inf, highest=1), 2, 'beta must be a number of 1 or less, got 2'),
        (dict(lowest=1, whole=True), 1.5, 'beta must be a whole number of 1 or more, got 1.5'),
    ],
)
def test_a_number_out_of_its_range_is_named_with_the_range(limits, value, message):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        check_number('beta', value, **limits)
    assert str(raised.value) == message


def test_several_options_are_checked_at_once():
    check_fractions(a=0, b=1.0)
    check_counts(a=1, b=3.0)
    check_counts(-1, a=-1)
    with pytest.raises(ValueError, match='b must be a number from 0 to 1, got 1.5'):
        check_fractions(a=0, b=1.5)
    with pytest.raises(ValueError, match='b must be a whole number of 0 or more, got -1'):
        check_counts(0, a=0, b=-1)
