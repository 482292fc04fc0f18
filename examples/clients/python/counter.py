"""A payout counter in Python, as an integrator would begin to write one.

It enrols two people, compares faces, is told why a picture is of no use, decides on claims
with synthetic cards, and lets an officer answer a referral. `scripts/test-clients` runs it
against a real server; README.md beside the folder says how to run it by hand.

Exit code: 0 where everything went as these photos should, 1 where not.
"""

import argparse
import pathlib
import secrets
import sys
import time
import uuid

import grpc
from google.rpc import error_details_pb2 as details
from grpc_status import rpc_status

from chinhchu.v1 import decision_pb2, decision_pb2_grpc, gallery_pb2, gallery_pb2_grpc
from chinhchu.v1 import verification_pb2, verification_pb2_grpc

FMR = 1e-5  # of 100,000 others, about one would pass
DEADLINE_S = 20  # a clerk will not wait longer
TRIES_MAX = 5
DOMAIN = "chinhchu.v1"


class Refused(Exception):
    """A refusal by the server, taken apart. Branch on `reason` or `code`, never on text."""

    def __init__(self, error: grpc.RpcError):
        self.code = error.code()
        self.reason, self.metadata = "", {}
        self.sentence, self.language = error.details(), "en"
        self.bad_fields, self.retry_after_s = [], None
        headers = dict(error.initial_metadata() or ()) | dict(error.trailing_metadata() or ())
        # Tell the operator this: the server's log has the call under it.
        self.trace = headers.get("traceparent", "--").split("-")[1]
        status = rpc_status.from_call(error)
        for detail in status.details if status else ():
            info, spoken = details.ErrorInfo(), details.LocalizedMessage()
            bad, retry = details.BadRequest(), details.RetryInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                self.reason, self.metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(spoken):
                self.sentence, self.language = spoken.message, spoken.locale
            elif detail.Unpack(bad):
                self.bad_fields = [violation.field for violation in bad.field_violations]
            elif detail.Unpack(retry):
                self.retry_after_s = retry.retry_delay.ToTimedelta().total_seconds()
        super().__init__(f"{self.code.name} {self.reason}")


