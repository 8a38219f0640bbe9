"""Small OCI images, and a chart, built with the standard library and identical every time."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_CONTENT = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"


@dataclass(frozen=True)
class Image:
    """``blobs``: digest → content of the configuration and of each layer; ``parts`` are the
    images of an index, one for each platform. ``artifact_type`` is what ECR calls it."""

    manifest: bytes
    blobs: dict[str, bytes]
    artifact_type: str = CONFIG
    parts: "tuple[Image, ...]" = ()

    @property
    def media_type(self) -> str:
        return INDEX if self.parts else MANIFEST

    @cached_property
    def digest(self) -> str:
        return digest_of(self.manifest)

    @property
    def size(self) -> int:
        """Bytes, as ECR counts them: the manifest and all that it names; of an index, those
        of its largest image."""
        if self.parts:
            return max(part.size for part in self.parts)
        return len(self.manifest) + sum(len(blob) for blob in self.blobs.values())


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def make(repository: str, tag: str, architecture: str = "amd64") -> Image:
    """An image of three layers that says which one it is in ``/etc/image``."""
    layers = [
        _tar({"etc/os-release": b"NAME=Embedded\n", "etc/passwd": b"root:x:0:0::/:/none\n"}),
        _tar({f"opt/{repository}/data": bytes(range(256)) * 64}),
        _tar({"etc/image": f"{repository}:{tag}\n".encode()}),
    ]
    packed = [gzip.compress(layer, mtime=0) for layer in layers]
    configuration = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": {"Cmd": [f"/opt/{repository}/start"], "Labels": {"version": tag}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
            "history": [{"created_by": f"layer {n}"} for n in range(len(layers))],
        }
    ).encode()
    return _image((CONFIG, configuration), [(LAYER, layer) for layer in packed])


def make_index(repository: str, tag: str, platforms: Sequence[str]) -> Image:
    """An image for several platforms, like ``linux/arm64/v8``, with an attestation beside
    them, as builders make it."""
    listed, parts = [], []
    for platform in platforms:
        system, architecture, *variant = platform.split("/")
        part = make(repository, tag, architecture)
        of = {"os": system, "architecture": architecture}
        of |= {"variant": variant[0]} if variant else {}
        listed.append(_descriptor(MANIFEST, part.manifest) | {"platform": of})
        parts.append(part)
    attestation = _image((CONFIG, b"{}"), [("application/vnd.in-toto+json", b"{}")])
    unknown = {"os": "unknown", "architecture": "unknown"}
    listed.append(_descriptor(MANIFEST, attestation.manifest) | {"platform": unknown})
    parts.append(attestation)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}).encode()
    return Image(manifest, {}, "", tuple(parts))


def make_chart(name: str, version: str) -> Image:
    """A Helm chart that installs nothing."""
    chart = json.dumps({"apiVersion": "v2", "name": name, "version": version}).encode()
    content = gzip.compress(_tar({f"{name}/Chart.yaml": chart}), mtime=0)
    return _image((CHART_CONFIG, chart), [(CHART_CONTENT, content)])


def _image(configuration: tuple[str, bytes], layers: list[tuple[str, bytes]]) -> Image:
    """From pairs of media type and content."""
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(*configuration),
            "layers": [_descriptor(*layer) for layer in layers],
        }
    ).encode()
    blobs = {digest_of(blob): blob for _, blob in [configuration, *layers]}
    return Image(manifest, blobs, configuration[0])


def _descriptor(media_type: str, content: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def _tar(files: dict[str, bytes]) -> bytes:
    """A tar of the files and the folders that they are in."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder in sorted({parent for name in files for parent in _parents(name)}):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return output.getvalue()


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
