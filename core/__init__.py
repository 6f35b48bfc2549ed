"""The engine of crossl-app: recordings, CroSSL models, evaluation, robustness; no window."""
