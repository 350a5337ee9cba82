"""Getting the public data sets: download with resume, check, unpack, verify."""

import json
import shutil
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ssd_plugin.files import md5_of

CHUNK = 1 << 20
VOC_URL = 'https://thor.robots.ox.ac.uk/pascal/VOC'
COCO_URL = 'http://images.cocodataset.org'


class DataError(Exception):
    """A data set that could not be had or is not whole; the message says what and what to do."""


@dataclass(frozen=True)
class Archive:
    """A file to download: where from, its MD5 sum, and the folder it unpacks to, below the data set's."""

    url: str
    md5: str
    into: str = '.'

    @property
    def name(self) -> str:
        """File name."""
        return self.url.rsplit('/', 1)[-1]


@dataclass(frozen=True)
class DataSource:
    """A public data set: its archives, its folder, and what must be there in the end."""

    folder: str
    archives: tuple[Archive, ...]
    # (list of image ids or annotation, number of images in it)
    contents: tuple[tuple[str, int], ...]


# Sums as published with torchvision (datasets/voc.py) and, for COCO, in the check lists of several training suites.
SOURCES = {
    'voc2007': DataSource(
        'VOCdevkit',
        (
            Archive(f'{VOC_URL}/voc2007/VOCtrainval_06-Nov-2007.tar', 'c52e279531787c972589f7e41ab4ae64', '..'),
            Archive(f'{VOC_URL}/voc2007/VOCtest_06-Nov-2007.tar', 'b6e924de25625d8de591ea690078ad9f', '..'),
        ),
        (('VOC2007/ImageSets/Main/trainval.txt', 5011), ('VOC2007/ImageSets/Main/test.txt', 4952)),
    ),
    'voc2012': DataSource(
        'VOCdevkit',
        (Archive(f'{VOC_URL}/voc2012/VOCtrainval_11-May-2012.tar', '6cd6e144f989b92b3379bac3b3de84fd', '..'),),
        (('VOC2012/ImageSets/Main/trainval.txt', 11540),),
    ),
    'coco2017': DataSource(
        'coco',
        (
            Archive(f'{COCO_URL}/annotations/annotations_trainval2017.zip', 'f4bbac642086de4f52a3fdda2de5fa2c'),
            Archive(f'{COCO_URL}/zips/val2017.zip', '442b8da7639aecaf257c1dceb8ba8c80'),
            Archive(f'{COCO_URL}/zips/train2017.zip', 'cced6f7f71b7629ddf16f17bbcfab6b2'),
        ),
        (('annotations/instances_train2017.json', 118287), ('annotations/instances_val2017.json', 5000)),
    ),
}


def mirrored(source: DataSource, address: str) -> DataSource:
    """The same data set from another server, which has the archives side by side."""
    return replace(source, archives=tuple(replace(a, url=f'{address.rstrip("/")}/{a.name}') for a in source.archives))


def prepare(
    source: DataSource, root: Path, keep_archives: bool = False, attempts: int = 5, say: Callable[[str], None] = print
) -> Path:
    """Make a data set complete below ``root``: what is there is verified and kept, the rest is downloaded.

    Args:
        source: of :data:`SOURCES`.
        root: folder of all data sets.
        keep_archives: leave the downloaded files there.
        attempts: tries at a download before giving up; each goes on where the last one ended.
        say: told what happens.

    Returns:
        The data set's folder.

    Raises:
        DataError: a download fails, a sum does not match, or files are missing in the end.
    """
    folder = root / source.folder
    if not missing_files(source, folder):
        say(f'{folder} is complete')
        return folder
    downloads = root / 'downloads'
    downloads.mkdir(parents=True, exist_ok=True)
    for archive in source.archives:
        path = downloads / archive.name
        fetch(archive, path, attempts, say)
        say(f'unpacking {archive.name}')
        unpack(path, folder / archive.into)
    problems = missing_files(source, folder)
    if problems:
        raise DataError(f'{folder} is not complete after unpacking: ' + '; '.join(problems))
    if not keep_archives:
        for archive in source.archives:
            (downloads / archive.name).unlink()
    say(f'{folder} is complete')
    return folder


