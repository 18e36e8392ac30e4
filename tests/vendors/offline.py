"""The offline providers: no vendor, no wire; the contract is the same."""

from providers import registry
from providers.base import FileRole
from tests.vendors.cases import Case

MODEL = frozenset({
    FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE, FileRole.GLB, FileRole.STL, FileRole.PREVIEW,
})  # fmt: skip

CASES = (
    Case(name="offline images", kind="image", make=registry.offline_images, roles=frozenset({FileRole.IMAGE})),
    Case(name="offline models", kind="model", make=registry.offline_models, roles=MODEL),
    Case(name="offline llm", kind="llm", make=registry.offline_llm),
)