class Counter:
    """The services over one connection, which carries all calls side by side."""

    def __init__(self, address: str, language: str):
        self.channel = grpc.insecure_channel(address)
        self.language = language
        self.verification = verification_pb2_grpc.VerificationStub(self.channel)
        self.gallery = gallery_pb2_grpc.GalleryStub(self.channel)
        self.beneficiary = decision_pb2_grpc.BeneficiaryStub(self.channel)

    def call(self, method, request):
        """Calls, and calls again where the server says that and when it is worth it.

        Every call may be repeated: questions change nothing, writes and decisions are named
        by the caller and done once.
        """
        # A trace of your tracing system, or one that begins here.
        trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        headers = (("accept-language", self.language), ("traceparent", trace))
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return method(request, timeout=DEADLINE_S, metadata=headers)
            except grpc.RpcError as error:
                refused = Refused(error)
                if refused.retry_after_s is None or attempt == TRIES_MAX:
                    raise refused from error
                time.sleep(refused.retry_after_s * attempt)
        raise AssertionError("the loop returns or raises")

    def enrol(self, subject: str, photo: bytes):
        request = gallery_pb2.EnrollRequest(
            request_id=str(uuid.uuid4()),
            subject_id=subject,  # a pseudonym of your own, never the card number
            mode=gallery_pb2.ENROLL_MODE_REPLACE,
            attributes=gallery_pb2.Attributes(schemes=["social"]),
            photos=[gallery_pb2.EnrollPhoto(image=photo, source=gallery_pb2.SOURCE_OTHER)],
        )
        first = self.call(self.gallery.Enroll, request)
        again = self.call(self.gallery.Enroll, request)  # as after a lost answer
        return first.commit == again.commit and again.replayed

    def verify(self, reference: bytes, probe: bytes):
        request = verification_pb2.VerifyRequest(reference=reference, probes=[probe], fmr=FMR)
        answer = self.call(self.verification.Verify, request)
        # Act on the decision alone; the score is for the record.
        return answer.decision == verification_pb2.DECISION_MATCH, answer.score

    def claim(self, subject, card, number, captures, transaction, attempt=1):
        request = decision_pb2.VerifyBeneficiaryRequest(
            transaction_id=transaction,
            attempt=attempt,
            subject_id=subject,
            scheme=decision_pb2.SCHEME_SOCIAL,
            policy="demo",
            record=decision_pb2.BenefitRecord(
                number=number, name="Nguyễn Thử Nghiệm", birth_date="1988", sex=decision_pb2.SEX_MALE
            ),
            chip_files=[file.read_bytes() for file in sorted(card.iterdir()) if file.is_file()],
            frames=captures,
        )
        return self.call(self.beneficiary.VerifyBeneficiary, request)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, metavar="HOST:PORT")
    parser.add_argument("--photos", required=True, type=pathlib.Path)
    parser.add_argument("--cards", required=True, type=pathlib.Path, help="folders card, second_card, altered_card")
    parser.add_argument("--language", default="vi")
    options = parser.parse_args()
    photo = {path.stem: path.read_bytes() for path in options.photos.glob("*.jpg")}
    counter = Counter(options.server, options.language)
    right = True

    def shown(what: str, is_right: bool):
        nonlocal right
        right = right and is_right
        print(f"  {what}" + ("" if is_right else "   <- NOT AS IT SHOULD BE"))

    print("Enrol")
    for subject, name in (("python-1", "obama"), ("python-2", "biden")):
        shown(f"{subject} from {name}; a retry is recognised", counter.enrol(subject, photo[name]))

    print("Verify")
    for name, expected in (("obama2", True), ("biden", False)):
        match, score = counter.verify(photo["obama"], photo[name])
        shown(f"obama and {name}: {'MATCH' if match else 'NO MATCH'}, score {score:.3f}", match == expected)

    print("A file that is no photo")
    try:
        counter.verify(photo["obama"], b"no photo")
        shown("was taken", False)
    except Refused as refused:
        shown(f"{refused.code.name} {refused.reason} in {refused.metadata['field']}", refused.reason == "IMAGE_FORMAT")
        shown(f"{refused.language}: {refused.sentence}", refused.language == options.language[:2])
        shown(f"trace {refused.trace}", refused.bad_fields == ["probes[0]"] and len(refused.trace) == 32)

    print("Decide")
    captures = [photo["obama2"], photo["obama3"]]
    transaction = str(uuid.uuid4())
    answer = counter.claim("python-1", options.cards / "card", "999088000017", captures, transaction)
    shown(f"the person's own card: {decision_pb2.Outcome.Name(answer.outcome)}",
          answer.outcome == decision_pb2.OUTCOME_APPROVE)
    chip = answer.evidence.chip
    shown(f"the chip: {decision_pb2.ChipVerdict.Name(chip.chip_verdict)}",
          chip.chip_verdict == decision_pb2.CHIP_VERDICT_AUTHENTIC)
    try:
        counter.claim("python-1", options.cards / "card", "999088000017", captures, transaction, attempt=3)
        shown("an attempt after the end was taken", False)
    except Refused as refused:
        shown(f"an attempt after the end: {refused.reason}", refused.reason == "TRANSACTION_CLOSED")

    transaction = str(uuid.uuid4())
    answer = counter.claim("python-3", options.cards / "second_card", "999075000023", captures, transaction)
    codes = [reason.code for reason in answer.reasons]
    # An outcome that a program does not know must never pass for an approval.
    approved = answer.outcome == decision_pb2.OUTCOME_APPROVE
    shown(f"the same face under a second card: {', '.join(codes)}", not approved and "DUPLICATE_FACE" in codes)
    try:
        counter.claim("python-3", options.cards / "second_card", "999075000023", captures, transaction, attempt=5)
        shown("an attempt out of order was taken", False)
    except Refused as refused:
        expected = refused.metadata.get("attemptExpected")
        shown(f"attempt 5: {refused.reason}, {expected} is expected", expected == "2")
    resolved = counter.call(
        counter.beneficiary.ResolveReferral,
        decision_pb2.ResolveReferralRequest(
            transaction_id=transaction,
            attempt=1,
            officer_id="officer-1",
            outcome=decision_pb2.OUTCOME_DENY,
            reason="draws under another record",
        ),
    )
    shown(f"to the citizen: {resolved.citizen_vi}", resolved.outcome == decision_pb2.OUTCOME_DENY)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
