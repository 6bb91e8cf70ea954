# SPDX-License-Identifier: Apache-2.0
"""The parts of tests/bench/freeze and tests/bench/live."""
