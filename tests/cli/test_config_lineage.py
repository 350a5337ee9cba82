import pytest

from ssd_plugin.cli.config_lineage import describe, head
from tests.support import CONFIGS, WHOLE_CONFIGS


@pytest.mark.parametrize('name', WHOLE_CONFIGS)
def test_every_config_has_a_head_and_inherits_the_default_runtime(name):
    lines = describe(str(CONFIGS / name))
    assert lines[0] == f'recipe: {CONFIGS / name}' and len(head(CONFIGS / name)) >= 1
    assert any(line.endswith('default_runtime.py') for line in lines[lines.index('it inherits:') :])


def test_bases_are_indented_below_the_config_that_inherits_them(tmp_path):
    (tmp_path / 'a.py').write_text('# What a is,\n# in two lines.\n_base_ = ["./b.py", "./c.py"]\n')
    (tmp_path / 'b.py').write_text('_base_ = "./d.py"\n')
    (tmp_path / 'c.py').write_text('x = 1\n# no head\n')
    (tmp_path / 'd.py').write_text('y = 1\n')
    assert describe(str(tmp_path / 'a.py'))[1:] == [
        '  What a is,',
        '  in two lines.',
        'it inherits:',
        '  ./b.py',
        '    ./d.py',
        '  ./c.py',
    ]
    assert describe(str(tmp_path / 'c.py')) == [f'recipe: {tmp_path / "c.py"}']


def test_a_config_of_the_package_is_described_by_its_name():
    assert describe('ssd_plugin::ssd300_voc.py')[1].strip() == head(CONFIGS / 'ssd300_voc.py')[0]
