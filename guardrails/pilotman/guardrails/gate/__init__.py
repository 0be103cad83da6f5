"""The gate: policy and information flow for one run, usable without any graph."""
