import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile

import pytest

from ssd_plugin.errors import UserError
from ssd_plugin.prepare.download import SOURCES, Archive, DataSource, fetch, mirrored, prepare


class CuttingHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files with ranges, and close the connection after ``server.cut`` bytes, ``server.cuts`` times."""

    def do_GET(self):
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        start = (
            int(self.headers['Range'].removeprefix('bytes=').rstrip('-'))
            if self.headers['Range'] and self.server.ranges
            else 0
        )
        self.server.requests.append(self.headers['Range'])
        if start >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if self.server.cuts > 0:
            self.server.cuts -= 1
            body = body[: self.server.cut]
        self.wfile.write(body)
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), CuttingHandler)
    server.files, server.requests, server.cuts, server.cut, server.ranges = {}, [], 0, 1000, True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def address(server):
    return f'http://127.0.0.1:{server.server_address[1]}'


def serve(server, name, content, into='.'):
    server.files[f'/{name}'] = content
    return Archive(f'{address(server)}/{name}', hashlib.md5(content).hexdigest(), into)


def tar_of(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode='w') as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def voc_source(server):
    files = {'VOCdevkit/VOC2007/ImageSets/Main/trainval.txt': b'000001\n000002\n'}
    for name in ('000001', '000002'):
        files[f'VOCdevkit/VOC2007/JPEGImages/{name}.jpg'] = b'image' * 500
        files[f'VOCdevkit/VOC2007/Annotations/{name}.xml'] = b'<annotation/>'
    test = {
        'VOCdevkit/VOC2007/ImageSets/Main/test.txt': b'000003\n',
        'VOCdevkit/VOC2007/JPEGImages/000003.jpg': b'image',
        'VOCdevkit/VOC2007/Annotations/000003.xml': b'<annotation/>',
    }
    return DataSource(
        'VOCdevkit',
        (serve(server, 'trainval.tar', tar_of(files), '..'), serve(server, 'test.tar', tar_of(test), '..')),
        (('VOC2007/ImageSets/Main/trainval.txt', 2), ('VOC2007/ImageSets/Main/test.txt', 1)),
    )


def test_download_resumes_where_the_connection_was_cut(server, tmp_path):
    content = bytes(range(256)) * 20
    archive = serve(server, 'a.tar', content)
    server.cuts = 3
    fetch(archive, tmp_path / 'a.tar', log=lambda text: None)
    assert (tmp_path / 'a.tar').read_bytes() == content
    assert server.requests == [None, 'bytes=1000-', 'bytes=2000-', 'bytes=3000-']


def test_server_without_ranges_starts_over(server, tmp_path):
    content = b'x' * 3000
    archive = serve(server, 'a.tar', content)
    server.cuts, server.ranges = 1, False
    fetch(archive, tmp_path / 'a.tar', log=lambda text: None)
    assert (tmp_path / 'a.tar').read_bytes() == content


def test_giving_up_leaves_only_the_part_and_the_next_run_resumes_it(server, tmp_path):
    archive = serve(server, 'a.tar', b'x' * 5000)
    server.cuts = 2
    with pytest.raises(UserError, match='Run the same command again'):
        fetch(archive, tmp_path / 'a.tar', attempts=2, log=lambda text: None)
    assert [path.name for path in tmp_path.iterdir()] == ['.a.tar.part']
    fetch(archive, tmp_path / 'a.tar', attempts=1, log=lambda text: None)
    assert server.requests[-1] == 'bytes=2000-' and (tmp_path / 'a.tar').stat().st_size == 5000


def test_file_with_a_wrong_sum_is_an_error_and_removed(server, tmp_path):
    archive = serve(server, 'a.tar', b'good')
    server.files['/a.tar'] = b'evil'
    with pytest.raises(UserError, match='MD5'):
        fetch(archive, tmp_path / 'a.tar', log=lambda text: None)
    assert not list(tmp_path.iterdir())


def test_voc_is_unpacked_into_the_layout_of_the_configs_and_verified(server, tmp_path):
    source = voc_source(server)
    server.cuts = 1
    prepare(source, tmp_path, log=lambda text: None)
    assert (tmp_path / 'VOCdevkit/VOC2007/JPEGImages/000003.jpg').is_file()
    assert (tmp_path / 'VOCdevkit/VOC2007/JPEGImages/000001.jpg').is_file()
    asked = len(server.requests)
    logged = []
    prepare(source, tmp_path, log=logged.append)
    assert len(server.requests) == asked and 'complete' in logged[-1]


def test_missing_image_is_detected_and_fetched_again(server, tmp_path):
    source = voc_source(server)
    prepare(source, tmp_path, keep_archives=True, log=lambda text: None)
    image = tmp_path / 'VOCdevkit/VOC2007/JPEGImages/000002.jpg'
    image.unlink()
    prepare(source, tmp_path, log=lambda text: None)
    assert image.is_file()


def test_archive_that_lacks_a_listed_file_is_an_error(server, tmp_path):
    source = voc_source(server)
    broken = tar_of({'VOCdevkit/VOC2007/ImageSets/Main/trainval.txt': b'000001\n000002\n'})
    source = DataSource(
        source.folder, (serve(server, 'trainval.tar', broken, '..'), source.archives[1]), source.contents
    )
    with pytest.raises(UserError, match='4 file.*|2 file.*000001.jpg'):
        prepare(source, tmp_path, log=lambda text: None)


def test_archive_cannot_write_outside_its_folder(server, tmp_path):
    evil = DataSource(
        'VOCdevkit', (serve(server, 'evil.tar', tar_of({'../../../escaped.txt': b'x'})),), (('list.txt', 1),)
    )
    with pytest.raises(UserError, match='could not be unpacked'):
        prepare(evil, tmp_path / 'data', log=lambda text: None)
    assert not list(tmp_path.rglob('escaped.txt'))


def test_coco_is_verified_by_its_annotation(server, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:
        archive.writestr('annotations/instances_val2017.json', json.dumps(dict(images=[dict(file_name='1.jpg')])))
        archive.writestr('val2017/1.jpg', b'image')
    source = DataSource(
        'coco', (serve(server, 'val.zip', buffer.getvalue()),), (('annotations/instances_val2017.json', 1),)
    )
    prepare(source, tmp_path, log=lambda text: None)
    assert (tmp_path / 'coco/val2017/1.jpg').read_bytes() == b'image'


@pytest.mark.parametrize('name', sorted(SOURCES))
def test_mirror_serves_the_same_archives_by_name(name):
    source, copy = SOURCES[name], mirrored(SOURCES[name], 'http://mirror/data/')
    assert [archive.url for archive in copy.archives] == [
        f'http://mirror/data/{archive.name}' for archive in source.archives
    ]
    assert [archive.md5 for archive in copy.archives] == [archive.md5 for archive in source.archives]


def test_tool_reports_a_failed_download_in_one_line(run_tool, server, tmp_path):
    result = run_tool('prepare_data.py', 'voc2012', '--root', tmp_path / 'data', '--mirror', address(server))
    assert result.returncode == 1 and 'Traceback' not in result.stderr
    assert 'error: ' in result.stderr and 'VOCtrainval_11-May-2012.tar could not be downloaded' in result.stderr
