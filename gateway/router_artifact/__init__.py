"""Read, verify and write a router_models/ folder; the scorer that serving and training share."""

from gateway.router_artifact.files import load_scorer, read_manifest, write_artifact
from gateway.router_artifact.scorer import ArtifactScorer, Heads
from gateway.router_artifact.weights import RouterWeights

__all__ = [
    "ArtifactScorer",
    "Heads",
    "RouterWeights",
    "load_scorer",
    "read_manifest",
    "write_artifact",
]
