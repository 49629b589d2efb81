"""The LongPO trainer: roles fetch, train and verify of the pod contract."""

__version__ = "0.1.0"
