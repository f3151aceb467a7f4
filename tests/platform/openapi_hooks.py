"""Facts that no schema can express, for schemathesis: the key of a submission comes in the header or in the
policy; two that differ are refused.
"""

import schemathesis


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body if isinstance(case.body, dict) else {}
    policy = body.get("policy")
    if isinstance(policy, dict) and policy.get("idempotencyKey") and case.headers:
        case.headers.pop("Idempotency-Key", None)
