"""A small sample of the script that makes thousands of random mistakes in a config."""

import random

import pytest

from tests.mutations import Outcome, mutated, places, quick_config, run, run_many

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


@pytest.fixture(scope='module')
def quick(shapes):
    return quick_config(CONFIG, str(shapes))


def test_a_mutation_changes_one_setting(quick):
    source = random.Random(0)
    original = quick.to_dict()
    for _ in range(50):
        _, cfg = mutated(quick, source)
        found = cfg.to_dict()
        gone, new = original.keys() - found.keys(), found.keys() - original.keys()
        changed = [key for key in original.keys() & found.keys() if original[key] != found[key]]
        # A misspelt name is another one in place of the right one.
        assert len(changed) + max(len(gone), len(new)) == 1
    assert quick.to_dict() == original
    assert ('model', 'bbox_head', 'num_classes') in places(original)


def test_the_outcomes_of_runs_are_told_apart(quick, tmp_path):
    assert run('nothing', quick, tmp_path / 'a') == Outcome('nothing', 'trains', '')
    wrong = quick.copy()
    wrong.model.backbone.base_channels = 'many'
    outcome = run('base_channels', wrong, tmp_path / 'b')
    assert outcome.kind == 'line' and 'model.backbone.base_channels must be int' in outcome.line
    assert list(tmp_path.iterdir()) == []


def test_each_random_mistake_trains_or_ends_in_one_line(quick):
    outcomes = run_many(quick, count=12, seed=4)
    assert {outcome.kind for outcome in outcomes} <= {'trains', 'line', 'unforeseen'}, outcomes
    # Most mistakes are found.
    assert sum(outcome.kind == 'line' for outcome in outcomes) >= 4
