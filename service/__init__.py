"""HTTP in, tokens out: the inference service around vLLM."""
