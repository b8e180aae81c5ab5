"""A router as a folder: manifest.json, terms.json, weights.npz. Never pickle.

The manifest names the format, the feature schema and each file's SHA-256, so that a router that was
cut, changed or made for other features is refused before it decides anything.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from gateway.core.errors import ArtifactError
from gateway.core.features import FEATURE_NAMES, FEATURE_SCHEMA
from gateway.router_artifact.scorer import ArtifactScorer
from gateway.router_artifact.weights import RouterWeights

ARTIFACT_SCHEMA: Final = "fareway-router-1"
MANIFEST: Final = "manifest.json"
TERMS: Final = "terms.json"
WEIGHTS: Final = "weights.npz"

_ARRAYS = ("idf", "term_weights", "figure_weights", "figure_means", "intercepts", "quantiles")


def write_artifact(folder: Path, weights: RouterWeights, *, facts: Mapping[str, object]) -> str:
    """Write the folder, its manifest last, and return the router's version.

    `facts` go into the manifest as they are: seed, data digest, libraries, measured figures.
    Equal weights give equal bytes.
    """
    weights.check(figures=len(FEATURE_NAMES))
    packed = io.BytesIO()
    # The large table is stored in single precision: the error is below 1e-7 a term.
    np.savez_compressed(
        packed,
        term_weights=weights.term_weights.astype(np.float32),
        **{name: getattr(weights, name) for name in _ARRAYS if name != "term_weights"},
    )
    contents = {TERMS: _json_bytes(list(weights.terms)), WEIGHTS: packed.getvalue()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    manifest = {
        "schema": ARTIFACT_SCHEMA,
        "feature_schema": FEATURE_SCHEMA,
        "domains": list(weights.domains),
        "files": digests,
        **facts,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # a folder half rewritten must not load
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / MANIFEST).write_bytes(_json_bytes(manifest, indent=2))
    return _version(folder, digests)


def load_scorer(folder: Path) -> ArtifactScorer:
    """The router in a folder, verified. Raises ArtifactError saying what is wrong with it."""
    manifest = _manifest(folder)
    digests = manifest["files"]
    contents = {name: _verified(folder / name, digests[name]) for name in (TERMS, WEIGHTS)}
    try:
        terms = json.loads(contents[TERMS])
        with np.load(io.BytesIO(contents[WEIGHTS]), allow_pickle=False) as packed:
            arrays = {name: packed[name].astype(np.float64, order="C") for name in _ARRAYS}
        weights = RouterWeights(
            domains=tuple(map(str, manifest["domains"])), terms=tuple(map(str, terms)), **arrays
        )
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"router {folder}: its weights cannot be read ({error})") from error
    return ArtifactScorer(weights, version=_version(folder, digests))


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """The manifest, schema checked but files not. Raises ArtifactError."""
    return _manifest(folder)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise ArtifactError(f"router {folder}: there is no {MANIFEST} in it") from error
    except (OSError, ValueError) as error:
        raise ArtifactError(f"router {folder}: {MANIFEST} cannot be read ({error})") from error
    if not isinstance(manifest, dict):
        raise ArtifactError(f"router {folder}: {MANIFEST} is not a JSON object")
    for key, expected in (("schema", ARTIFACT_SCHEMA), ("feature_schema", FEATURE_SCHEMA)):
        found = manifest.get(key)
        if found != expected:
            raise ArtifactError(
                f"router {folder}: {key} is {found!r}, this version of Fareway reads {expected!r};"
                " train it again with `fareway train`"
            )
    digests = manifest.get("files")
    if not isinstance(digests, dict) or not {TERMS, WEIGHTS} <= digests.keys():
        raise ArtifactError(f"router {folder}: {MANIFEST} names no digests for its files")
    if not isinstance(manifest.get("domains"), list):
        raise ArtifactError(f"router {folder}: {MANIFEST} names no domains")
    return manifest


def _verified(path: Path, digest: object) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(f"router file {path} cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactError(f"router file {path} is not the one its {MANIFEST} names (SHA-256)")
    return content


def _version(folder: Path, digests: Mapping[str, str]) -> str:
    """Name and content: equal for equal weights, other for any other."""
    joined = "".join(digests[name] for name in sorted(digests))
    return f"{folder.resolve().name}@{hashlib.sha256(joined.encode()).hexdigest()[:12]}"


def _json_bytes(value: object, indent: int | None = None) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode() + b"\n"
