import pickle
import shutil
import zipfile

import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from ssd_plugin.cli.run_config import resume_from
from ssd_plugin.engine.checkpointing.atomic_backend import AtomicBackend
from ssd_plugin.engine.checkpointing.checkpoint_integrity import newest_resumable, why_not_resumable
from ssd_plugin.errors import UserError
from ssd_plugin.files import remove_parts


def save(folder, number):
    """A checkpoint with what MMEngine puts into one."""
    path = folder / f'iter_{number}.pth'
    history = HistoryBuffer([1.0, 2.0], [1, 1], 1000)
    torch.save(
        dict(
            meta=dict(iter=number),
            state_dict={f'layer{i}.weight': torch.randn(50, 40) for i in range(5)},
            optimizer=dict(state={}, param_groups=[dict(lr=0.1)]),
            message_hub=dict(log_scalars={'train/loss': history}, runtime_info=dict(iter=number), resumed_keys={}),
        ),
        path,
    )
    (folder / 'last_checkpoint').write_text(str(path))
    return path


@pytest.fixture
def work_dir(tmp_path):
    for number in (2, 4):
        save(tmp_path, number)
    return tmp_path


class RunsCode:
    def __reduce__(self):
        return exec, ("open('was_run', 'w').close()",)


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def code_in_a_checkpoint(path):
    """In the format of torch.save, with checksums that are right."""
    torch.save(dict(torch.load(path, weights_only=True), extra=RunsCode()), path)


@pytest.mark.parametrize(
    'damage',
    [
        *(
            pytest.param(cut(share), id=f'cut at {share}')
            for share in (0.001, 0.01, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.99, 0.9999)
        ),
        pytest.param(cut(0), id='empty'),
        pytest.param(lambda path: path.write_text('The quota of this account is exceeded.\n' * 100), id='text'),
        pytest.param(lambda path: path.write_bytes(pickle.dumps(RunsCode())), id='pickle that runs code'),
        pytest.param(code_in_a_checkpoint, id='checkpoint that runs code'),
        pytest.param(flip_a_byte, id='byte changed'),
        pytest.param(lambda path: torch.save(dict(state_dict={}), path), id='weights only'),
        pytest.param(lambda path: torch.save(torch.zeros(3), path), id='tensor'),
        pytest.param(lambda path: zipfile.ZipFile(path, 'w').close(), id='empty archive'),
        pytest.param(lambda path: path.unlink() or path.mkdir(), id='folder'),
    ],
)
def test_a_damaged_newest_checkpoint_is_skipped_for_the_one_before(damage, work_dir, monkeypatch):
    monkeypatch.chdir(work_dir)
    damage(work_dir / 'iter_4.pth')
    assert newest_resumable(work_dir)[0] == str(work_dir / 'iter_2.pth')
    assert not (work_dir / 'was_run').exists()


def test_a_checkpoint_that_could_run_code_is_reported_as_such(work_dir):
    code_in_a_checkpoint(work_dir / 'iter_4.pth')
    assert 'could run code' in why_not_resumable(work_dir / 'iter_4.pth') and 'exec' in why_not_resumable(
        work_dir / 'iter_4.pth'
    )


def test_skipped_checkpoints_are_named_with_the_reason(work_dir):
    cut(0.5)(work_dir / 'iter_4.pth')
    cut(0)(work_dir / 'iter_2.pth')
    found, notes = newest_resumable(work_dir)
    assert found is None and len(notes) == 2
    assert 'iter_4.pth is skipped: it is truncated' in notes[0] and 'iter_2.pth is skipped: it is empty' in notes[1]


def test_the_note_of_the_newest_wins_over_age_and_may_be_missing_or_nonsense(work_dir):
    note = work_dir / 'last_checkpoint'
    assert newest_resumable(work_dir)[0].endswith('iter_4.pth')
    note.write_text('/elsewhere/before/the/folder/was/moved/iter_2.pth')
    assert newest_resumable(work_dir)[0].endswith('iter_2.pth')
    for content in (b'', b'\xff\xfe\x00', b'iter_99.pth'):
        note.write_bytes(content)
        assert newest_resumable(work_dir)[0].endswith('iter_4.pth')
    note.unlink()
    assert newest_resumable(work_dir)[0].endswith('iter_4.pth')
    # Weights kept for their metric have no state to resume from.
    shutil.copy(work_dir / 'iter_4.pth', work_dir / 'best_mAP_iter_4.pth')
    assert newest_resumable(work_dir)[0].endswith('/iter_4.pth')


def test_an_intact_checkpoint_is_resumable_and_a_missing_one_is_not(work_dir):
    assert why_not_resumable(work_dir / 'iter_4.pth') is None
    assert 'cannot be read' in why_not_resumable(work_dir / 'iter_5.pth')


def test_a_resumed_run_needs_no_weights_to_start_from_and_a_first_one_keeps_them(work_dir, tmp_path_factory):
    start = dict(type='Pretrained', checkpoint='torchvision://vgg16')

    def cfg_of(folder):
        return Config(
            dict(
                work_dir=str(folder),
                load_from='mine.pth',
                model=dict(backbone=dict(init_cfg=start), neck=[dict(init_cfg=start)]),
            )
        )

    cfg = cfg_of(work_dir)
    assert resume_from(cfg, 'auto') == []
    assert cfg.resume and cfg.load_from == str(work_dir / 'iter_4.pth')
    assert cfg.model.backbone.init_cfg is None and cfg.model.neck[0].init_cfg is None
    cfg = cfg_of(tmp_path_factory.mktemp('empty'))
    assert 'has no checkpoint to resume from' in resume_from(cfg, 'auto')[0]
    assert not cfg.resume and cfg.load_from == 'mine.pth' and cfg.model.backbone.init_cfg == start


def test_a_checkpoint_that_was_named_must_be_whole(work_dir):
    cut(0.5)(work_dir / 'iter_4.pth')
    with pytest.raises(UserError, match='iter_4.pth: it is truncated'):
        resume_from(None, str(work_dir / 'iter_4.pth'))


def test_files_are_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    backend = AtomicBackend()
    backend.put(b'before', tmp_path / 'a' / 'file')

    def fail(handle):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patched:
        patched.setattr('os.fsync', fail)
        with pytest.raises(OSError, match='No space left'):
            backend.put(b'after', tmp_path / 'a' / 'file')
    assert (tmp_path / 'a' / 'file').read_bytes() == b'before' and [p.name for p in (tmp_path / 'a').iterdir()] == [
        'file'
    ]
    backend.put_text('after', tmp_path / 'a' / 'file')
    assert (tmp_path / 'a' / 'file').read_text() == 'after'
    (tmp_path / 'a' / '.iter_2.pth.part').write_bytes(b'half')
    assert [p.name for p in remove_parts(tmp_path / 'a')] == ['.iter_2.pth.part'] and len(
        list((tmp_path / 'a').iterdir())
    ) == 1
