"""A payout counter that knows nothing but the server's OpenAPI document: JSON and forms over HTTP/1.1.

It reads /openapi.json, checks that it is a valid document of OpenAPI 3.1, and makes its calls from it: their
paths, and the schema of every request and answer, which it checks. The day is that of examples/counter.rs:
enrol, compare, be told why a picture is of no use, decide on claims with synthetic cards; and answer a referral.
`scripts/test-clients` runs it against a real server; README.md beside the folder says how to run it by hand.

Exit code: 0 where everything went as these photos should, 1 where not.
"""

import argparse
import base64
import http.client
import json
import pathlib
import secrets
import sys
import time
import uuid

from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FMR = 1e-5  # of 100,000 others, about one would pass
DEADLINE_S = 20  # a clerk will not wait longer
TRIES_MAX = 5
DOCUMENT = "urn:chinhchu:openapi"


class Refused(Exception):
    """A refusal by the server, taken apart. Branch on `reason` or `code`, never on text."""

    def __init__(self, status, headers, answer):
        self.status, self.code = status, answer["code"]
        details = {detail["type"]: detail.get("debug", {}) for detail in answer.get("details", [])}
        info = details.get("google.rpc.ErrorInfo", {})
        self.reason, self.metadata = info.get("reason", ""), info.get("metadata", {})
        self.sentence = details.get("google.rpc.LocalizedMessage", {}).get("message", answer.get("message", ""))
        retry = details.get("google.rpc.RetryInfo", {}).get("retryDelay")
        self.retry_after_s = float(retry.rstrip("s")) if retry else None
        # Tell the operator this: the server's log has the call under it.
        self.trace = headers.get("traceparent", "--").split("-")[1]
        super().__init__(f"{self.status} {self.code} {self.reason}")


