"""MNIST in its idx files, and its download."""

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
import torch

from vqaudio.data.datasets import mnist
from vqaudio.errors import InputError

PIXELS = torch.arange(3 * 28 * 28).remainder(256).to(torch.uint8)
LABELS = bytes([7, 0, 9])


def idx(shape, data: bytes) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + data


@pytest.fixture
def folder(tmp_path):
    """Three images in each part."""
    root = tmp_path / "mnist"
    root.mkdir()
    for part in mnist.NAMES.values():
        (root / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx((3, 28, 28), bytes(PIXELS.tolist()))))
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx((3,), LABELS)))
    return root


@pytest.fixture
def web(folder):
    """The address of a web server on this machine that gives out the folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *args: None
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def of_this_test(folder) -> dict[str, str]:
    names = list(mnist.CHECKSUMS)
    return {name: hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() for name in names}


def test_pixels_and_labels_are_those_of_the_files(folder):
    for part in ("train", "test"):
        images, labels = mnist.load_images(part, folder)
        assert images.shape == (3, 1, 28, 28) and images.dtype == torch.float32
        assert torch.equal((images * 255).round().flatten().byte(), PIXELS) and float(images.max()) == 1
        assert labels.tolist() == [7, 0, 9]


def test_where_it_is_looked_for(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("VQAUDIO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VQAUDIO_MNIST", raising=False)
    with pytest.raises(InputError, match="vqaudio download mnist"):
        mnist.load_images("test")
    monkeypatch.setenv("VQAUDIO_MNIST", str(folder))
    assert mnist.folder() == folder
    with pytest.raises(InputError, match="holds no MNIST"):
        mnist.load_images("test", tmp_path)
    with pytest.raises(InputError, match="has the parts train, test"):
        mnist.load_images("validation", folder)


@pytest.mark.parametrize(("data", "said"), [
    (b"no gzip", "damaged"),
    (gzip.compress(idx((3, 28, 28), b"x" * 2352))[:-20], "damaged"),
    (gzip.compress(idx((3, 28, 28), b"too short")), "are not 3 x 28 x 28"),
    (gzip.compress(idx((3,), b"abc")), "does not begin as an idx file"),
    (gzip.compress(b""), "does not begin as an idx file"),
    (gzip.compress(idx((2, 28, 28), b"x" * 1568)), "2 images and 3 labels"),
    (gzip.compress(bytes(mnist.LARGEST + 2)), "more than it should"),
], ids=["no gzip", "cut", "too few pixels", "labels for images", "empty", "one image less", "too much"])  # fmt: skip
def test_what_is_not_the_datasets_is_a_sentence(folder, data, said):
    (folder / "t10k-images-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(InputError, match=said):
        mnist.load_images("test", folder)


def test_download_checks_each_file_and_fetches_none_twice(folder, web, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "CHECKSUMS", of_this_test(folder))
    found = mnist.download(tmp_path / "cache", web)
    assert sorted(path.name for path in found.iterdir()) == sorted(f"{name}.gz" for name in mnist.CHECKSUMS)
    assert mnist.load_images("test", found)[1].tolist() == [7, 0, 9]
    assert mnist.download(tmp_path / "cache", "http://127.0.0.1:9/") == found


def test_a_download_of_something_else_is_refused_and_not_kept(folder, web, tmp_path):
    with pytest.raises(InputError, match="not the file that this project knows"):
        mnist.download(tmp_path / "cache", web)
    with pytest.raises(InputError, match="Is the network there"):
        mnist.download(tmp_path / "cache", "http://127.0.0.1:9/")
    assert list((tmp_path / "cache").iterdir()) == []


def test_the_real_files_have_the_checksums():
    try:
        base = mnist.folder()
    except InputError:
        pytest.skip("MNIST is not here")
    assert of_this_test(base) == mnist.CHECKSUMS
