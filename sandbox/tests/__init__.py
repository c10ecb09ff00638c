"""Tests of the sandbox: pure parts, and the real thing on this machine."""