class Api:
    """The calls of a document, by their operationId."""

    def __init__(self, address, language):
        self.address, self.language = address, language
        self.connection = http.client.HTTPConnection(address, timeout=DEADLINE_S)
        self.connection.request("GET", "/openapi.json")
        answer = self.connection.getresponse()
        self.document = json.loads(answer.read())
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.status
        errors = list(OpenAPIV31SpecValidator(self.document).iter_errors())
        assert not errors, errors[:3]
        self.registry = Registry().with_resource(DOCUMENT, Resource(self.document, DRAFT202012))
        self.paths = {}
        for path, item in self.document["paths"].items():
            operation = item["post"]
            self.paths[operation["operationId"]] = (path, operation)

    def check(self, schema, message, what):
        """Whether a message is what the document says."""
        # References are within the document.
        at = DOCUMENT + schema["$ref"]
        errors = list(OAS31Validator({"$ref": at}, registry=self.registry).iter_errors(message))
        assert not errors, f"{what}: {errors[0].json_path}: {errors[0].message[:200]}"

    def call(self, name, message, parts=()):
        """Calls, and calls again where the server says that and when it is worth it.

        `parts`: pairs of a field's name and bytes, which go as they are.
        """
        path, operation = self.paths[name]
        content = operation["requestBody"]["content"]
        self.check(content["application/json"]["schema"], message, f"request of {name}")
        kind, body = "application/json", json.dumps(message).encode()
        if parts:
            assert "multipart/form-data" in content, name
            kind, body = form(message, parts)
        headers = {
            "content-type": kind,
            "accept-language": self.language,
            "connect-timeout-ms": str(DEADLINE_S * 1000),
            # A trace of your tracing system, or one that begins here.
            "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        }
        for attempt in range(1, TRIES_MAX + 1):
            self.connection.request("POST", path, body, headers)
            answer = self.connection.getresponse()
            told = json.loads(answer.read())
            if answer.status == 200:
                self.check(operation["responses"]["200"]["content"]["application/json"]["schema"], told, f"answer of {name}")
                return told
            self.check({"$ref": "#/components/schemas/Error"}, told, f"error of {name}")
            refused = Refused(answer.status, answer.headers, told)
            if refused.retry_after_s is None or attempt == TRIES_MAX:
                raise refused
            time.sleep(refused.retry_after_s * attempt)
        raise AssertionError("the loop returns or raises")


def form(message, parts):
    """The JSON in a part `request`, and bytes in parts of their own (RFC 7578)."""
    boundary = secrets.token_hex(16)
    lines = []
    for name, kind, content in [
        ("request", "application/json", json.dumps(message).encode()),
        *((name, "application/octet-stream", content) for name, content in parts),
    ]:
        lines.append(f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\ncontent-type: {kind}\r\n\r\n'.encode())
        lines += [content, b"\r\n"]
    lines.append(f"--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(lines)


def claim(api, subject, card, number, captures, transaction, attempt=1):
    message = {
        "transactionId": transaction,
        "attempt": attempt,
        "subjectId": subject,
        "scheme": "SCHEME_SOCIAL",
        "policy": "demo",
        "record": {"number": number, "name": "Nguyễn Thử Nghiệm", "birthDate": "1988", "sex": "SEX_MALE"},
    }
    files = [("chipFiles", file.read_bytes()) for file in sorted(card.iterdir()) if file.is_file()]
    return api.call("Beneficiary_VerifyBeneficiary", message, files + [("frames", capture) for capture in captures])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--photos", required=True, type=pathlib.Path)
    parser.add_argument("--cards", required=True, type=pathlib.Path, help="folders card, second_card, altered_card")
    parser.add_argument("--language", default="vi")
    options = parser.parse_args()
    photo = {path.stem: path.read_bytes() for path in options.photos.glob("*.jpg")}
    right = True

    def shown(what, is_right):
        nonlocal right
        right = right and is_right
        print(f"  {what}" + ("" if is_right else "   <- NOT AS IT SHOULD BE"))

    def refusal(call, *arguments):
        try:
            call(*arguments)
        except Refused as refused:
            return refused
        return None

    print("The document")
    api = Api(options.server, options.language)
    shown(f"OpenAPI {api.document['openapi']}, {len(api.paths)} calls", len(api.paths) > 25)

    print("Enrol")
    for subject, name in (("openapi-1", "obama"), ("openapi-2", "biden")):
        message = {
            "requestId": str(uuid.uuid4()),
            "subjectId": subject,  # a pseudonym of your own, never the card number
            "mode": "ENROLL_MODE_REPLACE",
            "attributes": {"schemes": ["social"]},
            "photos": [{"source": "SOURCE_OTHER"}],
        }
        parts = [("photos[0].image", photo[name])]
        first, again = (api.call("Gallery_Enroll", message, parts) for _ in range(2))  # as after a lost answer
        shown(f"{subject} from {name}; a retry is recognised", first["commit"] == again["commit"] and again["replayed"])
    subject = api.call("Gallery_GetSubject", {"subjectId": "openapi-1"})
    shown(f"enrolled with {len(subject['templates'])} template", subject["subjectId"] == "openapi-1")
    listed = api.call("Gallery_ListSubjects", {"pageSize": 10})
    shown(f"{len(listed['subjects'])} listed", len(listed["subjects"]) == 2)

    print("Verify")
    for name, expected in (("obama2", "DECISION_MATCH"), ("biden", "DECISION_NO_MATCH")):
        encoded = {"reference": base64.b64encode(photo["obama"]).decode(), "probes": [base64.b64encode(photo[name]).decode()]}
        in_json = api.call("Verification_Verify", encoded | {"fmr": FMR})
        in_parts = api.call("Verification_Verify", {"fmr": FMR}, [("reference", photo["obama"]), ("probes", photo[name])])
        # Act on the decision alone; the score is for the record.
        shown(f"obama and {name}: {in_json['decision']}, score {in_json['score']:.3f}", in_json["decision"] == expected)
        shown("the same from parts of a form", in_json == in_parts)
    found = api.call("Verification_Identify", {"fpir": {"fpir": 0.01}}, [("probes", photo["obama3"])])
    shown(f"found {found['candidates'][0]['subjectId']}", found["candidates"][0]["subjectId"] == "openapi-1")

    print("A file that is no photo")
    refused = refusal(api.call, "Verification_Verify", {}, [("reference", photo["obama"]), ("probes", b"no photo")])
    shown(f"{refused}: {refused.sentence}", (refused.status, refused.reason) == (400, "IMAGE_FORMAT"))
    shown(f"trace {refused.trace}", refused.metadata["field"] == "probes[0]" and len(refused.trace) == 32)

    print("Decide")
    captures = [photo["obama2"], photo["obama3"]]
    transaction = str(uuid.uuid4())
    # Where the reader can ask the chip: it answers these eight bytes, and they count once, for this transaction.
    issued = api.call("Beneficiary_NewChallenge", {"transactionId": transaction})
    shown("a challenge for the chip", len(base64.b64decode(issued["challenge"])) == 8)
    answer = claim(api, "openapi-1", options.cards / "card", "999088000017", captures, transaction)
    shown(f"the person's own card: {answer['outcome']}", answer["outcome"] == "OUTCOME_APPROVE")
    refused = refusal(claim, api, "openapi-1", options.cards / "card", "999088000017", captures, transaction, 3)
    shown(f"an attempt after the end: {refused.reason}", refused.reason == "TRANSACTION_CLOSED")

    transaction = str(uuid.uuid4())
    answer = claim(api, "openapi-3", options.cards / "second_card", "999075000023", captures, transaction)
    codes = [reason["code"] for reason in answer["reasons"]]
    # An outcome that a program does not know must never pass for an approval.
    approved = answer["outcome"] == "OUTCOME_APPROVE"
    shown(f"the same face under a second card: {', '.join(codes)}", not approved and "DUPLICATE_FACE" in codes)
    refused = refusal(claim, api, "openapi-3", options.cards / "second_card", "999075000023", captures, transaction, 5)
    shown(f"attempt 5: {refused.reason}", refused.metadata.get("attemptExpected") == "2")
    resolved = api.call(
        "Beneficiary_ResolveReferral",
        {
            "transactionId": transaction,
            "attempt": 1,
            "officerId": "officer-1",
            "outcome": "OUTCOME_DENY",
            "reason": "draws under another record",
        },
    )
    shown(f"to the citizen: {resolved['citizenVi']}", resolved["outcome"] == "OUTCOME_DENY")
    altered = claim(api, "openapi-1", options.cards / "altered_card", "999088000017", [photo["biden"]], str(uuid.uuid4()))
    shown(f"a card whose photo was exchanged: {altered['outcome']}", altered["outcome"] == "OUTCOME_DENY")
    for name, message in (
        ("Cases_GetDecision", {"transactionId": transaction, "attempt": 1}),
        ("Cases_ListDecisions", {}),
        ("Cases_ListRepeatedCaptures", {}),
        ("Rights_ReportSubject", {"subjectId": "openapi-1"}),
        ("Health_Check", {}),
    ):
        api.call(name, message)
        shown(f"{name}: as the document says", True)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
