import pytest

from tests.docs.sandbox import Sandbox, put_data


@pytest.fixture(scope='session')
def prepared(shapes, tmp_path_factory):
    """Small datasets in the layouts that the configs expect, and a folder for files that take long to make."""
    folder = tmp_path_factory.mktemp('docs')
    put_data(shapes, folder / 'data')
    (folder / 'cache').mkdir()
    return folder


@pytest.fixture
def sandbox(shapes, prepared, tmp_path, monkeypatch):
    """A folder with the files that the documentation names, as the working directory."""
    monkeypatch.chdir(tmp_path)
    return Sandbox(tmp_path, shapes, prepared / 'data', prepared / 'cache')
