import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.core.errors import ArtifactError
from gateway.core.features import FEATURE_NAMES
from gateway.router_artifact import RouterWeights, load_scorer, write_artifact


def small_weights(gain: float = 0.1) -> RouterWeights:
    heads = 9
    return RouterWeights(
        domains=("exam", "talk"),
        terms=("hello", "plan"),
        idf=np.array([1.0, 2.0]),
        term_weights=np.full((2, heads), 0.5),
        figure_weights=np.zeros((len(FEATURE_NAMES), heads)),
        figure_means=np.zeros(len(FEATURE_NAMES)),
        intercepts=np.full(heads, gain),
        quantiles=np.array([-1.0, 0.0, 1.0]),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_artifact(tmp_path / "small", small_weights(), facts={"seed": 1})
    return tmp_path / "small"


def test_equal_weights_give_equal_bytes_and_version(tmp_path: Path, folder: Path) -> None:
    other = tmp_path / "again" / "small"

    version = write_artifact(other, small_weights(), facts={"seed": 1})

    assert version == load_scorer(folder).version
    for name in ("manifest.json", "terms.json", "weights.npz"):
        assert (folder / name).read_bytes() == (other / name).read_bytes()


def test_other_weights_give_another_version(tmp_path: Path, folder: Path) -> None:
    other = write_artifact(tmp_path / "other" / "small", small_weights(gain=0.2), facts={})

    assert other != load_scorer(folder).version


def test_manifest_keeps_the_facts_it_was_given(folder: Path) -> None:
    assert json.loads((folder / "manifest.json").read_bytes())["seed"] == 1


def test_weights_hold_no_pickle(folder: Path) -> None:
    with np.load(folder / "weights.npz", allow_pickle=False) as packed:
        assert all(packed[name].dtype.kind == "f" for name in packed.files)


def _flip_a_byte(folder: Path) -> None:
    content = bytearray((folder / "weights.npz").read_bytes())
    content[100] ^= 1
    (folder / "weights.npz").write_bytes(content)


def _edit_manifest(**changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        (folder / "manifest.json").write_text(json.dumps(manifest | changes))

    return edit


def _replace_weights(**arrays: object) -> Callable[[Path], None]:
    """Weights of a wrong make under a right digest: the digest alone must not vouch for them."""

    def replace(folder: Path) -> None:
        with np.load(folder / "weights.npz", allow_pickle=False) as packed:
            content = {name: packed[name] for name in packed.files}
        file = io.BytesIO()
        np.savez(file, **(content | arrays))
        (folder / "weights.npz").write_bytes(file.getvalue())
        manifest = json.loads((folder / "manifest.json").read_bytes())
        manifest["files"]["weights.npz"] = hashlib.sha256(file.getvalue()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return replace


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        pytest.param(lambda folder: (folder / "manifest.json").unlink(), "there is no", id="none"),
        pytest.param(lambda folder: (folder / "terms.json").unlink(), "cannot be read", id="file"),
        pytest.param(
            lambda folder: (folder / "terms.json").write_text('["hello", "pawn"]\n'),
            "SHA-256",
            id="terms-changed",
        ),
        pytest.param(_flip_a_byte, "SHA-256", id="one-bit"),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read", id="cut"
        ),
        pytest.param(
            lambda folder: (folder / "manifest.json").write_text("[]"), "not a JSON object", id="[]"
        ),
        pytest.param(_edit_manifest(schema="fareway-router-0"), "train it again", id="schema"),
        pytest.param(_edit_manifest(feature_schema="other"), "feature_schema", id="features"),
        pytest.param(_edit_manifest(files={}), "no digests", id="digests"),
        pytest.param(_edit_manifest(domains=None), "no domains", id="domains"),
        pytest.param(_edit_manifest(domains=["exam"]), "shape", id="fewer-domains"),
        pytest.param(_replace_weights(idf=np.ones(3)), "idf has shape", id="shape"),
        pytest.param(_replace_weights(idf=np.array([1, np.nan])), "not finite", id="nan"),
        pytest.param(
            _replace_weights(quantiles=np.array([1.0, 0.0])), "not ascending", id="quantiles"
        ),
        pytest.param(_replace_weights(quantiles=np.array([1.0])), "no table", id="no-quantiles"),
        pytest.param(
            _replace_weights(idf=np.array([{}, {}], dtype=object)), "cannot be read", id="pickle"
        ),
    ],
)
def test_damaged_or_foreign_router_is_refused_with_its_cause(
    folder: Path, damage: Callable[[Path], None], text: str
) -> None:
    damage(folder)

    with pytest.raises(ArtifactError, match=text):
        load_scorer(folder)


def test_weights_of_a_wrong_shape_are_not_written(tmp_path: Path) -> None:
    wrong = RouterWeights(
        **{
            name: getattr(small_weights(), name)
            for name in RouterWeights.__slots__
            if name != "intercepts"
        },
        intercepts=np.zeros(3),
    )

    with pytest.raises(ArtifactError, match="intercepts"):
        write_artifact(tmp_path / "wrong", wrong, facts={})

    assert not (tmp_path / "wrong").exists()
