"""Files that are there as a whole or not at all."""
import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

PART = '.{}.part'


@register_backend('atomic', force=True)
class AtomicBackend(LocalBackend):
    """MMEngine's backend for local files, that writes beside a file and renames into place: whoever is interrupted, by a signal, a full
    disk or a power cut, leaves what was there before. ``CheckpointHook(backend_args=dict(backend='atomic'))``, say.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file.

        Raises:
            OSError: it could not be written; nothing is left behind.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(PART.format(path.name))
        try:
            with open(part, 'wb') as file:
                file.write(obj)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file, as :meth:`put`."""
        self.put(obj.encode(encoding), filepath)


def remove_parts(folder: str | Path) -> list[Path]:
    """Remove what writers that were killed have left in a folder; gives the files."""
    parts = sorted(Path(folder).glob(PART.format('*')))
    for part in parts:
        part.unlink(missing_ok=True)
    return parts


def _sync_folder(folder: Path) -> None:
    """A new name is safe once the folder is on the disk, too. Not every file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
