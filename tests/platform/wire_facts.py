"""The requests of two workers in the same scenario, made comparable: ids, ports, times and the white
space of JSON are taken out, order and spelling of everything else stay.

Each request becomes small facts, (kind, field) -> value, such as ("result", "query isStream"). What
a worker said is the set of values of each. Posts are compared scenario by scenario, with the
kinds of each job's; questions (takes, stops, pings) over all scenarios together, since when one
is asked, and for how many jobs, is a matter of the moment.
"""

import collections
import json
import re

KINDS_OF_POSTS = ("progress", "stream", "result")
ERROR_KEYS_THAT_DIFFER = ("error_type", "error_traceback")


QUESTIONS = ("take", "stop", "ping")
OF_THE_MOMENT = {"job_id": "JOBS", "batch_size": "N"}


def plain(text, job):
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST", text)
    return text.replace(job, "JOB") if job else text


def body_facts(body):
    """A body that is JSON by its value; an error's text, itself JSON, by its keys and what must be
    the same in them.
    """
    if not body:
        return {"body": ""}
    try:
        value = json.loads(body)
    except ValueError:
        return {"body": body[:200]}
    if isinstance(value, dict) and isinstance(value.get("error"), str):
        error = value.pop("error")
        facts = {"body beside an error": json.dumps(value, ensure_ascii=False)}
        try:
            error_fields = json.loads(error)
        except ValueError:
            return {**facts, "body error": error}
        facts["body error keys"] = " ".join(error_fields)
        for key, text in error_fields.items():
            facts[f"body error {key}"] = text
        return facts
    return {"body": json.dumps(value, ensure_ascii=False)}


def facts_of(kind, job, method, target, headers, body):
    path, _, query = target.partition("?")
    facts = {"method": method, "path": plain(path, job)}
    facts["header names"] = " ".join(sorted(name for name, _ in headers))
    facts["header order"] = " ".join(name for name, _ in headers)
    facts["query names"] = " ".join(x.partition("=")[0] for x in query.split("&"))
    for each in query.split("&"):
        name, _, value = each.partition("=")
        facts[f"query {name}"] = OF_THE_MOMENT.get(name, plain(value, job))
    for name, value in headers:
        value = "N" if name.lower() == "content-length" else plain(value, job)
        known = kind in QUESTIONS and name == "X-Request-ID"  # of some job
        facts[f"header {name}"] = "JOB" if known else value
    if kind in KINDS_OF_POSTS:
        facts.update(body_facts(body))
    return facts


def sent_facts(seen):
    """(kind, field) -> set of values, over all requests of a scenario."""
    values = collections.defaultdict(set)
    jobs = {}
    for kind, job, method, target, headers, body in seen:
        for field, value in facts_of(kind, job, method, target, headers, body).items():
            values[kind, field].add(value)
        if kind in KINDS_OF_POSTS:
            jobs.setdefault(job, []).append(kind)
    for sequence in jobs.values():
        # Sorted: the SDK's updates come in any order; the ledger has the rules for all others.
        values["posts", "kinds"].add(" ".join(sorted(sequence)))
    return values


def differences(sdk, tayfa):
    """(kind, field, what only the SDK said, what only Tayfa said), sorted."""
    one, other = sent_facts(sdk), sent_facts(tayfa)
    found = []
    for key in sorted({*one, *other}):
        only_sdk, only_tayfa = one[key] - other[key], other[key] - one[key]
        if only_sdk or only_tayfa:
            found.append((*key, sorted(only_sdk), sorted(only_tayfa)))
    return found


def all_differences(sdk, tayfa):
    """(scenario, …) of two logs, each scenario -> what was said."""

    def questions(log):
        return [x for seen in log.values() for x in seen if x[0] in QUESTIONS]

    def posts(seen):
        return [x for x in seen if x[0] not in QUESTIONS]

    for difference in differences(questions(sdk), questions(tayfa)):
        yield ("all scenarios", *difference)
    for name in sdk:
        for difference in differences(posts(sdk[name]), posts(tayfa[name])):
            yield (name, *difference)
