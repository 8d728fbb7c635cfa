"""The signals stage: signals decoded, deduplicated and routed."""
