"""Running benchmarks: plan the jobs, run each in a fresh process, measure, store.

`plan.make` turns a request into jobs, `executor.execute` runs one of them in a `worker` process, which uses
`timing`, `memory` and `threads` to measure and `results.store` to keep what it measured.
"""
