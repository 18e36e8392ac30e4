"""The offline language model: four designs by rule, no AI."""

from __future__ import annotations

import json

from providers.base import Fault, ProviderError
from providers.offline.treatments import TREATMENTS, design


class OfflineLanguageModel:
    """Answers any prompt with the same four treatments of its subject; deterministic, at once, free."""

    name = "offline"

    def complete(self, *, system: str, prompt: str) -> str:
        """JSON `{"designs": [four texts]}`, each at most 500 characters. Raises INVALID_INPUT for an empty prompt."""
        if not prompt.strip():
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="empty prompt")
        designs = [design(prompt, variant) for variant in range(len(TREATMENTS))]
        return json.dumps({"designs": designs}, ensure_ascii=False)