def fetch(archive: Archive, path: Path, attempts: int = 5, say: Callable[[str], None] = print) -> None:
    """Download a file, going on where an earlier try ended, and check its sum.

    The file has its name only when it is whole; until then it is ``NAME.part``.

    Raises:
        DataError: no try succeeded, or the sum does not match (the file is then removed).
    """
    if path.exists() and md5_of(path) == archive.md5:
        say(f'{path} is there already')
        return
    part = path.with_name(path.name + '.part')
    for attempt in range(1, attempts + 1):
        try:
            _download(archive.url, part)
            break
        except (OSError, EOFError) as error:
            have = part.stat().st_size if part.exists() else 0
            say(f'download of {archive.url} broke off at {have / 1e6:.1f} MB (try {attempt} of {attempts}): {error}')
            if attempt == attempts:
                raise DataError(
                    f'{archive.url} could not be downloaded. Run the same command again to go on at '
                    f'{have / 1e6:.1f} MB, or put the file at {path} yourself'
                ) from error
    found = md5_of(part)
    if found != archive.md5:
        part.unlink()
        raise DataError(
            f'{archive.url} has the MD5 sum {found}, not {archive.md5}; it was removed. Run the same command again'
        )
    part.rename(path)


def _download(url: str, part: Path) -> None:
    """Append to ``part`` what it lacks of ``url``. Raises EOFError where the connection ends too early."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={'Range': f'bytes={have}-'} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if have and error.code == 416:  # nothing is left to send: the sum decides
            return
        raise
    with response:
        if response.status != 206:  # the server does not resume
            have = 0
        total = have + int(response.headers.get('Content-Length', 0))
        bar = tqdm(total=total or None, initial=have, unit='B', unit_scale=True, desc=part.stem, disable=None)
        with open(part, 'ab' if have else 'wb') as file, bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                have += len(chunk)
                bar.update(len(chunk))
    if have < total:
        raise EOFError(f'{total - have} bytes are still missing')


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tar or zip file. It is unpacked beside ``folder`` first, so that nothing half-unpacked is taken for whole."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f'.unpacking-{path.stem}'
    shutil.rmtree(beside, ignore_errors=True)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(beside)
        elif not hasattr(tarfile, 'data_filter'):
            raise DataError(f'this Python cannot unpack {path} safely. Remedy: Python 3.10.12, 3.11.4 or newer')
        else:
            with tarfile.open(path) as archive:
                archive.extractall(beside, filter='data')
        _merge(beside, folder)
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f'{path} could not be unpacked to {folder}: {error}') from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _merge(source: Path, target: Path) -> None:
    """Move a tree into another; VOC's archives share folders."""
    for item in source.iterdir():
        destination = target / item.name
        if item.is_dir() and destination.is_dir():
            _merge(item, destination)
        else:
            item.replace(destination)


def missing_files(source: DataSource, folder: Path) -> list[str]:
    """What a data set lacks, one text for each list of images; empty when it is complete."""
    problems = []
    for name, expected in source.contents:
        path = folder / name
        if not path.is_file():
            problems.append(f'{path} is missing')
            continue
        try:
            files = _coco_files(path) if path.suffix == '.json' else _voc_files(path)
        except (ValueError, KeyError) as error:
            problems.append(f'{path} cannot be read: {error}')
            continue
        if len(files) != expected:
            problems.append(f'{path} lists {len(files)} images, not {expected}')
        absent = [file for group in files for file in group if not file.is_file()]
        if absent:
            problems.append(f'{len(absent)} file(s) that {path} lists are missing, the first is {absent[0]}')
    return problems


def _voc_files(path: Path) -> list[Sequence[Path]]:
    year = path.parents[2]
    return [
        (year / 'JPEGImages' / f'{name}.jpg', year / 'Annotations' / f'{name}.xml') for name in path.read_text().split()
    ]


def _coco_files(path: Path) -> list[Sequence[Path]]:
    images = path.parents[1] / path.stem.removeprefix('instances_')
    return [(images / image['file_name'],) for image in json.loads(path.read_text())['images']]
