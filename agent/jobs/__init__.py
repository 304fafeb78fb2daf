"""Work that must survive a crash: webhooks and uploads, on DBOS (docs/work.md).

In a process of its own, `offhook work`, so that no call hears of it.
"""
