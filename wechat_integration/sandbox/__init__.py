"""A server that answers like WeChat and a city's real-name service, for demo and tests.

It runs by itself (``python -m wechat_integration.sandbox``), keeps everything in memory, and is
steered over ``/sandbox/…`` (see README.md and ``control.SandboxControl``). Never expose it: its
control routes ask for no password.
"""
