"""The offline language model: four designs by rule, no AI."""

from __future__ import annotations

import json

from providers.base import Completion, Fault, ProviderError
from providers.offline.treatments import TREATMENTS, design


class OfflineLanguageModel:
    """Answers any prompt with the same four treatments of its subject; deterministic, at once, free."""

    name = "offline"
    product = ""

    def check(self) -> str:
        """Nothing to sign in to."""
        return "designs by rule, no AI"

    def complete(self, *, system: str, prompt: str) -> Completion:
        """JSON `{"designs": [four texts]}`, each at most 500 characters. Raises INVALID_INPUT for an empty prompt."""
        if not prompt.strip():
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="empty prompt")
        designs = [design(prompt, variant) for variant in range(len(TREATMENTS))]
        return Completion(text=json.dumps({"designs": designs}, ensure_ascii=False))
