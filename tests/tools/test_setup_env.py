import pytest


def interpreter(folder, supported=True, venv=True):
    """Return a stand-in for an interpreter that answers the questions of the set-up."""
    path = folder / 'python'
    path.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        '--version) echo "Python 3.99.0" ;;\n'
        f'*version_info*) exit {int(not supported)} ;;\n'
        f'*ensurepip*) exit {int(not venv)} ;;\n'
        '*) echo "called with $*" >&2; exit 99 ;;\nesac\n'
    )
    path.chmod(0o755)
    return str(path)


def error_of(result):
    assert result.returncode == 1
    assert result.stderr.startswith('error: ')
    return result.stderr


def test_missing_venv_or_pip_names_the_remedy(run_tool, tmp_path):
    message = error_of(run_tool('setup_env.sh', PYTHON=interpreter(tmp_path, venv=False)))
    assert 'venv or pip' in message and 'apt-get install python3-venv' in message


def test_unsupported_python_is_named(run_tool, tmp_path):
    message = error_of(run_tool('setup_env.sh', PYTHON=interpreter(tmp_path, supported=False)))
    assert 'Python 3.99.0 is not supported' in message and '3.10 to 3.13' in message


def test_missing_interpreter_is_named(run_tool):
    assert 'python9 is not found' in error_of(run_tool('setup_env.sh', PYTHON='python9'))


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (('--stack', 'other'), "not 'other'"),
        (('--stack',), 'needs a value'),
        (('--quick',), 'unknown argument --quick'),
    ],
)
def test_wrong_arguments_are_named(arguments, expected, run_tool):
    assert expected in error_of(run_tool('setup_env.sh', *arguments))


def test_an_unknown_check_is_named_before_anything_is_installed(run_tool):
    result = run_tool('lint.sh', 'floors', 'spelling', PYTHON='python9')
    assert result.returncode == 2
    assert 'unknown check spelling' in result.stderr and 'is not found' not in result.stderr
