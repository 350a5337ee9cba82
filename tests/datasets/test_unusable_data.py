from ssd_plugin.datasets.unusable_data import exceeds, excess


class Reader:
    """An owner of a limit."""


def test_a_fraction_at_the_limit_is_accepted():
    assert not exceeds(5, 100, 0.05) and exceeds(6, 100, 0.05)
    assert not exceeds(0, 0, 0.0) and exceeds(1, 100, 0.0)


def test_the_message_has_the_counts_the_limit_and_the_option():
    assert excess(5, 100, 'images', 'cannot be read', Reader(), 'max_broken') is None
    assert excess(1, 8, 'images', 'cannot be read', Reader(), 'max_broken', 0.1) == (
        '1 of the 8 images cannot be read (12.5%), more than the 10% that Reader allows (max_broken)'
    )
