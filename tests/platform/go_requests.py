"""The requests of RunPod's Go client (runpod/go-sdk, pkg/sdk/endpoint), byte for byte as Go 1.19's
net/http wrote them to a socket that kept them. HOST, KEY and ID stand for what is different each time;
Content-Length is that of the body.
"""

FIELDS = (
    "Authorization: Bearer KEY\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n"
)


def _post(target, body=""):
    length = len(body.encode())
    return (
        f"POST {target} HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {length}\r\n{FIELDS}{body}"
    )


SMALL = '{"input":{"mock_delay":2.5,"mock_return":"late"}}'
# Go escapes <, > and & in JSON, and leaves other letters as they are.
FULL = (
    '{"input":{"mock_return":"\\u003c\\u0026\\u003eé"},"policy":{"ttl":600000,'
    '"executionTimeout":60000},"s3Config":{"accessId":"x","accessSecret":"x","bucketName":"x",'
    '"endpointUrl":"x","objectPath":"x"}}'
)

RUN = _post("/v2/tayfa/run", SMALL)
RUN_FULL = _post("/v2/tayfa/run", FULL)
STATUS = _post("/v2/tayfa/status/ID")
CANCEL = _post("/v2/tayfa/cancel/ID")
PURGE_QUEUE = _post("/v2/tayfa/purge-queue")
HEALTH = (
    "GET /v2/tayfa/health HTTP/1.1\r\nHost: HOST\r\nUser-Agent: Go-http-client/1.1\r\n" + FIELDS
)


def run(body):
    return _post("/v2/tayfa/run", body)


def run_sync(wait=90_000, body=SMALL):
    return _post(f"/v2/tayfa/runsync?wait={wait}", body)


def status_sync(wait=90_000):
    return _post(f"/v2/tayfa/status-sync/ID?wait={wait}")


def stream(wait=90_000):
    return _post(f"/v2/tayfa/stream/ID?wait={wait}")
