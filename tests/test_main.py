"""``python -m ssd_plugin``, which runs the packaged tools."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ssd_plugin import __main__, __version__
from tests.support import CONFIGS, ROOT

# Command-line tools, as README.md lists them.
TOOLS = {
    'benchmark',
    'browse_dataset',
    'check_dataset',
    'convert_checkpoint',
    'detect',
    'dist_test',
    'dist_train',
    'draw_shapes',
    'plot_log',
    'prepare_data',
    'replay_batch',
    'show_priors',
    'slurm_train',
    'test',
    'train',
    'new_config',
    'tune_priors',
}


def run_main(monkeypatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, 'argv', ['ssd_plugin', *arguments])
    __main__.main()


def test_every_tool_is_offered_and_no_script_for_developers():
    assert set(__main__.find_tools()) == TOOLS


def test_a_python_tool_gets_the_arguments_behind_its_name(monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_main(monkeypatch, 'draw_shapes', '--help')
    assert exit_.value.code == 0
    assert 'usage: draw_shapes.py' in capsys.readouterr().out


def test_a_script_runs_in_bash_with_this_interpreter(monkeypatch):
    calls = []
    monkeypatch.delenv('PYTHON', raising=False)
    monkeypatch.setattr(os, 'execvp', lambda *call: calls.append(call) or sys.exit())
    with pytest.raises(SystemExit):
        run_main(monkeypatch, 'dist_train', 'config.py', '2')
    assert calls == [('bash', ['bash', str(__main__.TOOLS / 'dist_train.sh'), 'config.py', '2'])]
    assert os.environ['PYTHON'] == sys.executable


def test_without_a_tool_the_tools_are_listed(monkeypatch, capsys):
    run_main(monkeypatch)
    assert 'prepare_data' in capsys.readouterr().out


def test_a_tool_of_mmdetection_gets_the_arguments_behind_its_name(monkeypatch, capsys):
    with pytest.raises(SystemExit) as exit_:
        run_main(monkeypatch, 'mmdet', 'get_flops', '--help')
    assert exit_.value.code == 0
    assert 'usage: get_flops.py' in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run_main(monkeypatch, 'mmdet', 'fly')
    assert capsys.readouterr().err.startswith("error: MMDetection has no tool 'fly'")


def test_an_unknown_tool_is_an_error_that_lists_the_tools(monkeypatch):
    with pytest.raises(SystemExit, match="(?s)there is no tool 'fly'.*prepare_data"):
        run_main(monkeypatch, 'fly')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """The wheel, built from a copy, since setuptools leaves files in the folder that it builds."""
    folder = tmp_path_factory.mktemp('wheel')
    source = folder / 'source'
    source.mkdir()
    for name in ('ssd_plugin', 'configs', 'tools'):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns('__pycache__'))
    for name in ('pyproject.toml', 'setup.py', 'README.md', 'LICENSE', 'model-index.yml'):
        shutil.copy(ROOT / name, source)
    pip(folder, 'wheel', '--no-build-isolation', '--wheel-dir', folder / 'dist', source)
    return next((folder / 'dist').glob('*.whl'))


def pip(folder: Path, command: str, *arguments: str | Path) -> None:
    subprocess.run(
        [sys.executable, '-m', 'pip', command, '--quiet', '--no-deps', '--no-index', *map(str, arguments)],
        cwd=folder,
        check=True,
    )


@pytest.mark.slow
def test_the_wheel_holds_every_config_and_tool(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packaged = set(archive.namelist())
    prefix = 'ssd_plugin/.mim'
    kinds = ('*.py', '*.yml', 'README.md')
    expected = {f'{prefix}/configs/{path.relative_to(CONFIGS)}' for kind in kinds for path in CONFIGS.rglob(kind)}
    expected |= {f'{prefix}/tools/{path.name}' for path in __main__.find_tools().values()}
    expected |= {f'{prefix}/tools/{name}' for name in ('dist_run.py', 'dist_run.sh', 'signals.sh')} | {
        'ssd_plugin/py.typed'
    }
    expected.add(f'{prefix}/model-index.yml')
    assert expected <= packaged
    assert f'ssd_plugin-{__version__}.dist-info/licenses/LICENSE' in packaged


@pytest.mark.slow
def test_the_installed_wheel_is_used_from_outside_the_repository(wheel, tmp_path):
    site = tmp_path / 'site'
    pip(tmp_path, 'install', '--target', site, wheel)
    (tmp_path / 'mine.py').write_text("_base_ = 'ssd_plugin::ssd300_voc.py'\n")
    # What `python -m ssd_plugin draw_shapes` does, in an interpreter that has then imported everything.
    (tmp_path / 'use.py').write_text(
        'import runpy, sys\n'
        "runpy.run_module('ssd_plugin', run_name='__main__', alter_sys=True)\n"
        'import ssd_plugin\n'
        'from mmengine import Config\n'
        "print(ssd_plugin.__file__, Config.fromfile('mine.py').model.bbox_head.type)\n"
    )
    result = subprocess.run(
        [sys.executable, 'use.py', 'draw_shapes', 'shapes', '--train', '2', '--test', '1'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(site)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    where, head = result.stdout.split()[-2:]
    assert (Path(where), head) == (site / 'ssd_plugin/__init__.py', 'MultiBoxHead')
    coco = json.loads((tmp_path / 'shapes/instances_train.json').read_text())
    assert len(coco['images']) == 2
