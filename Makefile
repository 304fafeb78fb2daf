.PHONY: run call demo test check format lock bench

run:            ## answer calls, with Asterisk beside the agent
	@scripts/run
call:           ## a test call to the running agent
	@scripts/call
demo:           ## one call against a fresh stack, and what was said
	@scripts/demo
test:           ## checks and all tests, real Asterisk included
	@scripts/test
check:          ## form, types, floors
	@scripts/check
format:
	@scripts/setup --dev && .venv/bin/ruff check --fix --quiet . ; .venv/bin/ruff format .
lock:           ## resolve the requirements anew
	@scripts/lock
bench:          ## us beside others, barge-in, drift, churn: 10 minutes
	@scripts/setup --dev && .venv/bin/python -m bench.run
