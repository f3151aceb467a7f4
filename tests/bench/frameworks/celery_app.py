"""The task that Celery's workers run, with Redis as broker and for results, as its first steps show."""

import os

from celery import Celery

url = f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0"
app = Celery("celery_app", broker=url, backend=url)


@app.task
def echo(text):
    return text
