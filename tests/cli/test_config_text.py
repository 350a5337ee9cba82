"""Text of configs."""

from hypothesis import given
from hypothesis import strategies as st

from ssd_plugin.cli.config_text import WIDTH, Code, Commented, assignment, comment

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
NAMES = st.from_regex('[a-z]{1,8}', fullmatch=True).map(lambda name: f'k_{name}')
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(NAMES, inner, max_size=4)
    ),
    max_leaves=30,
)


@given(VALUES)
def test_a_value_is_read_as_it_was_written(value):
    namespace = {}
    exec(assignment('value', value), namespace)
    assert namespace['value'] == value and type(namespace['value']) is type(value)


def test_what_fits_is_in_one_line():
    assert assignment('sizes', [(1, 2), (3,)]) == 'sizes = [(1, 2), (3,)]\n'
    assert assignment('head', dict(a='x', b=Code('_base_.b'))) == "head = dict(a='x', b=_base_.b)\n"


def test_a_comment_stands_above_its_value():
    value = dict(head=dict(classes=Commented(3, 'There are three.'), **{'**': Code('__shared')}))
    assert assignment('model', Commented(value, 'The model.')) == (
        '# The model.\n'
        'model = dict(\n'
        '    head=dict(\n'
        '        # There are three.\n'
        '        classes=3,\n'
        '        **__shared,\n'
        '    ),\n'
        ')\n'
    )


def test_lines_are_bounded():
    value = dict(head=Commented(dict(names=[f'name {number}' for number in range(60)]), 'word ' * 60))
    lines = (comment('word ' * 60) + assignment('model', value)).splitlines()
    assert max(map(len, lines)) <= WIDTH and len(lines) > 60
